"""Training examples as the model sees them: which tokens there are, which of them are trained, and
what a text costs.

Ids and labels are Axolotl's own (parity.train_side), lengths those that a run counts before
training (lengths.py)."""

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from kotune.layout import CONFIG, TRAIN
from kotune.parity import lengths
from kotune.parity.trained import Trained, load_strategy, read_rows, train_side
from kotune.recipe.axolotl_keys import AxolotlConfig
from kotune.runs.proof import Content
from kotune.runs.reading import yaml_of

# tokens of a piece: whole characters, whether each of them has one token, two, three or four
MOST = 12


class Piece(NamedTuple):
    """The fewest tokens that make whole characters: a rare Hangul syllable may take three of them.
    Never over MOST: a text may itself hold what half a character decodes to, thousands of times,
    and each token is decoded with its piece."""

    text: str
    tokens: int
    trained: bool
    special: bool


@dataclass(frozen=True)
class Spread:
    """The lengths of all examples in tokens, with their template. `p95`: by nearest rank."""

    number: int
    median: float
    p95: int
    longest: int
    sequence_len: int
    too_long: int
    excess_length_strategy: str


@dataclass(frozen=True)
class Shown:
    """An example in pieces."""

    guid: str
    source: str
    form: str
    pieces: list[Piece]


@dataclass(frozen=True)
class Tokens:
    """tokens.json, which goes from the job to the preview. `content`: the messages alone; `shown`:
    the first examples of each data entry."""

    content: Content
    examples: Spread
    shown: list[Shown]


def look(run: Path, items: int) -> Tokens:
    """The tokens of a run folder, which must be the current directory (Axolotl's paths are
    relative). `items`: examples to show of each data entry."""
    tokenizer, strategy = load_strategy(run / CONFIG)
    config = yaml_of(run / CONFIG)
    rows = read_rows(run / TRAIN, items)
    lengths_of = [example.tokens for example in lengths.of_examples(run, tokenizer)]
    return Tokens(
        content=lengths.of_contents(run, tokenizer),
        examples=_spread(lengths_of, config),
        shown=[
            Shown(row["guid"], row["source"], row["form"], list(pieces(side, tokenizer)))
            for row, side in zip(rows, train_side(strategy, rows), strict=True)
        ],
    )


def _spread(tokens: list[int], config: AxolotlConfig) -> Spread:
    ranked, limit = sorted(tokens), int(config["sequence_len"])
    return Spread(
        number=len(ranked),
        median=statistics.median(ranked),
        p95=ranked[math.ceil(0.95 * len(ranked)) - 1],
        longest=ranked[-1],
        sequence_len=limit,
        too_long=sum(length > limit for length in ranked),
        excess_length_strategy=config.get("excess_length_strategy") or "drop",
    )


def pieces(row: Trained, tokenizer: Any) -> Iterator[Piece]:
    """The row cut into pieces that together are its text; a piece is trained as a whole or not at
    all."""
    special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    trained = [label != -100 for label in row.labels]
    before: list[
        int
    ] = []  # the piece before: some tokenizers write a token in another way where a text begins
    own: list[int] = []
    for at, token in enumerate(row.ids):
        own.append(token)
        text = _text([*before, *own], tokenizer)[len(_text(before, tokenizer)) :]
        ends = (
            at + 1 == len(row.ids)
            or trained[at] != trained[at + 1]
            or row.ids[at + 1] in special
            or len(own) == MOST
        )
        if ends or not text.endswith("\ufffd"):  # what half a character decodes to
            yield Piece(text, len(own), trained[at], token in special)
            before, own = own, []


def _text(ids: list[int], tokenizer: Any) -> str:
    return str(tokenizer.decode(ids, clean_up_tokenization_spaces=False))
