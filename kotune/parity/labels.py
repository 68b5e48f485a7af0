"""What is trained of each row, as Axolotl's own chat-template strategy says: every answer that is
to be trained and one end of turn, nothing else, and at most one BOS.

Looked at, with Axolotl's strategy: every row, as long as that takes WORK or less (some five minutes
of a CPU core; all rows of every set that kotune knows), and beyond that the rows of the sample,
which has some of every shape (shapes.py). What is beyond it is looked at as text alone, as all rows
are (rendered.py): parity.json counts both."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from kodata.card import TrainingRow
from kotune.errors import StageError
from kotune.layout import CONFIG
from kotune.parity.lengths import batches
from kotune.parity.rendered import sides
from kotune.parity.shapes import Sample
from kotune.parity.trained import Trained, end_ids, train_side
from kotune.runs.proof import LabelProof

# Axolotl needs some 1.3 microseconds a character, and for each turn as long as for this many
# characters.
WORK, A_TURN = 200_000_000, 300


def look(run: Path, strategy: Any, tokenizer: Any) -> tuple[LabelProof, Sample]:
    """What parity.json says of labels, and the sample of rows whose prompts are to be compared.
    StageError for a row of which anything else is trained."""
    ends, sample = end_ids(run / CONFIG, tokenizer), Sample()
    rows, checked, work, is_looked_at = 0, 0, 0, True
    before: TrainingRow | None = None
    for place, row in (numbered for batch in batches(run) for numbered in batch):
        rows += 1
        if row == before:  # a `weight` repeats rows
            checked += is_looked_at
            continue
        before, work = row, work + sum(len(turn["content"]) + A_TURN for turn in row["messages"])
        is_looked_at = sample.takes(row) or work <= WORK
        if is_looked_at:
            checked += 1
            check(train_side(strategy, [row])[0], tokenizer, ends, place)
    status = "answer and end of turn only"
    return LabelProof(rows=rows, checked=checked, status=status), sample


def check(row: Trained, tokenizer: Any, ends: Collection[int], place: str = "parity") -> None:
    """StageError where labels are not exactly the answers and one end of turn each, or where two
    BOS open the row."""
    where = f"{place} (guid {row.guid})"
    answers = [
        turn["content"]
        for turn in row.messages
        if turn["role"] == "assistant" and turn.get("train", True)
    ]
    turns = row.turns()
    if len(turns) != len(answers):
        raise StageError(
            f"{where}: {len(answers)} answers but {len(turns)} trained turns; check the template"
        )
    for answer, turn in zip(answers, turns, strict=True):
        if wrong := _wrong(answer, turn, row, tokenizer, ends):
            raise StageError(f"{where}: {wrong}")
    bos = tokenizer.bos_token_id
    if bos is not None and row.ids[:2] == [bos, bos]:
        raise StageError(
            f"{where}: two BOS tokens open the row; the template and the tokenizer both add one"
        )


def _wrong(
    answer: str, turn: list[int], row: Trained, tokenizer: Any, ends: Collection[int]
) -> str:
    """What is wrong with the trained ids of an answer; empty where nothing is."""
    said = next((at for at in range(len(turn), 0, -1) if turn[at - 1] not in ends), 0)
    text, closed = _decoded(turn[:said], tokenizer), len(turn) - said
    # Beside an answer a template may have white space of its own; an indent that it left is trained
    # with the answer.
    is_left = answer[:1].isspace() and answer + tokenizer.decode(
        turn[said:][:1]
    ) in tokenizer.decode(row.ids)
    if text.strip() != answer.strip() or (is_left and answer not in text):
        return (
            f"the template changes an answer: {sides(answer, text, 'trained is')}; choose another"
            " `template`, one that renders every answer as it is"
        )
    if closed == 1:
        return ""
    names = " or ".join(sorted(tokenizer.convert_ids_to_tokens(list(ends))))
    found = f"it is trained to end with {closed} of them" if closed else "it is trained without one"
    shown = repr(tokenizer.decode(turn[-12:]))
    return (
        f"an answer must be trained to its end with one end-of-turn token ({names}), and {found}:"
        f" trained is ...{shown}; the template must close every answer once, and Axolotl must train"
        " it (`train_on_eos: turn`)"
    )


def _decoded(ids: list[int], tokenizer: Any) -> str:
    """Ids as a text, decoded after an end of text: some tokenizers decode the first one without its
    space."""
    first = tokenizer.eos_token_id
    return str(tokenizer.decode([first, *ids])).removeprefix(tokenizer.decode([first]))
