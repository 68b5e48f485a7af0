"""Reads the rows of a data file one at a time. Memory does not grow with the file. Every error
names the file and the row. A lone surrogate (half of a character, as in the JSON text "\\ud83d") is
an error, since UTF-8 cannot encode it.

Formats: .json (an array of objects), .jsonl, .csv, .tsv and .txt (tabs, no quoting), each also as
.gz; .parquet, and .arrow as datasets' save_to_disk writes it."""

import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

from kodata.card import Row as Row
from kodata.errors import DataError, FaultError, Translatable, shown
from kodata.reading import columns
from kodata.reading.columns import MAX_RATIO, SMALL
from kodata.reading.delimited import CUT_SHORT, MAX_ROW, comma_separated, lines, tab_separated
from kodata.reading.json_rows import decoded, json_rows, reason, require_unique_keys
from kodata.reading.regular import opened

CHUNK = 1 << 18  # bytes read at a time
_AGAIN = "download or copy it again"


def rows(
    path: Path,
    inside: tuple[str, ...] = (),
    names: Sequence[str] = (),
    other_keys: list[str] | None = None,
) -> Iterator[Row]:
    """Yields the rows of a file. Raises DataError for a bad row (the message has its number,
    counted from 1), for a file that cannot be read, and for a file without rows.

    - `inside`: for a .json file with an outer object, the keys of the arrays that have the rows. In
      SQuAD, for example, this is `data`. The keys of other non-empty arrays and objects in the
      outer object are appended to `other_keys`.
    - `names`: the column names of a tab-separated file that does not have them in its first
      line."""
    number = 0
    try:
        values = (
            map(_require_whole_characters, json_rows(_text(path), inside, other_keys))
            if inside
            else _values(path, names)
        )
        for number, row in enumerate(values, 1):
            if not isinstance(row, dict):
                raise DataError(
                    Translatable(
                        "{path}: row {row}: {value} is not an object with named fields",
                        path=path,
                        row=number,
                        value=shown(row),
                    )
                )
            yield row
    except FaultError as fault:
        raise DataError(
            Translatable(
                "{path}: row {row}: {fault}",
                path=path,
                row=number + 1,
                fault=fault.args[0] if fault.args else "",
            )
        ) from None
    except OSError as error:
        raise DataError(
            Translatable(
                "{path}: cannot be read: {reason}", path=path, reason=error.strerror or error
            )
        ) from None
    if not number:
        raise DataError(Translatable("{path}: no rows in it; download or copy it again", path=path))


