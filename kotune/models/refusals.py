"""What a model folder must not hold: code of its own, kernels from the hub, an adapter, files that
are not what they say.

Everything is read as JSON alone, before any library looks at the folder.
"""

import errno
import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from kodata.errors import on_one_line, shown
from kodata.reading.regular import NO_FILE, content
from kotune.errors import RecipeError
from kotune.models import tokenizer_files
from kotune.models.tokenizer_files import ModelConfig

CONFIG, GENERATION, INDEX = "config.json", "generation_config.json", "*.index.json"
READ = (CONFIG, GENERATION)
LONGEST = 300  # characters of a key; tensors of large models have names of some 100
# bytes of one of these files; an index of a model with 100,000 tensors has some 8 million
LARGEST = 10_000_000
INDEXES, TOGETHER = 8, 64_000_000  # indexes of weights, and their bytes
TENSORS = 200_000  # that an index names
MOST, DEEPEST = 10_000, 10  # files of a model folder, and folders within folders
# Keys of a config.json that take the place of what transformers' configuration class is, or send
# other keys elsewhere.
OF_THE_CLASS = re.compile(
    r"attribute_map|sub_configs|(to|from|save|get|push|register)_\w+|validate\w*|update"
)
# Keys of a config.json that make transformers (5.16) read another file in its place, or load
# weights in another precision than the recipe says.
OTHERWISE = (
    "configuration_files",
    "quantization_config",
    "compression_config",
    "distributed_config",
    "fusion_config",
)
HALF = re.compile(rb"\\u[dD][89a-fA-F]")  # of a character, or of a pair
KERNEL_KEY = re.compile(r"_?(attn|experts)_implementation(_internal)?")
ADAPTER = "adapter_config.json"


def refuse(base: str, folder: Path) -> None:
    """RecipeError for a model folder that would run code or load weights that its user did not
    choose, or that is none."""
    refuse_strange(base, folder)
    found = {
        name: object_of(base, folder / name)
        for name in READ
        if (folder / name).exists() or name == CONFIG
    }
    _refuse_adapter(base, folder)
    refuse_config(base, found[CONFIG])
    _refuse_code(base, found[CONFIG])
    refuse_tokenizer(base, folder)
    _refuse_indexes(base, sorted(folder.rglob(INDEX)))


def refuse_config(base: str, config: ModelConfig) -> None:
    """RecipeError for a configuration, as it stands in config.json or as transformers has made it
    of one, that leads to anything but the weights beside it, in transformers' own code."""
    _refuse_class(base, config)
    _refuse_kernels(base, config)
    _refuse_other_weights(base, config)
    _refuse_kind(base, config)
    if key := next(
        (key for key, passes in tokenizer_files.CLASSES.items() if not passes(config.get(key))),
        None,
    ):
        raise RecipeError(
            f"model {base}: its config.json says `{key}: {on_one_line(shown(config[key]))}`, which"
            " is the name of none; remove the key from a copy of the model, or choose another"
        )


def refuse_tokenizer(base: str, folder: Path) -> None:
    """RecipeError for a folder whose tokenizer would be read from elsewhere, written elsewhere, or
    is none."""
    for name in tokenizer_files.PASSES:
        if not (folder / name).exists():
            continue
        found = object_of(base, folder / name)
        if (key := tokenizer_files.unsafe(name, found)) is not None:
            raise RecipeError(
                f"model {base}: its {name} says `{on_one_line(key[:60])}:"
                f" {on_one_line(shown(found[key]))}`, which no tokenizer needs and could name a"
                " file; remove the key from a copy of the model, or choose another"
            )
    if (
        file := folder / tokenizer_files.TOKENIZER
    ).exists() and tokenizer_files.INSTEAD_OF_WORDS.search(
        _bytes_of(base, file, tokenizer_files.LARGEST)
    ):
        raise RecipeError(
            f"model {base}: its {file.name} names a file where its vocabulary or merges should be;"
            " choose another model"
        )


def refuse_strange(base: str, folder: Path) -> None:
    """RecipeError for a model folder with links, pipes or devices: a link's target would be read as
    the model's, and of a template shown and copied. The hub's cache links each file to one in its
    own `blobs`."""
    blobs = folder.resolve().parent.parent / "blobs"
    waiting, seen = [folder], 0
    while waiting:
        for place in waiting.pop().iterdir():
            name = place.relative_to(folder)
            if (seen := seen + 1) > MOST or len(name.parts) > DEEPEST:
                raise RecipeError(
                    f"model {base}: over {MOST:,} files, or {DEEPEST} folders deep; give the folder"
                    " of one model"
                )
            if place.is_symlink() and place.resolve().parent != blobs:
                raise RecipeError(
                    f"model {base}: {name} is a symbolic link; put the file itself there"
                )
            if place.is_dir():
                waiting.append(place)
            elif not place.is_file():
                raise RecipeError(f"model {base}: {name} is {NO_FILE}; take it away")


