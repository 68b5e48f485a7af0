"""How long the examples are in the model's own tokens, counted before training: one that does not
fit is never cut."""

import math
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from kotune.errors import StageError
from kotune.layout import CONFIG, TRAIN, VALIDATION
from kotune.parity.rendered import Numbered, TemplatesTokens, text_of
from kotune.runs.proof import Content, Lengths
from kotune.runs.reading import row_lines, rows_of, yaml_of

PARTS = (TRAIN, VALIDATION)
BATCH = 1_000  # rows tokenized at a time
SAMPLE = 10_000  # examples, at most, on which of_contents() counts


class RenderedExample(NamedTuple):
    """The tokens of an example with the chat template, its guid, and whether the template trims a
    turn of it."""

    tokens: int
    guid: str
    trimmed: bool


def count(run: Path, tokenizer: Any) -> Lengths:
    """Rows, the longest one's tokens, how many rows are longer than sequence_len, and how many the
    template trims.

    Raises StageError where some are and `excess_length_strategy` is `raise`, as
    recipes/defaults.yml has it: training would stop at the first of them, or cut it."""
    config = yaml_of(run / CONFIG)
    ends = [str(tokenizer.eos_token), *(config.get("eot_tokens") or ())]
    limit, found = int(config["sequence_len"]), list(of_examples(run, tokenizer, ends))
    longest, guid, _ = max(found)
    too_long, trimmed = (
        sum(example.tokens > limit for example in found),
        sum(example.trimmed for example in found),
    )
    if too_long and config.get("excess_length_strategy") == "raise":
        raise StageError(
            f"render: {too_long:,} of {len(found):,} examples are longer than sequence_len"
            f" {limit:,} (the longest is guid {guid} with {longest:,} tokens); set"
            f" axolotl.sequence_len={longest}, or leave them out with"
            " axolotl.excess_length_strategy=drop"
        )
    return Lengths(
        rows=len(found),
        longest=longest,
        longest_guid=guid,
        sequence_len=limit,
        too_long=too_long,
        trimmed=trimmed,
    )


def of_examples(run: Path, tokenizer: Any, ends: Collection[str] = ()) -> Iterator[RenderedExample]:
    """Every example of both splits. StageError as of text_of(), and where a row's text brings
    special tokens."""
    own = TemplatesTokens(tokenizer)
    for rows in batches(run):
        texts = [text_of(numbered, tokenizer, ends) for numbered in rows]
        ids = tokenizer([rendered.text for rendered in texts], add_special_tokens=False)[
            "input_ids"
        ]
        for numbered, rendered, tokens in zip(rows, texts, ids, strict=True):
            own.check(numbered, tokens)
            yield RenderedExample(len(tokens), numbered.row["guid"], rendered.trimmed)


def of_contents(run: Path, tokenizer: Any) -> Content:
    """`tokens` and `characters` (Unicode code points) of what is said in the examples of both
    splits: in all of them, or in every second, third, ... one where they are more than SAMPLE.

    The content of each message is tokenized by itself: no template, no special tokens.
    """
    tokens, characters = 0, 0
    for rows in batches(run, every=math.ceil(_number(run) / SAMPLE)):
        texts = [message["content"] for numbered in rows for message in numbered.row["messages"]]
        tokens += sum(_tokens(texts, tokenizer))
        characters += sum(map(len, texts))
    return Content(tokens=tokens, characters=characters)


def of_answers(run: Path, tokenizer: Any) -> list[int]:
    """Tokens that are trained of each example of train: of its answers, each with one for the end
    of its turn."""
    found: list[int] = []
    for rows in batches(run, parts=(TRAIN,)):
        for numbered in rows:
            turns = numbered.row["messages"]
            answers = [
                turn["content"]
                for turn in turns
                if turn["role"] == "assistant" and turn.get("train", True)
            ]
            found.append(sum(_tokens(answers, tokenizer)) + len(answers))
    return found


def _number(run: Path) -> int:
    total = 0
    for part in PARTS:
        total += sum(1 for _ in row_lines(run / part))
    return total


def batches(run: Path, every: int = 1, parts: Sequence[str] = PARTS) -> Iterator[list[Numbered]]:
    """All rows of both splits with their places, so many at a time; or every second, third, ... of
    them."""
    for part in parts:
        rows = (Numbered(f"{part}:{number}", row) for number, row in rows_of(run / part, every))
        while batch := list(islice(rows, BATCH)):
            yield batch


def _tokens(texts: list[str], tokenizer: Any) -> list[int]:
    return [len(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]
