"""Proof, before training, that the model will be scored on the prompt that it is trained on: token id by token id.

Left side: Axolotl's own chat-template strategy over the run's own training rows. Right side: the requests that
lm-evaluation-harness's own task builds for the same documents, caught where they would reach the model.
For each task whose source is trained in the task's answer form, context + continuation of the right answer must equal
the training ids up to the end of turn (compared joined, because lm-eval moves white space across the border); where the
model writes its answer, the prompt must equal the training ids up to the first trained one. The labels must be exactly
the answer and the end-of-turn token in every trained turn, after at most one BOS.
The right side is rendered as if on another day: a template that writes the date into the prompt is caught at once.
"""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import yaml
from pydantic import ValidationError

from kotune import lengths
from kotune.errors import RecipeError, StageError
from kotune.harness import Loaded, load_task
from tasks.card import cards

ITEMS = 128  # rows compared a task: every template, delimiter and label occurs in the first few


@dataclass(frozen=True)
class Trained:
    """One row as Axolotl will train on it: `ids` and `labels` of equal length, labels -100 where nothing is learned."""

    guid: str
    messages: list[dict[str, str]]
    ids: list[int]
    labels: list[int]

    def turns(self) -> list[list[int]]:
        """The runs of trained token ids, in order."""
        runs: list[list[int]] = []
        previous = -100
        for label in self.labels:
            if label != -100:
                if previous == -100:
                    runs.append([])
                runs[-1].append(label)
            previous = label
        return runs

    def prompt(self) -> list[int]:
        """All ids before the first trained token."""
        return self.ids[: next(index for index, label in enumerate(self.labels) if label != -100)]

    def prompt_and_answer(self) -> list[int]:
        """All ids up to, not including, the last trained token, which is the end of turn."""
        last = max(index for index, label in enumerate(self.labels) if label != -100)
        return self.ids[:last]


def prove(run: Path, tasks: dict[str, Path | None], trained: Collection[str]) -> tuple[Any, dict[str, Any]]:
    """Axolotl's tokenizer, and parity.json's content for a run folder, which must be the current directory (Axolotl's paths
    are relative).

    `tasks`: each with the local path of its source (None: the hub); `trained`: those of them whose source is trained in the
    task's answer form. Raises StageError with both sides at the first difference.
    """
    tokenizer, strategy = load_strategy(run / "axolotl.yml")
    rows = read_rows(run / "data" / "train.jsonl", ITEMS)
    ends = end_ids(run / "axolotl.yml", tokenizer)
    proof: dict[str, Any] = {
        "labels": check_labels(train_side(strategy, rows), tokenizer, ends),
        "lengths": lengths.count(run, tokenizer),
        "content": lengths.of_contents(run, tokenizer),
        "tasks": {},
    }
    for name in tasks:
        if name not in trained:
            proof["tasks"][name] = {"status": "not trained"}
            continue
        own = [row for row in rows if is_scored_by(row, name) and len(row["messages"]) == 2]
        if not own:  # lm-eval asks in one user's turn, so a longer chat is scored as a text that is not trained
            proof["tasks"][name] = {"status": "trained on longer chats only"}
            continue
        task = load_task(name, tasks[name]).with_documents([row["doc"] for row in own])
        sides = train_side(strategy, own), score_side(tokenizer, task)
        proof["tasks"][name] = compare(name, *sides, tokenizer, generates=task.generates)
    return tokenizer, proof


def is_scored_by(row: dict[str, Any], task: str) -> bool:
    """Whether a training row comes from the task's source in the form that the task asks for."""
    card = cards()[task]
    return (card.source, card.form) == (row["source"], row["form"])


def load_strategy(config: Path) -> tuple[Any, Any]:
    """Axolotl's tokenizer and its chat-template strategy for the first data set of a rendered config."""
    from axolotl.cli.config import load_cfg
    from axolotl.loaders import load_tokenizer
    from axolotl.prompt_strategies.chat_template import StrategyLoader

    try:
        cfg = load_cfg(str(config))
    except ValidationError as error:
        told = "\n".join(f"  {'.'.join(map(str, e['loc'])) or 'axolotl'}: {e['msg']}" for e in error.errors())
        raise RecipeError(f"Axolotl refuses the configuration of this recipe:\n{told}") from None
    tokenizer = load_tokenizer(cfg)
    _check_korean(tokenizer)
    return tokenizer, StrategyLoader()(tokenizer, cfg, cfg.datasets[0])


def train_side(strategy: Any, rows: list[dict[str, Any]]) -> list[Trained]:
    """What Axolotl makes of each row."""
    sides = []
    for row in rows:
        made = strategy.tokenize_prompt({"messages": row["messages"]})
        sides.append(Trained(row["guid"], row["messages"], list(made["input_ids"]), list(made["labels"])))
    return sides


def score_side(tokenizer: Any, task: Loaded) -> list[list[int]]:
    """For each document the ids of context + right answer (choice tasks) or of the prompt (generation tasks)."""
    recorder = _recorder(tokenizer)
    with another_day():
        task.evaluate(recorder)
    sides = []
    for requests in recorder.by_document():
        instance, ids = requests[0]
        sides.append(requests[task.right_choice(instance.doc)][1] if len(requests) > 1 else ids)
    return sides


def end_ids(config: Path, tokenizer: Any) -> set[int]:
    """The ids that may close an answer: eos and the configured `eot_tokens`."""
    tokens = yaml.safe_load(config.read_text(encoding="utf-8")).get("eot_tokens") or []
    return {tokenizer.eos_token_id, *tokenizer.convert_tokens_to_ids(tokens)}


