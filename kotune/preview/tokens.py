"""Training examples as the model sees them: which tokens there are, which of them are trained, and
what a text costs.

Ids and labels are Axolotl's own (parity.train_side), lengths those that a run counts before
training (lengths.py)."""

import math
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from kotune.layout import CONFIG, TRAIN
from kotune.parity import lengths
from kotune.parity.trained import Trained, load_strategy, read_rows, train_side
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


def look(run: Path, items: int) -> dict[str, Any]:
    """What tokens.json holds of a run folder, which must be the current directory (Axolotl's paths
    are relative).

    `content`: tokens and characters of the messages alone; `examples`: of all examples with their
    template, how many, and how long in tokens (`p95` by nearest rank); `shown`: the first `items`
    examples of each data entry in pieces."""
    tokenizer, strategy = load_strategy(run / CONFIG)
    config = yaml_of(run / CONFIG)
    rows = read_rows(run / TRAIN, items)
    return {
        "content": lengths.of_contents(run, tokenizer),
        "examples": {
            **_spread(
                [length for length, *_ in lengths.of_examples(run, tokenizer)],
                int(config["sequence_len"]),
            ),
            "excess_length_strategy": config.get("excess_length_strategy") or "drop",
        },
        "shown": [
            {
                "guid": row["guid"],
                "source": row["source"],
                "form": row["form"],
                "pieces": list(pieces(side, tokenizer)),
            }
            for row, side in zip(rows, train_side(strategy, rows), strict=True)
        ],
    }


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


def _spread(tokens: list[int], limit: int) -> dict[str, Any]:
    ranked = sorted(tokens)
    return {
        "number": len(ranked),
        "median": statistics.median(ranked),
        "p95": ranked[math.ceil(0.95 * len(ranked)) - 1],
        "longest": ranked[-1],
        "sequence_len": limit,
        "too_long": sum(length > limit for length in ranked),
    }