def object_of(base: str, file: Path) -> ModelConfig:
    """The JSON object in a file of a model's. RecipeError for one that is missing, too large, or
    holds none."""
    where = f"model {base}: {file.name}"
    data = _bytes_of(base, file, LARGEST)
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_with_short_keys)
        if HALF.search(data) and _is_halved(value):
            raise RecipeError(
                f"{where} holds half a character, which no text may; choose another model"
            )
    except (ValueError, RecursionError) as error:
        told = (
            "is nested too deep" if isinstance(error, RecursionError) else f"is not JSON ({error})"
        )
        raise RecipeError(f"{where} {told}; fetch the model again, or choose another") from None
    if not isinstance(value, dict):
        raise RecipeError(
            f"{where} holds {shown(value)} instead of an object; fetch the model again, or choose"
            " another"
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
    """An object whose keys are names: each is looked for in many patterns."""
    made = dict(pairs)
    if max(map(len, made), default=0) > LONGEST:
        raise ValueError(f"a key of over {LONGEST} characters")
    return made


def _is_halved(value: Any) -> bool:
    """Whether something in it, which run.json or a message may have to tell, cannot be written."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _bytes_of(base: str, file: Path, most: int) -> bytes:
    where = f"model {base}: {file.name}"
    try:
        return content(file, most)
    except FileNotFoundError:
        raise RecipeError(
            f"{where} is not there; give a folder or repository of a transformers model"
        ) from None
    except OSError as error:
        told = (
            f"{'has' if error.errno == errno.EFBIG else 'cannot be read:'}"
            f" {error.strerror or error}"
        )
        raise RecipeError(f"{where} {told}; fetch the model again, or choose another") from None


def _refuse_adapter(base: str, folder: Path) -> None:
    """transformers would load it, and of it the weights that it names, in any repository, in place
    of the model's."""
    if (folder / ADAPTER).exists():
        raise RecipeError(
            f"model {base}: it brings {ADAPTER}, an adapter that would be loaded unasked with"
            " weights that it names; merge the adapter into its model, or remove the file"
        )


def _refuse_kernels(base: str, config: ModelConfig) -> None:
    """A name of a repository is what a kernel from the hub has; transformers' own (sdpa, eager,
    ...) are harmless."""
    for key, value in _named(config):
        if "/" in value or ":" in value:
            raise RecipeError(
                f"model {base}: its config.json asks for code from the hub ({key}: {shown(value)}),"
                " and a kernel that a model names is never run; remove the key from a copy of the"
                " model, or choose another"
            )


def _refuse_class(base: str, config: ModelConfig) -> None:
    """`attribute_map` (transformers 5.16) reads another key in the place of one that is refused
    here."""
    for inner in objects(config):
        if key := next((key for key in inner if OF_THE_CLASS.fullmatch(key)), None):
            raise RecipeError(
                f"model {base}: its config.json says `{key}`, which changes how the others are"
                " read; remove the key from a copy of the model, or choose another"
            )
        if key := next((key for key in OTHERWISE if inner.get(key) is not None), None):
            raise RecipeError(
                f"model {base}: its config.json says `{key}`, and what it leads to (another"
                " configuration, weights in a precision that the recipe does not ask for) is never"
                " loaded; choose a model without it"
            )


def _named(config: Any) -> Iterator[tuple[str, str]]:
    """(key, text) of whatever names an implementation, at any depth."""
    waiting = [("", config)]
    while waiting:
        inside, value = waiting.pop()
        if isinstance(value, str) and inside:
            yield inside, value
        elif isinstance(value, list):
            waiting += [(inside, item) for item in value]
        elif isinstance(value, dict):
            waiting += [
                (key if KERNEL_KEY.fullmatch(key) else inside, item) for key, item in value.items()
            ]


def _refuse_kind(base: str, config: ModelConfig) -> None:
    """transformers chooses classes by `model_type`, that of the tokenizer too."""
    for inner in objects(config):
        kind = inner.get("model_type")
        if not (kind is None or isinstance(kind, str)) or kind in tokenizer_files.KINDS_IN_PYTHON:
            raise RecipeError(
                f"model {base}: its config.json says `model_type: {on_one_line(shown(kind))}`,"
                " which is no kind that can be trained here (its tokenizer is in Python alone, or"
                " there is none); choose another model"
            )


def _refuse_code(base: str, config: ModelConfig) -> None:
    """A model of a kind that transformers does not have: its own code would have to run."""
    if "auto_map" not in config:  # importing transformers takes seconds
        return
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    if config.get("model_type") not in CONFIG_MAPPING_NAMES:
        raise RecipeError(
            f"model {base}: its config.json names code of its own (auto_map), and code that comes"
            " with a model is never run; choose a model of a kind that transformers has"
        )


def _refuse_other_weights(base: str, config: ModelConfig) -> None:
    """transformers (5.16) loads the file that this key names in place of the weights: an index, or
    a pickle."""
    if config.get("transformers_weights") is not None:
        raise RecipeError(
            f"model {base}: its config.json names other weights (transformers_weights:"
            f" {shown(config['transformers_weights'])}), which are never loaded; remove the key"
            " from a copy of the model, or choose another"
        )


def _refuse_indexes(base: str, indexes: list[Path]) -> None:
    """A model has one index of weights, or one of each kind."""
    if len(indexes) > INDEXES or sum(index.stat().st_size for index in indexes) > TOGETHER:
        raise RecipeError(
            f"model {base}: {len(indexes)} indexes of weights (*.index.json), and a model may have"
            f" {INDEXES}, of {TOGETHER:,} bytes together; give the folder of one model"
        )
    for index in indexes:
        _refuse_places(base, index.name, object_of(base, index))


def _refuse_places(base: str, name: str, index: ModelConfig) -> None:
    """An index of weights names files of its own folder, each for many tensors."""
    told = index.get("weight_map", {})
    files = list(told.values()) if isinstance(told, dict) else [told]
    if len(files) > TENSORS:
        raise RecipeError(
            f"model {base}: {name} names over {TENSORS:,} tensors; fetch the model again, or choose"
            " another"
        )
    others = [file for file in files if not isinstance(file, str)]
    for file in [*others[:1], *dict.fromkeys(file for file in files if isinstance(file, str))]:
        if not isinstance(file, str) or ".." in PurePosixPath(file).parts or file.startswith("/"):
            raise RecipeError(
                f"model {base}: {name} names {shown(file)}, which is no file of it; choose another"
                " model"
            )
