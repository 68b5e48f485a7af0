"""What of rows no record holds, keys and control characters: counted, so that nothing of the data
vanishes in silence."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, TypeAlias

from kodata.card import NotRead, Rewritten, Row
from kodata.errors import on_one_line
from kodata.text import has_unwanted

LONGEST = 80  # characters of a key that are told
CONTROLS = "control character"
MOST, OTHERS = 1_000, "other keys"  # keys that are told by name, and what the rest is called
# The names of the keys that are read; of a key that holds an object, or a list of objects, with its
# own names, or with what tells the names for each of these objects.
Known: TypeAlias = Mapping[str, "Inside | None"]
Inside: TypeAlias = "Known | Callable[[Row], Known]"


def known(*names: str, **inside: Inside) -> Known:
    """Known keys: `names` are read whole, of those in `inside` the names given there."""
    return {**dict.fromkeys(names), **inside}


class KnownOfShortened(dict[str, "Inside | None"]):
    """Known keys of rows that are not always used whole: `shortened` tells what of a row is left
    out."""

    def __init__(self, names: Known, shortened: Callable[[Any], Iterable[str]]) -> None:
        super().__init__(names)
        self.shortened = shortened


class Unread:
    """Counts, over rows, the keys that are not known, and what was done to their texts: each once a
    row, however often it stands in it."""

    def __init__(self) -> None:
        self._rows: Counter[str] = Counter()
        self._done: Counter[str] = Counter()
        self._flat: dict[tuple[str, ...], bool] = {}

    def look_at(self, rows: Sequence[Row], names: Known | Callable[[Row], Known]) -> None:
        """Counts what rows have beside `names`, which may follow from a row's own keys. Most rows
        have nothing, and one look at many of them together tells so."""
        if all(self._is_flat(row, names) for row in {tuple(row): row for row in rows}.values()):
            try:
                if "".join(chain.from_iterable(map(dict.values, rows))).isprintable():
                    return
            except TypeError:  # some value is no text
                pass
        for row in rows:
            self.look(row, names(row) if callable(names) else names)

    def _is_flat(self, row: Row, names: Known | Callable[[Row], Known]) -> bool:
        """Whether of rows with such keys all values are read, whole."""
        if (keys := tuple(row)) not in self._flat:
            known = names(row) if callable(names) else names
            is_flat = row.keys() <= known.keys() and not isinstance(known, KnownOfShortened)
            self._flat[keys] = is_flat and all(known[key] is None for key in keys)
        return self._flat[keys]

    def look(self, row: Any, names: Known) -> None:
        """Counts what one row has beside `names`."""
        if has_unwanted(row):
            self._done[CONTROLS] += 1
        if isinstance(names, KnownOfShortened):
            self._done.update({*names.shortened(row)})
        if (
            isinstance(row, dict)
            and row.keys() <= names.keys()
            and [*names.values()].count(None) == len(names)
        ):
            return  # most rows; going through them costs a seventh of reading KLUE-NLI
        self.add(others(row, names))

    def add(self, keys: Iterable[str]) -> None:
        """Counts keys that one row, or one file around its rows, has and that are not read."""
        if found := {*keys}:
            self._rows.update({self._name(key) for key in found})

    def _name(self, key: str) -> str:
        """A key as it is told: on one line, not longer than a line, and of thousands of them the
        first ones alone."""
        short = on_one_line(key[:LONGEST]) + "..." * (len(key) > LONGEST)
        return short if short in self._rows or len(self._rows) < MOST else OTHERS

    def told(self) -> Iterator[NotRead | Rewritten]:
        """What was counted, in the order of the keys' names."""
        yield from (NotRead(key, rows) for key, rows in sorted(self._rows.items()))
        yield from (Rewritten(what, rows) for what, rows in sorted(self._done.items()))


def others(value: Any, names: Inside) -> Iterator[str]:
    """Where in a value keys stand that are not known, as `lines[].speaker.age`. A key with nothing
    in it is none."""
    # And no recursion: a value may be nested very deep.
    waiting: list[tuple[Any, Inside, str]] = [(value, names, "")]
    while waiting:
        value, names, place = waiting.pop()
        if isinstance(value, list):
            waiting.extend(
                (item, names, f"{place}[]") for item in value if isinstance(item, (list, dict))
            )
        elif isinstance(value, dict):
            of_value = names(value) if callable(names) else names
            lead = f"{place}." if place else ""
            for key in value.keys() - of_value.keys():
                if value[key] not in (None, "", [], {}):
                    yield f"{lead}{key}"
            inner = (
                (key, of_key)
                for key, of_key in of_value.items()
                if of_key is not None and key in value
            )
            waiting.extend((value[key], of_key, f"{lead}{key}") for key, of_key in inner)
