"""Refuses unsafe model folders. A folder is refused if loading it would run its own code or kernels
from the hub, or if it has an adapter, links or malformed files.

The checks are made before any library reads the folder. They parse only the folder's JSON files.
"""

import errno
import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from kodata.errors import on_one_line, shown
from kodata.reading.regular import NO_FILE
from kodata.reading.regular import content as read_content
from kotune.errors import RecipeError
from kotune.models import tokenizer_files
from kotune.models.tokenizer_files import ModelConfig

CONFIG, GENERATION, INDEX = "config.json", "generation_config.json", "*.index.json"
READ = (CONFIG, GENERATION)
MAX_KEY = 300  # characters of a key in a JSON file; the longest tensor names have about 100
# Bytes of one JSON file. The index of a model with 100,000 tensors has about 8 million.
MAX_BYTES = 10_000_000
MAX_INDEXES, MAX_INDEX_BYTES = 8, 64_000_000  # indexes of weights, and the sum of their bytes
MAX_TENSORS = 200_000  # tensors in one index
MAX_FILES, MAX_DEPTH = 10_000, 10  # files in a model folder, and levels of folders
# Keys of a config.json with which it would overwrite attributes and methods of transformers'
# configuration object. Some of these make transformers read other keys.
CLASS_ATTRIBUTE = re.compile(
    r"attribute_map|sub_configs|(to|from|save|get|push|register)_\w+|validate\w*|update"
)
# Keys of a config.json that make transformers (5.16) read another file instead, or load weights in
# a precision that differs from the recipe.
REDIRECTIONS = (
    "configuration_files",
    "quantization_config",
    "compression_config",
    "distributed_config",
    "fusion_config",
)
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")  # an escaped surrogate, alone or in a pair
# Keys of a config.json that select the code of attention or of experts.
KERNEL_KEY = re.compile(r"_?(attn|experts)_implementation(_internal)?")
ADAPTER = "adapter_config.json"


def refuse(base: str, folder: Path) -> None:
    """Raises RecipeError for a folder that is not a model folder. Also raises it if loading the
    folder would run code or load weights that the user did not choose. `base` is the model's name
    in messages."""
    refuse_links(base, folder)
    content = {
        name: object_of(base, folder / name)
        for name in READ
        if (folder / name).exists() or name == CONFIG
    }
    _refuse_adapter(base, folder)
    refuse_config(base, content[CONFIG])
    _refuse_code(base, content[CONFIG])
    refuse_tokenizer(base, folder)
    _refuse_indexes(base, sorted(folder.rglob(INDEX)))


def refuse_config(base: str, config: ModelConfig) -> None:
    """Raises RecipeError for a configuration that would load code that is not part of transformers,
    or weights from outside the model's folder. `config` is the content of config.json, or the
    configuration that transformers built from it."""
    _refuse_redirections(base, config)
    _refuse_kernels(base, config)
    _refuse_other_weights(base, config)
    _refuse_kind(base, config)
    if key := next(
        (key for key, check in tokenizer_files.CLASSES.items() if not check(config.get(key))), None
    ):
        raise RecipeError(
            f"model {base}: its config.json has `{key}: {on_one_line(shown(config[key]))}`, which"
            " is not an accepted tokenizer or processor class; remove the key from a copy of the"
            " model, or choose another"
        )


def refuse_tokenizer(base: str, folder: Path) -> None:
    """Raises RecipeError if a tokenizer's files are malformed, or if loading them would read or
    write files outside the folder."""
    for name in tokenizer_files.CHECKS:
        if not (folder / name).exists():
            continue
        content = object_of(base, folder / name)
        if (key := tokenizer_files.unsafe_key(name, content)) is not None:
            raise RecipeError(
                f"model {base}: its {name} has `{on_one_line(key[:60])}:"
                f" {on_one_line(shown(content[key]))}`, which no tokenizer needs and could name a"
                " file; remove the key from a copy of the model, or choose another"
            )
    file = folder / tokenizer_files.TOKENIZER
    if file.exists() and tokenizer_files.TEXT_AS_VOCABULARY.search(
        _bytes_of(base, file, tokenizer_files.MAX_BYTES)
    ):
        raise RecipeError(
            f"model {base}: its {file.name} names a file instead of a vocabulary or merges;"
            " choose another model"
        )


