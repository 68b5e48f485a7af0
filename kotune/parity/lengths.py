"""How long the examples are in the model's own tokens, counted before training: one that does not fit is never cut."""

import json
import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from kotune.errors import StageError
from kotune.layout import CONFIG, TRAIN, VALIDATION
from kotune.runs.reading import yaml_of

PARTS = (TRAIN, VALIDATION)
BATCH = 1_000  # rows tokenized at a time
SAMPLE = 10_000  # examples, at most, on which of_contents() counts


def count(run: Path, tokenizer: Any) -> dict[str, Any]:
    """Rows, the longest one's tokens, and how many rows are longer than sequence_len.

    Raises StageError where some are and `excess_length_strategy` is `raise`, as recipes/defaults.yml has it: training
    would stop at the first of them, or cut it.
    """
    config = yaml_of(run / CONFIG)
    limit, found = int(config["sequence_len"]), list(of_examples(run, tokenizer))
    longest, guid = max(found)
    too_long = sum(length > limit for length, _ in found)
    if too_long and config.get("excess_length_strategy") == "raise":
        raise StageError(
            f"render: {too_long:,} of {len(found):,} examples are longer than sequence_len {limit:,} (the longest is guid "
            f"{guid} with {longest:,} tokens); set axolotl.sequence_len={longest}, or leave them out with "
            "axolotl.excess_length_strategy=drop"
        )
    return {"rows": len(found), "longest": longest, "longest_guid": guid, "sequence_len": limit, "too_long": too_long}


def of_examples(run: Path, tokenizer: Any) -> Iterator[tuple[int, str]]:
    """Tokens, with the chat template, and guid of every example of both splits."""
    for rows in _batches(run):
        texts = [tokenizer.apply_chat_template(row["messages"], tokenize=False) for row in rows]
        yield from zip(_tokens(texts, tokenizer), (row["guid"] for row in rows), strict=True)


def of_contents(run: Path, tokenizer: Any) -> dict[str, int]:
    """`tokens` and `characters` (Unicode code points) of what is said in the examples of both splits: in all of them, or in
    every second, third, ... one where they are more than SAMPLE.

    The content of each message is tokenized by itself: no template, no special tokens.
    """
    tokens, characters = 0, 0
    for rows in _batches(run, every=math.ceil(_number(run) / SAMPLE)):
        texts = [message["content"] for row in rows for message in row["messages"]]
        tokens += sum(_tokens(texts, tokenizer))
        characters += sum(map(len, texts))
    return {"tokens": tokens, "characters": characters}


def _number(run: Path) -> int:
    total = 0
    for part in PARTS:
        with (run / part).open("rb") as file:
            total += sum(1 for _ in file)
    return total


def _batches(run: Path, every: int = 1) -> Iterator[list[dict[str, Any]]]:
    for part in PARTS:
        with (run / part).open(encoding="utf-8") as file:
            lines = map(json.loads, islice(file, 0, None, every))
            while rows := list(islice(lines, BATCH)):
                yield rows


def _tokens(texts: list[str], tokenizer: Any) -> list[int]:
    return [len(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]
