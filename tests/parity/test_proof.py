"""Parity from the engines' own ids: it holds with our templates, and it fails with each known way
to break it."""

import json
import shutil
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pytest

from kodata import korquad, nli_sample
from kodata.card import Message, TrainingRow
from kodata.prepare.convert import convert
from kodata.prepare.entries import Entry
from kotune.errors import RecipeError, StageError
from kotune.models import presets
from kotune.models.template_kwargs import with_kwargs
from kotune.parity import labels, shapes
from kotune.parity import proof as parity
from kotune.parity.trained import Trained, load_strategy, read_rows, tokenize_rows
from kotune.recipe import reading
from kotune.runs.folder import write_text
from kotune.runs.proof import LabelProof, Parity, TaskProof
from kotune.runs.task_data import TaskData
from kotune.template.findings import examine
from kotune.template.rendering import SpecialTokens, Template
from kotune.train import config as axolotl_config
from tests.conftest import ROOT, only_records

pytest.importorskip("axolotl")
TASK = "nli_sample_ko"
DEEPSEEK_END = "<｜end▁of▁sentence｜>"
HEADER = "<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n"
# What matters of Llama 3.2's shipped template: a system turn that holds today's date.
LLAMA_DATED = (
    "{{ bos_token }}<|start_header_id|>system<|end_header_id|>\n\n"
    "Today Date: {{ strftime_now('%d %b %Y') }}\n\n"
    "<|eot_id|>{% for message in messages %}"
    + HEADER
    + "{{ message['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
# What matters of DeepSeek-R1-Distill's: reasoning is cut from past answers, and generation starts
# inside a thought.
DEEPSEEK_SHIPPED = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user'"
    " %}<｜User｜>{{ message['content'] }}{% else %}<｜Assistant｜>{{"
    " message['content'].split('</think>')[-1] }}<｜end▁of▁sentence｜>{% endif %}{%"
    " endfor %}{% if add_generation_prompt %}<｜Assistant｜><think>\n"
    "{% endif %}"
)
PROMPT = (
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
LLAMA_OURS = presets.TEMPLATES["llama3"].read_text(encoding="utf-8")


def run_folder(
    root: Path, name: str, template: str | None = None, forms: tuple[str, ...] = ("label",)
) -> Path:
    """A run folder as the render stage finds it, with another template where one is given."""
    loaded = reading.load(ROOT / "recipes" / f"quickstart_{name}.yml")
    own = presets.find(loaded.model, None).template
    assert own is not None
    write_text(root / "chat_template.jinja", template or own.read_text(encoding="utf-8"))
    write_text(root / "axolotl.yml", axolotl_config.render(loaded, "cpu"))
    rows = [
        {
            "guid": doc["guid"],
            "source": "nli_sample",
            "form": form,
            "doc": json.dumps(doc),
            "messages": nli_sample.messages(doc, form),
        }
        for form in forms
        for doc in islice(only_records(nli_sample.read("train")), 12)
    ]
    for part in ("train", "validation"):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        write_text(root / "data" / f"{part}.jsonl", text)
    return root


def prove(root: Path, monkeypatch: pytest.MonkeyPatch, tasks: tuple[str, ...] = (TASK,)) -> Parity:
    monkeypatch.chdir(root)
    return parity.prove(root, dict.fromkeys(tasks, TaskData()), [TASK])[1]


@pytest.mark.parametrize("name", ["llama", "deepseek"])
def test_examples_that_do_not_fit_are_counted_in_the_models_tokens_and_stop_the_run_before_training(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = run_folder(tmp_path, name)
    counted = prove(root, monkeypatch).lengths.as_json()
    _, strategy = load_strategy(root / "axolotl.yml")
    sides = tokenize_rows(strategy, read_rows(root / "data" / "train.jsonl", shapes.ITEMS))
    longest = max(len(side.ids) for side in sides)
    assert counted | {"longest_guid": ""} == {
        "rows": 24,
        "longest": longest,
        "longest_guid": "",
        "sequence_len": 1024,
        "too_long": 0,
        "trimmed": 0,
    }
    config = root / "axolotl.yml"
    write_text(
        config,
        config.read_text("utf-8").replace("sequence_len: 1024", f"sequence_len: {longest - 1}"),
    )
    with pytest.raises(
        StageError, match=f"of 24 examples are longer.*{longest} tokens.*sequence_len={longest}"
    ):
        prove(root, monkeypatch)
    write_text(config, config.read_text("utf-8").replace("strategy: raise", "strategy: drop"))
    assert prove(root, monkeypatch).lengths.too_long >= 2


@pytest.mark.parametrize("name", ["llama", "deepseek"])
def test_our_templates_train_and_score_on_the_same_ids(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = prove(run_folder(tmp_path, name), monkeypatch, (TASK, "klue_nli_ko"))
    side = proof.tasks[TASK]
    # Of both parts, which are the same here.
    assert (side.status, side.items) == ("equal", 24)
    assert proof.labels == LabelProof(rows=24, checked=24, status="answer and end of turn only")
    assert proof.shapes and proof.shapes.rows_kept == 24
    assert proof.tasks["klue_nli_ko"] == TaskProof(status="not trained")
    assert side.example
    trained, scored = side.example.trained_ids, side.example.scored_ids
    assert trained[: len(scored)] == scored
    tokenizer, _ = load_strategy(tmp_path / "axolotl.yml")
    assert len(trained) == len(scored) + 1
    assert trained[-1] == tokenizer.eos_token_id
    assert trained.count(tokenizer.bos_token_id) == 1


def test_the_plain_template_of_base_models_trains_and_scores_on_the_same_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = presets.TEMPLATES["plain"].read_text(encoding="utf-8")
    proof = prove(run_folder(tmp_path, "llama", template), monkeypatch)
    assert proof.tasks[TASK].status == "equal"


def test_rows_of_every_data_entry_are_compared_whatever_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shapes, "ITEMS", 5)
    monkeypatch.setattr(shapes, "PER_SHAPE", 0)
    proof = prove(run_folder(tmp_path, "deepseek", forms=("write", "label")), monkeypatch)
    assert (proof.labels.rows, proof.tasks[TASK].items) == (48, 5)


@pytest.mark.parametrize("name", ["llama", "deepseek"])
def test_the_prompt_of_a_written_answer_is_the_trained_one(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = run_folder(tmp_path / "run", name)
    docs = [
        {
            "guid": str(n),
            "title": "글",
            "context": f"{n}년에 비가 왔다.",
            "question": "언제?",
            "answer": f"{n}년",
        }
        for n in range(5)
    ]
    rows = [
        {"guid": doc["guid"], "source": "korquad", "form": "answer", "doc": json.dumps(doc)}
        for doc in docs
    ]
    told = [
        {**row, "messages": korquad.messages(doc, "answer")}
        for row, doc in zip(rows, docs, strict=True)
    ]
    write_text(
        root / "data" / "train.jsonl",
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in told),
    )
    qas = [{"id": "0", "question": "언제?", "answers": [{"text": "0년"}]}]
    dev = {"data": [{"title": "글", "paragraphs": [{"context": "0년에 비가 왔다.", "qas": qas}]}]}
    write_text(tmp_path / "KorQuAD_v1.0_dev.json", json.dumps(dev))
    monkeypatch.chdir(root)
    side = parity.prove(root, {"korquad_ko": TaskData(tmp_path)}, ["korquad_ko"])[1].tasks[
        "korquad_ko"
    ]
    assert (side.status, side.items) == ("equal", 5)
    assert (example := side.example)
    assert example.trained_ids[: len(example.scored_ids)] == example.scored_ids
    assert len(example.trained_ids) > len(example.scored_ids) + 1


@pytest.mark.parametrize("name", ["llama", "deepseek"])
def test_the_prompts_of_written_words_and_written_hypotheses_are_the_trained_ones(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = run_folder(tmp_path, name, forms=("label", "write"))
    monkeypatch.chdir(root)
    tasks = ("nli_sample_ko_gen", "nli_sample_write_ko")
    proof = parity.prove(root, dict.fromkeys(tasks, TaskData()), tasks)[1].tasks
    assert [(proof[task].status, proof[task].items) for task in tasks] == [("equal", 24)] * 2


ODD = "바늘"  # a word of one late row, which templates below wait for
LATE: dict[str, tuple[str, str]] = {
    "words before an answer with a thought": (
        (
            "{% if m['role'] == 'assistant' and '</think>' in m['content'] %}답: {% endif %}{{"
            " m['content'] }}<|eot_id|>"
        ),
        (
            r"PART\.jsonl:218 \(guid 217\): the template changes an answer: .*, the trained text is"
            r" '답: <think>"
        ),
    ),
    "words before a question of several lines, where it is trained": (
        (
            "{% if loop.first and '\n"
            "' in m.content and not add_generation_prompt %}자세히: {% endif %}{{"
            " m.content }}<|eot_id|>"
        ),
        r"chat_ko: 217: the scored prompt differs from the trained one",
    ),
}


def late_row(root: Path, template: str, part: str = "train") -> None:
    """A run folder of 400 chats of one shape, but for the 218th."""
    run_folder(root, "llama", template)
    odd = f"<think>\n하나\n</think>\n\n{ODD}"
    said = [(f"질문 {at}?", f"대답 {at}") for at in range(400)]
    said[217] = f"질문\n{ODD}?", odd
    chats = [[{"role": "user", "content": a}, {"role": "assistant", "content": b}] for a, b in said]
    docs = [json.dumps({"guid": str(at), "messages": chat}) for at, chat in enumerate(chats)]
    rows = [
        {"guid": str(at), "source": "chat", "form": "chat", "doc": docs[at], "messages": chat}
        for at, chat in enumerate(chats)
    ]
    for name in ("train", "validation"):
        own = rows if name == part else rows[:3]
        write_text(
            root / "data" / f"{name}.jsonl",
            "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in own),
        )
    write_text(root / "chats" / "test.jsonl", json.dumps({"messages": chats[0]}) + "\n")


def prove_chats(root: Path, monkeypatch: pytest.MonkeyPatch) -> Parity:
    monkeypatch.chdir(root)
    return parity.prove(root, {"chat_ko": TaskData(root / "chats")}, ["chat_ko"])[1]


@pytest.mark.parametrize("part", ["train", "validation"])
@pytest.mark.parametrize("name", LATE)
def test_what_a_template_does_to_one_late_row_alone_stops_the_run(
    name: str, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn, told = LATE[name]
    header = HEADER.replace("message", "m")
    late_row(
        tmp_path,
        "{{ bos_token }}{% for m in messages %}" + header + turn + "{% endfor %}" + PROMPT,
        part,
    )
    with pytest.raises(StageError, match=told.replace("PART", part)):
        prove_chats(tmp_path, monkeypatch)


def test_labels_of_all_rows_are_looked_at_and_beyond_the_bound_those_of_every_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late_row(tmp_path, LLAMA_OURS)
    proof = prove_chats(tmp_path, monkeypatch)
    assert (proof.labels.rows, proof.labels.checked) == (403, 403)
    assert proof.shapes and proof.tasks["chat_ko"].items == proof.shapes.rows_kept < 150
    monkeypatch.setattr(labels, "WORK", 0)
    seen: list[str] = []
    monkeypatch.setattr(labels, "check", lambda row, *_: seen.append(row.guid))
    proof = prove_chats(tmp_path, monkeypatch)
    assert proof.shapes
    assert (proof.labels.rows, proof.labels.checked) == (403, proof.shapes.rows_kept)
    assert "217" in seen and "216" not in seen


def test_what_is_wrong_with_the_labels_of_an_answer_is_told_apart(tmp_path: Path) -> None:
    run_folder(tmp_path, "llama")
    tokenizer, _ = load_strategy(tmp_path / "axolotl.yml")
    end = tokenizer.eos_token_id

    def told(*made: int) -> str:
        said: list[Message] = [
            {"role": "user", "content": "비 와?"},
            {"role": "assistant", "content": "네, 비가 와요"},
        ]
        ids = [7, *made]
        with pytest.raises(StageError) as caught:
            labels.check(Trained("g", said, ids, [-100, *made]), tokenizer, {end}, "train.jsonl:3")
        return str(caught.value)

    answer = tokenizer.encode("네, 비가 와요", add_special_tokens=False)
    changed = told(*tokenizer.encode("네, 비가", add_special_tokens=False), end)
    assert (
        "train.jsonl:3 (guid g): the template changes an answer: the row has '네, 비가 와요',"
        " the trained text is '네, 비가'" in changed
    )
    assert "end-of-turn" not in changed
    for made, how in (((*answer,), "none is trained"), ((*answer, end, end), "2 are trained")):
        text = told(*made)
        assert (
            f"end-of-turn token (<|eot_id|>), but {how}" in text
            and "changes" not in text
            and "비가 와요" in text
        )


def test_a_configuration_that_axolotl_refuses_is_told_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = run_folder(tmp_path, "llama")
    config = (root / "axolotl.yml").read_text(encoding="utf-8") + "warmup_steps: 10\n"
    write_text(root / "axolotl.yml", config)
    with pytest.raises(RecipeError, match=r"Axolotl refuses(.|\n)*warmup"):
        prove(root, monkeypatch)


class Broken(NamedTuple):
    """A template that breaks parity for a quickstart model: the end of the message, and the name of
    the template doctor's finding."""

    model: str
    template: str
    told: str
    finding: str


BROKEN = {
    "date in the prompt": Broken("llama", LLAMA_DATED, "the scored prompt differs", "date"),
    "prefilled thought": Broken(
        "deepseek", DEEPSEEK_SHIPPED, "the scored prompt differs", "thought-opened"
    ),
    "thought of training alone": Broken(
        "llama",
        LLAMA_OURS.replace(
            "{{ '\\n\\n' + message['content']",
            "{{ '\\n\\n' + ('<think></think>' if message['role'] == 'assistant' else '')"
            " + message['content']",
        ),
        "the scored prompt differs|more trained|changes an answer",
        "not-prefix",
    ),
    "doubled BOS": Broken("llama", "{{ bos_token }}" + LLAMA_OURS, "two BOS tokens", "double-bos"),
    "BOS only when scored": Broken(
        "llama", LLAMA_OURS.replace("{{- bos_token -}}", ""), "the scored prompt differs", "no-bos"
    ),
    "no end of turn": Broken(
        "llama", LLAMA_OURS.replace(" + '<|eot_id|>'", ""), "end-of-turn", "no-end"
    ),
    "another end of turn": Broken(
        "llama",
        LLAMA_OURS.replace("'<|eot_id|>'", "'<|end_header_id|>'"),
        "end-of-turn",
        "wrong-end",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_template_that_breaks_parity_stops_the_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, template, told, _ = BROKEN[name]
    with pytest.raises(StageError, match=told):
        prove(run_folder(tmp_path, model, template), monkeypatch)


READS_KWARG = LLAMA_OURS.replace("{{- bos_token -}}", "{{- bos_token }}{{ style | default('') }}")


def kwargs_folder(root: Path, template: str) -> Path:
    """A run folder whose recipe has `template_kwargs`, and whose template is `template`."""
    run_folder(root, "llama", template)
    overrides = ("template_kwargs.style=존댓말",)
    loaded = reading.load(ROOT / "recipes" / "quickstart_llama.yml", overrides)
    write_text(root / "axolotl.yml", axolotl_config.render(loaded, "cpu"))
    return root


def test_template_kwargs_reach_training_and_scoring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = kwargs_folder(tmp_path, with_kwargs(READS_KWARG, {"style": "존댓말"}))
    proof = prove(root, monkeypatch).tasks[TASK]
    assert proof.status == "equal" and proof.example
    tokenizer, _ = load_strategy(root / "axolotl.yml")
    for ids in (proof.example.trained_ids, proof.example.scored_ids):
        assert "존댓말" in tokenizer.decode(ids)


def test_template_kwargs_that_reach_training_alone_stop_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = kwargs_folder(tmp_path, READS_KWARG)
    with pytest.raises(StageError, match="the scored prompt differs from the trained one"):
        prove(root, monkeypatch)


def test_the_kwarg_that_the_doctor_names_makes_prompts_equal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for Qwen3: the training text has an empty thought, the prompt only if thinking is off."""
    ours = presets.TEMPLATES["deepseek_r1"].read_text(encoding="utf-8")
    head, prompt, rest = ours.rpartition("{{ '<think>\\n\\n</think>\\n\\n' }}")
    reads = f"{head}{{% if not enable_thinking | default(true) %}}{prompt}{{% endif %}}{rest}"
    root = run_folder(tmp_path, "deepseek", reads)
    with pytest.raises(StageError, match="the scored prompt differs"):
        prove(root, monkeypatch)
    tokens = SpecialTokens({"eos_token": DEEPSEEK_END}, (DEEPSEEK_END,))
    finding = examine(Template(reads, tokens, {}))[0]
    assert (finding.name, finding.kwargs) == ("not-prefix", "enable_thinking: false")
    write_text(root / "chat_template.jinja", with_kwargs(reads, {"enable_thinking": False}))
    assert prove(root, monkeypatch).tasks[TASK].status == "equal"


def test_an_unlabelled_end_of_turn_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = run_folder(tmp_path, "llama")
    config = (
        (root / "axolotl.yml")
        .read_text(encoding="utf-8")
        .replace("train_on_eos: turn", "train_on_eos: none")
    )
    write_text(root / "axolotl.yml", config)
    with pytest.raises(StageError, match="end-of-turn"):
        prove(root, monkeypatch)


def test_a_mismatch_shows_both_sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StageError) as caught:
        prove(run_folder(tmp_path, "deepseek", DEEPSEEK_SHIPPED), monkeypatch)
    assert "trained: " in str(caught.value)
    assert "<think>" in str(caught.value).split("scored: ")[1]


def test_a_tokenizer_that_drops_korean_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = run_folder(tmp_path, "llama")
    folder = tmp_path / "model"
    shutil.copytree(presets.PRESETS["quickstart-llama"].base, folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["normalizer"] = {"type": "Replace", "pattern": {"Regex": "[가-힣]"}, "content": ""}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    config = (root / "axolotl.yml").read_text(encoding="utf-8")
    write_text(
        root / "axolotl.yml", config.replace(presets.PRESETS["quickstart-llama"].base, str(folder))
    )
    with pytest.raises(StageError, match="Korean text is lost"):
        prove(root, monkeypatch)


@pytest.mark.parametrize("name", ["llama", "deepseek"])
def test_an_answer_that_is_marked_is_not_trained_and_the_others_are(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = run_folder(tmp_path, name)
    said = [("user", "비 와?"), ("assistant", "몰라"), ("user", "정말?"), ("assistant", "네, 와요")]
    turns: list[Message] = [{"role": role, "content": text} for role, text in said]
    turns[1]["train"], turns[3]["train"] = False, True
    row: TrainingRow = {
        "guid": "a",
        "source": "chat",
        "form": "chat",
        "messages": turns,
        "doc": "{}",
    }
    monkeypatch.chdir(root)
    tokenizer, strategy = load_strategy(root / "axolotl.yml")
    (side,) = tokenize_rows(strategy, [row])
    assert [tokenizer.decode(turn[:-1]).strip() for turn in side.turns()] == ["네, 와요"]
    labels.check(side, tokenizer, {side.turns()[0][-1]})
    turns[1]["train"] = True
    assert len(tokenize_rows(strategy, [row])[0].turns()) == 2


INDENTS = (
    "    return x\n\n    # 끝",
    "  1. 첫째\n  2. 둘째",
    "\t가",
    " - 나",
    "\u3000다",
    "  (라)",
    " 1",
)


def indented_chats(root: Path, name: str, template: str) -> Path:
    """A run folder that is trained on the chats of a user's file: questions and answers that begin
    with white space."""
    data = root.parent / "chats"
    data.mkdir()
    rows = [{"prompt": f"{said} {number}?", "answer": said} for number, said in enumerate(INDENTS)]
    rows += [
        {"system": f"  {said}.", "prompt": f"\n{number}?", "answer": f"\n\n{said}"}
        for number, said in enumerate(INDENTS)
    ]
    (data / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    (data / "test.jsonl").write_text(json.dumps(rows[0]) + "\n", "utf-8")
    run_folder(root, name, template)
    convert([Entry("chat", "chat", data)], root / "data", seed=1)
    return data


@pytest.mark.parametrize(
    ("name", "template"),
    [
        ("llama", "llama3"),
        ("llama", "plain"),
        ("deepseek", "deepseek_r1"),
        ("deepseek", "deepseek_r1_think"),
    ],
)
def test_an_indent_is_trained_and_asked_and_the_prompt_is_the_trained_one(
    name: str, template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "run"
    data = indented_chats(root, name, presets.TEMPLATES[template].read_text("utf-8"))
    monkeypatch.chdir(root)
    tokenizer, proof = parity.prove(root, {"chat_ko": TaskData(data)}, ["chat_ko"])
    rows = read_rows(root / "data" / "train.jsonl", shapes.ITEMS)
    task = proof.tasks["chat_ko"]
    assert task.status == "equal" and task.items and task.items > len(INDENTS) // 2
    assert proof.lengths.trimmed == 0 and proof.labels.rows >= len(rows)
    _, strategy = load_strategy(root / "axolotl.yml")
    for side in tokenize_rows(strategy, rows):
        assert tokenizer.decode(side.turns()[0][:-1]) == side.messages[-1]["content"]


def test_rows_that_a_template_trims_are_counted_and_so_are_those_of_which_it_trims_the_answer_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "run"
    trims = LLAMA_OURS.replace("message['content']", "message['content'] | trim")
    data = indented_chats(root, "llama", trims)
    monkeypatch.chdir(root)
    proof = parity.prove(root, {"chat_ko": TaskData(data)}, ["chat_ko"])[1]
    assert (proof.tasks["chat_ko"].status, proof.lengths.trimmed) == ("equal", proof.lengths.rows)
    last = (
        "(message['content'] | trim if loop.last and not add_generation_prompt else"
        " message['content'])"
    )
    write_text(root / "chat_template.jinja", LLAMA_OURS.replace("message['content']", last))
    assert parity.prove(root, {"chat_ko": TaskData(data)}, ["chat_ko"])[1].lengths.trimmed > 0


def test_an_indent_that_is_not_trained_with_its_answer_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "run"
    indented_chats(root, "llama", LLAMA_OURS)
    monkeypatch.chdir(root)
    tokenizer, strategy = load_strategy(root / "axolotl.yml")
    (side,) = tokenize_rows(strategy, read_rows(root / "data" / "train.jsonl", 1))
    first = next(at for at, label in enumerate(side.labels) if label != -100)
    side.labels[first] = -100
    with pytest.raises(StageError, match="the template changes an answer"):
        labels.check(side, tokenizer, {side.turns()[0][-1]})
