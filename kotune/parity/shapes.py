"""Selects a sample of rows that has every shape in the training data. This takes one pass and
limited memory.

A row's shape consists of the features that affect how a template or lm-eval renders the row: roles,
thoughts, untrained answers, white space, label and length."""

from collections import Counter
from typing import NamedTuple

from kodata.card import TrainingRow
from kodata.prepare.output import doc_of
from kotune.runs.proof import Shapes

ITEMS = 128  # the number of first rows of each data entry that are in the sample, of any shape
PER_SHAPE = 4  # the number of rows of each shape that are in the sample, if there are so many
SHAPES = 1_000  # maximum number of shapes; rows of further shapes are only counted
TURNS = 8  # the largest number of turns that is exact in a shape


class RowShape(NamedTuple):
    """The features of a row that affect how it is rendered.

    - `characters`: the smallest power of two above the number of characters
    - `turns`: the number of turns; above TURNS, the smallest power of two above that number
    - `thinks`: whether an answer has a thought (text in <think> tags)
    - `is_partly_trained`: whether an answer is excluded from training
    - `has_outer_space`: whether a message starts or ends with white space
    - `has_lines`: whether a message has more than one line
    """

    source: str
    form: str
    roles: tuple[str, ...]  # of the first TURNS turns
    turns: int
    characters: int
    thinks: bool
    is_partly_trained: bool
    has_outer_space: bool
    has_lines: bool
    label: str


def shape_of(row: TrainingRow) -> RowShape:
    """The shape of a row of train.jsonl or validation.jsonl."""
    messages = row["messages"]
    texts = [turn["content"] for turn in messages]
    answers = [turn for turn in messages if turn["role"] == "assistant"]
    number = len(messages)
    return RowShape(
        source=row["source"],
        form=row["form"],
        roles=tuple(turn["role"] for turn in messages[:TURNS]),
        turns=number if number <= TURNS else _above(number),
        characters=_above(sum(map(len, texts))),
        thinks=any("</think>" in turn["content"] for turn in answers),
        is_partly_trained=not all(turn.get("train", True) for turn in answers),
        has_outer_space=any(text != text.strip() for text in texts),
        has_lines=any("\n" in text for text in texts),
        label=str(doc_of(row).get("label", "")) if "doc" in row else "",
    )


def _above(number: int) -> int:
    """The smallest power of two that is larger than `number`."""
    return 1 << number.bit_length()


class Sample:
    """The rows whose prompts are compared. These are the first ITEMS rows of each data entry, and
    the first PER_SHAPE rows of every shape."""

    def __init__(self) -> None:
        self.rows: list[TrainingRow] = []
        self.beyond = 0  # rows of shapes after the first SHAPES
        self._entries: Counter[tuple[str, str]] = Counter()
        self._shapes: Counter[RowShape] = Counter()

    def takes(self, row: TrainingRow) -> bool:
        """Add the next row of the data to the sample if it belongs there, and return whether it
        does. Must be called for every row, in the order of the files."""
        shape = shape_of(row)
        is_known = shape in self._shapes or len(self._shapes) < SHAPES
        self.beyond += not is_known
        is_among_first = self._entries[shape[:2]] < ITEMS
        if is_kept := is_among_first or (is_known and self._shapes[shape] < PER_SHAPE):
            self.rows.append(row)
        self._entries[shape[:2]] += 1
        if is_known:
            self._shapes[shape] += 1
        return is_kept

    def forms(self, source: str) -> list[str]:
        """The forms in which rows of a source are trained (kotune.parity.proof)."""
        return [form for name, form in self._entries if name == source]

    def counts(self) -> Shapes:
        """The numbers of shapes and rows, for parity.json."""
        return Shapes(number=len(self._shapes), rows_kept=len(self.rows), rows_beyond=self.beyond)
