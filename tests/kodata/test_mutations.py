"""Spoilt files: of each source, hundreds are converted with every row counted, or refused in one
message, and nothing else.

A failure names the form and the number of the mutation; `mutated.spoilt(form, number)` makes that
file again."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kodata.errors import DataError
from kodata.prepare.convert import convert
from kodata.prepare.entries import Entry
from tests import mutated, source_forms
from tests.conftest import ROOT, bounded_time
from tests.source_forms import Form
from tests.written import TRAINED

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # openpyxl tells what it mends
pytest.importorskip("openpyxl")
pytest.importorskip("pyarrow")

RUNS = 300  # files of each source: over 2,000 in all
PARTS = 5  # of these runs; the first is in every run of the tests
SECONDS = 20  # for one file; the slowest takes a second on a quiet machine
GROWTH = 200  # MB of peak memory over all the files of a source
FORMS = {
    source: [form for form in source_forms.forms() if form.source == source] for source in TRAINED
}


def test_every_source_is_tried_and_two_thousand_files_in_all() -> None:
    assert all(FORMS.values())
    assert RUNS * len(FORMS) >= 2_000


@pytest.mark.parametrize("source", FORMS)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.few(len(FORMS))
def test_a_spoilt_file_is_converted_with_all_rows_counted_or_refused_in_one_message(
    source: str, part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    forms, outcomes = FORMS[source], Counter[str]()
    work = tmp_path / "work"
    seeds = {form.name: seed_for(form, work) for form in forms}
    with bounded_memory():
        for number in range(part * RUNS // PARTS, (part + 1) * RUNS // PARTS):
            form = forms[number % len(forms)]
            told = f"{source}: {form.name} {number}"
            outcomes[outcome(form, mutated.spoilt(form, number), work, seeds[form.name], told)] += 1
    assert outcomes.total() == RUNS // PARTS
    # Of all parts together some 5% and more.
    assert min(outcomes["dropped"], outcomes["refused"]) > 1


def folder_with_a_file(path: Path) -> None:
    path.mkdir()
    (path / path.name).write_bytes(b"x")


STRANGE: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "white space": lambda path: path.write_bytes(b" \n\t\r\n" * 1_000),
    "NULs": lambda path: path.write_bytes(b"\0" * 5_000),
    "a mark alone": lambda path: path.write_bytes(b"\xef\xbb\xbf"),
    "a folder": lambda path: path.mkdir(),
    "a folder with a file": folder_with_a_file,
    "a pipe": os.mkfifo,
    "a link to itself": lambda path: path.symlink_to(path),
    "a link to nothing": lambda path: path.symlink_to("/nowhere"),
    "a link to the environment": lambda path: path.symlink_to("/proc/self/environ"),
    "a link to a file of another kind": lambda path: path.symlink_to("/etc/passwd"),
}


@pytest.mark.parametrize(
    "form", source_forms.forms(), ids=lambda form: f"{form.source}-{form.name}"
)
def test_what_is_no_data_file_at_all_is_refused(form: Form, tmp_path: Path) -> None:
    for name, make in STRANGE.items():
        assert outcome(form, make, tmp_path / "work", 1, f"{form.name}: {name}") == "refused", name


@pytest.mark.parametrize(
    "form", [form for form in source_forms.forms() if form.kind not in ("parquet", "arrow", "xlsx")]
)
def test_a_row_longer_than_any_is_refused_or_dropped(form: Form, tmp_path: Path) -> None:
    assert outcome(form, mutated.lengthened(form), tmp_path / "work", 1, form.name) == "refused"


def entry(name: str, mode: int = 0o644, system: int = 3) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr, info.create_system = (stat.S_IFREG | mode) << 16, system
    return info


SNS = next(form for form in FORMS["aihub_dialogue"] if form.name.endswith(".zip"))
LINK = entry("속/링크.json")
LINK.external_attr = (stat.S_IFLNK | 0o777) << 16
SPOILT_ZIP = bytes(byte ^ (at in (70, 71, 72)) for at, byte in enumerate(SNS.file))
ARCHIVES: dict[str, tuple[str, list[tuple[zipfile.ZipInfo, bytes]]]] = {
    "absolute": ("dropped", [(entry("/etc/밖.json"), SNS.content)]),
    "above": ("dropped", [(entry("../../../밖.json"), SNS.content)]),
    "above, as on Windows": ("dropped", [(entry("..\\..\\밖.json"), SNS.content)]),
    "a drive": ("dropped", [(entry("C:\\밖.json"), SNS.content)]),
    "a link": ("refused", [(LINK, b"/etc/passwd"), (entry("a.json"), SNS.content)]),
    "a zip in it": ("refused", [(entry("a.zip"), SNS.file), (entry("a.json"), SNS.content)]),
    "the same name twice": (
        "dropped",
        [(entry("a.json"), SNS.content), (entry("a.json"), SNS.content)],
    ),
    "a folder called .json": (
        "dropped",
        [(entry("a.json/"), b""), (entry("a.json/b.json"), SNS.content)],
    ),
    "no data": ("refused", [(entry("설명.txt"), b"x")]),
    "nothing": ("refused", []),
    "white space": ("refused", [(entry("a.json"), b" " * (64 << 20))]),
    "a bomb beside data": (
        "refused",
        [(entry("a.json"), SNS.content), (entry("b.json"), b"[" + b"0," * (32 << 20))],
    ),
    "a workbook that is none": ("refused", [(entry("a.xlsx"), SNS.content)]),
    "a damaged workbook": ("refused", [(entry("a.xlsx"), SPOILT_ZIP)]),
    "a workbook that is a bomb": (
        "refused",
        [(entry("a.xlsx"), source_forms.zipped("xl/workbook.xml", b" " * (64 << 20)))],
    ),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ARCHIVES)
def test_no_member_of_a_zip_is_written_or_unpacked_without_end(name: str, tmp_path: Path) -> None:
    expected, members = ARCHIVES[name]
    with zipfile.ZipFile(tmp_path / "made", "w", zipfile.ZIP_DEFLATED) as archive:
        for info, content in members:
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    seed, root = seed_for(SNS, tmp_path / "work"), tmp_path / "deep" / "er" / "work"
    root.parent.mkdir(parents=True)
    assert outcome(SNS, (tmp_path / "made").read_bytes(), root, seed, name) == expected
    assert not Path("/etc/밖.json").exists()


def test_a_file_whose_name_is_no_unicode_is_converted(tmp_path: Path) -> None:
    """What an old unzip makes of a Korean name."""
    plain = next(form for form in FORMS["aihub_dialogue"] if form.name.endswith(".json"))
    form = plain._replace(name=os.fsdecode("대화.json".encode("cp949")))
    seed = seed_for(plain, tmp_path / "work")
    assert outcome(form, form.content, tmp_path / "work", seed, "CP949 name") == "dropped"


MEGABYTE = b"a" * (1 << 20)
HEADS = {  # what a line of 200 MB begins with, and ends with where it is whole
    "klue_nli": (b'[{"guid": "', b'"}]'),
    "korquad": (b'{"data": [{"title": "', b'"}]}'),
    "nsmc": (b"id\tdocument\tlabel\n1\t", b"\t1\n"),
    "naver_news": (b'date,link\n"', b'",x\n'),
    "chat": (b'{"prompt": "', b'"}\n'),
    "aihub_dialogue": (b'{"data": [{"body": "', b'"}]}'),
}
IN_LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
from kodata.prepare.convert import Entry, convert
from kodata.errors import DataError
resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))
source, form, folder, out = sys.argv[1:]
try:
    convert([Entry(source, form, folder)], Path(out), 1)
except DataError as error:
    print(error)
"""


