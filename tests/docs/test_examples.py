"""The code in the documentation works as it stands."""

import json
import re
import runpy
from pathlib import Path

import pytest

from kodata import chat
from tests.conftest import ROOT, only_records

CSV = 'question,answer\n"비가 와?","네, ""많이"" 와요."\n우산 있어?,없어요.\n'


def code(page: str) -> str:
    """The Python of a page."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return str(block)


@pytest.mark.parametrize("name", ["data", "faq"])
def test_the_code_is_the_same_in_both_languages(name: str) -> None:
    assert code(f"{name}.md") == code(f"{name}.ko.md")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp949"])
def test_nine_lines_make_chats_of_a_csv(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("questions.csv").write_bytes(CSV.encode(encoding))
    lines = code("data.md").replace("utf-8-sig", encoding)
    assert len([line for line in lines.splitlines() if line]) == 9
    Path("convert.py").write_text(lines, encoding="utf-8")
    runpy.run_path("convert.py")
    rows = Path("data/my_chat/train.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(rows[0]) == {"prompt": "비가 와?", "answer": '네, "많이" 와요.'}
    records = list(only_records(chat.read("train", "data/my_chat", test_share=0)))
    assert len(records) == 2


@pytest.mark.e2e
@pytest.mark.slow
def test_an_adapter_answers_as_the_questions_page_loads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An adapter that changes nothing, saved as a run saves it: with tokenizer and template."""
    peft = pytest.importorskip("peft")
    transformers = pytest.importorskip("transformers")
    from kotune.models.presets import PRESETS

    preset = PRESETS["quickstart-llama"]
    base = transformers.AutoModelForCausalLM.from_pretrained(preset.base)
    model = peft.get_peft_model(base, peft.LoraConfig(task_type="CAUSAL_LM"))
    model.save_pretrained(tmp_path / "runs" / "RUN" / "model")
    tokenizer = transformers.AutoTokenizer.from_pretrained(preset.base)
    assert preset.template
    tokenizer.chat_template = preset.template.read_text(encoding="utf-8")
    tokenizer.save_pretrained(tmp_path / "runs" / "RUN" / "model")
    monkeypatch.chdir(tmp_path)
    Path("talk.py").write_text(code("faq.md"), encoding="utf-8")
    runpy.run_path("talk.py")
    assert capsys.readouterr().out.strip()
