"""Checks the size of a model before any memory is allocated for it. It compares the model's
config.json with its weight files.

Without the check, transformers would allocate a model of any size that config.json gives. It would
fill the weights that are not in the files with random numbers."""

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
from kotune.models.refusals import CONFIG, MAX_BYTES, object_of, objects
from kotune.models.tokenizer_files import ModelConfig

# Patterns for keys of a config.json that hold numbers of layers, lengths, and other counts. The
# time to match is linear in the key's length.
LAYERS = re.compile(r"^(?:(?:num|n)_(?:\w+_)?(?:layers?|blocks)|(?:en|de)coder_layers|depth)$")
COUNTS = re.compile(r"(?:^|_)(?:num|n)_\w|(?:^|_)heads$")
LENGTHS = re.compile(
    r"size|dim|rank|position|embeddings|ctx|words|params|parameters|tokens|length|d_model|embd"
)
# The maximum value for each kind of key; the first matching pattern counts. The maxima are far
# above the largest defaults of the 176 model types in transformers 5.16: 128 layers, 16,384 experts
# and a vocabulary of 20,000,000.
CEILINGS = ((LAYERS, 1_024), (LENGTHS, 100_000_000), (COUNTS, 65_536))
VOCABULARY_KEYS = ("vocab_size", "n_vocab", "n_words")
WIDTH_KEYS = ("hidden_size", "n_embd", "d_model", "dim", "hidden_dim")
# The maximum number of bytes in the headers of all weight files together. The headers of 100,000
# tensors take about 13 million bytes.
MAX_HEADER_BYTES = 20_000_000
MAX_KEYS = 100_000  # keys of a config.json; the largest has some thousands
PER_BYTE = 4  # the maximum number of parameters in one byte of weights, with 2 bits each
WEIGHTS = "*.safetensors"
# The number of parameters that is allowed whatever the size of the weight files. In float32, they
# take 256 MiB of memory.
ALWAYS_ALLOWED = 1 << 26


def refuse(base: str, folder: Path, weights: bool = True) -> None:
    """Raises RecipeError if a folder's config.json describes a larger model than its weight files
    hold, or has a number that is larger than in any real model.

    `weights`: whether all weight files are downloaded; if not, only numbers are checked. The folder
    must have passed refusals.refuse_links()."""
    config = object_of(base, folder / CONFIG)
    refuse_numbers(base, config)
    if weights and (files := sorted(folder.rglob(WEIGHTS))):
        tensors, largest = sum(_tensors(base, files)), 0
        for inner in objects(config):
            _refuse_more_layers(base, inner, tensors)
            vocabulary, width = (
                max((_number(inner.get(key)) for key in keys), default=0)
                for keys in (VOCABULARY_KEYS, WIDTH_KEYS)
            )
            largest = max(largest, int(vocabulary * width))
        refuse_elements(base, largest, folder)


def refuse_numbers(base: str, config: ModelConfig) -> None:
    """Raises RecipeError if a config.json has a number that is larger than in any real model, or
    over MAX_KEYS keys. For some keys, transformers allocates a list with the given number of
    elements when it reads the file."""
    seen = 0
    for inner in objects(config):
        if (seen := seen + len(inner)) > MAX_KEYS:
            raise RecipeError(
                f"model {base}: its config.json has over {MAX_KEYS:,} keys; download the model"
                " again, or choose another"
            )
        for key, value in inner.items():
            most = next((most for kind, most in CEILINGS if kind.search(key)), math.inf)
            if _number(value) > most:
                raise RecipeError(
                    f"model {base}: its config.json has {key}: {shown(value)}, but no model has"
                    f" over {most:,}; download the model again, or choose another"
                )


def refuse_elements(base: str, elements: int, folder: Path) -> None:
    """Raises RecipeError if the weight files in a model's folder are too small for `elements`
    parameters."""
    size = sum(file.stat().st_size for file in folder.rglob(WEIGHTS))
    if elements > max(PER_BYTE * size, ALWAYS_ALLOWED):
        raise RecipeError(
            f"model {base}: its config.json describes at least {elements:,} parameters, but its"
            f" weights have {size:,} bytes; download the model again, or choose another"
        )


def _refuse_more_layers(base: str, config: ModelConfig, tensors: int) -> None:
    """Raises RecipeError if a config.json has more layers than there are tensors in the weights."""
    for key, value in config.items():
        if LAYERS.search(key) and _number(value) > tensors:
            raise RecipeError(
                f"model {base}: its config.json has {key}: {value:,}, but its weights have only"
                f" {tensors:,} tensors; download the model again, or choose another"
            )


def _tensors(base: str, files: list[Path]) -> Iterator[int]:
    """The number of tensors in each weight file, from the file's header. A header is a JSON text
    after 8 bytes with its length. Raises RecipeError if a header is malformed, or if all headers
    together are too large."""
    remaining = MAX_HEADER_BYTES
    for file in files:
        try:
            with opened(file) as stream:
                length = int.from_bytes(stream.read(8), "little")
                remaining -= length
                file_size = os.fstat(stream.fileno()).st_size
                if remaining < 0 or length > MAX_BYTES or 8 + length > file_size:
                    raise ValueError(f"its header would have {length:,} bytes")
                header = json.loads(stream.read(length))
            if not isinstance(header, dict):
                raise ValueError(f"its header is {shown(header)}")
        except (OSError, ValueError, RecursionError) as error:
            raise RecipeError(
                f"model {base}: {file.name} is not a file of weights ({_reason(error)}); download"
                " the model again, or choose another"
            ) from None
        yield len(header.keys() - {"__metadata__"})


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return brief(error.strerror)
    return "nested too deep" if isinstance(error, RecursionError) else brief(error)


def _number(value: Any) -> float:
    """The value as a number that can be compared. NaN becomes infinity, and anything that is not a
    number becomes 0."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return 0
    return math.inf if value != value else value