def refuse_links(base: str, folder: Path) -> None:
    """Raises RecipeError for a model folder with links, pipes or devices, or with too many files.

    The target of a link would be read as a file of the model. The target of a template that is a
    link would even be displayed and copied. Only links into the folder `blobs` of the hub's cache
    are allowed, because the cache stores its files there."""
    blobs = folder.resolve().parent.parent / "blobs"
    waiting, seen = [folder], 0
    while waiting:
        for path in waiting.pop().iterdir():
            name = path.relative_to(folder)
            if (seen := seen + 1) > MAX_FILES or len(name.parts) > MAX_DEPTH:
                raise RecipeError(
                    f"model {base}: over {MAX_FILES:,} files, or over {MAX_DEPTH} levels of"
                    " folders; give the folder of one model"
                )
            if path.is_symlink() and path.resolve().parent != blobs:
                raise RecipeError(
                    f"model {base}: {name} is a symbolic link; put the file itself there"
                )
            if path.is_dir():
                waiting.append(path)
            elif not path.is_file():
                raise RecipeError(f"model {base}: {name} is {NO_FILE}; remove it")


def object_of(base: str, file: Path) -> ModelConfig:
    """The JSON object in a file of a model. Raises RecipeError if the file is missing, cannot be
    read, is too large, does not hold a JSON object, or holds a lone surrogate."""
    where = f"model {base}: {file.name}"
    data = _bytes_of(base, file, MAX_BYTES)
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_with_short_keys)
        if SURROGATE.search(data) and not _is_encodable(value):
            raise RecipeError(
                f"{where} holds half a character (a lone surrogate); choose another model"
            )
    except (ValueError, RecursionError) as error:
        problem = (
            "is nested too deep" if isinstance(error, RecursionError) else f"is not JSON ({error})"
        )
        raise RecipeError(
            f"{where} {problem}; download the model again, or choose another"
        ) from None
    if not isinstance(value, dict):
        raise RecipeError(
            f"{where} holds {shown(value)} instead of an object; download the model again, or"
            " choose another"
        )
    return value


def objects(config: ModelConfig) -> Iterator[ModelConfig]:
    """A config.json and every object inside it."""
    waiting: list[Any] = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def _with_short_keys(pairs: list[tuple[str, Any]]) -> ModelConfig:
    """The pairs as a dict. Raises ValueError if a key is too long, because many patterns are
    matched with each key."""
    value = dict(pairs)
    if max(map(len, value), default=0) > MAX_KEY:
        raise ValueError(f"a key of over {MAX_KEY} characters")
    return value


def _is_encodable(value: Any) -> bool:
    """Whether all texts in a value can be encoded as UTF-8, as run.json and messages require."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _bytes_of(base: str, file: Path, most: int) -> bytes:
    """The content of a file of a model. Raises RecipeError if the file is missing, cannot be read,
    or has more than `most` bytes."""
    where = f"model {base}: {file.name}"
    try:
        return read_content(file, most)
    except FileNotFoundError:
        raise RecipeError(
            f"{where} does not exist; give a folder or repository of a transformers model"
        ) from None
    except OSError as error:
        problem = (
            f"{'has' if error.errno == errno.EFBIG else 'cannot be read:'}"
            f" {error.strerror or error}"
        )
        raise RecipeError(
            f"{where} {problem}; download the model again, or choose another"
        ) from None


def _refuse_adapter(base: str, folder: Path) -> None:
    """Raises RecipeError for a model folder with an adapter. Instead of the folder's weights,
    transformers would load the adapter and its base model, which can be in any repository."""
    if (folder / ADAPTER).exists():
        raise RecipeError(
            f"model {base}: it contains {ADAPTER}, an adapter that would be loaded with weights"
            " from elsewhere; merge the adapter into its model, or remove the file"
        )


def _refuse_kernels(base: str, config: ModelConfig) -> None:
    """Raises RecipeError if a configuration selects a kernel from the hub. The name of such a
    kernel contains `/` or `:`. The names of transformers' own kernels (sdpa, eager, ...) do not."""
    for key, value in _implementations(config):
        if "/" in value or ":" in value:
            raise RecipeError(
                f"model {base}: its config.json requests code from the hub ({key}:"
                f" {shown(value)}), which is never run; remove the key from a copy of the model, or"
                " choose another"
            )


