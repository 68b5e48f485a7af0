"""Describes training examples in a model's tokens: which tokens are trained, how long the examples
are, and how many tokens a text needs.

Token ids and labels come from Axolotl (parity.trained). Lengths are counted as in a run
(parity.lengths)."""

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from kotune.layout import CONFIG, TEMPLATE, TRAIN
from kotune.models.template_kwargs import with_kwargs
from kotune.parity import lengths
from kotune.parity.trained import Trained, load_strategy, read_rows, tokenize_rows
from kotune.recipe.axolotl_keys import AxolotlConfig
from kotune.runs.proof import Content
from kotune.runs.reading import yaml_of
from kotune.template.findings import TemplateFinding
from kotune.template.job import findings_of

# Maximum number of tokens of a piece. A multiple of 1, 2, 3 and 4, so the limit falls between two
# characters if each character of the piece has the same number of tokens.
MOST = 12


class Piece(NamedTuple):
    """A piece of an example: as few consecutive tokens as form whole characters. Usually this is
    one token, but a rare Hangul syllable may take three.

    - `tokens`: the number of tokens, at most MOST
    - `trained`: whether they are trained
    - `special`: whether the last of them is a special token, such as the end of a turn"""

    text: str
    tokens: int
    trained: bool
    special: bool


@dataclass(frozen=True)
class Spread:
    """Statistics of the lengths of all examples. Lengths are in tokens, chat template included.

    - `number`: the number of examples
    - `p95`: the 95th percentile by nearest rank
    - `too_long`: the number of examples that are longer than `sequence_len`
    - `excess_length_strategy`: what Axolotl does with them, such as `drop`"""

    number: int
    median: float
    p95: int
    longest: int
    sequence_len: int
    too_long: int
    excess_length_strategy: str


@dataclass(frozen=True)
class Shown:
    """An example to show, cut into pieces. `source`, `form`: those of its data entry."""

    guid: str
    source: str
    form: str
    pieces: list[Piece]


@dataclass(frozen=True)
class Tokens:
    """The content of tokens.json, which the preview's job writes for one recipe.

    - `content`: the number of tokens and characters of the messages, without chat template
    - `examples`: the lengths of all examples
    - `shown`: the first examples of each data entry
    - `findings`: the traps of the chat template"""

    content: Content
    examples: Spread
    shown: list[Shown]
    findings: list[TemplateFinding] = field(default_factory=list)


def describe(run: Path, items: int) -> Tokens:
    """The description of the examples in the run folder `run`. This folder must be the current
    directory, because the paths in Axolotl's configuration are relative. `items`: the maximum
    number of examples to show of each data entry."""
    tokenizer, strategy = load_strategy(run / CONFIG)
    config = yaml_of(run / CONFIG)
    rows = read_rows(run / TRAIN, items)
    lengths_of = [example.tokens for example in lengths.of_examples(run, tokenizer)]
    return Tokens(
        content=lengths.of_contents(run, tokenizer),
        examples=_spread(lengths_of, config),
        shown=[
            Shown(row["guid"], row["source"], row["form"], list(pieces(tokens, tokenizer)))
            for row, tokens in zip(rows, tokenize_rows(strategy, rows), strict=True)
        ],
        findings=_findings(run, tokenizer, config),
    )


def _findings(run: Path, tokenizer: Any, config: AxolotlConfig) -> list[TemplateFinding]:
    """The findings about the chat template in the run folder `run`."""
    kwargs = config.get("chat_template_kwargs") or {}
    text = (run / TEMPLATE).read_text(encoding="utf-8").removeprefix(with_kwargs("", kwargs))
    return findings_of(tokenizer, text, config.get("eot_tokens") or (), kwargs)


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
    """Cut a tokenized row into pieces, whose texts together are the row's text. The tokens of a
    piece are either all trained or all untrained.

    Each token is decoded together with its whole piece. So a piece without a limit would take too
    long for a text with thousands of U+FFFD: such a text looks like one incomplete character."""
    special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    trained = [label != -100 for label in row.labels]
    # The ids of the previous piece. They are decoded together with the ids of the current piece
    # (`own`), because some tokenizers decode the first token of a text differently.
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
        if ends or not text.endswith("\ufffd"):  # U+FFFD stands for an incomplete character
            yield Piece(text, len(own), trained[i], token in special)
            before, own = own, []


def _text(ids: list[int], tokenizer: Any) -> str:
    return str(tokenizer.decode(ids, clean_up_tokenization_spaces=False))
