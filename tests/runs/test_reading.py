"""Files of a stranger's run folder: what is too large, too deep or no file is an error at once,
within bounds of memory."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kotune.errors import StageError
from kotune.runs import reading
from tests.conftest import ROOT, bounded_time


def sparse(path: Path, size: int) -> None:
    """A file of this size that takes no space."""
    path.touch()
    os.truncate(path, size)


DOUBLED = "0: &a0 [x]\n" + "".join(f"{n + 1}: &a{n + 1} [*a{n}, *a{n}]\n" for n in range(40))
HOSTILE: dict[str, tuple[Callable[[Path], object], Callable[[Path], object], str]] = {
    "aliases that double forty times": (
        reading.yaml_of,
        lambda path: path.write_text(DOUBLED),
        "over 20,000 values",
    ),
    "an alias that holds itself": (
        reading.yaml_of,
        lambda path: path.write_text("&a [*a]"),
        "contains itself",
    ),
    "YAML nested a thousand deep": (
        reading.yaml_of,
        lambda path: path.write_text("[" * 1_000),
        "nested too deeply",
    ),
    "YAML that names a Python object": (
        reading.yaml_of,
        lambda path: path.write_text("!!python/object/apply:os.system [exit]"),
        "could not determine",
    ),
    "YAML of a megabyte": (
        reading.yaml_of,
        lambda path: path.write_text("a: b\n" * 200_000),
        "over 65,536 bytes",
    ),
    "JSON nested a million deep": (
        reading.json_of,
        lambda path: path.write_text("[" * 1_000_000),
        "nested too deeply",
    ),
    "JSON of four gigabytes": (
        reading.json_of,
        lambda path: sparse(path, 4 << 30),
        "over 16,777,216",
    ),
    "lines of four gigabytes": (
        reading.lines_of,
        lambda path: sparse(path, 4 << 30),
        "over 268,435,456",
    ),
    "a line of five megabytes": (
        reading.lines_of,
        lambda path: path.write_text("a" * 5_000_000),
        "a line of over 4,000,000",
    ),
    "lines of ten million values": (
        reading.lines_of,
        lambda path: path.write_text(f"[{'[],' * 500_000}0]\n" * 10),
        "over 8,000",
    ),
    "a pipe": (reading.json_of, os.mkfifo, "a pipe, a device or a socket"),
    "a link to /dev/zero": (
        reading.lines_of,
        lambda path: path.symlink_to("/dev/zero"),
        "a pipe, a device or a socket",
    ),
    "a folder": (reading.json_of, Path.mkdir, "Is a directory"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_is_none_is_an_error(name: str, tmp_path: Path) -> None:
    read, make, words = HOSTILE[name]
    make(tmp_path / "file")
    with bounded_time(120), pytest.raises((OSError, ValueError), match=words):
        read(tmp_path / "file")  # three seconds on an idle machine


@pytest.mark.parametrize(
    ("read", "text", "times"),
    [
        ("json_of", "[],", (reading.MAX_JSON - 10) // 3),
        ("lines_of", "[],", reading.MAX_VALUES // 2 - 60),
        ("lines_of", '{"a":1},', reading.MAX_VALUES // 3 - 60),
        ("lines_of", '"가",', reading.MAX_VALUES - 60),
    ],
)
@pytest.mark.few(1)
def test_the_largest_files_that_are_read_at_all_take_bounded_memory(
    tmp_path: Path, read: str, text: str, times: int
) -> None:
    """The forms that take the most: small lists, dicts and texts."""
    lines = 50 if read == "lines_of" else 1
    (tmp_path / "file").write_text(
        ("[" + text * (times // lines - 1) + text[:-1] + "]\n") * lines, encoding="utf-8"
    )
    code = (
        "import sys; from pathlib import Path; from kotune.runs import reading;"
        f" reading.{read}(Path(sys.argv[1]))\n"
        "print(next(line for line in open('/proc/self/status') if"
        " line.startswith('VmHWM')).split()[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "file")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert int(done.stdout) < (512 if read == "json_of" else 1024) << 10


def test_what_a_run_writes_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text('{"answer": "\u2028", "value": NaN}\n\n[1]\n', encoding="utf-8")
    first, second = reading.lines_of(path)
    assert (first["answer"], second) == ("\u2028", [1]) and first["value"] != first["value"]
    path.write_text("a: {b: [1, 2.5, true, null]}\nc: &c x\nd: *c\n")
    assert reading.yaml_of(path) == {"a": {"b": [1, 2.5, True, None]}, "c": "x", "d": "x"}


ROW = {
    "guid": "g",
    "source": "s",
    "form": "f",
    "doc": "{}",
    "messages": [{"role": "user", "content": "비"}],
}


@pytest.mark.parametrize(
    "line",
    [
        "garbage",
        "[]",
        "{}",
        json.dumps({**ROW, "messages": {}}),
        json.dumps({**ROW, "doc": None}),
        "[" * 100_000,
        "",
    ],
    ids=lambda line: line[:20],
)
def test_a_row_of_training_data_that_is_none_is_told_with_its_place(
    tmp_path: Path, line: str
) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(f"{json.dumps(ROW)}\n{line}\n", encoding="utf-8")
    rows = reading.rows_of(path)
    assert next(rows) == (1, ROW)
    with pytest.raises(
        StageError, match=r"train\.jsonl:2: not a row of the prepare stage; remove the file and run"
    ):
        next(rows)
    assert list(reading.rows_of(path, every=2)) == [(1, ROW)]


def test_a_row_has_an_end(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.touch()
    os.truncate(path, 10_000_000_000)
    with pytest.raises(StageError, match=r"train\.jsonl:1: not a row"):
        list(reading.row_lines(path))