def in_little_memory(form: Form, folder: Path) -> str:
    """What conversion says in a process that may have 400 MB of address space, Python's own 100
    among them."""
    words = (form.source, form.form, str(folder / "data"), str(folder / "out"))
    command = [sys.executable, "-c", IN_LITTLE_MEMORY, *words]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0 and not done.stderr, done.stderr[-2_000:]
    assert len(done.stdout.splitlines()) == 1
    return done.stdout


@pytest.mark.parametrize(
    "source",
    ["chat", *(pytest.param(name, marks=pytest.mark.slow) for name in HEADS if name != "chat")],
)
def test_a_line_of_200_mb_is_refused_in_bounded_memory(source: str, tmp_path: Path) -> None:
    form, (head, tail) = FORMS[source][0], HEADS[source]
    put(form, tmp_path / "data", b"")
    with (tmp_path / "data" / form.name).open("wb") as file:
        file.writelines([head, *[MEGABYTE] * 200, tail])
    assert re.search(
        r"row 1: .*(over 4,000,000 characters|over 131,072 characters)",
        in_little_memory(form, tmp_path),
    )
    (tmp_path / "data" / form.name).unlink()


@pytest.mark.parametrize(
    "form", [form for form in source_forms.forms() if form.name.endswith((".gz", ".zip"))]
)
@pytest.mark.parametrize("filling", [b"\n", b"[[["])
def test_a_file_that_unpacks_to_half_a_gigabyte_is_refused_in_bounded_memory(
    form: Form, filling: bytes, tmp_path: Path
) -> None:
    put(form, tmp_path / "data", mutated.bomb(form, filling))
    assert f"{form.name}: " in (told := in_little_memory(form, tmp_path))
    if filling.isspace():  # which is no fault of a text but its length
        assert "unpacks to over 200 times its size" in told or "white space only" in told


