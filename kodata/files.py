"""The rows of a data file, one at a time: memory does not grow with the file, text is whole Unicode, and every fault
names file and row.

Read: .json (an array of objects), .jsonl, .csv, .tsv and .txt (tabs, no quoting), each also as .gz; .parquet, and .arrow
as datasets' save_to_disk writes it. document() reads a JSON file of any other shape, whole.
"""

import codecs
import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

from kodata.delimited import CUT_SHORT, MAX_ROW, comma_separated, lines, tab_separated
from kodata.errors import DataError, FaultError

Row = dict[str, Any]

CHUNK = 1 << 18  # bytes read at a time


def rows(path: Path) -> Iterator[Row]:
    """The rows of a file. Raises DataError, with rows counted from 1; a file without rows is one too."""
    number = 0
    try:
        for number, row in enumerate(_reader(path)(path), 1):
            if not isinstance(row, dict):
                raise DataError(f"{path}: row {number}: {_short(row)} is not an object with named fields")
            yield row
    except FaultError as fault:
        raise DataError(f"{path}: row {number + 1}: {fault}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    if not number:
        raise DataError(f"{path}: no rows in it; download or copy it again")


def document(path: Path) -> Any:
    """The value of a JSON file that is no array of rows, such as SQuAD's. Raises DataError.

    It is held whole: memory grows with the file, which suits a set of some ten megabytes and no more.
    """
    try:
        text = "".join(_text(path))
        value = json.loads(text)
        return _whole(value) if _HALF.search(text.encode()) else value
    except FaultError as fault:
        raise DataError(f"{path}: {fault}") from None
    except json.JSONDecodeError as error:
        if error.msg.startswith("Unterminated string") or error.pos >= len(text.rstrip()):
            raise DataError(f"{path}: {CUT_SHORT}") from None
        raise DataError(f"{path}: line {error.lineno}: not valid JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON: {_reason(error)}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def sha256(path: Path) -> str:
    """The hex digest of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reader(path: Path) -> Callable[[Path], Iterator[Any]]:
    suffix = Path(path.name.removesuffix(".gz")).suffix
    if suffix not in _READERS:
        raise DataError(
            f"{path}: cannot read this kind of file; known: {', '.join(_READERS)}, all but the last two also .gz"
        )
    return _READERS[suffix]


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if path.name.endswith(".gz") else path.open("rb")


def _text(path: Path) -> Iterator[str]:
    """The text of a file in pieces, without its byte order mark."""
    decode = codecs.getincrementaldecoder("utf-8-sig")().decode
    try:
        with _open(path) as file:
            while chunk := file.read(CHUNK):
                yield decode(chunk)
            yield decode(b"", True)
    except UnicodeDecodeError as error:
        raise FaultError(_encoding(path, error)) from None
    except EOFError:
        raise FaultError(CUT_SHORT) from None
    except (gzip.BadGzipFile, zlib.error):
        raise FaultError("the gzip stream is damaged here; download or copy the file again") from None


def _encoding(path: Path, error: UnicodeDecodeError) -> str:
    if error.reason == "unexpected end of data":
        return CUT_SHORT
    with _open(path) as file:
        start = file.read(CHUNK)
    try:
        codecs.getincrementaldecoder("cp949")().decode(start)
    except UnicodeDecodeError:
        return "not UTF-8; re-encode the file as UTF-8"
    return "CP949, not UTF-8; re-encode the file as UTF-8: iconv -f cp949 -t utf-8 OLD > NEW"


def _array(path: Path) -> Iterator[Any]:
    """The values of a JSON array. Whole runs of rows are parsed at once; where one does not parse, perhaps because it
    was cut inside a row, the careful reader goes over the file from its start and finds what is wrong, if anything."""
    done = 0
    try:
        for values in _runs(path):
            yield from values
            done += len(values)
    except (ValueError, RecursionError, EOFError, gzip.BadGzipFile, zlib.error):
        yield from islice(_array_carefully(path), done, None)


def _runs(path: Path) -> Iterator[list[Any]]:
    """Runs of a flat array's rows, each from a piece of the file up to its last }. Raises ValueError when in doubt."""
    loads = _parser()
    rest, lead = b"", b"["
    with _open(path) as file:
        while piece := file.read(CHUNK):
            rest += piece
            end = rest.rfind(b"}") + 1
            if end:
                run, rest = rest[:end].lstrip(), rest[end:]
                if not run.startswith(lead):
                    raise ValueError("not where an array's row begins")
                yield loads(b"[" + run[1:] + b"]")
                lead = b","
            elif len(rest) > MAX_ROW:
                raise ValueError("no end of a row")
    if rest.strip() != b"]":
        raise ValueError("not the end of an array")


def _parser() -> Callable[[bytes], Any]:
    """orjson where it is installed, else json held to what orjson refuses: half a character (a lone surrogate)."""
    try:
        import orjson
    except ImportError:
        return _loads
    return orjson.loads


def _loads(run: bytes) -> Any:
    if _HALF.search(run):
        raise ValueError("perhaps half a character")
    return json.loads(run)


_HALF = re.compile(rb"\\u[dD][89a-fA-F]")


def _array_carefully(path: Path) -> Iterator[Any]:
    """The values one by one. Each piece of text gives what is whole in it; the rest waits for the next piece."""
    decode = json.JSONDecoder().raw_decode
    text, at = "", 0
    lead = re.compile(r"\s*\[\s*")
    for piece in _text(path):
        text, at = text[at:] + piece, 0
        while mark := lead.match(text, at):
            try:
                value, at = decode(text, mark.end())
            except (ValueError, RecursionError) as error:
                _refuse_broken(error, text)
                break
            yield _whole(value)
            lead = _COMMA
        if len(text) - at > MAX_ROW:
            raise FaultError(f"over {MAX_ROW:,} characters without an end; is this a JSON array of rows?")
    _check_end(text[at:].strip(), begun=lead is _COMMA)


_COMMA = re.compile(r"\s*,\s*")


def _refuse_broken(error: Exception, text: str) -> None:
    """Raises unless the error can come from text that has not been read yet."""
    waits = isinstance(error, json.JSONDecodeError) and (
        error.msg.startswith("Unterminated string") or error.pos > len(text) - 8
    )
    if not waits:
        raise FaultError(f"not valid JSON: {_reason(error)}")


def _whole(value: Any) -> Any:
    """The value, unless it holds half a character, which no UTF-8 file could hold."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise FaultError(f"half a character (a lone surrogate) in {_short(value)}; mend or remove the row") from None
    return value


def _reason(error: Exception) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply or a number too long"


def _check_end(rest: str, begun: bool) -> None:
    if re.fullmatch(r"\]" if begun else r"(\[\s*\])?", rest):
        return
    if not begun and not rest.startswith("["):
        raise FaultError(f"not a JSON array of rows but {_short(rest)}")
    if rest[:1] in ("", ",", "["):
        raise FaultError(CUT_SHORT)
    raise FaultError(f"not valid JSON: expected a comma or the end of the array, found {_short(rest)}")


def _lines(path: Path) -> Iterator[Any]:
    """The values of JSON Lines; blank lines are passed over."""
    yield from map(_line, filter(str.strip, lines(_text(path))))


def _line(line: str) -> Any:
    try:
        return _whole(json.loads(line))
    except (ValueError, RecursionError) as error:
        raise FaultError(f"not valid JSON: {_reason(error)}: {_short(line)}") from None


def _parquet(path: Path) -> Iterator[Any]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1024):
                yield from batch.to_pylist()
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        raise FaultError(f"not a whole parquet file ({error}); download or copy it again") from None


def _arrow(path: Path) -> Iterator[Any]:
    import pyarrow

    try:
        with pyarrow.memory_map(str(path)) as file, pyarrow.ipc.open_stream(file) as stream:
            for batch in stream:
                yield from batch.to_pylist()
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        raise FaultError(f"not a whole arrow file ({error}); download or copy it again") from None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


_READERS: dict[str, Callable[[Path], Iterator[Any]]] = {
    ".json": _array,
    ".jsonl": _lines,
    ".csv": lambda path: comma_separated(_text(path)),
    ".tsv": lambda path: tab_separated(_text(path)),
    ".txt": lambda path: tab_separated(_text(path)),
    ".parquet": _parquet,
    ".arrow": _arrow,
}
