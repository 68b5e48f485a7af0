"""docs/reliability.md: every promise names a test that is there; and the faults of a run folder
that need no training."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kodata import drafts
from kotune.display.page import check_place
from kotune.errors import RecipeError
from kotune.runs.folder import Run, read_json, write_json
from tests.conftest import ROOT, Cli, write_recipe
from tests.test_cli import KLUE, QUICK, ROW, assert_one_message
from tests.worker.test_tether import wait_for

PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")


def test_every_promise_and_every_exit_code_names_a_test_that_is_there() -> None:
    rows = [
        row
        for row in re.findall(r"^\| (?!what|code|killed|-).*\|$", PAGE, re.MULTILINE)
        if "::" in row or "`tests/" in row
    ]
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
    assert len(rows) >= 20 and len(named) >= len(rows)
    for file, name in named:
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{name}"


def test_a_folder_that_cannot_be_written_to_is_one_message(tmp_path: Path) -> None:
    """A read-only tmpfs, in a mount namespace of its own: permissions alone do not stop root."""
    script = 'mkdir runs && mount -t tmpfs -o ro tmpfs runs && exec "$@"'
    words = [
        "unshare",
        "-rm",
        "sh",
        "-c",
        script,
        "sh",
        sys.executable,
        str(ROOT / "cli.py"),
        "run",
        str(QUICK),
    ]
    if subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine allows no mount namespace")
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert_one_message(
        done, 1, "Read-only file system; give a folder that you may write to (--runs-dir)"
    )


@pytest.mark.parametrize("option", ["--html", "--md"])
def test_a_page_that_cannot_be_written_is_told_before_anything_is_done(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_place(tmp_path / "page", option)
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(
        RecipeError, match=f"^{option} .*page: the folder .* cannot be written to; name another$"
    ):
        check_place(tmp_path / "page", option)


def test_a_file_that_cannot_be_written_is_told_by_its_own_name(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as caught:
        drafts.write(tmp_path / "gone" / "report.md", b"")
    assert caught.value.filename == str(tmp_path / "gone" / "report.md")


def test_a_vanished_data_file_is_one_message_and_a_prepared_one_is_made_again(
    cli: Cli, tmp_path: Path
) -> None:
    rows = [{**ROW, "guid": f"g{i}", "premise": f"{i}월에 비가 온다."} for i in range(12)]
    for name in ("train", "dev"):
        write_json(
            tmp_path / "data" / f"klue-nli-v1.1_{name}.json", rows if name == "train" else rows[:1]
        )
    recipe = write_recipe(tmp_path, KLUE)
    assert cli("run", recipe, "--until", "prepare").returncode == 0
    made = next((tmp_path / "runs").glob("*/data/train.jsonl"))
    before = made.read_bytes()
    made.unlink()
    assert cli("run", recipe, "--until", "prepare").returncode == 0
    assert made.read_bytes() == before
    (tmp_path / "data" / "klue-nli-v1.1_train.json").unlink()
    assert_one_message(cli("run", recipe, "--until", "prepare"), 1, "klue-nli-v1.1_train.json")
    assert made.read_bytes() == before


def test_a_run_folder_of_another_version_is_one_message_or_done_again(
    cli: Cli, tmp_path: Path
) -> None:
    assert cli("run", QUICK, "--until", "prepare").returncode == 0
    path = next((tmp_path / "runs").glob("*/run.json"))
    record = read_json(path)
    record["stages"]["prepare"]["inputs"]["code"] = "older"
    write_json(path, record)
    assert (
        "prepare  again, because this changed: code"
        in cli("run", QUICK, "--until", "prepare").stdout
    )
    others: tuple[object, ...] = ([], {"stages": ["prepare"]}, "run")
    for other in others:
        write_json(path, other)
        assert_one_message(
            cli("run", QUICK),
            1,
            "not a record of this version; move the run folder away and run again",
        )


def test_the_lock_of_a_run_that_was_killed_is_free(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from kotune.runs.folder import Run\n"
        "with Run(Path('.')).lock(): Path('held').write_text('yes'); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}
    ) as holder:
        wait_for(tmp_path / "held", "yes")
        holder.kill()
    with Run(tmp_path).lock():
        pass
