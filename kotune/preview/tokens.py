"""Describes training examples as the model sees them: their tokens, which of them are trained, and
how many tokens a text needs.

Ids and labels come from Axolotl itself (parity.trained), lengths from the same count as in a run
(parity.lengths)."""

import math
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from kotune.layout import CONFIG, TRAIN
from kotune.parity import lengths
from kotune.parity.trained import Trained, load_strategy, read_rows, tokenize_rows
from kotune.runs.reading import yaml_of

MOST = 12  # tokens of a piece; whole characters of one, two, three or four tokens fill it


class Piece(NamedTuple):
    """The fewest tokens that make whole characters. A rare Hangul syllable may take three tokens.

    A piece has at most MOST tokens. A text may itself contain the replacement character, to which
    half a character decodes, thousands of times, and each token is decoded with its whole piece."""

    text: str
    tokens: int
    trained: bool
    special: bool


def describe(run: Path, items: int) -> dict[str, Any]:
    """The content of tokens.json for a run folder. The folder must be the current directory,
    because Axolotl's paths are relative.

    `content`: tokens and characters of the messages alone. `examples`: number and lengths, in
    tokens, of all examples with their template (`p95` by nearest rank). `shown`: the first `items`
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
                "pieces": list(pieces(tokens, tokenizer)),
            }
            for row, tokens in zip(rows, tokenize_rows(strategy, rows), strict=True)
        ],
    }


def pieces(row: Trained, tokenizer: Any) -> Iterator[Piece]:
    """The row cut into pieces, whose texts together are the row's text. A piece is trained as a
    whole or not at all."""
    special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    trained = [label != -100 for label in row.labels]
    # The previous piece, because some tokenizers decode the first token of a text differently.
    before: list[int] = []
    own: list[int] = []
    for i, token in enumerate(row.ids):
        own.append(token)
        text = _text([*before, *own], tokenizer)[len(_text(before, tokenizer)) :]
        ends = (
            i + 1 == len(row.ids)
            or trained[i] != trained[i + 1]
            or row.ids[i + 1] in special
            or len(own) == MOST
        )
        if ends or not text.endswith("\ufffd"):  # to which half a character decodes
            yield Piece(text, len(own), trained[i], token in special)
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
