"""Checks the labels that Axolotl's chat-template strategy assigns. The trained tokens must be
exactly the answers to be trained, each with one end of turn. A row must not start with two BOS.

Rows are checked until the work reaches WORK, about five minutes on a CPU core. This is enough for
all rows of every data set known to kotune. After that, labels are checked only for rows of the
sample, which has rows of every shape (shapes.py). All other rows are checked only as text
(rendered.py). parity.json has the number of all rows and the number of rows whose labels were
checked."""

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

# Both in characters. Axolotl needs about 1.3 microseconds per character. A turn takes the same time
# as A_TURN characters.
WORK, A_TURN = 200_000_000, 300


def check_all(run: Path, strategy: Any, tokenizer: Any) -> tuple[LabelProof, Sample]:
    """Check the labels of all rows. Returns the entry `labels` of parity.json, and the sample of
    rows for the comparison of prompts. Raises StageError if a row has wrong trained tokens."""
    ends, sample = end_ids(run / CONFIG, tokenizer), Sample()
    rows, checked, work, is_checked = 0, 0, 0, True
    before: TrainingRow | None = None
    for location, row in (numbered for batch in batches(run) for numbered in batch):
        rows += 1
        if row == before:  # a `weight` repeats rows
            checked += is_checked
            continue
        before, work = row, work + sum(len(turn["content"]) + A_TURN for turn in row["messages"])
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
    """Describe what is wrong with the trained ids of an answer. Returns an empty string if they are
    right."""
    length = next((n for n in range(len(turn), 0, -1) if turn[n - 1] not in ends), 0)
    text, closed = _decoded(turn[:length], tokenizer), len(turn) - length
    # A template is allowed to change the white space around an answer. If the template keeps the
    # answer's indent, the indent must be trained, too.
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
    """Decode ids to text. They are decoded after an end-of-text token, because some tokenizers drop
    the space of the first token."""
    first = tokenizer.eos_token_id
    return str(tokenizer.decode([first, *ids])).removeprefix(tokenizer.decode([first]))
