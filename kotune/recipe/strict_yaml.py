"""YAML without its surprises: duplicate keys, numbers that YAML reads as text or text as numbers,
aliases, tags and characters that are not shown are errors, with the line. Whatever the file holds,
it costs under a second and some megabytes.

PyYAML follows YAML 1.1, in which `2e-4` is a string, `010` is 8 and `1:30` is 90; Axolotl would
carry that into training."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from kodata.errors import did_you_mean, on_one_line
from kodata.reading.regular import opened
from kodata.stored import as_stored
from kotune.errors import RecipeError
from kotune.recipe.secrets import masked
from kotune.recipe.unseen import refuse_unseen
from kotune.shipped import RECIPES, RECIPES_LIST, RECIPES_PAGE

MAX_BYTES = 16_384  # PyYAML reads some 30 kB in a CPU second
# PyYAML looks 1,024 characters ahead from every open bracket, which makes deep nesting slow.
MAX_DEPTH = 20
MAX_NODES = 20_000  # values that a file of our own is built of, aliases written out
MAX_SHOWN = 80  # characters of a key or value in a message
NUMBER_AS_TEXT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+|[-+]?\d{1,3}(,\d{3})+(\.\d+)?")
DECIMAL = re.compile(r"[-+]?(0|[1-9](_?\d){0,17})")  # what fits 64 bits
# Would act on the terminal, or cannot be written.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
# Those, and what starts another line.
BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# What PyYAML raises beside its own errors for texts that are not of their kind, as `!!bool foo`,
# `!!float ""`, `"\\Uffffffff"`.
FALLS = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
PLAIN = "tag:yaml.org,2002:"  # what `!!` stands for
PLAIN_TAGS = {PLAIN + kind for kind in ("map", "seq", "str", "int", "float", "bool", "null")}


class _Loader(yaml.SafeLoader):
    """PyYAML's own safe loader, which stops at a depth that no recipe has instead of at Python's
    limit, seconds later."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise RecursionError
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _StrictLoader(_Loader):
    """Leaves a tag that somebody wrote as they wrote it, so that it is no plain value's."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        written = getattr(self.peek_event(), "tag", None)  # type: ignore[no-untyped-call]
        node = super().compose_node(parent, index)
        if node and written:
            node.tag = written.replace(PLAIN, "!!")
        return node


def load(path: Path, limit: int = MAX_BYTES, misread: list[str] | None = None) -> dict[str, Any]:
    """The mapping in a YAML file of at most `limit` bytes. Numbers that YAML would misread are told
    in `misread`, so that what else is wrong can be told with them.

    RecipeError for a file that is missing, empty, too long, no UTF-8, no YAML or no mapping;
    without `misread` for these too."""
    value = parse(_read(path, limit), str(path), limit, misread)
    if value is None:
        raise RecipeError(f"{path}: the file is empty; {RECIPES_PAGE} says what belongs there")
    if not isinstance(value, dict):
        raise RecipeError(
            f"{path}: a recipe is a mapping of `key: value` lines, found {type(value).__name__}"
        )
    return value


def parse(text: str, where: str, limit: int = MAX_BYTES, misread: list[str] | None = None) -> Any:
    """One YAML document under the strict rules; `where` names the file or option in messages,
    `misread` is as for load()."""
    if len(text) > limit:
        raise RecipeError(f"{where}: over {limit:,} bytes; a recipe is about ten lines")
    refuse_unseen(text, where)
    try:
        loader = _StrictLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        found: list[str] = []
        _Walk(where, found).check(node, "")
        if misread is not None:
            misread += found
        elif found:
            raise RecipeError("\n".join(found))
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        told = shown(error.problem or error.context)
        raise RecipeError(f"{where}{line}: not valid YAML: {told}; mend that line") from None
    except (yaml.YAMLError, *FALLS) as error:
        raise RecipeError(f"{where}: not valid YAML: {_why(error)}; mend the file") from None
    except RecursionError:
        raise RecipeError(f"{where}: nested too deeply; a recipe needs three levels") from None


def plain(text: str) -> Any:
    """One YAML document that a program wrote, so without the strict rules for what people write.
    ValueError where it is no YAML, nested too deeply, or an alias makes it far larger than it
    looks."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        if _size(node, {}) > MAX_NODES:
            raise ValueError(f"over {MAX_NODES:,} values")
        return loader.construct_document(node)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except (yaml.YAMLError, *FALLS) as error:
        raise ValueError(_why(error)) from None


def _why(error: Exception) -> str:
    is_told = isinstance(error, (yaml.YAMLError, ValueError))
    return (
        " ".join(str(error).split())
        if is_told
        else "a value that is not of the kind that its tag or escape says"
    )


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """The values in a node, those of an alias each time that it stands there. ValueError for one
    that holds itself."""
    if id(node) in known:
        if not known[id(node)]:
            raise ValueError("an alias that holds itself")
        return known[id(node)]
    known[id(node)] = 0
    parts = node.value if isinstance(node, yaml.CollectionNode) else []
    inner = [each for part in parts for each in (part if isinstance(part, tuple) else (part,))]
    known[id(node)] = 1 + sum(_size(each, known) for each in inner)
    return known[id(node)]