def seed_for(form: Form, root: Path) -> int:
    """A seed that puts something of the sound file on either side. Something is dropped there
    too."""
    return next(
        seed for seed in range(100) if outcome(form, form.file, root, seed, "sound") == "dropped"
    )


def outcome(
    form: Form, content: bytes | Callable[[Path], object], root: Path, seed: int, told: str
) -> str:
    """What becomes of a form's file with this content. Everything that may not be is an
    AssertionError with `told`."""
    data, out = root / "data", root / "out"
    put(form, data, content)
    before = tree(root)
    try:
        with bounded_time(SECONDS, told):
            manifest = convert([Entry(form.source, form.form, data)], out, seed)
    except DataError as error:
        assert Path(form.name).name in str(error) or str(data) in str(error), (
            f"{told}: no file is named: {error}"
        )
        assert "\n" not in str(error) and len(str(error)) < 1_500, (
            f"{told}: not one short message: {error}"
        )
        assert not out.exists() or not list(out.iterdir()), (
            f"{told}: something half-written is left"
        )
        found = "refused"
    except Exception as error:
        raise AssertionError(f"{told}: {type(error).__name__}: {error!s:.300}") from error
    else:
        found = counted(out, manifest, told)
    shutil.rmtree(out, ignore_errors=True)
    assert tree(root) == before, f"{told}: something was written outside the output folder"
    shutil.rmtree(root)
    return found


def put(form: Form, data: Path, content: bytes | Callable[[Path], object]) -> None:
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
    assert sum(entry["read"].values()) == kept + dropped, (
        f"{told}: rows are lost: {entry['read']}, {kept}, {dropped}"
    )
    assert all(entry["dropped"]), f"{told}: a drop without a reason"
    assert sorted(path.name for path in out.iterdir()) == [
        "manifest.json",
        "train.jsonl",
        "validation.jsonl",
    ], told
    written = [
        json.loads(line)
        for side in manifest["rows"]
        for line in (out / f"{side}.jsonl").open(encoding="utf-8")
    ]
    assert len(written) == kept, f"{told}: {len(written)} rows written, {kept} counted"
    return "dropped" if dropped else "kept"


def tree(root: Path) -> set[tuple[str, int, int]]:
    """Everything below a folder's parent with its size and time of change."""
    found = (path for path in root.parent.rglob("*") if not path.is_dir())
    return {
        (str(path), info.st_size, info.st_mtime_ns) for path in found for info in [path.lstat()]
    }


@contextmanager
def bounded_memory() -> Iterator[None]:
    # The peak begins anew: other tests may have had a higher one.
    Path("/proc/self/clear_refs").write_text("5")
    before = peak()
    yield
    assert peak() - before < GROWTH, f"peak memory grew by {peak() - before} MB"


def peak() -> int:
    """Peak memory of this process in MB."""
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) >> 10
