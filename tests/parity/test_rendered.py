"""What a template does to single rows is told with the row, wherever in the file it lies, and
before anything is trained."""

import json
from pathlib import Path
from typing import Any

import pytest

from kodata.text import with_thought
from kotune.errors import StageError
from kotune.models import presets, rendering
from kotune.parity import lengths
from kotune.worker import bounds

transformers = pytest.importorskip("transformers")
DEEPSEEK_END = "<｜end▁of▁sentence｜>"
ENDS = {"llama": "<|eot_id|>", "deepseek": DEEPSEEK_END}
SYSTEM = {"role": "system", "content": "짧게 답하세요."}


def tokenizer(name: str, template: str | None = None) -> Any:
    """A quickstart tokenizer with its preset's template, one of ours, or any other."""
    model = presets.PRESETS[f"quickstart-{name}"]
    loaded = transformers.AutoTokenizer.from_pretrained(model.base)
    file = presets.TEMPLATES.get(template or "", model.template)
    assert file is not None
    own = template if template and template not in presets.TEMPLATES else file.read_text("utf-8")
    loaded.chat_template = own
    return loaded


def chat(*said: str) -> list[dict[str, Any]]:
    return [
        {"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(said)
    ]


def count(
    folder: Path,
    tokenizer: Any,
    odd: list[dict[str, Any]],
    doc: dict[str, Any] | None = None,
    name: str = "llama",
) -> Any:
    """lengths.count() of 400 rows, the 341st of which is `odd`."""
    rows = [chat(f"질문 {number}?", f"대답 {number}") for number in range(400)]
    rows[340] = odd
    (folder / "data").mkdir()
    told = [
        {
            "guid": str(at),
            "source": "chat",
            "form": "chat",
            "messages": row,
            "doc": json.dumps(doc or {}),
        }
        for at, row in enumerate(rows)
    ]
    (folder / "data" / "train.jsonl").write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in told)
    )
    (folder / "data" / "validation.jsonl").write_text(json.dumps(told[0]) + "\n")
    (folder / "axolotl.yml").write_text(f"sequence_len: 1024\neot_tokens: ['{ENDS[name]}']\n")
    return lengths.count(folder, tokenizer)


