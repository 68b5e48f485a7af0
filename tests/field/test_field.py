"""Every kind of file that people bring becomes exactly what its folder says, or is refused with the
words that it says.

`python -m tests.field.test_field` writes the expectations anew.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from kodata import source as find_source
from kodata.errors import DataError, NoTestError
from kodata.prepare.convert import convert
from kodata.prepare.entries import Entry, Scored, location_of, source_at

CASES = Path(__file__).with_name("cases")
NAMES = sorted(folder.name for folder in CASES.iterdir())
SIDES = ("train", "validation")


def made(name: str, out: Path) -> tuple[dict[str, Any], str]:
    """The manifest of a case, without what another machine has otherwise, and the message where
    there is none."""
    told = json.loads((CASES / name / "case.json").read_text(encoding="utf-8"))
    source, data = find_source(told["source"]), CASES / name / "data"
    entry = Entry(
        source.CARD.name, told.get("form", source.FORMS[0]), data, test_share=told.get("test_share")
    )
    try:
        manifest = convert([entry], out, 1, scored(entry))
    except DataError as error:
        return {}, str(error).replace(str(data), "data")
    (part,) = manifest["entries"]
    part["path"] = "data"
    part["files"] = [file["file"] for file in part["files"]]
    return json.loads(json.dumps(manifest)), ""


def scored(entry: Entry) -> Scored:
    """Its own task, as a run does it."""
    place = location_of(entry)
    task = source_at(place).CARD.task
    try:
        source_at(place).files("test", entry.path)
    except NoTestError as error:
        return Scored({}, not_scored={task: error.groups})
    return Scored({task: place})


@pytest.mark.parametrize("name", NAMES)
def test_a_kind_of_data_becomes_what_its_folder_says(name: str, tmp_path: Path) -> None:
    manifest, refused = made(name, tmp_path / "out")
    if refused:
        assert refused + "\n" == (CASES / name / "refused.txt").read_text(encoding="utf-8")
        assert (
            not (CASES / name / "manifest.json").exists()
            and not (tmp_path / "out" / "manifest.json").exists()
        )
    else:
        assert manifest == json.loads((CASES / name / "manifest.json").read_text(encoding="utf-8"))
        assert not (CASES / name / "refused.txt").exists()


@pytest.mark.parametrize("name", NAMES)
def test_every_row_is_trained_on_scored_or_counted(name: str, tmp_path: Path) -> None:
    """Nothing is only in the file: what is read on each side is kept or dropped with a reason."""
    manifest, refused = made(name, tmp_path / "out")
    if not refused:
        (part,) = manifest["entries"]
        assert sum(part["read"].values()) == sum(part["kept"].values()) + sum(
            part["dropped"].values()
        )
        for side in SIDES:
            lines = (tmp_path / "out" / f"{side}.jsonl").read_bytes().count(b"\n")
            assert lines == part["kept"][side] == manifest["rows"][side]


def test_each_case_says_why_it_is_there() -> None:
    assert len(NAMES) > 90
    for name in NAMES:
        told = json.loads((CASES / name / "case.json").read_text(encoding="utf-8"))
        assert told["why"].endswith(".") and told.keys() <= {
            "why",
            "source",
            "form",
            "test_share",
        }, name


def main() -> None:
    for name in NAMES:
        with tempfile.TemporaryDirectory() as scratch:
            manifest, refused = made(name, Path(scratch) / "out")
        for file in ("manifest.json", "refused.txt"):
            (CASES / name / file).unlink(missing_ok=True)
        if refused:
            (CASES / name / "refused.txt").write_text(refused + "\n", encoding="utf-8")
        else:
            text = json.dumps(manifest, ensure_ascii=False, indent=1)
            (CASES / name / "manifest.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
