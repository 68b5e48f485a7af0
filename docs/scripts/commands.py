"""Writes docs/commands.md and docs/commands.ko.md from the `--help` of every command.

python -m docs.scripts.commands"""

import json
import os
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[1]
LOCALES = {"en": "en_US.UTF-8", "ko": "ko_KR.UTF-8"}
# In a process of its own: the language of the help follows from the environment.
PRINT_HELP = """
import contextlib, io, json
import click
from kotune.cli import cli
whole = click.Context(cli, info_name="./cli.py")
shown = {}
for name in ["", *sorted(cli.commands)]:
    if name == "lm_eval":  # its --help is lm_eval's own
        command = cli.commands[name]
        shown[name] = command.get_help(click.Context(command, whole, name))
        continue
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
        cli.main([*name.split(), "--help"], prog_name="./cli.py")
    shown[name] = out.getvalue()
print(json.dumps(shown))
"""


def help_texts(language: str) -> dict[str, str]:
    """The help of each command by its name, in `language`. The name of the program itself is ""."""
    environment = {**os.environ, "LC_ALL": LOCALES[language], "COLUMNS": "80", "PYTHONUTF8": "1"}
    environment |= {"LANG": LOCALES[language], "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PRINT_HELP],
        cwd=DOCS.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    shown: dict[str, str] = json.loads(done.stdout)
    return shown


def page(language: str) -> str:
    """The page in `language`, as it must be in docs/."""
    introduction, _, _ = path(language).read_text(encoding="utf-8").partition("\n## ")
    parts = [introduction]
    for name, text in help_texts(language).items():
        parts.append(f"## {name or './cli.py'}\n\n```\n{text.rstrip()}\n```\n")
    return "\n".join(parts)


def path(language: str) -> Path:
    """Where the page in `language` is."""
    return DOCS / ("commands.md" if language == "en" else f"commands.{language}.md")


if __name__ == "__main__":
    for each in LOCALES:
        path(each).write_text(page(each), encoding="utf-8")
        print(path(each).relative_to(DOCS.parent))
