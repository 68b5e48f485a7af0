"""Parquet and Arrow: a file of some kilobytes that stands for gigabytes is one message, in bounded
time and memory."""

import datetime
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kodata.errors import DataError
from kodata.reading import files
from tests.conftest import ROOT

pyarrow = pytest.importorskip("pyarrow")
pytest.importorskip("pyarrow.parquet")

LONG = "가" * 1_600_000  # 4.8 MB


def parquet(path: Path, column: Any, **more: Any) -> None:
    table = pyarrow.table({"text": column})
    pyarrow.parquet.write_table(table, path, compression="zstd", store_schema=False, **more)


def arrow(path: Path, column: Any, packed: str | None = None) -> None:
    batch = pyarrow.record_batch({"text": column})
    options = pyarrow.ipc.IpcWriteOptions(compression=packed)
    with (
        pyarrow.OSFile(str(path), "wb") as file,
        pyarrow.ipc.new_stream(file, batch.schema, options=options) as out,
    ):
        out.write_batch(batch)


def named(times: int) -> Any:
    """One long text, named so many times."""
    return pyarrow.DictionaryArray.from_arrays(
        pyarrow.array([0] * times, pyarrow.int16()), pyarrow.array([LONG])
    )


def runs(length: int) -> Any:
    return pyarrow.RunEndEncodedArray.from_arrays(
        pyarrow.array([length], pyarrow.int32()), pyarrow.array(["가" * 99])
    )


def long_list(length: int) -> Any:
    return pyarrow.ListArray.from_arrays(
        pyarrow.array([0, length], pyarrow.int32()), pyarrow.nulls(length, pyarrow.int8())
    )


BOMBS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "a text that is named 1,000 times": ("parquet", lambda path: parquet(path, named(1_000))),
    "a page of 600 MB": (
        "parquet",
        lambda path: parquet(path, pyarrow.array(["a" * 600_000_000]), use_dictionary=False),
    ),
    "a list of 100 million": ("parquet", lambda path: parquet(path, long_list(100_000_000))),
    "9 million empty rows": (
        "parquet",
        lambda path: parquet(path, pyarrow.nulls(9_000_000, pyarrow.string())),
    ),
    "a text that is named 20,000 times": ("arrow", lambda path: arrow(path, named(20_000))),
    "a packed text": (
        "arrow",
        lambda path: arrow(path, pyarrow.array(["a" * 600_000_000]), "zstd"),
    ),
    "two billion nulls": ("arrow", lambda path: arrow(path, pyarrow.nulls(2_000_000_000))),
    "a run of two billion": ("arrow", lambda path: arrow(path, runs(2_000_000_000))),
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.few(3)
def test_a_bomb_is_one_message_in_bounded_memory(name: str, tmp_path: Path) -> None:
    kind, make = BOMBS[name]
    make(path := tmp_path / f"bomb.{kind}")
    assert path.stat().st_size < 6_000_000
    code = (
        "import resource, sys; from pathlib import Path; from kodata.reading import files\n"
        "try: print(sum(1 for _ in files.rows(Path(sys.argv[1]))))\n"
        "except files.DataError as error: print(error)\n"
        "own = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
        "print(int(own.split()[1]) >> 10,"
        " resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    told, used = done.stdout.splitlines()
    assert "download or copy it again" in told and str(path) in told and len(told) < 400
    ours, reader = map(int, used.split())
    assert ours < 128 and reader < 640


def test_a_row_longer_than_any_is_named(tmp_path: Path) -> None:
    lengths = (1_000_000, 2_000_000, 17_000_000)
    rows = [os.urandom(length // 2).hex() for length in lengths]
    parquet(tmp_path / "long.parquet", pyarrow.array(rows))
    with pytest.raises(DataError, match=r"row 3: a row of over 16,000,000 bytes"):
        list(files.rows(tmp_path / "long.parquet"))


def test_values_of_every_type_come_through_and_none_that_is_no_text_becomes_one(
    tmp_path: Path,
) -> None:
    rows = [
        {
            "text": "가\x00\u2028",
            "bytes": b"\xff",
            "number": 2**63 - 1,
            "share": 0.5,
            "yes": True,
            "none": None,
            "list": ["나"],
            "inner": {"day": datetime.date(2026, 1, 2)},
            "price": Decimal("1.50"),
        }
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "all.parquet")
    (read,) = files.rows(tmp_path / "all.parquet")
    assert read == {
        **rows[0],
        "inner": {"day": ["datetime.date(2026, 1, 2)"]},
        "price": ["Decimal('1.50')"],
    }
    plain = {key: rows[0][key] for key in ("text", "bytes", "share", "none", "list")}
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([plain]), tmp_path / "plain.parquet")
    assert list(files.rows(tmp_path / "plain.parquet")) == [plain]


def test_the_process_ends_with_its_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet(tmp_path / "many.parquet", pyarrow.array([os.urandom(50).hex() for _ in range(20_000)]))
    made: list[Any] = []
    real = subprocess.Popen

    def popen(*given: Any, **more: Any) -> Any:
        made.append(real(*given, **more))
        return made[-1]

    monkeypatch.setattr(subprocess, "Popen", popen)
    rows = files.rows(tmp_path / "many.parquet")
    next(rows)
    rows.close()  # type: ignore[attr-defined]
    assert made[0].poll() is not None
    assert resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY, (
        "the limits are the process's own"
    )


@pytest.mark.parametrize("version", [1, 2])
def test_a_feather_file_is_told_by_its_name(tmp_path: Path, version: int) -> None:
    from pyarrow import feather

    feather.write_feather(pyarrow.table({"text": ["가"]}), tmp_path / "a.arrow", version=version)
    with pytest.raises(DataError, match="a Feather file, not an Arrow file"):
        list(files.rows(tmp_path / "a.arrow"))
