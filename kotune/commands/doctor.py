"""Check this machine."""

import sys
from pathlib import Path

import click

from kotune.commands.boundary import unwind_when_terminated
from kotune.commands.options import json_option, runs_dir_option
from kotune.display.terminal import echo


@click.command()
@json_option
@runs_dir_option
def doctor(as_json: bool, runs_dir: Path) -> None:
    """Say what this machine lacks, each line ok, warning or fix, with what to do. Exit code 1 where
    something must be fixed."""
    import json

    from kotune.doctor import examine as checks

    unwind_when_terminated()
    findings = []
    for one in checks.examine(runs_dir):
        findings.append(one)
        if not as_json:
            echo(one, colour=checks.COLOURS[one.state])
    told = checks.as_json(findings)
    if as_json:
        echo(json.dumps(told, ensure_ascii=False, indent=2))
    if not told["ok"]:
        sys.exit(1)
