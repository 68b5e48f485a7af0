"""Proof, before training, that the model will be scored on the prompt that it is trained on: token id by token id.

Left side: Axolotl's own chat-template strategy over the run's own training rows. Right side: the requests that
lm-evaluation-harness's own task builds for the same documents, caught where they would reach the model.
For each task whose source is trained in the task's answer form, context + continuation of the right answer must equal
the training ids up to the end of turn (compared joined, because lm-eval moves white space across the border); where the
model writes its answer, the prompt must equal the training ids up to the first trained one. The labels must be exactly
the answer and the end-of-turn token in every trained turn, after at most one BOS.
The right side is rendered as if on another day: a template that writes the date into the prompt is caught at once.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from kodata.prepare.output import doc_of
from kotune.errors import StageError
from kotune.layout import CONFIG, TRAIN
from kotune.parity import lengths
from kotune.parity.asked import score_side
from kotune.parity.trained import Trained, end_ids, load_strategy, read_rows, train_side
from kotune.runs.task_data import TaskData
from kotune.score.harness import load_task
from kotune.shipped import RECIPES_PAGE
from kotune_tasks.card import cards

ITEMS = 128  # rows compared a task: every template, delimiter and label occurs in the first few


def prove(run: Path, tasks: dict[str, TaskData], trained: Collection[str]) -> tuple[Any, dict[str, Any]]:
    """Axolotl's tokenizer, and parity.json's content for a run folder, which must be the current directory (Axolotl's paths
    are relative).

    `tasks`: each with how its data are read; `trained`: those of them whose source is trained in the task's answer form.
    Raises StageError with both sides at the first difference.
    """
    tokenizer, strategy = load_strategy(run / CONFIG)
    rows = read_rows(run / TRAIN, ITEMS)
    ends = end_ids(run / CONFIG, tokenizer)
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
        own = [row for row in rows if is_scored_by(row, name) and (len(row["messages"]) == 2 or cards()[name].turns)]
        if not own:  # lm-eval asks in one user's turn, so a longer chat is scored as a text that is not trained
            proof["tasks"][name] = {"status": "trained on longer chats only"}
            continue
        task = load_task(name, tasks[name]).with_documents([doc_of(row) for row in own])
        sides = train_side(strategy, own), score_side(tokenizer, task)
        proof["tasks"][name] = compare(name, *sides, tokenizer, generates=task.generates)
    return tokenizer, proof


def is_scored_by(row: dict[str, Any], task: str) -> bool:
    """Whether a training row comes from the task's source in the form that the task asks for."""
    card = cards()[task]
    return (card.source, card.form) == (row["source"], row["form"])


def check_labels(rows: list[Trained], tokenizer: Any, ends: set[int]) -> dict[str, Any]:
    """Labels are exactly the answers and their end-of-turn tokens; at most one BOS opens a row."""
    bos = tokenizer.bos_token_id
    for row in rows:
        answers = [m["content"] for m in row.messages if m["role"] == "assistant" and m.get("train", True)]
        turns = row.turns()
        if len(turns) != len(answers):
            raise StageError(
                f"parity: {row.guid}: {len(answers)} answers but {len(turns)} trained turns; check the template"
            )
        for answer, turn in zip(answers, turns, strict=True):
            if not _says(turn, answer, row, tokenizer) or turn[-1] not in ends:
                shown = tokenizer.decode(turn)
                raise StageError(
                    f"parity: {row.guid}: trained on `{shown}`, expected `{answer}` and one end-of-turn token; "
                    "the template must render every answer whole and close it with the model's end-of-turn token"
                )
        if bos is not None and row.ids[:2] == [bos, bos]:
            raise StageError(
                f"parity: {row.guid}: two BOS tokens open the row; the template and the tokenizer both add one"
            )
    return {"rows": len(rows), "status": "answer and end of turn only"}


def _says(turn: list[int], answer: str, row: Trained, tokenizer: Any) -> bool:
    """Whether a trained turn is the answer, its indent included where the template left it; beside it a template may have white
    space of its own. Decoded after another token: some tokenizers decode the first one without its space."""
    end = tokenizer.decode(turn[-1:])
    said = tokenizer.decode([turn[-1], *turn[:-1]]).removeprefix(end)
    has_indent = answer[:1].isspace() and answer + end in tokenizer.decode(row.ids)
    return bool(said.strip() == answer.strip() and (answer in said or not has_indent))


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


def _difference(task: str, guid: str, sides: tuple[list[int], list[int]], tokenizer: Any) -> str:
    trained, scored = sides
    at = next((i for i, (a, b) in enumerate(zip(trained, scored, strict=False)) if a != b), min(map(len, sides)))
    shown = [repr(tokenizer.decode(ids[max(0, at - 12) : at + 12])) for ids in sides]
    return (
        f"parity: {task}: {guid}: the model would be scored on another prompt than it is trained on, from token {at}\n"
        f"  trained: ...{shown[0]}... ids {trained[at : at + 8]}\n"
        f"  scored:  ...{shown[1]}... ids {scored[at : at + 8]}\n"
        f"  use a template that renders prompt and answer alike (see `template` in {RECIPES_PAGE})"
    )
