"""Nothing of a stranger's acts on a terminal or turns the order of what is read there."""

import ast
import io
import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from rich.text import Text

from kodata import errors
from kotune.commands.boundary import Commands
from kotune.display.progress import Screen
from kotune.display.table import Table, escaped, markdown, show
from kotune.display.terminal import terminal
from kotune.errors import StageError
from kotune.recipe import strict_yaml
from kotune.runs.records import Event
from tests.conftest import ROOT, Cli
from tests.finished import finished

ACTS = (
    "\x1b[2J\x1b]0;title\x07\x9b31m\x9d\r\x08\x7f\x85"
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
KEPT = "한글 👩‍👩‍👧 a\u00a0b\u3000c\u200bd ▏ ↵ é"


def acting(text: str) -> list[str]:
    """What is left in a text that would act."""
    turning = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    marks = "\u200e\u200f\u061c"
    return [
        one
        for one in text
        if (unicodedata.category(one) == "Cc" and one not in "\n\t")
        or unicodedata.bidirectional(one) in turning
        or one in marks
    ]


def test_one_piece_spells_it_out_and_keeps_the_rest() -> None:
    assert len(acting(ACTS)) >= 20
    for told in (
        errors.visible(ACTS),
        errors.on_one_line(ACTS),
        strict_yaml.shown(ACTS),
        errors.shown(ACTS),
    ):
        assert not acting(told) and told.isprintable()
    assert errors.visible(KEPT + "\n\t") == KEPT + "\n\t"
    assert errors.visible("\ud800\u202e") == r"\ud800\u202e"
    every = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x11000))))
    assert json.loads(errors.visible(json.dumps([every], ensure_ascii=False))) == [every]


def test_a_console_spells_it_out_in_whatever_it_draws() -> None:
    out = io.StringIO()
    screen = Screen(terminal(file=out, force_terminal=False, width=2000))
    screen.header(Path(f"runs/{ACTS}"), ACTS)
    screen.title(ACTS)
    screen.say(ACTS)
    screen.again("train", [ACTS])
    show(Table(ACTS, (ACTS, "b"), [(ACTS, "1")], 1, [ACTS]), screen.console)
    screen.console.print(Text(ACTS))
    assert not acting(out.getvalue()) and out.getvalue().count(r"\u202e") == 10


def test_a_bar_still_moves_on_a_terminal() -> None:
    out = io.StringIO()
    events = [Event(event="start", step=0, max_steps=2), Event(event="log", step=2, loss=1.0)]
    Screen(terminal(file=out, force_terminal=True, width=80)).training(events)
    assert "\x1b[" in out.getvalue() and "loss 1.0000" in out.getvalue()
    assert r"\u001b" not in out.getvalue()


@pytest.mark.parametrize(
    "error", [StageError, errors.DataError, click.UsageError, KeyboardInterrupt, OSError]
)
def test_errors_end_at_the_boundary_spelled_out(error: type[BaseException]) -> None:
    @click.group(cls=Commands)
    def group() -> None:
        pass

    @group.command()
    def fail() -> None:
        raised = error(2, ACTS, ACTS) if error is OSError else error(ACTS)
        raised.add_note(ACTS)
        raise raised

    said = CliRunner().invoke(group, ["fail"]).output
    assert r"\u202e" in said and not acting(said)


def test_names_of_files_and_folders_are_spelled_out_by_every_command(
    cli: Cli, tmp_path: Path
) -> None:
    name = ACTS.replace("\r", "")
    recipe = tmp_path / f"{name}.yml"
    recipe.write_text("model: quickstart-llama\ndata:\n  - source: nli_sample\n")
    for words in (
        ["check", recipe],
        ["run", recipe, "--dry-run"],
        ["check", f"{recipe}x"],
        ["report", f"{name}/none"],
        [name],
    ):
        done = cli(*words)
        assert r"\u202e" in done.stdout + done.stderr and not acting(done.stdout + done.stderr)
    folder = finished(tmp_path / name)
    done = cli("compare", folder, folder / ".")
    assert done.returncode and not acting(done.stderr)
    os.mkfifo(folder / name)
    assert not acting(cli("compare", folder).stderr)


def test_pages_and_markdown_hold_none_of_it() -> None:
    table = Table(
        f"# [x](javascript:1) {ACTS}",
        ("a|b", ACTS),
        [("<b>", ACTS)],
        1,
        [f"# {ACTS}", "- a", "> b", "-5"],
    )
    told = markdown(table)
    assert not acting(told)
    assert told.startswith("## \\# \\[x](javascript:1) ")
    assert [line for line in told.splitlines() if line.startswith("- ")][1:] == [
        "- \\- a",
        "- \\> b",
        "- -5",
    ]
    assert escaped("a # b - c") == "a # b - c"


def test_nothing_in_kotune_speaks_past_the_sanitizer() -> None:
    """But children into their logs and to kotune, and the tools of who edits this repository."""
    allowed = {
        "worker/server.py",
        "worker/jobs.py",
        "worker/driver.py",
        "score/scoring.py",
        "score/memory.py",
        "score/likelihood/shared.py",
        "models/quickstart/pretrain.py",
        "display/terminal.py",
    }
    found = []
    for path in (ROOT / "kotune").rglob("*.py"):
        if path.relative_to(ROOT / "kotune").as_posix() in allowed:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call | ast.Attribute):
                continue
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            passed = ast.unparse(node) in ("click.echo", "click.secho")
            if called in ("print", "Console", "sys.stdout.write", "sys.stderr.write") or passed:
                found.append(f"{path}:{node.lineno}")
    assert found == []


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "euc-kr", "utf-8"])
@pytest.mark.few(2)
def test_terminals_and_pipes_of_any_encoding_are_written_to(encoding: str, tmp_path: Path) -> None:
    """A bar of a preview, or a Korean word, has no sign in most of them."""
    env = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "HF_HUB_OFFLINE": "1"}
    quick = str(ROOT / "recipes" / "quickstart_llama.yml")
    for words, exit_code in (
        (["run", quick, "--until", "prepare"], 0),
        (["run", "없는 것.yml"], 2),
    ):
        command = [sys.executable, str(ROOT / "cli.py"), *words]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, check=False)
        assert b"Traceback" not in done.stderr and done.returncode == exit_code, done.stderr
    code = "from kotune.display import terminal; terminal.never_fail_to_write(); print('가\u258f')"
    shown = subprocess.run(
        [sys.executable, "-c", code],
        env={**env, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
    )
    assert shown.stdout == "가\u258f\n".encode(encoding, "backslashreplace")
