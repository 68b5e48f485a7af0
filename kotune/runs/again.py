"""Builds the command that repeats a run, from the values in its run.json.

run.json may be untrusted, and a reader of the report may run the command in a shell. So every value
is checked before it is used."""

import re
import shlex
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from kotune.display.phrases import LANGUAGES
from kotune.recipe.overrides import without_seed
from kotune.recipe.schema import Limit
from kotune.runs.folder import RUNS, as_options, command
from kotune.runs.job import LAUNCHERS
from kotune.runs.records import fits, parsed
from kotune.shipped import PROGRAM

# The options of `score` that are repeated: all that it has.
SCORE_OPTIONS = (
    "--tasks",
    "--base",
    "--template",
    "--data",
    "--device",
    "--limit",
    "--lang",
    "--runs-dir",
)
UNKNOWN = Path("RECIPE")  # placeholder if run.json has no recipe
ARGUMENTS = "ARGUMENTS"  # placeholder for launcher arguments that are not repeated
# The launcher arguments that are repeated. They set only the number of processes and the local
# port. Other arguments are not repeated, because they could name programs or machines. For example,
# torchrun (torch 2.13) loads pickles from --rdzv-endpoint, and pickles can run code.
COUNTS = re.compile(
    r"--(nproc[-_]per[-_]node|num[-_]processes)=[1-9]\d?|--(nnodes|num[-_]machines)=1|"
    r"--master[-_]port=\d{1,5}|"
    r"--(standalone|multi[-_]gpu)",
    re.ASCII,
)


def again(record: object, changes: Sequence[str] = (), seeds: int | None = None) -> str:
    """The command that repeats a run, quoted for a shell. `record`: the value in run.json, of any
    type. Values that are missing or invalid are left out or replaced by placeholders.

    The options --set, --limit, --lang, --device cpu, --runs-dir and --launcher are repeated.
    `changes`: further values of --set. `seeds`: the number of seeds to run instead of the run's
    own seed."""
    facts = record if isinstance(record, dict) else {}
    words = _words(facts.get("command"))
    if words[1:2] == ["score"]:
        return _score(words)
    name, *passed = _launcher(facts.get("launcher"))
    overrides, limit = parsed(facts.get("overrides"), list[str]) or [], facts.get("limit")
    overrides = overrides if all(map(str.isprintable, overrides)) else []
    options = as_options(
        [*(without_seed(overrides) if seeds else overrides), *changes],
        limit if fits(limit, Limit) else None,
        lang if (lang := _option_value("--lang", words)) in LANGUAGES else LANGUAGES[0],
    )
    options += ["--seeds", str(seeds)] if seeds else []
    options += ["--device", "cpu"] if _option_value("--device", words) == "cpu" else []
    options += ["--launcher", name] if name else []
    return command(_recipe(words), *options, runs_dir=runs_dir_of(record), passed=passed)


def recipe_of(record: object) -> Path:
    """The recipe of a run, as in the command in its run.json. UNKNOWN if there is none."""
    return _recipe(_words(record.get("command") if isinstance(record, dict) else None))


def runs_dir_of(record: object) -> Path:
    """The folder of runs in which a run was made, as in the command in its run.json."""
    words = _words(record.get("command") if isinstance(record, dict) else None)
    return Path(_option_value("--runs-dir", words) or RUNS)


def _score(words: list[str]) -> str:
    """The command that scores a model or an adapter again. Only the options of SCORE_OPTIONS are
    repeated. `words`: the words of the recorded command."""
    subject = words[2] if len(words) > 2 and not words[2].startswith("-") else "MODEL"
    pairs = [pair for pair in pairwise(words[3:]) if pair[0] in SCORE_OPTIONS]
    options = [word for pair in pairs for word in pair if not pair[1].startswith("-")]
    return shlex.join([PROGRAM, "score", subject, *options])


def _words(text: object) -> list[str]:
    """The words of a shell command. Empty unless `text` is one printable line that can be split."""
    try:
        return shlex.split(text) if isinstance(text, str) and text.isprintable() else []
    except ValueError:  # a quotation mark is not closed
        return []


def _recipe(words: list[str]) -> Path:
    """The recipe in the words of a command. It is the word after `run`. UNKNOWN if there is no such
    word, or if it is an option."""
    if len(words) < 3 or words[1] != "run" or words[2].startswith("-"):
        return UNKNOWN
    return Path(words[2])


def _option_value(option: str, words: list[str]) -> str | None:
    """The value of an option in the words of a command. Words after `--` are ignored, because they
    are for the launcher. None if the option is missing, or if another option follows it instead of
    a value."""
    ours = words[3 : words.index("--") if "--" in words else None]
    value = dict(pairwise(ours)).get(option)
    return None if value is None or value.startswith("-") else value


def _launcher(value: object) -> list[str]:
    """The name of a launcher, followed by its arguments. `value`: the value in run.json.

    If an argument does not match COUNTS, all arguments are replaced by ARGUMENTS. If there is no
    launcher, or an unknown one, the result is one empty string."""
    words = parsed(value, list[str])
    if not words or words[0] not in LAUNCHERS:
        return [""]
    return words if all(COUNTS.fullmatch(word) for word in words[1:]) else [words[0], ARGUMENTS]
