"""Reads YAML with strict rules. Each of the following is an error with a line number:

- duplicate keys
- a number that YAML reads as text, and a text that YAML reads as a number
- aliases and tags
- characters that a terminal does not show

PyYAML follows YAML 1.1, in which `2e-4` is a string, `010` is 8 and `1:30` is 90. Axolotl would
train with these values. Reading takes less than a second and a few megabytes, for any file."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from kodata.errors import Translatable, did_you_mean, on_one_line
from kodata.reading.regular import opened
from kodata.stored import as_stored
from kotune.errors import RecipeError
from kotune.recipe.secrets import masked
from kotune.recipe.unseen import refuse_unseen
from kotune.shipped import RECIPES, RECIPES_LIST, RECIPES_PAGE

MAX_BYTES = 16_384  # PyYAML reads about 30 kB per CPU second
# Maximum nesting. PyYAML reads 1,024 characters ahead at every open bracket, so deep nesting is
# slow.
MAX_DEPTH = 20
MAX_NODES = 20_000  # maximum number of values that plain() accepts, with aliases expanded
MAX_SHOWN = 80  # maximum number of characters of a key or value in a message
# Numbers that PyYAML may read as text, such as 2e-4 and 1,000.
NUMBER_AS_TEXT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+|[-+]?\d{1,3}(,\d{3})+(\.\d+)?")
DECIMAL = re.compile(r"[-+]?(0|[1-9](_?\d){0,17})")  # at most 18 digits, which fit into 64 bits
# Characters that control a terminal, and surrogates. Surrogates cannot be encoded as UTF-8.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
# CONTROL and all line breaks.
BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# Python errors that PyYAML raises in addition to its own errors. The cause is text that does not
# fit its tag or escape, such as `!!bool foo`, `!!float ""` and `"\\Uffffffff"`.
PYTHON_ERRORS = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
PLAIN = "tag:yaml.org,2002:"  # the start of a standard tag, which a file abbreviates as `!!`
PLAIN_TAGS = {PLAIN + kind for kind in ("map", "seq", "str", "int", "float", "bool", "null")}
Written = dict[str, Any]  # the mapping in a YAML file, before its keys and values are checked


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with a limit on nesting. Without this limit, reading would stop only at
    Python's recursion limit, which takes seconds."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise RecursionError
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _StrictLoader(_Loader):
    """Keeps an explicit tag in its written form (`!!int`). So _Walk can tell an explicit tag from a
    tag that PyYAML derived from the value."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        written = getattr(self.peek_event(), "tag", None)  # type: ignore[no-untyped-call]
        node = super().compose_node(parent, index)
        if node and written:
            node.tag = written.replace(PLAIN, "!!")
        return node


def load(path: Path, limit: int = MAX_BYTES, number_problems: list[str] | None = None) -> Written:
    """The mapping in a YAML file of at most `limit` bytes.

    `number_problems`: a list to which messages about numbers that YAML would misread are appended.
    The caller can then list them with other problems. If it is None, such numbers raise
    RecipeError. Also raises RecipeError if the file is missing, empty, too long, not UTF-8, not
    valid under the strict rules, or not a mapping."""
    value = parse(_read(path, limit), str(path), limit, number_problems)
    if value is None:
        raise RecipeError(f"{path}: the file is empty; {RECIPES_PAGE} describes its keys")
    if not isinstance(value, dict):
        raise RecipeError(
            f"{path}: a recipe is a mapping of `key: value` lines, found {type(value).__name__}"
        )
    return value


