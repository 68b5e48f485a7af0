"""Proves before training, token id by token id, that the model will be scored on the prompt that it
is trained on.

The trained token ids come from Axolotl's chat-template strategy, applied to the run's training
rows. The scored token ids come from the requests that lm-evaluation-harness (lm-eval) builds for
the same documents. They are recorded at the point where the model would get them.

A form of a data source is a way to turn its records into prompts and answers. A task is compared if
rows of its source are trained in the task's form:

- choice tasks: context + right answer must equal the trained ids up to the end of turn. Context and
  answer are compared as one sequence, because lm-eval moves white space from one to the other.
- generation tasks: the prompt must equal the ids before the last trained answer.

Scored prompts are rendered with a later date than trained prompts. So a template that writes the
date into the prompt fails here, before training.

Every row of both splits is checked as text (rendered.py). Labels are checked for all rows up to a
limit (labels.py). Prompts are compared for the first rows of each data entry and for some rows of
every further shape (shapes.py)."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from kodata.card import TrainingRow
from kodata.prepare.output import doc_of
from kotune.errors import StageError
from kotune.layout import CONFIG
from kotune.parity import labels, lengths
from kotune.parity.asked import scored_ids
from kotune.parity.shapes import Sample
from kotune.parity.trained import Trained, load_strategy, tokenize_rows
from kotune.runs.proof import EQUAL, NOT_PROVEN, NOT_TRAINED, ComparedIds, Parity, TaskProof
from kotune.runs.task_data import TaskData
from kotune.score.harness import load_task
from kotune.shipped import RECIPES_PAGE
from kotune_tasks.card import cards


def prove(run: Path, tasks: dict[str, TaskData], trained: Collection[str]) -> tuple[Any, Parity]:
    """Prove parity for the run folder `run`. Returns Axolotl's tokenizer and the content of
    parity.json. The folder must be the current directory, because Axolotl's paths are relative.

    `tasks`: each task with its TaskData. `trained`: the tasks for which rows of their source are
    trained in their form. Raises StageError with both texts at the first difference, and for a row
    that fails a check of its text or its labels."""
    tokenizer, strategy = load_strategy(run / CONFIG)
    # Lengths are counted first, because this finds problems in a row's text within seconds.
    counted = lengths.count(run, tokenizer)
    labelled, sample = labels.check_all(run, strategy, tokenizer)
    content, proofs = lengths.of_contents(run, tokenizer), dict[str, TaskProof]()
    for name in tasks:
        rows = [row for row in sample.rows if is_scored_by(row, name)] if name in trained else []
        if not rows:
            proofs[name] = status_without_rows(name, sample)
            continue
        task = load_task(name, tasks[name]).with_documents([doc_of(row) for row in rows])
        proofs[name] = compare(
            name,
            tokenize_rows(strategy, rows),
            scored_ids(tokenizer, task),
            tokenizer,
            generates=task.generates,
        )
    return tokenizer, Parity(
        labels=labelled, shapes=sample.counts(), lengths=counted, content=content, tasks=proofs
    )


def is_scored_by(row: TrainingRow, task: str) -> bool:
    """Whether a task scores a training row with the same prompt as in training.

    The row must have the task's source and form. If the row has more than two messages, the task
    must also keep turns (TaskCard.turns). Other tasks put the whole chat into one user turn."""
    card = cards()[task]
    is_own = (card.source, card.form) == (row["source"], row["form"])
    return is_own and (len(row["messages"]) == 2 or card.turns)


def status_without_rows(task: str, sample: Sample) -> TaskProof:
    """The entry of parity.json for a task without a row in the sample that it scores.

    The status is `not proven` if rows of the task's source are trained in a form that no task
    scores, or in the task's own form. Otherwise it is `not trained`. Then other tasks prove the
    trained forms, if there are any, and this task measures transfer."""
    card, forms = cards()[task], sample.forms(cards()[task].source)
    scored = {(other.source, other.form) for other in cards().values()}
    unscored = [form for form in forms if form == card.form or (card.source, form) not in scored]
    if unscored:
        return TaskProof(status=NOT_PROVEN, trained=unscored)
    return TaskProof(status=NOT_TRAINED)


def compare(
    task: str,
    trained: list[Trained],
    scored: list[list[int]],
    tokenizer: Any,
    generates: bool = False,
) -> TaskProof:
    """The entry of parity.json for a task whose scored prompts equal the trained ones.

    `trained` and `scored`: the rows and the scored token ids of the same documents, in the same
    order. `generates`: whether the task generates an answer. Raises StageError with both texts
    around the first difference."""
    if not trained or len(trained) != len(scored):
        raise StageError(
            f"parity: {task}: {len(trained)} training rows, but {len(scored)} scored documents"
        )
    for row, ids in zip(trained, scored, strict=True):
        expected = row.prompt() if generates else row.prompt_and_answer()
        if expected != ids:
            raise StageError(_mismatch(task, row.guid, (expected, ids), tokenizer))
    first = trained[0]
    example = ComparedIds(guid=first.guid, trained_ids=first.ids, scored_ids=scored[0])
    return TaskProof(status=EQUAL, items=len(trained), example=example)


def _mismatch(task: str, guid: str, pair: tuple[list[int], list[int]], tokenizer: Any) -> str:
    """The message about the first difference of a pair (trained ids, scored ids)."""
    trained, scored = pair
    first = next(
        (i for i, (a, b) in enumerate(zip(trained, scored, strict=False)) if a != b),
        min(map(len, pair)),
    )
    shown = [repr(tokenizer.decode(ids[max(0, first - 12) : first + 12])) for ids in pair]
    return (
        f"parity: {task}: {guid}: the scored prompt differs from the trained one, from token"
        f" {first}\n  trained: ...{shown[0]}... ids {trained[first : first + 8]}\n  scored: "
        f" ...{shown[1]}... ids {scored[first : first + 8]}\n  use a template that renders prompt"
        f" and answer alike (see `template` in {RECIPES_PAGE})"
    )
