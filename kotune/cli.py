"""Defines the command line. Each command has a module in kotune/commands. `kotune COMMAND --help`
describes a command."""

import os

import click

from kotune.commands.boundary import Commands, print_tracebacks_safely
from kotune.commands.check import check
from kotune.commands.compare import compare
from kotune.commands.doctor import doctor
from kotune.commands.launch import launch
from kotune.commands.lm_eval import lm_eval
from kotune.commands.options import lang_option
from kotune.commands.plan import plan
from kotune.commands.preview import preview
from kotune.commands.recipes import recipes
from kotune.commands.render import render
from kotune.commands.report import report
from kotune.commands.run import run
from kotune.commands.study import study
from kotune.commands.tasks import tasks
from kotune.commands.template import template
from kotune.display.terminal import never_fail_to_write
from kotune.shipped import PROGRAM


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kotune")
@lang_option
def cli(lang: str) -> None:
    """Fine-tune small language models on Korean, and compare them item by item.

    A comparison shows which model is better, by how much, at what cost, and whether the difference
    is real."""


for command in (
    run,
    launch,
    study,
    check,
    render,
    plan,
    doctor,
    template,
    preview,
    compare,
    report,
    recipes,
    tasks,
    lm_eval,
):
    cli.add_command(command)


def main() -> None:
    """The entry point of the command `kotune`, and of `./cli.py` in a checkout."""
    never_fail_to_write()
    print_tracebacks_safely()
    _set_missing_home()
    cli(prog_name=PROGRAM)


def _set_missing_home() -> None:
    """Set the environment variable HOME to `/` if the user has no home directory.

    This happens in a container for a user whom the system does not know. Without HOME, libraries
    would write to a folder called `~` in the current folder."""
    if os.path.expanduser("~") == "~":  # noqa: PTH111  (Path.home() raises)
        os.environ["HOME"] = "/"
