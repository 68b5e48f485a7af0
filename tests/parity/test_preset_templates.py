"""kotune's templates of families that have no quickstart model: with a toy tokenizer that has the
family's special tokens, training and scoring use the same ids, also for chats of several turns."""

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kodata.prepare.convert import convert
from kodata.prepare.entries import Entry
from kotune.models.presets import PRESETS, TEMPLATES
from kotune.parity import proof as parity
from kotune.runs.folder import write_text
from kotune.runs.task_data import TaskData
from kotune.template.job import findings_of
from tests.parity.test_proof import run_folder

pytest.importorskip("axolotl")
BASE = PRESETS["quickstart-llama"].base
BOS = "<|begin_of_text|>"  # of the quickstart tokenizer


class Family(NamedTuple):
    """A preset, and its tokenizer's special tokens. `bos`: the token that it adds; may be empty."""

    preset: str
    eos: str
    bos: str
    others: tuple[str, ...]


FAMILIES = {
    "qwen3": Family("qwen3-1.7b", "<|im_end|>", "", ("<|im_start|>", "<|endoftext|>")),
    "chatml": Family("qwen3-1.7b", "<|im_end|>", "<|startoftext|>", ("<|im_start|>",)),
    "gemma3": Family("gemma-3-1b-it", "<eos>", "<bos>", ("<start_of_turn>", "<end_of_turn>")),
    "hyperclovax": Family(
        "hyperclovax-seed-text-instruct-0.5b", "<|endofturn|>", "", ("<|im_start|>", "<|im_end|>")
    ),
    "exaone4": Family("exaone-4.0-1.2b", "[|endofturn|]", "", ("[|user|]", "[|assistant|]")),
}


def toy_model(folder: Path, family: Family) -> Path:
    """A folder with the quickstart tokenizer, to which the family's special tokens are added."""
    from transformers import AutoTokenizer

    shutil.copytree(BASE, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    file = folder / "tokenizer.json"
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    content["post_processor"] = None
    file.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens(
        {"eos_token": family.eos, "additional_special_tokens": list(family.others)}
    )
    if family.bos:
        tokenizer.add_special_tokens({"bos_token": family.bos})
    tokenizer.save_pretrained(folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    if family.bos:
        content = json.loads(file.read_text(encoding="utf-8"))
        content["post_processor"] = _adds(family.bos, tokenizer.convert_tokens_to_ids(family.bos))
        file.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    else:
        settings["bos_token"] = None
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def _adds(token: str, number: int) -> dict[str, Any]:
    """A post-processor of tokenizer.json that adds a token to the beginning of a text."""
    pieces = [
        {"SpecialToken": {"id": token, "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
    ]
    return {
        "type": "TemplateProcessing",
        "single": pieces,
        "pair": [*pieces, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {token: {"id": token, "ids": [number], "tokens": [token]}},
    }


def chats(root: Path) -> Path:
    """Chats of a user's file with a system turn and two questions. All answers are trained."""
    root.mkdir()
    rows = [
        {
            "messages": [
                {"role": "system", "content": f"  {number}번 지시.\n끝"},
                {"role": "user", "content": f"첫 질문 {number}?"},
                {"role": "assistant", "content": f"  답 {number}"},
                {"role": "user", "content": "다음 질문?"},
                {"role": "assistant", "content": f"다음 답 {number}"},
            ]
        }
        for number in range(8)
    ]
    (root / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    (root / "test.jsonl").write_text(json.dumps(rows[0]) + "\n", "utf-8")
    return root


@pytest.mark.parametrize("template", FAMILIES)
def test_a_familys_template_trains_and_scores_on_the_same_ids(
    template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoTokenizer

    family, root = FAMILIES[template], tmp_path / "run"
    end = PRESETS[family.preset].end_of_turn or ""
    text = TEMPLATES[template].read_text(encoding="utf-8")
    folder, data = toy_model(tmp_path / "model", family), chats(tmp_path / "chats")
    found = findings_of(AutoTokenizer.from_pretrained(folder), text, (end,), {})
    assert [one.name for one in found if one.state == "fix"] == []
    run_folder(root, "llama", text)
    convert([Entry("chat", "chat", data)], root / "data", seed=1)
    config = (root / "axolotl.yml").read_text(encoding="utf-8")
    config = config.replace(BASE, str(folder)).replace("- <|eot_id|>", f"- '{end}'")
    write_text(root / "axolotl.yml", config)
    monkeypatch.chdir(root)
    tokenizer, proof = parity.prove(root, {"chat_ko": TaskData(data)}, ["chat_ko"])
    task = proof.tasks["chat_ko"]
    assert task.status == "equal" and proof.lengths.trimmed == 0
    assert proof.labels.status == "answer and end of turn only"
    assert task.example
    trained = task.example.trained_ids  # up to the line break after the end of turn
    assert tokenizer.convert_ids_to_tokens(trained[-2]) == end
    assert not family.bos or trained.count(tokenizer.bos_token_id) == 1
