"""The command that makes a run once more. It is built anew from checked values of run.json: a
stranger may have written that file, and a reader of a report may type the command."""

import re
import shlex
from itertools import pairwise
from pathlib import Path

from kotune.display.phrases import LANGUAGES
from kotune.recipe.schema import Limit
from kotune.runs.folder import RUNS, as_options, command
from kotune.runs.job import LAUNCHERS
from kotune.runs.records import fits, parsed

UNKNOWN = Path("RECIPE")  # if no recipe is named
ARGUMENTS = "ARGUMENTS"  # instead of a launcher's arguments that are not repeated
# Only those of a launcher's own arguments that set the number of processes. Others name programs
# to run, or machines: torchrun loads pickles, which run code, from its meeting place
# (--rdzv-endpoint; torch 2.13).
COUNTS = re.compile(
    r"--(nproc[-_]per[-_]node|num[-_]processes)=[1-9]\d?|--(nnodes|num[-_]machines)=1|"
    r"--master[-_]port=\d{1,5}|"
    r"--(standalone|multi[-_]gpu)",
    re.ASCII,
)


def again(record: object) -> str:
    """The command, ready for a shell: `run`, a recipe and options of kotune's own, each word
    quoted. `record`: the value in run.json, of any shape."""
    facts = record if isinstance(record, dict) else {}
    words = _words(facts.get("command"))
    name, *passed = _launcher(facts.get("launcher"))
    overrides, limit = parsed(facts.get("overrides"), list[str]) or [], facts.get("limit")
    options = as_options(
        overrides if all(map(str.isprintable, overrides)) else [],
        limit if fits(limit, Limit) else None,
        lang if (lang := _after("--lang", words)) in LANGUAGES else LANGUAGES[0],
    )
    options += ["--device", "cpu"] if _after("--device", words) == "cpu" else []
    options += ["--launcher", name] if name else []
    runs_dir = Path(_after("--runs-dir", words) or RUNS)
    return command(_recipe(words), *options, runs_dir=runs_dir, passed=passed)


def _words(text: object) -> list[str]:
    """The words of a record's command; none if it is no line of text that a shell would split into
    words."""
    try:
        return shlex.split(text) if isinstance(text, str) and text.isprintable() else []
    except ValueError:  # an open quotation
        return []


def _recipe(words: list[str]) -> Path:
    """The word after `run`."""
    if len(words) < 3 or words[1] != "run" or words[2].startswith("-"):
        return UNKNOWN
    return Path(words[2])


def _after(option: str, words: list[str]) -> str | None:
    """An option's value among kotune's own options, which end at `--`."""
    ours = words[3 : words.index("--") if "--" in words else None]
    value = dict(pairwise(ours)).get(option)
    return None if value is None or value.startswith("-") else value


def _launcher(value: object) -> list[str]:
    """A launcher and its arguments; the word ARGUMENTS instead if one of them may do harm."""
    words = parsed(value, list[str])
    if not words or words[0] not in LAUNCHERS:
        return [""]
    return words if all(COUNTS.fullmatch(word) for word in words[1:]) else [words[0], ARGUMENTS]