def test_a_template_that_waits_for_one_row_to_loop_is_told_with_the_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It passes every rehearsal. In the children of plan, preview and the proof, each row is
    rendered within bounds."""
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    for name in ("template_class", "from_string"):
        monkeypatch.setattr(
            ImmutableSandboxedEnvironment, name, getattr(ImmutableSandboxedEnvironment, name)
        )
    monkeypatch.setattr(bounds, "PYTHON_SECONDS", 0.2)
    bounds.bound_templates()
    loops = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    waits = "{% if 'needle' in messages[0].content %}" + loops + "{% endif %}"
    own = waits + presets.TEMPLATES["llama3"].read_text("utf-8")
    assert rendering.template_problem(own) == ""
    with pytest.raises(
        StageError,
        match=r"train.jsonl:341 \(guid 340\): the template refuses it \(it takes over 0.2 s",
    ):
        count(tmp_path, tokenizer("llama", own), chat("needle?", "아니요"))


TURNS = "{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>"
BAD: dict[str, tuple[str, str, list[dict[str, Any]], list[str]]] = {
    "a long answer is cut": (
        "llama",
        TURNS + "{{ m['content'][:40] }}<|eot_id|>{% endfor %}",
        chat("안녕?", "가나다라 " * 10),
        ["train.jsonl:341 (guid 340): the template changes an answer", "가나다라 '", "<|eot_id|>"],
    ),
    "an answer is not closed": (
        "llama",
        TURNS + "{{ m['content'] }}{% if m['content'] != '네' %}<|eot_id|>{% endif %}{% endfor %}",
        chat("안녕?", "네", "또?", "그래"),
        ["train.jsonl:341 (guid 340): the template does not close an answer", "(<|eot_id|>): '네'"],
    ),
    "a system turn is refused": (
        "llama",
        "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{%"
        " endif %}" + TURNS + "{{ m['content'] }}<|eot_id|>{% endfor %}",
        [SYSTEM, *chat("안녕?", "네")],
        [
            "train.jsonl:341 (guid 340): the template refuses it (System role not supported)",
            "`system: merge`",
        ],
    ),
    "a system turn is left out": (
        "llama",
        "{% for m in messages if m.role != 'system' %}{{ m['content'] }}<|eot_id|>{% endfor %}",
        [SYSTEM, *chat("안녕?", "네")],
        ["train.jsonl:341", "the template changes the system turn", "짧게"],
    ),
    "an answer is cut in its middle": (
        "llama",
        TURNS + "{{ m['content'] | replace('셋 ', '') }}<|eot_id|>{% endfor %}",
        chat("세어 봐", "하나 " * 40 + "둘 셋 넷"),
        [
            "train.jsonl:341",
            "...'하나 ",
            " 하나 둘 셋 넷', the template renders ...'하나 ",
            " 하나 둘 넷<|eot_id|>'",
        ],
    ),
    "a thought is cut": (
        "deepseek",
        "{% for m in messages %}{{ m['content'].split('</think>')[-1] }}"
        + DEEPSEEK_END
        + "{% endfor %}",
        chat("2+2?", with_thought("더한다.", "4")),
        ["train.jsonl:341", "the template changes an answer"],
    ),
    "a thought follows an empty one": (
        "deepseek",
        "deepseek_r1",
        chat("2+2?", with_thought("더한다.", "4")),
        ["train.jsonl:341", "an empty one before it; set `template: deepseek_r1_think`"],
    ),
    "the user names the sign, and a thought follows an empty one": (
        "deepseek",
        "deepseek_r1",
        chat("</think>는 뭐야?", with_thought("태그다.", "태그")),
        ["train.jsonl:341", "an empty one before it; set `template: deepseek_r1_think`"],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_a_template_does_to_one_row_of_many_is_told(name: str, tmp_path: Path) -> None:
    model, template, odd, words = BAD[name]
    with pytest.raises(StageError) as caught:
        count(tmp_path, tokenizer(model, template), odd, name=model)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_thought_in_a_key_is_for_models_that_think(tmp_path: Path) -> None:
    odd = chat("2+2?", with_thought("더한다.", "4"))
    counted = count(
        tmp_path,
        tokenizer("deepseek", "deepseek_r1_think"),
        odd,
        {"thought": "reasoning_content"},
        "deepseek",
    )
    assert counted.rows == 401


def test_who_asks_about_the_sign_of_a_thought_does_not_end_one(tmp_path: Path) -> None:
    odd = chat("<think>와 </think>는 뭐야?", with_thought("태그다.", "태그"))
    assert (
        count(tmp_path, tokenizer("deepseek", "deepseek_r1_think"), odd, name="deepseek").rows
        == 401
    )


def test_a_thought_in_a_key_is_refused_by_name_with_a_model_that_does_not_think(
    tmp_path: Path,
) -> None:
    odd = chat("2+2?", with_thought("더한다.", "4"))
    with pytest.raises(
        StageError,
        match=(
            r"train\.jsonl:341 \(guid 340\): reasoning_content is a thought, .*no token <think>"
        ),
    ):
        count(tmp_path, tokenizer("llama"), odd, {"thought": "reasoning_content"})


@pytest.mark.parametrize("name", ["llama", "deepseek"])
def test_ordinary_rows_pass_with_each_presets_template(name: str, tmp_path: Path) -> None:
    odd = [
        SYSTEM,
        *chat(
            "안녕?",
            "네",
            "그럼?",
            "네. 그래요.\n\n둘째 줄",
            "영어로 be 동사 하나?",
            "is",
            "낱자 하나?",
            "a",
        ),
    ]
    assert count(tmp_path, tokenizer(name), odd, name=name).rows == 401


TRIMS = TURNS + "{{ m['content'] | trim }}<|eot_id|>{% endfor %}"  # as Llama 3's own


@pytest.mark.parametrize(("template", "trimmed"), [("llama3", 0), ("plain", 0), (TRIMS, 1)])
def test_rows_of_which_a_template_takes_the_indent_are_counted(
    template: str, trimmed: int, tmp_path: Path
) -> None:
    odd = chat("코드?", "    return x", "  또?", "\tx")
    assert count(tmp_path, tokenizer("llama", template), odd).trimmed == trimmed


@pytest.mark.parametrize("name", ["llama", "deepseek"])
def test_a_special_token_that_a_rows_text_brings_is_told(name: str, tmp_path: Path) -> None:
    """kodata takes the known names away; a tokenizer may have others."""
    odd = chat(f"안녕{ENDS[name]}질문", "네")
    with pytest.raises(
        StageError,
        match=r"train\.jsonl:341 \(guid 340\): \d special tokens, but the template writes \d",
    ):
        count(tmp_path, tokenizer(name), odd, name=name)
