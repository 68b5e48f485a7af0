"""Functions that the data set modules share. They convert rows into records, make sure that guids
are unique, and draw numbers by hashing."""

from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice
from pathlib import Path

from kodata.card import Message, NotRead, Record, Refused, SourceItem
from kodata.errors import DataError, shown
from kodata.reading.files import Row
from kodata.reading.keys import Known, Unread

# The number of rows that are checked together. Checking each row by itself would take about 5% more
# time.
BATCH = 32


def make_draw(seed: int | str) -> Callable[[str], float]:
    """Returns a function that maps a text to a number in [0, 1), like a random draw. The number
    depends only on the text and the seed. The seed is a number, or a text that names the purpose of
    the draw."""
    # A number is drawn for every group of a data set, so the hash must be fast. xxh3 takes a
    # quarter of the time of blake2b.
    from xxhash import xxh3_64_intdigest as digest

    number = seed if isinstance(seed, int) else digest(seed.encode())
    return lambda text: digest(text.encode(), number) * 2.0**-64


def as_chat(question: str, answer: str) -> list[Message]:
    """A question and its answer as a chat."""
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def single_turn(
    question: Callable[[Record, str], str], answer: Callable[[Record, str], str]
) -> Callable[[Record, str], list[Message]]:
    """Returns the function messages() of a data set with one question and one answer per record.
    `question` and `answer` take a record and a form, and return a text."""
    return lambda record, form: as_chat(question(record, form), answer(record, form))


def parse_rows(
    path: Path,
    rows: Iterable[Row | NotRead],
    make: Callable[[Row], Record | Refused],
    explain: Callable[[Row], str],
    names: Known | Callable[[Row], Known],
) -> Iterator[SourceItem]:
    """Yields make(row) for every row of the file `path`. A NotRead in `rows` is yielded unchanged.
    `names` are the keys that make() reads, or a function that returns them for a row.

    After the rows, yields a NotRead for each key that is not in `names`, and a Rewritten for each
    kind of change, such as the removal of control characters.

    Raises DataError if make() raises KeyError or TypeError. The message has the row's number and
    guid, and the text of explain(row)."""
    unread = Unread()
    batch: list[Row] = []
    for number, row in enumerate(rows, 1):
        if isinstance(row, NotRead):
            yield row
            continue
        try:
            made = make(row)
        except (KeyError, TypeError):
            keys = (key for key in ("guid", "id", "link") if row.get(key) is not None)
            guid = shown(next((row[key] for key in keys), "missing")).strip("'")
            raise DataError(f"{path}: row {number} (guid {guid}): {explain(row)}") from None
        batch.append(row)
        if len(batch) == BATCH:
            unread.count_rows(batch, names)
            batch.clear()
        yield made
    unread.count_rows(batch, names)
    yield from unread.results()


def with_unique_guids(
    files: list[Path], read: Callable[[Path], Iterator[SourceItem]]
) -> Iterator[SourceItem]:
    """Yields the items of read(file) for each file of a split, in order. Raises DataError, with
    both rows in the message, if two rows have the same guid.

    Only the hashes of guids are kept in memory. If a hash repeats, the files are read again to find
    the two rows."""
    seen: set[int] = set()
    number = 0
    for file in files:
        rows = read(file)
        while batch := list(islice(rows, BATCH)):
            # A row with an empty guid is not checked, since usable_records() drops it later.
            guids = [guid for item in batch if type(item) is dict and (guid := item["guid"])]
            seen.update(map(hash, guids))
            number += len(guids)
            if len(seen) != number:
                _refuse_repeated(files, read, {*guids})
                number = len(seen)  # two different guids have the same hash, which is no error
            yield from batch


def _refuse_repeated(
    files: list[Path], read: Callable[[Path], Iterator[SourceItem]], guids: set[str]
) -> None:
    """Raises DataError if two rows of the files have the same guid, and it is one of `guids`."""
    first: dict[str, tuple[Path, int]] = {}
    for file in files:
        for number, item in enumerate(read(file), 1):
            guid = item["guid"] if isinstance(item, dict) else None
            if guid in first:
                other, row = first[guid]
                name = shown(guid).strip("'")
                hint = "; if one of the files is a copy, remove it" * (other != file)
                raise DataError(
                    f"{file}: row {number} (guid {name}): row {row} of {other} has the same guid;"
                    f" give each row its own{hint}"
                )
            if guid in guids:
                first[guid] = file, number


def with_numbered_guids(items: Iterable[SourceItem]) -> Iterator[SourceItem]:
    """Yields the items, with repeated guids made unique: the second GUID becomes GUID#2, the third
    GUID#3. Only the hashes of guids are kept in memory.

    Use it instead of with_unique_guids() for a data set that the user cannot correct."""
    seen: set[int] = set()
    numbers: dict[int, Iterator[int]] = {}  # for the hash of each repeated guid: its unused numbers
    for item in items:
        if type(item) is dict and (guid := item["guid"]):
            if (key := hash(guid)) in seen:
                unused = numbers.setdefault(key, count(2))
                names = (f"{guid}#{number}" for number in unused)
                guid = next(name for name in names if hash(name) not in seen)
                item = {**item, "guid": guid}
            seen.add(hash(guid))
        yield item


def describe_non_text(row: Row, *fields: str) -> str:
    """An error message for the first of these fields that is missing or not text. Empty if all are
    texts."""
    for field in fields:
        value = row.get(field)
        if value is None:
            return f"{field} is missing; mend or remove the row"
        if not isinstance(value, str):
            return f"{field} is {shown(value)}, which is not text; mend or remove the row"
    return ""