def sha256(path: Path) -> str:
    """The sha256 of a file's content in hex. Raises DataError if the file cannot be read."""
    try:
        with opened(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(
            Translatable(
                "{path}: cannot be read: {reason}", path=path, reason=error.strerror or error
            )
        ) from None


def _values(path: Path, names: Sequence[str]) -> Iterator[Any]:
    """The rows of a file. `names` are as in rows()."""
    return tab_separated(_text(path), names) if names else _reader(path)(path)


def _reader(path: Path) -> Callable[[Path], Iterator[Any]]:
    """The function that reads files with this suffix. Raises DataError for an unknown suffix."""
    suffix = Path(path.name.removesuffix(".gz")).suffix
    if suffix not in _READERS:
        raise DataError(
            f"{path}: cannot read this kind of file; known: {', '.join(_READERS)}, and .gz of all"
            " but the last two"
        )
    return _READERS[suffix]


def _open(path: Path) -> BinaryIO:
    file = opened(path)
    return cast(BinaryIO, gzip.GzipFile(fileobj=file)) if path.name.endswith(".gz") else file


def _bytes(path: Path) -> Iterator[bytes]:
    """The decompressed bytes of a file, in pieces. Raises FaultError if the gzip stream is cut
    short or damaged, or if it unpacks to over MAX_RATIO times the file's size."""
    try:
        limit, read = MAX_RATIO * path.stat().st_size + SMALL, 0
        with _open(path) as file:
            while piece := file.read(CHUNK):
                read += len(piece)
                if read > limit:
                    raise FaultError(
                        f"unpacks to over {MAX_RATIO} times its size, which no text does; {_AGAIN}"
                    )
                yield piece
    except EOFError:
        raise FaultError(CUT_SHORT) from None
    except (gzip.BadGzipFile, zlib.error):
        raise FaultError(f"the gzip stream is damaged here; {_AGAIN}") from None


def _text(path: Path) -> Iterator[str]:
    return decoded(_bytes(path))


def _array(path: Path) -> Iterator[Any]:
    """Yields the elements of a JSON array.

    _runs() is fast but may fail for a valid file. After a failure, the slower json_rows() reads the
    file again from its start, and the elements that were already yielded are skipped. json_rows()
    raises FaultError if the file is invalid."""
    done = 0
    try:
        for values in _runs(path):
            yield from values
            done += len(values)
    except (FaultError, ValueError, RecursionError):
        yield from islice(map(_require_whole_characters, json_rows(_text(path))), done, None)


def _runs(path: Path) -> Iterator[list[Any]]:
    """Yields the rows of a JSON array in lists. Each list is parsed from a piece of the file that
    ends at a }. Raises ValueError or FaultError if this fails, such as for a piece that ends inside
    a row."""
    loads = _parser()
    rest, lead = b"", b"["
    for piece in _bytes(path):
        rest += piece
        end = rest.rfind(b"}") + 1
        if end:
            run, rest = rest[:end].lstrip(), rest[end:]
            if not run.startswith(lead):
                raise ValueError("not the start of a row")
            values = loads(b"[" + run[1:] + b"]")
            # Each key of a row is followed by `":`. If the numbers differ, a key occurs twice, a
            # row contains an object, or a text contains these characters. require_unique_keys()
            # raises an error only in the first case.
            if run.count(b'":') != sum(map(_keys, values)):
                json.loads(b"[" + run[1:] + b"]", object_pairs_hook=require_unique_keys)
            yield values
            lead = b","
        elif len(rest) > MAX_ROW:
            raise ValueError("no end of a row")
    if rest.strip() != b"]":
        raise ValueError("not the end of an array")


def _keys(value: Any) -> int:
    """The number of keys of a row. Keys of nested objects are not counted."""
    return len(value) if isinstance(value, dict) else 0


def _parser() -> Callable[[bytes], Any]:
    """A function that parses JSON: orjson.loads if orjson is installed, else _loads(). Both raise
    ValueError for a lone surrogate."""
    try:
        import orjson
    except ImportError:
        return _loads
    return orjson.loads


def _loads(run: bytes) -> Any:
    """The value of a JSON text. Raises ValueError if the text has an escaped surrogate, which may
    be a lone one, and if the text is invalid."""
    if _SURROGATE.search(run):
        raise ValueError("perhaps a lone surrogate")
    return json.loads(run)


_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def _require_whole_characters(value: Any) -> Any:
    """The value unchanged. Raises FaultError if it contains a lone surrogate, or if it is nested
    too deeply."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise FaultError(
            f"half a character (a lone surrogate) in {shown(value)}; mend or remove the row"
        ) from None
    except RecursionError as error:
        raise FaultError(Translatable("not valid JSON: {reason}", reason=reason(error))) from None
    return value


def _lines(path: Path) -> Iterator[Any]:
    """Yields the value of each line of a JSON Lines file. Blank lines are skipped."""
    yield from map(_line, filter(str.strip, lines(_text(path))))


def _line(line: str) -> Any:
    try:
        value = json.loads(line, object_pairs_hook=require_unique_keys)
        # JSON can contain a lone surrogate only as an escape.
        return _require_whole_characters(value) if "\\u" in line else value
    except (ValueError, RecursionError) as error:
        raise FaultError(Translatable("not valid JSON: {reason}", reason=reason(error))) from None


_READERS: dict[str, Callable[[Path], Iterator[Any]]] = {
    ".json": _array,
    ".jsonl": _lines,
    ".csv": lambda path: comma_separated(_text(path)),
    ".tsv": lambda path: tab_separated(_text(path)),
    ".txt": lambda path: tab_separated(_text(path)),
    ".parquet": lambda path: columns.rows(path, "parquet"),
    ".arrow": lambda path: columns.rows(path, "arrow"),
}
