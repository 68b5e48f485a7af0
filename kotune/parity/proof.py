"""Proof, before training, that the model will be scored on the prompt that it is trained on: token
id by token id.

Left side: Axolotl's own chat-template strategy over the run's own training rows. Right side: the
requests that lm-evaluation-harness's own task builds for the same documents, caught where they
would reach the model. For each task whose source is trained in the task's answer form, context +
continuation of the right answer must equal the training ids up to the end of turn (compared joined,
because lm-eval moves white space across the border); where the model writes its answer, the prompt
must equal the training ids up to the first trained one. The right side is rendered as if on another
day: a template that writes the date into the prompt is caught at once.

Which rows: as text, all of both splits (rendered.py); their labels, all, as far as labels.py says;
their prompts, the first rows of each data entry and some of every further shape that a row of
either split has (shapes.py)."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from kodata.card import TrainingRow
from kodata.prepare.output import doc_of
from kotune.errors import StageError
from kotune.layout import CONFIG
from kotune.parity import labels, lengths
from kotune.parity.asked import score_side
from kotune.parity.shapes import Sample
from kotune.parity.trained import Trained, load_strategy, train_side
from kotune.runs.proof import EQUAL, NOT_PROVEN, NOT_TRAINED, ComparedIds, Parity, TaskProof
from kotune.runs.task_data import TaskData
from kotune.score.harness import load_task
from kotune.shipped import RECIPES_PAGE
from kotune_tasks.card import cards


def prove(run: Path, tasks: dict[str, TaskData], trained: Collection[str]) -> tuple[Any, Parity]:
    """Axolotl's tokenizer, and parity.json's content for a run folder, which must be the current
    directory (Axolotl's paths are relative).

    `tasks`: each with how its data are read; `trained`: those of them whose source is trained in
    the task's answer form. Raises StageError with both sides at the first difference."""
    tokenizer, strategy = load_strategy(run / CONFIG)
    # First: what is wrong with a row's text is told in seconds, and the most plainly.
    counted = lengths.count(run, tokenizer)
    labelled, sample = labels.look(run, strategy, tokenizer)
    content, proofs = lengths.of_contents(run, tokenizer), dict[str, TaskProof]()
    for name in tasks:
        own = [row for row in sample.rows if is_asked_by(row, name)] if name in trained else []
        if not own:
            proofs[name] = unproven(name, sample)
            continue
        task = load_task(name, tasks[name]).with_documents([doc_of(row) for row in own])
        sides = train_side(strategy, own), score_side(tokenizer, task)
        proofs[name] = compare(name, *sides, tokenizer, generates=task.generates)
    return tokenizer, Parity(
        labels=labelled, shapes=sample.counts(), lengths=counted, content=content, tasks=proofs
    )


def is_asked_by(row: TrainingRow, task: str) -> bool:
    """Whether a training row is one that the task can ask as it is trained: of its source, in its
    form, and of one question where lm-eval tells all of a chat in one user's turn."""
    card = cards()[task]
    is_own = (card.source, card.form) == (row["source"], row["form"])
    return is_own and (len(row["messages"]) == 2 or card.turns)


def unproven(task: str, sample: Sample) -> TaskProof:
    """The proof of a task that asks none of the rows as they are trained. `not proven`:
    its source is trained, and so that neither it nor any other task asks as it is trained. `not
    trained`: what is trained is for other tasks to prove, and this one measures what carries
    over."""
    card, forms = cards()[task], sample.forms(cards()[task].source)
    asked = {(other.source, other.form) for other in cards().values()}
    unasked = [form for form in forms if form == card.form or (card.source, form) not in asked]
    if unasked:
        return TaskProof(status=NOT_PROVEN, trained=unasked)
    return TaskProof(status=NOT_TRAINED)


def compare(
    task: str,
    trained: list[Trained],
    scored: list[list[int]],
    tokenizer: Any,
    generates: bool = False,
) -> TaskProof:
    """Every scored prompt equals the trained one, or StageError with both sides around the first
    difference."""
    if not trained or len(trained) != len(scored):
        raise StageError(
            f"parity: {task}: {len(trained)} training rows against {len(scored)} scored documents"
        )
    for row, ids in zip(trained, scored, strict=True):
        expected = row.prompt() if generates else row.prompt_and_answer()
        if expected != ids:
            raise StageError(_difference(task, row.guid, (expected, ids), tokenizer))
    first = trained[0]
    example = ComparedIds(guid=first.guid, trained_ids=first.ids, scored_ids=scored[0])
    return TaskProof(status=EQUAL, items=len(trained), example=example)


def _difference(task: str, guid: str, sides: tuple[list[int], list[int]], tokenizer: Any) -> str:
    trained, scored = sides
    at = next(
        (i for i, (a, b) in enumerate(zip(trained, scored, strict=False)) if a != b),
        min(map(len, sides)),
    )
    shown = [repr(tokenizer.decode(ids[max(0, at - 12) : at + 12])) for ids in sides]
    return (
        f"parity: {task}: {guid}: the model would be scored on another prompt than it"
        f" is trained on, from token {at}\n"
        f"  trained: ...{shown[0]}... ids {trained[at : at + 8]}\n"
        f"  scored:  ...{shown[1]}... ids {scored[at : at + 8]}\n"
        f"  use a template that renders prompt and answer alike (see `template` in {RECIPES_PAGE})"
    )
