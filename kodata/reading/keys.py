"""What of rows no record holds, keys and control characters: counted, so that nothing of the data vanishes in silence."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from kodata.card import NotRead, Rewritten
from kodata.errors import on_one_line
from kodata.text import has_unwanted

LONGEST = 80  # characters of a key that are told
CONTROLS = "control character"
MOST, OTHERS = 1_000, "other keys"  # keys that are told by name, and what the rest is called
# The names of the keys that are read; of a key that holds an object, or a list of objects, with its own names.
Known: TypeAlias = Mapping[str, "Known | None"]


def known(*names: str, **inside: Known) -> Known:
    """Known keys: `names` are read whole, of those in `inside` the names given there."""
    return {**dict.fromkeys(names), **inside}


class Unread:
    """Counts, over rows, the keys that are not known: each once a row, however often it stands in it."""

    def __init__(self) -> None:
        self._rows: Counter[str] = Counter()
        self._controls = 0

    def look(self, row: Any, names: Known) -> None:
        """Counts what one row has beside `names`."""
        self._controls += has_unwanted(row)
        if isinstance(row, dict) and row.keys() <= names.keys() and [*names.values()].count(None) == len(names):
            return  # most rows; going through them costs a seventh of reading KLUE-NLI
        if found := {*others(row, names)}:
            self._rows.update({self._name(key) for key in found})

    def _name(self, key: str) -> str:
        """A key as it is told: on one line, not longer than a line, and of thousands of them the first ones alone."""
        short = on_one_line(key[:LONGEST]) + "..." * (len(key) > LONGEST)
        return short if short in self._rows or len(self._rows) < MOST else OTHERS

    def told(self) -> Iterator[NotRead | Rewritten]:
        """What was counted, in the order of the keys' names."""
        yield from (NotRead(key, rows) for key, rows in sorted(self._rows.items()))
        if self._controls:
            yield Rewritten(CONTROLS, self._controls)


def others(value: Any, names: Known, place: str = "") -> Iterator[str]:
    """Where in a value keys stand that are not known, as `lines[].speaker.age`. A key with nothing in it is none."""
    if isinstance(value, list):
        for item in value:
            yield from others(item, names, f"{place}[]")
    elif isinstance(value, dict):
        lead = f"{place}." if place else ""
        for key in value.keys() - names.keys():
            if value[key] not in (None, "", [], {}):
                yield f"{lead}{key}"
        for key, of_inner in names.items():
            if of_inner is not None and key in value:
                yield from others(value[key], of_inner, f"{lead}{key}")