def _refuse_redirections(base: str, config: ModelConfig) -> None:
    """Raises RecipeError for keys that change how a configuration is read. For example, with
    `attribute_map`, transformers (5.16) reads a refused key under another name."""
    for inner in objects(config):
        if key := next((key for key in inner if CLASS_ATTRIBUTE.fullmatch(key)), None):
            raise RecipeError(
                f"model {base}: its config.json has `{key}`, which changes how other keys are"
                " read; remove the key from a copy of the model, or choose another"
            )
        if key := next((key for key in REDIRECTIONS if inner.get(key) is not None), None):
            raise RecipeError(
                f"model {base}: its config.json has `{key}`, which loads another configuration, or"
                " weights in another precision than the recipe's; choose a model without it"
            )


def _implementations(config: Any) -> Iterator[tuple[str, str]]:
    """Every string in the value of a key that matches KERNEL_KEY, as a pair (key, string). The key
    and the string may be at any depth."""
    waiting = [("", config)]
    while waiting:
        kernel_key, value = waiting.pop()
        if isinstance(value, str) and kernel_key:
            yield kernel_key, value
        elif isinstance(value, list):
            waiting += [(kernel_key, item) for item in value]
        elif isinstance(value, dict):
            waiting += [
                (key if KERNEL_KEY.fullmatch(key) else kernel_key, item)
                for key, item in value.items()
            ]


def _refuse_kind(base: str, config: ModelConfig) -> None:
    """Raises RecipeError for a `model_type` that is not text, or whose tokenizer exists only in
    Python. With this key, transformers chooses the classes of the model and of its tokenizer."""
    for inner in objects(config):
        kind = inner.get("model_type")
        if not (kind is None or isinstance(kind, str)) or kind in tokenizer_files.KINDS_IN_PYTHON:
            raise RecipeError(
                f"model {base}: its config.json has `model_type: {on_one_line(shown(kind))}`,"
                " which kotune cannot train (its tokenizer exists only in Python, or the type does"
                " not exist); choose another model"
            )


def _refuse_code(base: str, config: ModelConfig) -> None:
    """Raises RecipeError for a model with code of its own (`auto_map`) whose model type is not in
    transformers. Without that code, the model cannot be loaded."""
    if "auto_map" not in config:  # avoids importing transformers, which takes seconds
        return
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    if config.get("model_type") not in CONFIG_MAPPING_NAMES:
        raise RecipeError(
            f"model {base}: its config.json names code of its own (auto_map), and code that comes"
            " with a model is never run; choose a model type that transformers includes"
        )


def _refuse_other_weights(base: str, config: ModelConfig) -> None:
    """Raises RecipeError for the key `transformers_weights`. transformers (5.16) would load the
    index or the pickle with that name instead of the model's weights."""
    if config.get("transformers_weights") is not None:
        raise RecipeError(
            f"model {base}: its config.json names other weights (transformers_weights:"
            f" {shown(config['transformers_weights'])}), which are never loaded; remove the key"
            " from a copy of the model, or choose another"
        )


def _refuse_indexes(base: str, indexes: list[Path]) -> None:
    """Raises RecipeError for too many or too large indexes of weights, and for an index that names
    files outside the folder. A model has one index, or one for each kind of weights."""
    size = sum(index.stat().st_size for index in indexes)
    if len(indexes) > MAX_INDEXES or size > MAX_INDEX_BYTES:
        raise RecipeError(
            f"model {base}: {len(indexes)} indexes of weights (*.index.json) with {size:,} bytes;"
            f" at most {MAX_INDEXES} with {MAX_INDEX_BYTES:,} bytes together are allowed; give the"
            " folder of one model"
        )
    for index in indexes:
        _refuse_outside_files(base, index.name, object_of(base, index))


def _refuse_outside_files(base: str, name: str, index: ModelConfig) -> None:
    """Raises RecipeError if the index `name` names a file outside its own folder, or has too many
    tensors. Many tensors are in the same file, so each file name is checked only once."""
    weight_map = index.get("weight_map", {})
    files = list(weight_map.values()) if isinstance(weight_map, dict) else [weight_map]
    if len(files) > MAX_TENSORS:
        raise RecipeError(
            f"model {base}: {name} names over {MAX_TENSORS:,} tensors; download the model again, or"
            " choose another"
        )
    others = [file for file in files if not isinstance(file, str)]
    for file in [*others[:1], *dict.fromkeys(file for file in files if isinstance(file, str))]:
        if not isinstance(file, str) or ".." in PurePosixPath(file).parts or file.startswith("/"):
            raise RecipeError(
                f"model {base}: {name} names {shown(file)}, which is outside the model's folder;"
                " choose another model"
            )
