"""Spoilt files: of each source, hundreds are converted with every row counted, or refused in one message, and nothing else.

A failure names the form and the number of the mutation; `mutated.spoilt(form, number)` makes that file again.
"""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kodata import aihub_dialogue, SOURCES
from kodata.convert import Entry, convert
from kodata.errors import DataError
from tests import mutated
from tests.conftest import ROOT
from tests.mutated import Form

pytest.importorskip("openpyxl")
pytest.importorskip("pyarrow")

RUNS = 300  # files of each source: over 2,000 in all
SECONDS = 20  # for one file; the slowest takes a second on a quiet machine
GROWTH = 200  # MB of peak memory over all the files of a source
FORMS = {source: [form for form in mutated.forms() if form.source == source] for source in SOURCES}


def test_every_source_is_tried_and_two_thousand_files_in_all() -> None:
    assert all(FORMS.values())
    assert RUNS * len(FORMS) >= 2_000


@pytest.mark.parametrize("source", FORMS)
def test_a_spoilt_file_is_converted_with_all_rows_counted_or_refused_in_one_message(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    forms, outcomes = FORMS[source], Counter[str]()
    work = tmp_path / "work"
    seeds = {form.name: seed_for(form, work) for form in forms}
    with bounded_memory():
        for number in range(RUNS):
            form = forms[number % len(forms)]
            told = f"{source}: {form.name} {number}"
            outcomes[outcome(form, mutated.spoilt(form, number), work, seeds[form.name], told)] += 1
    assert outcomes.total() == RUNS
    assert min(outcomes["dropped"], outcomes["refused"]) > RUNS / 20


def seed_for(form: Form, root: Path) -> int:
    """A seed that puts something of the sound file on either side. Something is dropped there too."""
    return next(seed for seed in range(100) if outcome(form, mutated.unspoilt(form), root, seed, "sound") == "dropped")


def outcome(form: Form, content: bytes | Callable[[Path], None], root: Path, seed: int, told: str) -> str:
    """What becomes of a form's file with this content. Everything that may not be is an AssertionError with `told`."""
    data, out = root / "data", root / "out"
    put(form, data, content)
    before = tree(root)
    try:
        with time_limit(told):
            manifest = convert([Entry(form.source, form.form, data)], out, seed)
    except DataError as error:
        assert Path(form.name).name in str(error) or str(data) in str(error), f"{told}: no file is named: {error}"
        assert "\n" not in str(error) and len(str(error)) < 1_500, f"{told}: not one short message: {error}"
        assert not out.exists() or not list(out.iterdir()), f"{told}: something half-written is left"
        found = "refused"
    except Exception as error:
        raise AssertionError(f"{told}: {type(error).__name__}: {error!s:.300}") from error
    else:
        found = counted(out, manifest, told)
    shutil.rmtree(out, ignore_errors=True)
    assert tree(root) == before, f"{told}: something was written outside the output folder"
    shutil.rmtree(root)
    return found


def put(form: Form, data: Path, content: bytes | Callable[[Path], None]) -> None:
    path = data / form.name
    path.parent.mkdir(parents=True)
    for name, other in form.others.items():
        (data / name).write_bytes(other)
    if callable(content):
        content(path)
    else:
        path.write_bytes(content)


def counted(out: Path, manifest: dict, told: str) -> str:
    """Checks that every row that was read is written or dropped with a reason."""
    (entry,) = manifest["entries"]
    kept, dropped = sum(entry["kept"].values()), sum(entry["dropped"].values())
    assert sum(entry["read"].values()) == kept + dropped, f"{told}: rows are lost: {entry['read']}, {kept}, {dropped}"
    assert all(entry["dropped"]), f"{told}: a drop without a reason"
    assert sorted(path.name for path in out.iterdir()) == ["manifest.json", "train.jsonl", "validation.jsonl"], told
    written = [json.loads(line) for side in manifest["rows"] for line in (out / f"{side}.jsonl").open(encoding="utf-8")]
    assert len(written) == kept, f"{told}: {len(written)} rows written, {kept} counted"
    return "dropped" if dropped else "kept"


def tree(root: Path) -> set[tuple[str, int, int]]:
    """Everything below a folder's parent with its size and time of change."""
    found = (path for path in root.parent.rglob("*") if not path.is_dir())
    return {(str(path), stat.st_size, stat.st_mtime_ns) for path in found for stat in [path.lstat()]}


class Slow(BaseException):
    """Not an Exception: nobody may take it for a fault of a file."""


@contextmanager
def time_limit(told: str) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Slow(f"{told}: not done after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def bounded_memory() -> Iterator[None]:
    before = peak()
    yield
    assert peak() - before < GROWTH, f"peak memory grew by {peak() - before} MB"


def peak() -> int:
    """Peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
