"""Rows of a file become records, and what is wrong with a bad row is told with file, row, guid, field and value."""

from collections.abc import Callable, Iterator
from pathlib import Path

from kodata.card import Found, Message, Record, Refused
from kodata.errors import DataError, shown
from kodata.reading.files import Row
from kodata.reading.keys import Known, Unread


def drawer(seed: int | str) -> Callable[[str], float]:
    """Draws for a seed or a purpose: a number in [0, 1) for a text, which depends on nothing else."""
    from xxhash import xxh3_64_intdigest as digest  # a split draws for every group: a quarter of blake2b's time

    begun = seed if isinstance(seed, int) else digest(seed.encode())
    return lambda text: digest(text.encode(), begun) * 2.0**-64


def asked(question: str, answer: str) -> list[Message]:
    """One question with its answer as a chat."""
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def checked(
    path: Path,
    found: Iterator[Row],
    make: Callable[[Row], Record | Refused],
    explain: Callable[[Row], str],
    names: Known | Callable[[Row], Known],
) -> Iterator[Found]:
    """make() of every row, then what it did not read of them, which is all but `names`. Where it raises KeyError or TypeError,
    a DataError with the row's place and explain()."""
    unread = Unread()
    for number, row in enumerate(found, 1):
        try:
            made = make(row)
        except (KeyError, TypeError):
            name = next((row[key] for key in ("guid", "id", "link") if row.get(key) is not None), "missing")
            named = shown(name).strip("'")
            raise DataError(f"{path}: row {number} (guid {named}): {explain(row)}") from None
        unread.look(row, names(row) if callable(names) else names)
        yield made
    yield from unread.told()


def not_text(row: Row, *fields: str) -> str:
    """What is wrong with the first of these fields that holds no text; empty where all do."""
    for field in fields:
        value = row.get(field)
        if value is None:
            return f"{field} is missing; mend or remove the row"
        if not isinstance(value, str):
            return f"{field} is {shown(value)}, which is not text; mend or remove the row"
    return ""