def parse(
    text: str, where: str, limit: int = MAX_BYTES, number_problems: list[str] | None = None
) -> Any:
    """The value of a YAML document under the strict rules. None if the text is empty. `where`: the
    name of the file or option in messages. load() describes `number_problems` and the errors."""
    if len(text) > limit:
        raise RecipeError(f"{where}: over {limit:,} bytes; a recipe is about ten lines")
    refuse_unseen(text, where)
    try:
        loader = _StrictLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        problems: list[str] = []
        _Walk(where, problems).check(node, "")
        if number_problems is not None:
            number_problems += problems
        elif problems:
            raise RecipeError("\n".join(problems))
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        reason = shown(error.problem or error.context)
        raise RecipeError(
            Translatable(
                "{where}{line}: not valid YAML: {reason}; correct that line",
                where=where,
                line=line,
                reason=reason,
            )
        ) from None
    except (yaml.YAMLError, *PYTHON_ERRORS) as error:
        raise RecipeError(
            Translatable(
                "{where}: not valid YAML: {reason}; correct the file",
                where=where,
                reason=_reason(error),
            )
        ) from None
    except RecursionError:
        raise RecipeError(f"{where}: nested too deeply; a recipe needs three levels") from None


def plain(text: str) -> Any:
    """The value of a YAML document that a program wrote. The strict rules do not apply. None if the
    text is empty. Raises ValueError if the text is not YAML, is nested too deeply, or has more than
    MAX_NODES values with aliases expanded."""
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
    except (yaml.YAMLError, *PYTHON_ERRORS) as error:
        raise ValueError(_reason(error)) from None


def _reason(error: Exception) -> str:
    """The message of an error, on one line. A fixed message for the PYTHON_ERRORS other than
    ValueError, whose own messages would not help the user."""
    if isinstance(error, (yaml.YAMLError, ValueError)):
        return " ".join(str(error).split())
    return "a value does not fit its tag or escape"


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """The number of values in a node, with aliases expanded. `known` maps the id of each visited
    node to its size, which is 0 during the visit. Raises ValueError if an alias contains itself."""
    if id(node) in known:
        if not known[id(node)]:
            raise ValueError("an alias contains itself")
        return known[id(node)]
    known[id(node)] = 0
    parts = node.value if isinstance(node, yaml.CollectionNode) else []
    inner = [each for part in parts for each in (part if isinstance(part, tuple) else (part,))]
    known[id(node)] = 1 + sum(_size(each, known) for each in inner)
    return known[id(node)]


def shown(value: object) -> str:
    """A key or value as text for a message. The text is cut off after MAX_SHOWN characters. Tokens
    are masked (secrets.py), and control characters are replaced."""
    short = masked(str(value))[: MAX_SHOWN + 1]
    text = on_one_line(short)
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "..."


