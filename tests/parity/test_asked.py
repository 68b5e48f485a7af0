"""What a task asks is looked at for names of special tokens, as training rows are."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kotune.errors import StageError
from kotune.models import presets
from kotune.parity.asked import check_texts
from kotune.runs.task_data import TaskData
from kotune.score.harness import load_task

transformers = pytest.importorskip("transformers")
pytest.importorskip("lm_eval")
MARK = "[환자]"  # as a model for hospitals may have it


@pytest.fixture
def tokenizer() -> Any:
    loaded = transformers.AutoTokenizer.from_pretrained(presets.PRESETS["quickstart-llama"].base)
    loaded.add_special_tokens({"additional_special_tokens": [MARK]})
    return loaded


def task(folder: Path, *chats: list[dict[str, str]]) -> Any:
    rows = [{"guid": f"chat {number}", "messages": chat} for number, chat in enumerate(chats, 1)]
    for part in ("train", "test"):
        (folder / f"{part}.jsonl").write_text(
            "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8"
        )
    return load_task("chat_ko", TaskData(folder))


def chat(question: str, system: str = "") -> list[dict[str, str]]:
    opened = [{"role": "system", "content": system}] if system else []
    return [*opened, {"role": "user", "content": question}, {"role": "assistant", "content": "네."}]


def test_ordinary_questions_pass(tokenizer: Any, tmp_path: Path) -> None:
    check_texts([task(tmp_path, chat("열이 나요"), chat("[환 자] <b>", "짧게"))], tokenizer)
    check_texts([load_task("nli_sample_ko")], tokenizer)


@pytest.mark.parametrize("odd", [chat(f"열이 나요{MARK}네"), chat("열이 나요", f"{MARK} 짧게")])
def test_a_name_that_only_this_model_knows_is_told_with_its_chat(
    odd: list[dict[str, str]], tokenizer: Any, tmp_path: Path
) -> None:
    with pytest.raises(
        StageError, match=r"chat_ko: guid chat 2: what is asked has '\[환자\]' in it"
    ):
        check_texts([task(tmp_path, chat("안녕?"), odd)], tokenizer)


def test_choices_are_looked_at_too(tokenizer: Any) -> None:
    tokenizer.add_special_tokens({"additional_special_tokens": ["함의"]})
    with pytest.raises(StageError, match=r"nli_sample_ko: guid .*'함의' in it"):
        check_texts([load_task("nli_sample_ko")], tokenizer)


class Odd:
    """A tokenizer that makes one id of every text."""

    all_special_ids, all_special_tokens = (0, 7), ("<시작>", "<모름>")
    added_tokens_decoder: Mapping[int, str] = {}
    bos_token_id, eos_token_id, pad_token_id, unk_token_id = 0, 0, 0, 7

    def __init__(self, number: int) -> None:
        self.number = number

    def __call__(self, texts: list[str], add_special_tokens: bool) -> dict[str, list[list[int]]]:
        return {"input_ids": [[self.number] for _ in texts]}


def test_the_first_id_is_one_too_and_the_unknown_token_no_sign(tmp_path: Path) -> None:
    """A rare letter becomes the unknown token, which opens no turn."""
    asked = task(tmp_path, chat("안녕?"))
    check_texts([asked], Odd(7))
    with pytest.raises(StageError, match="'<시작>' in it"):
        check_texts([asked], Odd(0))
