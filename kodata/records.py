"""Rows of a file become records, and what is wrong with a bad row is told with file, row, guid,
field and value."""

from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice
from pathlib import Path

from kodata.card import Found, Message, NotRead, Record, Refused
from kodata.errors import DataError, shown
from kodata.reading.files import Row
from kodata.reading.keys import Known, Unread

# rows that are looked at together: each look at a row of its own would cost some 5% of a conversion
BATCH = 32


def drawer(seed: int | str) -> Callable[[str], float]:
    """Draws for a seed or a purpose: a number in [0, 1) for a text, which depends on nothing
    else."""
    # A split draws for every group: a quarter of blake2b's time.
    from xxhash import xxh3_64_intdigest as digest

    begun = seed if isinstance(seed, int) else digest(seed.encode())
    return lambda text: digest(text.encode(), begun) * 2.0**-64


def asked(question: str, answer: str) -> list[Message]:
    """One question with its answer as a chat."""
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def checked(
    path: Path,
    found: Iterable[Row | NotRead],
    make: Callable[[Row], Record | Refused],
    explain: Callable[[Row], str],
    names: Known | Callable[[Row], Known],
) -> Iterator[Found]:
    """make() of every row, then what it did not read of them, which is all but `names`. Where it
    raises KeyError or TypeError, a DataError with the row's place and explain()."""
    unread = Unread()
    waiting: list[Row] = []
    for number, row in enumerate(found, 1):
        if isinstance(row, NotRead):
            yield row
            continue
        try:
            made = make(row)
        except (KeyError, TypeError):
            name = next(
                (row[key] for key in ("guid", "id", "link") if row.get(key) is not None), "missing"
            )
            named = shown(name).strip("'")
            raise DataError(f"{path}: row {number} (guid {named}): {explain(row)}") from None
        waiting.append(row)
        if len(waiting) == BATCH:
            unread.look_at(waiting, names)
            waiting.clear()
        yield made
    unread.look_at(waiting, names)
    yield from unread.told()


def named_once(files: list[Path], read: Callable[[Path], Iterator[Found]]) -> Iterator[Found]:
    """What `read` finds in the files of a split, one after another. DataError where two rows have
    one guid, with both places.

    Of a guid its hash is kept alone. Where one comes again, the files are read once more for the
    places."""
    seen: set[int] = set()
    number = 0
    for file in files:
        rows = read(file)
        while batch := list(islice(rows, BATCH)):
            # A row without a guid is left out for its empty field.
            guids = [guid for found in batch if type(found) is dict and (guid := found["guid"])]
            seen.update(map(hash, guids))
            number += len(guids)
            if len(seen) != number:
                _refuse_again(files, read, {*guids})
                number = len(seen)  # two guids have one hash
            yield from batch


def _refuse_again(
    files: list[Path], read: Callable[[Path], Iterator[Found]], guids: set[str]
) -> None:
    """DataError for the first of these guids that two rows have."""
    first: dict[str, tuple[Path, int]] = {}
    for file in files:
        for number, found in enumerate(read(file), 1):
            guid = found["guid"] if isinstance(found, dict) else None
            if guid in first:
                place, row = first[guid]
                named, copy = (
                    shown(guid).strip("'"),
                    "; if one of the files is a copy, take it away" * (place != file),
                )
                told = f"row {row} of {place} has the same guid; give each row its own{copy}"
                raise DataError(f"{file}: row {number} (guid {named}): {told}")
            if guid in guids:
                first[guid] = file, number


def named_apart(found: Iterable[Found]) -> Iterator[Found]:
    """Records of a set that nobody but its publisher can mend and that may give two rows one guid:
    the second is called GUID#2, a third one GUID#3."""
    seen: set[int] = set()
    numbers: dict[int, Iterator[int]] = {}  # that are not yet given, of the guids that came again
    for each in found:
        if type(each) is dict and (guid := each["guid"]):
            if (key := hash(guid)) in seen:
                more = numbers.setdefault(key, count(2))
                guid = next(name for number in more if hash(name := f"{guid}#{number}") not in seen)
                each = {**each, "guid": guid}
            seen.add(hash(guid))
        yield each


def not_text(row: Row, *fields: str) -> str:
    """What is wrong with the first of these fields that holds no text; empty where all do."""
    for field in fields:
        value = row.get(field)
        if value is None:
            return f"{field} is missing; mend or remove the row"
        if not isinstance(value, str):
            return f"{field} is {shown(value)}, which is not text; mend or remove the row"
    return ""
