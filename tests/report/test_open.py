"""`open` opens a report in a browser, and prints its path."""

import sys
import webbrowser
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kotune.cli import cli
from kotune.runs.folder import write_text
from tests.conftest import ROOT
from tests.finished import finished

QUICK = ROOT / "recipes" / "quickstart_llama.yml"
Opened = list[str]


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """The addresses that a browser was asked to open. There is a browser and a display."""
    addresses: Opened = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(webbrowser, "get", lambda: object())
    monkeypatch.setattr(webbrowser, "open", addresses.append)
    return addresses


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["open", *words])


def reported(folder: Path) -> Path:
    write_text(finished(folder) / "report.html", "<p>")
    return folder


def test_the_page_of_a_run_is_opened(tmp_path: Path, opened: Opened) -> None:
    reported(tmp_path / "runs" / "a")
    done = run("runs/a")
    assert (done.exit_code, done.stdout) == (0, "runs/a/report.html\n")
    assert opened == [(tmp_path / "runs/a/report.html").as_uri()]


def test_a_page_itself_and_the_page_of_a_study_are_opened(tmp_path: Path, opened: Opened) -> None:
    write_text(tmp_path / "kept.html", "<p>")
    assert run("kept.html").stdout == "kept.html\n"
    write_text(tmp_path / "grid.yml", "recipes: [a.yml]\n")
    write_text(tmp_path / "mine" / "grid" / "report.html", "<p>")
    assert run("grid.yml", "--runs-dir", "mine").stdout == "mine/grid/report.html\n"
    assert len(opened) == 2


@pytest.mark.parametrize("missing", ["display", "browser"])
def test_without_a_browser_the_path_is_printed(
    tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    def none() -> None:
        raise webbrowser.Error("no browser")

    if missing == "browser":
        monkeypatch.setattr(webbrowser, "get", none)
    else:
        monkeypatch.setattr(sys, "platform", "linux")
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
            monkeypatch.delenv(name, raising=False)
    reported(tmp_path / "a")
    done = run("a")
    assert (done.exit_code, done.stdout, opened) == (0, "a/report.html\n", [])


def test_a_missing_page_is_one_message_with_the_command_that_writes_it(
    tmp_path: Path, opened: Opened
) -> None:
    finished(tmp_path / "a")
    messages = {
        "a": "a/report.html: there is no page; write it with `./cli.py report a`",
        "b.html": "b.html: there is no page; write it with `./cli.py compare RUN --html b.html`",
        "absent": "absent: neither a run folder nor a recipe",
        str(QUICK): "runs has no scored run of the recipe as it is now; make one with `./cli.py",
    }
    for target, message in messages.items():
        done = run(target)
        assert done.exit_code == 2 and message in done.stderr and done.stdout == ""
        assert done.stderr.count("\n") == 1
    assert opened == []
