"""Counts the tokens of every example before training, so that no example is silently cut."""

import math
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from kotune.errors import StageError
from kotune.layout import CONFIG, TRAIN, VALIDATION
from kotune.parity.rendered import Numbered, SpecialTokenCheck, text_of
from kotune.runs.proof import Content, Lengths
from kotune.runs.reading import row_lines, rows_of, yaml_of

PARTS = (TRAIN, VALIDATION)
BATCH = 1_000  # rows tokenized at a time
SAMPLE = 10_000  # the maximum number of examples that of_contents() counts


class RenderedExample(NamedTuple):
    """An example's number of tokens with the chat template, its guid, and whether the template
    removes white space around one of its turns (`trimmed`)."""

    tokens: int
    guid: str
    trimmed: bool


def count(run: Path, tokenizer: Any) -> Lengths:
    """The entry `lengths` of parity.json, which counts the rows of both splits in the run folder.

    Raises StageError if rows are longer than `sequence_len` and `excess_length_strategy` is
    `raise`, kotune's default. Axolotl would stop at the first such row, without naming it."""
    config = yaml_of(run / CONFIG)
    ends = [str(tokenizer.eos_token), *(config.get("eot_tokens") or ())]
    limit, examples = int(config["sequence_len"]), list(of_examples(run, tokenizer, ends))
    longest, guid, _ = max(examples)
    too_long = sum(example.tokens > limit for example in examples)
    trimmed = sum(example.trimmed for example in examples)
    if too_long and config.get("excess_length_strategy") == "raise":
        raise StageError(
            f"render: {too_long:,} of {len(examples):,} examples are longer than sequence_len"
            f" {limit:,} (the longest is guid {guid} with {longest:,} tokens); set"
            f" axolotl.sequence_len={longest}, or drop them with"
            " axolotl.excess_length_strategy=drop"
        )
    return Lengths(
        rows=len(examples),
        longest=longest,
        longest_guid=guid,
        sequence_len=limit,
        too_long=too_long,
        trimmed=trimmed,
    )


def of_examples(run: Path, tokenizer: Any, ends: Collection[str] = ()) -> Iterator[RenderedExample]:
    """Render every example of both splits and count its tokens. `ends`: end-of-turn tokens, as in
    text_of(). Raises StageError if the rendered text fails the checks of text_of(), or if the text
    of a row contains special tokens."""
    special_tokens = SpecialTokenCheck(tokenizer)
    for rows in batches(run):
        texts = [text_of(numbered, tokenizer, ends) for numbered in rows]
        encoded = tokenizer([rendered.text for rendered in texts], add_special_tokens=False)[
            "input_ids"
        ]
        for numbered, rendered, ids in zip(rows, texts, encoded, strict=True):
            special_tokens.check(numbered, ids)
            yield RenderedExample(len(ids), numbered.row["guid"], rendered.trimmed)


def of_contents(run: Path, tokenizer: Any) -> Content:
    """The numbers of tokens and of characters (Unicode code points) in the messages of both splits.
    If there are more than SAMPLE examples, both numbers are of every second, third, ... example.

    Each message is tokenized separately, without chat template and special tokens."""
    tokens, characters = 0, 0
    for rows in batches(run, every=math.ceil(_row_count(run) / SAMPLE)):
        texts = [message["content"] for numbered in rows for message in numbered.row["messages"]]
        tokens += sum(_token_counts(texts, tokenizer))
        characters += sum(map(len, texts))
    return Content(tokens=tokens, characters=characters)


def of_answers(run: Path, tokenizer: Any) -> list[int]:
    """The number of trained tokens of each example in train.jsonl. These are the tokens of its
    trained answers, and one end-of-turn token per answer."""
    trained: list[int] = []
    for rows in batches(run, parts=(TRAIN,)):
        for numbered in rows:
            turns = numbered.row["messages"]
            answers = [
                turn["content"]
                for turn in turns
                if turn["role"] == "assistant" and turn.get("train", True)
            ]
            trained.append(sum(_token_counts(answers, tokenizer)) + len(answers))
    return trained


def _row_count(run: Path) -> int:
    return sum(1 for part in PARTS for _ in row_lines(run / part))


def batches(run: Path, every: int = 1, parts: Sequence[str] = PARTS) -> Iterator[list[Numbered]]:
    """The rows of the files `parts` with their file and line, in lists of at most BATCH rows.
    `every`: 1 for all rows, 2 for every second row, and so on."""
    for part in parts:
        rows = (Numbered(f"{part}:{number}", row) for number, row in rows_of(run / part, every))
        while batch := list(islice(rows, BATCH)):
            yield batch


def _token_counts(texts: list[str], tokenizer: Any) -> list[int]:
    return [len(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]