def _read(path: Path, limit: int) -> str:
    """The text of a UTF-8 file of at most `limit` bytes. Raises RecipeError if the file cannot be
    read, is too long, or is not UTF-8."""
    try:
        with opened(as_stored(path)) as file:
            data = file.read(limit + 1)  # stat() reports size 0 for some endless files
    except FileNotFoundError:
        raise RecipeError(
            Translatable(
                "{path}: no such file{hint}; {recipes} lists kotune's recipes",
                path=path,
                hint=_name_hint(path),
                recipes=RECIPES_LIST,
            )
        ) from None
    except OSError as error:
        raise RecipeError(f"{shown(path)}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise RecipeError(f"{shown(path)}: not a valid file name; give the recipe's path") from None
    if len(data) > limit:
        raise RecipeError(f"{path}: over {limit:,} bytes; a recipe is about ten lines")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecipeError(
            Translatable(
                "{path}: not UTF-8 (byte {start}); save the file as UTF-8",
                path=path,
                start=error.start,
            )
        ) from None


@dataclass
class _Walk:
    """Checks the nodes of a YAML document before any value is built. So nested aliases cannot use
    much memory, and a tag cannot create an object.

    - `where`: the name of the file or option in messages
    - `number_problems`: the messages about numbers that YAML would misread
    - `seen`: the ids of the nodes that were checked
    """

    where: str
    number_problems: list[str]
    seen: set[int] = field(default_factory=set)

    def check(self, node: yaml.Node, key: str) -> None:
        """Check a node and the nodes inside it. `key`: the path of the node; empty at the top.

        A number that YAML would misread adds a message to `number_problems`, and the node is
        corrected. Raises RecipeError for everything else that the strict rules forbid."""
        if id(node) in self.seen:
            raise self._error(
                node, key, "anchors and aliases are not allowed in recipes; write the value out"
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
        """Check the keys of a mapping, and then the nodes inside it."""
        first: dict[str, int] = {}  # for each key, the number of its line
        for name, value in node.value:
            if not isinstance(name, yaml.ScalarNode) or not name.tag.endswith(":str"):
                raise self._error(name, key, f"a key must be a word, found `{_name(name)}`")
            path = f"{key}.{shown(name.value)}".lstrip(".")
            if CONTROL.search(name.value):
                raise self._error(
                    name, path, "a control character or a surrogate in a key; remove it"
                )
            if name.value in first:
                raise self._error(
                    name, path, f"given twice (also on line {first[name.value]}); keep one"
                )
            first[name.value] = name.start_mark.line + 1
            self.check(value, path)

    def _scalar(self, node: yaml.ScalarNode, key: str) -> None:
        """Check a text, a number or another plain value. If YAML would misread a number, add a
        message and correct the node. So later checks report no second problem for this value.

        A number that YAML reads as text, such as `2e-4`, becomes a number. A text that YAML reads
        as a number, such as `1:30`, becomes a text."""
        text: str = node.value
        if CONTROL.search(text):
            raise self._error(
                node, key, f"a control character or a surrogate in `{shown(text)}`; remove it"
            )
        if _is_plain_text(node) and NUMBER_AS_TEXT.fullmatch(text):
            number = _as_number(text)
            message = f"YAML reads `{shown(text)}` as text, not a number; write {shown(number)}"
            kind = "float" if "e" in number or "." in number else "int"
            node.tag, node.value = PLAIN + kind, number
        elif (
            node.tag.endswith((":int", ":float"))
            and not DECIMAL.fullmatch(text)
            and not _is_decimal_fraction(node)
        ):
            message = (
                f"`{shown(text)}` is not a decimal number of at most 18 digits; write one, or"
                " quote it if it is text"
            )
            node.tag = PLAIN + "str"
        else:
            return
        self.number_problems.append(str(self._error(node, key, message)))

    def _error(self, node: yaml.Node, key: str, message: str) -> RecipeError:
        """The error for a node, with its line and key, to be raised by the caller."""
        line = node.start_mark.line + 1
        return RecipeError(f"{self.where}:{line}: {key or 'top level'}: {message}")


def _is_decimal_fraction(node: yaml.ScalarNode) -> bool:
    """Whether a node is a float of at most 40 characters and not in base 60, such as `1:30.5`."""
    return node.tag.endswith(":float") and ":" not in node.value and len(node.value) <= 40


def _name_hint(path: Path) -> str:
    """The end of a message, which suggests a file with a similar name in the same folder. For a
    name without folder and suffix, kotune's recipes are suggested too. defaults.yml is never
    suggested, because it is not a recipe."""
    names = [other.name for other in path.parent.glob("*.yml")]
    is_bare_name = path.name == str(path) and not path.suffix
    if is_bare_name:
        names += [other.stem for other in RECIPES.glob("**/*.yml")]
    return did_you_mean(
        path.name, [name for name in names if name not in ("defaults.yml", "defaults")]
    )


def _is_plain_text(node: yaml.ScalarNode) -> bool:
    """Whether a node is a text without quotation marks."""
    return node.tag.endswith(":str") and node.style is None


def _name(node: yaml.Node) -> str:
    """A mapping's key for a message. A key that is a list or a mapping is shown as `seq` or
    `map`."""
    return shown(node.value) if isinstance(node, yaml.ScalarNode) else node.tag.rsplit(":", 1)[-1]


def _as_number(text: str) -> str:
    """A number in the notation of YAML 1.1. `text` matches NUMBER_AS_TEXT. In this notation, the
    mantissa has a dot, the exponent has a sign, and there are no commas between thousands."""
    mantissa, _, exponent = text.replace(",", "").lower().partition("e")
    if not exponent:
        return mantissa
    mantissa += "" if "." in mantissa else ".0"
    return f"{mantissa}e{exponent if exponent[0] in '+-' else '+' + exponent}"
