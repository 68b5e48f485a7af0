"""How large a model may be: what its config.json says is held against its files of weights before
anything of that size is made. transformers makes whatever a config.json tells, and fills what the
weights lack with random numbers."""

import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kodata.errors import brief, shown
from kodata.reading.regular import opened
from kotune.errors import RecipeError
from kotune.models.refusals import CONFIG, LARGEST, object_of, objects
from kotune.models.tokenizer_files import ModelConfig

# Kinds of keys, each found in a time that grows with the key's length alone.
LAYERS = re.compile(r"^(?:(?:num|n)_(?:\w+_)?(?:layers?|blocks)|(?:en|de)coder_layers|depth)$")
COUNTS = re.compile(r"(?:^|_)(?:num|n)_\w|(?:^|_)heads$")
LENGTHS = re.compile(
    r"size|dim|rank|position|embeddings|ctx|words|params|parameters|tokens|length|d_model|embd"
)
# The most of each, far above what the 176 kinds of transformers 5.16 are made with: 128 layers,
# 16,384 experts, 20,000,000 words.
CEILINGS = ((LAYERS, 1_024), (LENGTHS, 100_000_000), (COUNTS, 65_536))
WORDS, WIDTHS = (
    ("vocab_size", "n_vocab", "n_words"),
    ("hidden_size", "n_embd", "d_model", "dim", "hidden_dim"),
)
# bytes of what files of weights say of themselves, together; of 100,000 tensors it is some 13
# million
HEADERS = 20_000_000
MANY = 100_000  # keys of a config.json; of the largest it is some thousands
PACKED = 4  # numbers that a byte of weights may hold, in 2 bits each
WEIGHTS = "*.safetensors"
SMALL = 1 << 26  # numbers that any model may have, 256 MiB of them


def refuse(base: str, folder: Path, weights: bool = True) -> None:
    """RecipeError for a model folder, looked at by refuse_strange(), whose config.json tells of a
    larger model than its weights are of, or of one that nobody has. `weights`: whether they are all
    there."""
    config = object_of(base, folder / CONFIG)
    refuse_numbers(base, config)
    if weights and (files := sorted(folder.rglob(WEIGHTS))):
        tensors, largest = sum(_tensors(base, files)), 0
        for inner in objects(config):
            _refuse_more_layers(base, inner, tensors)
            words, width = (
                max((_number(inner.get(key)) for key in keys), default=0)
                for keys in (WORDS, WIDTHS)
            )
            largest = max(largest, int(words * width))
        refuse_elements(base, largest, folder)


def refuse_numbers(base: str, config: ModelConfig) -> None:
    """RecipeError for a config.json with a number that no model has. Some are made into lists by
    the mere reading of it."""
    seen = 0
    for inner in objects(config):
        if (seen := seen + len(inner)) > MANY:
            raise RecipeError(
                f"model {base}: its config.json has over {MANY:,} keys; fetch the model again, or"
                " choose another"
            )
        for key, value in inner.items():
            most = next((most for kind, most in CEILINGS if kind.search(key)), math.inf)
            if _number(value) > most:
                raise RecipeError(
                    f"model {base}: its config.json says {key}: {shown(value)}, and no model has"
                    f" over {most:,}; fetch the model again, or choose another"
                )


def refuse_elements(base: str, elements: int, folder: Path) -> None:
    """RecipeError for a model whose tensors have so many numbers, or more, where its files of
    weights cannot hold them."""
    held = sum(file.stat().st_size for file in folder.rglob(WEIGHTS))
    if elements > max(PACKED * held, SMALL):
        raise RecipeError(
            f"model {base}: its config.json tells of {elements:,} numbers or more, and its weights"
            f" have {held:,} bytes; fetch the model again, or choose another"
        )


def _refuse_more_layers(base: str, config: ModelConfig, tensors: int) -> None:
    for key, value in config.items():
        if LAYERS.search(key) and _number(value) > tensors:
            raise RecipeError(
                f"model {base}: its config.json says {key}: {value:,}, and its weights are"
                f" {tensors:,} tensors; fetch the model again, or choose another"
            )


def _tensors(base: str, files: list[Path]) -> Iterator[int]:
    """How many tensors each file of weights holds, by its header alone: its length in 8 bytes, and
    JSON."""
    left = HEADERS
    for file in files:
        try:
            with opened(file) as stream:
                length = int.from_bytes(stream.read(8), "little")
                left -= length
                if left < 0 or length > LARGEST or 8 + length > os.fstat(stream.fileno()).st_size:
                    raise ValueError(f"its header would have {length:,} bytes")
                header = json.loads(stream.read(length))
            if not isinstance(header, dict):
                raise ValueError(f"its header is {shown(header)}")
        except (OSError, ValueError, RecursionError) as error:
            told = (
                error.strerror
                if isinstance(error, OSError)
                else "nested too deep"
                if isinstance(error, RecursionError)
                else error
            )
            raise RecipeError(
                f"model {base}: {file.name} is no file of weights ({brief(told)}); fetch the model"
                " again, or choose another"
            ) from None
        yield len(header.keys() - {"__metadata__"})


def _number(value: Any) -> float:
    """A number that says how much there is; 0 for all else, and infinity for one that is none
    (NaN)."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return 0
    return math.inf if value != value else value