def shown(value: object) -> str:
    """A key or value for a message: a few words of it, no token, and nothing that a terminal would
    act on."""
    short = masked(str(value))[: MAX_SHOWN + 1]
    text = on_one_line(short)
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "..."


def _read(path: Path, limit: int) -> str:
    try:
        with opened(as_stored(path)) as file:
            data = file.read(limit + 1)  # never more, whatever the file says of its size
    except FileNotFoundError:
        raise RecipeError(
            f"{path}: no such file{_alike(path)}; {RECIPES_LIST} lists what ships"
        ) from None
    except OSError as error:
        raise RecipeError(f"{shown(path)}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise RecipeError(
            f"{shown(path)}: no file can have this name; give the recipe's path"
        ) from None
    if len(data) > limit:
        raise RecipeError(f"{path}: over {limit:,} bytes; a recipe is about ten lines")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecipeError(
            f"{path}: not UTF-8 (byte {error.start}); save the file as UTF-8"
        ) from None


@dataclass
class _Walk:
    """Over the node graph before anything is built, so that an alias bomb or a tag never takes
    effect. What the file cannot be built with is raised; numbers are collected in `misread`, and
    built as they were meant."""

    where: str
    misread: list[str]
    seen: set[int] = field(default_factory=set)

    def check(self, node: yaml.Node, key: str) -> None:
        if id(node) in self.seen:
            raise self._error(
                node, key, "anchors and aliases are not used in recipes; write it out"
            )
        self.seen.add(id(node))
        if node.tag.startswith("!"):
            raise self._error(
                node,
                key,
                f"`{shown(node.tag)}` is a tag; leave it out, and quote the value if it is text",
            )
        if node.tag not in PLAIN_TAGS:
            raise self._error(
                node, key, f"`{shown(node.tag)}` is not a plain value; quote it if it is text"
            )
        if isinstance(node, yaml.MappingNode):
            self._mapping(node, key)
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.check(item, f"{key}.{index}".lstrip("."))
        elif isinstance(node, yaml.ScalarNode):
            self._scalar(node, key)

    def _mapping(self, node: yaml.MappingNode, key: str) -> None:
        first: dict[str, int] = {}
        for name, value in node.value:
            if not isinstance(name, yaml.ScalarNode) or not name.tag.endswith(":str"):
                raise self._error(name, key, f"a key must be a word, found `{_name(name)}`")
            path = f"{key}.{shown(name.value)}".lstrip(".")
            if CONTROL.search(name.value):
                raise self._error(
                    name, path, "a control character or half a character in a key; take it out"
                )
            if name.value in first:
                raise self._error(
                    name, path, f"given twice (also on line {first[name.value]}); keep one"
                )
            first[name.value] = name.start_mark.line + 1
            self.check(value, path)

    def _scalar(self, node: yaml.ScalarNode, key: str) -> None:
        text: str = node.value
        if CONTROL.search(text):
            raise self._error(
                node,
                key,
                f"a control character or half a character in `{shown(text)}`; take it out",
            )
        if _is_plain_text(node) and NUMBER_AS_TEXT.fullmatch(text):
            meant = _as_number(text)
            told = f"YAML reads `{shown(text)}` as text, not a number; write {shown(meant)}"
            node.tag, node.value = (
                f"tag:yaml.org,2002:{'float' if 'e' in meant or '.' in meant else 'int'}",
                meant,
            )
        elif (
            node.tag.endswith((":int", ":float"))
            and not DECIMAL.fullmatch(text)
            and not _is_decimal_fraction(node)
        ):
            told = (
                f"`{shown(text)}` is no decimal number of at most 18 digits; write it so, or quote"
                " it if it is text"
            )
            node.tag = "tag:yaml.org,2002:str"
        else:
            return
        self.misread.append(str(self._error(node, key, told)))

    def _error(self, node: yaml.Node, key: str, told: str) -> RecipeError:
        return RecipeError(f"{self.where}:{node.start_mark.line + 1}: {key or 'top level'}: {told}")


def _is_decimal_fraction(node: yaml.ScalarNode) -> bool:
    return node.tag.endswith(":float") and ":" not in node.value and len(node.value) <= 40


def _alike(path: Path) -> str:
    """What is named like a missing file: files beside it, but for what all recipes start from, or
    recipes that ship."""
    beside = [other.name for other in path.parent.glob("*.yml")]
    shipped = (
        [other.stem for other in RECIPES.glob("**/*.yml")]
        if path.name == str(path) and not path.suffix
        else []
    )
    return did_you_mean(
        path.name, [name for name in beside + shipped if name not in ("defaults.yml", "defaults")]
    )


def _is_plain_text(node: yaml.ScalarNode) -> bool:
    # Style: the kind of quotes, None without.
    return node.tag.endswith(":str") and node.style is None


def _name(node: yaml.Node) -> str:
    return shown(node.value) if isinstance(node, yaml.ScalarNode) else node.tag.rsplit(":", 1)[-1]


def _as_number(text: str) -> str:
    """How YAML 1.1 wants a number: a dot in the mantissa and a signed exponent, no thousands
    commas."""
    mantissa, _, exponent = text.replace(",", "").lower().partition("e")
    if not exponent:
        return mantissa
    mantissa += "" if "." in mantissa else ".0"
    return f"{mantissa}e{exponent if exponent[0] in '+-' else '+' + exponent}"
