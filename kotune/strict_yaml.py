"""YAML without its surprises: duplicate keys, numbers that YAML reads as text, aliases and tags are errors, with the line.

PyYAML follows YAML 1.1, in which `2e-4` is a string; Axolotl would carry that string until training fails.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from kotune.errors import RecipeError

MAX_BYTES = 1_000_000
NUMBER_AS_TEXT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+|[-+]?\d{1,3}(,\d{3})+(\.\d+)?")
PLAIN_TAGS = {f"tag:yaml.org,2002:{t}" for t in ("map", "seq", "str", "int", "float", "bool", "null")}


def load(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file. RecipeError for a file that is missing, empty, no UTF-8, no YAML or no mapping."""
    value = parse(_read(path), str(path))
    if value is None:
        raise RecipeError(f"{path}: the file is empty; a recipe needs at least `model` and `data` (see recipes/)")
    if not isinstance(value, dict):
        raise RecipeError(f"{path}: a recipe is a mapping of `key: value` lines, found {type(value).__name__}")
    return value


def parse(text: str, where: str) -> Any:
    """One YAML document under the strict rules; `where` names the file or option in messages."""
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _check(node, where, "")
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise RecipeError(f"{where}{line}: not valid YAML: {error.problem or error.context}; mend that line") from None
    except (yaml.YAMLError, ValueError) as error:
        raise RecipeError(f"{where}: not valid YAML: {error}; mend the file") from None
    except RecursionError:
        raise RecipeError(f"{where}: nested too deeply; a recipe needs three levels") from None


def _read(path: Path) -> str:
    try:
        data = path.read_bytes() if path.stat().st_size <= MAX_BYTES else None
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such file; `ls recipes/` lists the recipes that ship") from None
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}") from None
    if data is None:
        raise RecipeError(f"{path}: over {MAX_BYTES:,} bytes; a recipe is about ten lines")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not UTF-8 (byte {error.start}); save the file as UTF-8") from None


def _check(node: yaml.Node, where: str, key: str, seen: set[int] | None = None) -> None:
    """Walk the node graph before anything is built, so that an alias bomb or a tag never takes effect."""
    seen = set() if seen is None else seen
    line = node.start_mark.line + 1
    if id(node) in seen:
        raise RecipeError(
            f"{where}:{line}: {key or 'top level'}: anchors and aliases are not used in recipes; write it out"
        )
    seen.add(id(node))
    if node.tag not in PLAIN_TAGS:
        raise RecipeError(
            f"{where}:{line}: {key or 'top level'}: `{node.tag}` is not a plain value; quote it if it is text"
        )
    if isinstance(node, yaml.MappingNode):
        _check_mapping(node, where, key, seen)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _check(item, where, f"{key}.{index}".lstrip("."), seen)
    elif isinstance(node, yaml.ScalarNode) and _is_plain_text(node) and NUMBER_AS_TEXT.fullmatch(node.value):
        fixed = _as_number(node.value)
        raise RecipeError(f"{where}:{line}: {key}: YAML reads `{node.value}` as text, not a number; write {fixed}")


def _check_mapping(node: yaml.MappingNode, where: str, key: str, seen: set[int]) -> None:
    first: dict[str, int] = {}
    for name, value in node.value:
        line = name.start_mark.line + 1
        if not isinstance(name, yaml.ScalarNode) or not name.tag.endswith(":str"):
            raise RecipeError(f"{where}:{line}: {key or 'top level'}: a key must be a word, found `{_shown(name)}`")
        path = f"{key}.{name.value}".lstrip(".")
        if name.value in first:
            raise RecipeError(f"{where}:{line}: {path}: given twice (also on line {first[name.value]}); keep one")
        first[name.value] = line
        _check(value, where, path, seen)


def _is_plain_text(node: yaml.ScalarNode) -> bool:
    return node.tag.endswith(":str") and node.style is None  # style: the kind of quotes, None without


def _shown(node: yaml.Node) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else node.tag.rsplit(":", 1)[-1]


def _as_number(text: str) -> str:
    """How YAML 1.1 wants a number: a dot in the mantissa and a signed exponent, no thousands commas."""
    mantissa, _, exponent = text.replace(",", "").lower().partition("e")
    if not exponent:
        return mantissa
    mantissa += "" if "." in mantissa else ".0"
    return f"{mantissa}e{exponent if exponent[0] in '+-' else '+' + exponent}"