def check_labels(rows: list[Trained], tokenizer: Any, ends: set[int]) -> dict[str, Any]:
    """Labels are exactly the answers and their end-of-turn tokens; at most one BOS opens a row."""
    bos = tokenizer.bos_token_id
    for row in rows:
        answers = [m["content"] for m in row.messages if m["role"] == "assistant"]
        turns = row.turns()
        if len(turns) != len(answers):
            raise StageError(
                f"parity: {row.guid}: {len(answers)} answers but {len(turns)} trained turns; check the template"
            )
        for answer, turn in zip(answers, turns, strict=True):
            text = tokenizer.decode(turn[:-1])
            if text.strip() != answer or turn[-1] not in ends:
                shown = tokenizer.decode(turn)
                raise StageError(
                    f"parity: {row.guid}: trained on `{shown}`, expected `{answer}` and one end-of-turn token; "
                    "the template must close every answer with the model's end-of-turn token"
                )
        if bos is not None and row.ids[:2] == [bos, bos]:
            raise StageError(
                f"parity: {row.guid}: two BOS tokens open the row; the template and the tokenizer both add one"
            )
    return {"rows": len(rows), "status": "answer and end of turn only"}


def compare(
    task: str, trained: list[Trained], scored: list[list[int]], tokenizer: Any, generates: bool = False
) -> dict[str, Any]:
    """Every scored prompt equals the trained one, or StageError with both sides around the first difference."""
    if not trained or len(trained) != len(scored):
        raise StageError(f"parity: {task}: {len(trained)} training rows against {len(scored)} scored documents")
    for row, ids in zip(trained, scored, strict=True):
        expected = row.prompt() if generates else row.prompt_and_answer()
        if expected != ids:
            raise StageError(_difference(task, row.guid, (expected, ids), tokenizer))
    example = {"guid": trained[0].guid, "trained_ids": trained[0].ids, "scored_ids": scored[0]}
    return {"status": "equal", "items": len(trained), "example": example}


@contextmanager
def another_day() -> Iterator[None]:
    """Chat templates see a clock that is 400 days ahead, as when an adapter is scored long after training."""

    class Later:
        @staticmethod
        def now() -> datetime:
            return datetime.now() + timedelta(days=400)

    with mock.patch("transformers.utils.chat_template_utils.datetime", Later):
        yield


def _recorder(tokenizer: Any) -> Any:
    """lm-eval's own HF model class with no model in it: its request building runs, and the ids are kept."""
    from lm_eval.models.huggingface import HFLM

    class Recorder(HFLM):  # type: ignore[misc]
        def __init__(self) -> None:
            self.tokenizer, self.backend, self.add_bos_token = tokenizer, "causal", None
            self.custom_prefix_token_id = None
            self.chat_template_args: dict[str, Any] = {}
            self._rank, self._world_size = 0, 1
            self.seen: list[tuple[Any, list[int]]] = []

        def loglikelihood(self, requests: Any, disable_tqdm: bool = True) -> list[tuple[float, bool]]:
            self.pending = requests
            return list(super().loglikelihood(requests, disable_tqdm=True))

        def _loglikelihood_tokens(self, requests: Any, **_: Any) -> list[tuple[float, bool]]:
            for instance, (_text, context, continuation) in zip(self.pending, requests, strict=True):
                self.seen.append((instance, context + continuation))
            return [(0.0, False)] * len(requests)

        def generate_until(self, requests: Any, disable_tqdm: bool = True) -> list[str]:
            self.seen += [(instance, self.tok_encode(instance.args[0])) for instance in requests]
            return [""] * len(requests)

        def get_model_info(self) -> dict[str, Any]:
            return {}

        @property
        def tokenizer_name(self) -> str:
            return str(tokenizer.name_or_path)

        def by_document(self) -> list[list[tuple[Any, list[int]]]]:
            documents: dict[int, list[tuple[Any, list[int]]]] = {}
            for instance, ids in self.seen:
                documents.setdefault(instance.doc_id, []).append((instance, ids))
            return [documents[doc_id] for doc_id in sorted(documents)]

    return Recorder()


def read_rows(path: Path, items: int) -> list[dict[str, Any]]:
    """The first `items` different rows of every data entry: train.jsonl holds them one entry after another."""
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    with path.open(encoding="utf-8") as file:
        for row in map(json.loads, file):
            kept = rows.setdefault((row["source"], row["form"]), [])
            if len(kept) < items and not (kept and kept[-1]["guid"] == row["guid"]):  # a `weight` repeats rows
                kept.append(row)
    return [row for kept in rows.values() for row in kept]


def _check_korean(tokenizer: Any) -> None:
    """A wrong tokenizer class over a byte-level vocabulary drops Korean from the ids without a word."""
    text = "한국어 문장이 그대로 남는다."
    if tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)).strip() != text:
        raise StageError(
            f"tokenizer {tokenizer.name_or_path}: Korean does not survive encoding; is config.json beside it?"
        )


def _difference(task: str, guid: str, sides: tuple[list[int], list[int]], tokenizer: Any) -> str:
    trained, scored = sides
    at = next((i for i, (a, b) in enumerate(zip(trained, scored, strict=False)) if a != b), min(map(len, sides)))
    shown = [repr(tokenizer.decode(ids[max(0, at - 12) : at + 12])) for ids in sides]
    return (
        f"parity: {task}: {guid}: the model would be scored on another prompt than it is trained on, from token {at}\n"
        f"  trained: ...{shown[0]}... ids {trained[at : at + 8]}\n"
        f"  scored:  ...{shown[1]}... ids {scored[at : at + 8]}\n"
        "  use a template that renders prompt and answer alike (see `template` in recipes/README.md)"
    )
