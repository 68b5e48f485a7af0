"""The command that makes a run once more, from its run.json: built anew from what is checked there,
because a stranger may have written it, and whoever reads a report may type what it says."""

import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

from kotune.display.phrases import LANGUAGES
from kotune.recipe.schema import Limit
from kotune.runs.folder import RUNS, command, said
from kotune.runs.job import LAUNCHERS
from kotune.runs.records import fits

UNKNOWN = Path("RECIPE")  # where nothing names one
ARGUMENTS = "ARGUMENTS"  # where a launcher had some that are not told
# Of a launcher's own arguments only those that say how many processes there are. Others name
# programs to run, or machines: from torchrun's meeting place (--rdzv-endpoint) it loads pickles,
# which run code (torch 2.13).
COUNTS = re.compile(
    r"--(nproc[-_]per[-_]node|num[-_]processes)=[1-9]\d?|--(nnodes|num[-_]machines)=1|"
    r"--master[-_]port=\d{1,5}|"
    r"--(standalone|multi[-_]gpu)",
    re.ASCII,
)


def again(record: dict[str, Any]) -> str:
    """The command, ready for a shell: nothing in it but `run`, a recipe and options of kotune's
    own, each word quoted."""
    words = _words(record.get("command"))
    name, *passed = _launcher(record.get("launcher"))
    overrides, limit = record.get("overrides"), record.get("limit")
    if not fits(overrides, list[str]) or not all(map(str.isprintable, overrides or ())):
        overrides = []
    options = said(
        overrides or [],
        limit if fits(limit, Limit) else None,
        lang if (lang := _after("--lang", words)) in LANGUAGES else LANGUAGES[0],
    )
    options += ["--device", "cpu"] if _after("--device", words) == "cpu" else []
    options += ["--launcher", name] if name else []
    place = Path(_after("--runs-dir", words) or RUNS)
    return command(_recipe(words), *options, runs_dir=place, passed=passed)


def _words(told: object) -> list[str]:
    """The words of a record's command; none where it is no line of text that a shell would read as
    words."""
    try:
        return shlex.split(told) if isinstance(told, str) and told.isprintable() else []
    except ValueError:
        return []


def _recipe(words: list[str]) -> Path:
    """What stands behind `run`."""
    if len(words) < 3 or words[1] != "run" or words[2].startswith("-"):
        return UNKNOWN
    return Path(words[2])


def _after(option: str, words: list[str]) -> str | None:
    """An option's value among kotune's own options, which end at `--`."""
    ours = words[3 : words.index("--") if "--" in words else None]
    found = dict(pairwise(ours)).get(option)
    return None if found is None or found.startswith("-") else found


def _launcher(told: object) -> list[str]:
    """A launcher and its arguments; a word in their place where one is not known to be harmless."""
    if (
        not fits(told, list[str])
        or not isinstance(told, list)
        or not told
        or told[0] not in LAUNCHERS
    ):
        return [""]
    return told if all(COUNTS.fullmatch(word) for word in told[1:]) else [told[0], ARGUMENTS]
