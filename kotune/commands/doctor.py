"""Check this machine."""

import sys
from pathlib import Path

import click

from kotune.commands.boundary import unwind_when_terminated
from kotune.commands.options import json_option, lang_option, runs_dir_option
from kotune.display.language import TranslatedCommand
from kotune.display.terminal import echo


@click.command(cls=TranslatedCommand)
@json_option
@runs_dir_option
@lang_option
def doctor(as_json: bool, runs_dir: Path, lang: str) -> None:
    """Check this machine: Python, packages, GPU, disk, hub access.

    Each line is marked ok, warning or fix. A warning or fix names a remedy. The exit code is 1 if
    something must be fixed."""
    import json

    from kotune.doctor import examine as checks

    unwind_when_terminated()
    findings = []
    for finding in checks.examine(runs_dir):
        findings.append(finding)
        if not as_json:
            echo(finding.line(lang), colour=checks.COLOURS[finding.state])
    summary = checks.as_json(findings)
    if as_json:
        echo(json.dumps(summary, ensure_ascii=False, indent=2))
    if not summary["ok"]:
        sys.exit(1)
