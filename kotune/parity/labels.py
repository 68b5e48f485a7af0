"""Checks the labels that Axolotl's chat-template strategy assigns. The trained tokens must be
exactly the answers to be trained, each with one end of turn. A row must not start with two BOS.

Rows are checked for about five minutes on a CPU core (WORK). This is enough for all rows of every
data set known to kotune. After that, labels are checked only for rows of the sample, which has rows
of every shape (shapes.py). All other rows are checked only as text (rendered.py). parity.json has
the number of all rows and the number of rows whose labels were checked."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from kodata.card import TrainingRow
from kotune.errors import StageError
from kotune.layout import CONFIG
from kotune.parity.lengths import batches
from kotune.parity.rendered import difference
from kotune.parity.shapes import Sample
from kotune.parity.trained import Trained, end_ids, tokenize_rows
from kotune.runs.proof import LabelProof

# The amount of work after which only rows of the sample are checked. The unit is the time for one
# character, about 1.3 microseconds. A turn takes the time of TURN more characters.
WORK, TURN = 200_000_000, 300


def check_all(run: Path, strategy: Any, tokenizer: Any) -> tuple[LabelProof, Sample]:
    """Check the labels of the rows in the run folder `run`, up to the limit WORK.

    Returns the entry `labels` of parity.json, and the sample of rows for the comparison of prompts.
    Raises StageError if check() finds a problem."""
    ends, sample = end_ids(run / CONFIG, tokenizer), Sample()
    rows, checked, work, is_checked = 0, 0, 0, True
    before: TrainingRow | None = None
    for location, row in (numbered for batch in batches(run) for numbered in batch):
        rows += 1
        if row == before:  # a copy, made by a data entry's `weight`: the result is the same
            checked += is_checked
            continue
        before, work = row, work + sum(len(turn["content"]) + TURN for turn in row["messages"])
        is_checked = sample.takes(row) or work <= WORK
        if is_checked:
            checked += 1
            check(tokenize_rows(strategy, [row])[0], tokenizer, ends, location)
    status = "answer and end of turn only"
    return LabelProof(rows=rows, checked=checked, status=status), sample


def check(row: Trained, tokenizer: Any, ends: Collection[int], location: str = "parity") -> None:
    """Raise StageError if the trained tokens are not exactly the answers to be trained, with one
    end of turn each, or if the row starts with two BOS. `location`: the row's file and line."""
    where = f"{location} (guid {row.guid})"
    answers = [
        turn["content"]
        for turn in row.messages
        if turn["role"] == "assistant" and turn.get("train", True)
    ]
    turns = row.turns()
    if len(turns) != len(answers):
        raise StageError(
            f"{where}: {len(answers)} answers, but {len(turns)} trained turns; check the template"
        )
    for answer, turn in zip(answers, turns, strict=True):
        if wrong := _wrong(answer, turn, row, tokenizer, ends):
            raise StageError(f"{where}: {wrong}")
    bos = tokenizer.bos_token_id
    if bos is not None and row.ids[:2] == [bos, bos]:
        raise StageError(
            f"{where}: the row starts with two BOS tokens; the template and the tokenizer both add"
            " one"
        )


def _wrong(
    answer: str, turn: list[int], row: Trained, tokenizer: Any, ends: Collection[int]
) -> str:
    """The problem with `turn`, the trained ids of an answer, as text for a message. Empty if there
    is none."""
    length = next((n for n in range(len(turn), 0, -1) if turn[n - 1] not in ends), 0)
    text, closed = _decoded(turn[:length], tokenizer), len(turn) - length
    # A template is allowed to remove the white space around an answer. But white space before the
    # answer that the rendered row still has must be trained too.
    keeps_indent = answer[:1].isspace() and answer + tokenizer.decode(
        turn[length:][:1]
    ) in tokenizer.decode(row.ids)
    if text.strip() != answer.strip() or (keeps_indent and answer not in text):
        return (
            f"the template changes an answer: {difference(answer, text, 'the trained text is')};"
            " choose another `template` that renders every answer unchanged"
        )
    if closed == 1:
        return ""
    names = " or ".join(sorted(tokenizer.convert_ids_to_tokens(list(ends))))
    number = f"{closed} are trained" if closed else "none is trained"
    end = repr(tokenizer.decode(turn[-12:]))
    return (
        f"an answer must end with one trained end-of-turn token ({names}), but {number}: the"
        f" trained text ends with ...{end}; the template must close every answer once, and Axolotl"
        " must train that token (`train_on_eos: turn`)"
    )


def _decoded(ids: list[int], tokenizer: Any) -> str:
    """The text of token ids. The ids are decoded after an end-of-text token, which is then removed:
    some tokenizers drop a space at the start of the first token."""
    first = tokenizer.eos_token_id
    return str(tokenizer.decode([first, *ids])).removeprefix(tokenizer.decode([first]))
