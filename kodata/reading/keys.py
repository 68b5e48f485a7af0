"""Counts what is lost when rows become records: keys that are not read (unread keys), and control
characters, which are removed. The counts are reported to the user."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, TypeAlias

from kodata.card import NotRead, Rewritten, Row
from kodata.errors import on_one_line
from kodata.text import has_unwanted

LONGEST = 80  # the maximum length of a key in the result, in characters
CONTROLS = "control character"  # the name of the change that removes control characters
# At most MOST keys are counted by name. All others are counted under the name OTHERS.
MOST, OTHERS = 1_000, "other keys"
# The keys that are read from a row. A key maps to None if its whole value is read. A value may be
# an object, or a list of objects, of which only some keys are read. The key then maps to the Known
# of these objects, or to a function that takes an object and returns its Known.
Known: TypeAlias = Mapping[str, "Inside | None"]
Inside: TypeAlias = "Known | Callable[[Row], Known]"


def known(*names: str, **inside: Inside) -> Known:
    """Makes a Known. The whole values of the keys `names` are read. A key of `inside` maps to the
    Known of its value, or to a function that returns this Known."""
    return {**dict.fromkeys(names), **inside}


class KnownOfPartialRows(dict[str, "Inside | None"]):
    """A Known of rows. Parts of a row may be dropped, although their keys are read.
    `omissions(row)` returns the names of the dropped parts of a row."""

    def __init__(self, names: Known, omissions: Callable[[Any], Iterable[str]]) -> None:
        super().__init__(names)
        self.omissions = omissions


class Unread:
    """Counts the rows with each unread key, and the rows with each change. A change is the removal
    of control characters (CONTROLS), or a dropped part of a row (KnownOfPartialRows)."""

    def __init__(self) -> None:
        self._rows: Counter[str] = Counter()  # by unread key
        self._changes: Counter[str] = Counter()  # by change
        self._flat: dict[tuple[str, ...], bool] = {}  # the results of _is_flat(), by a row's keys

    def count_rows(self, rows: Sequence[Row], names: Known | Callable[[Row], Known]) -> None:
        """Counts the unread keys and changes of rows. `names` are the keys that are read, or a
        function that takes a row and returns them.

        Most rows have nothing to count. So all rows are first checked together, which is much
        faster than a check of each row."""
        if all(self._is_flat(row, names) for row in {tuple(row): row for row in rows}.values()):
            try:
                if "".join(chain.from_iterable(map(dict.values, rows))).isprintable():
                    return
            except TypeError:  # some value is not a text
                pass
        for row in rows:
            self.count_row(row, names(row) if callable(names) else names)

    def _is_flat(self, row: Row, names: Known | Callable[[Row], Known]) -> bool:
        """Whether the whole values of all keys of the row are read. The result is cached for rows
        with the same keys."""
        if (keys := tuple(row)) not in self._flat:
            known = names(row) if callable(names) else names
            is_flat = row.keys() <= known.keys() and not isinstance(known, KnownOfPartialRows)
            self._flat[keys] = is_flat and all(known[key] is None for key in keys)
        return self._flat[keys]

    def count_row(self, row: Any, names: Known) -> None:
        """Counts the unread keys and changes of one row. `names` are the keys that are read."""
        if has_unwanted(row):
            self._changes[CONTROLS] += 1
        if isinstance(names, KnownOfPartialRows):
            self._changes.update({*names.omissions(row)})
        if (
            isinstance(row, dict)
            and row.keys() <= names.keys()
            and [*names.values()].count(None) == len(names)
        ):
            # True for most rows, so others() is rarely called. Calling it for every row would
            # take 1/7 of the reading time of KLUE-NLI.
            return
        self.count_keys(others(row, names))

    def count_keys(self, keys: Iterable[str]) -> None:
        """Counts these unread keys of one row, or of the outer object of a file."""
        if unread := {*keys}:
            self._rows.update({self._name(key) for key in unread})

    def _name(self, key: str) -> str:
        """The name under which a key is counted: the key, on one line and shortened. OTHERS if the
        key is new and MOST keys are already counted."""
        short = on_one_line(key[:LONGEST]) + "..." * (len(key) > LONGEST)
        return short if short in self._rows or len(self._rows) < MOST else OTHERS

    def results(self) -> Iterator[NotRead | Rewritten]:
        """Yields NotRead for each unread key, then Rewritten for each change, sorted by name."""
        yield from (NotRead(key, rows) for key, rows in sorted(self._rows.items()))
        yield from (Rewritten(what, rows) for what, rows in sorted(self._changes.items()))


def others(value: Any, names: Inside) -> Iterator[str]:
    """The paths of unread keys in a value, such as `lines[].speaker.age`. `names` is the Known of
    the value, or a function that returns it. Keys with empty values are skipped."""
    # No recursion, since a value may be nested very deeply.
    stack: list[tuple[Any, Inside, str]] = [(value, names, "")]
    while stack:
        value, names, path = stack.pop()
        if isinstance(value, list):
            stack.extend(
                (item, names, f"{path}[]") for item in value if isinstance(item, (list, dict))
            )
        elif isinstance(value, dict):
            read = names(value) if callable(names) else names
            lead = f"{path}." if path else ""
            for key in value.keys() - read.keys():
                if value[key] not in (None, "", [], {}):
                    yield f"{lead}{key}"
            stack.extend(
                (value[key], inside, f"{lead}{key}")
                for key, inside in read.items()
                if inside is not None and key in value
            )
