"""Defines the types that all engines use, such as Submission, Launch and Engine."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kotune.display.phrases import LANGUAGES
from kotune.models.presets import PRESETS
from kotune.recipe.schema import Limit, Recipe
from kotune.runs.folder import RUNS, as_options
from kotune.shipped import typed

HERE = Path(__file__).parent
FOLDER = RUNS / "launch"
LONGEST_NAME = 100  # characters of a recipe's or study's name that launch_name() keeps
TOKENS = (
    "HF_TOKEN",
    "WANDB_API_KEY",
    "COMET_API_KEY",
    "MLFLOW_TRACKING_URI",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
)


@dataclass(frozen=True)
class Submission:
    """One run for an engine. It consists of a recipe and its `--set` overrides."""

    recipe: Path
    overrides: tuple[str, ...] = ()


# Each submission with its resolved recipe, in the order of the command line.
Submissions = dict[Submission, Recipe]


@dataclass(frozen=True)
class LaunchOptions:
    """The command-line options that apply to all submissions. `passed` are the arguments that the
    engine's own program gets unchanged. `name` is the name of the launch. If `name` is
    empty, the name of the first recipe's file is used."""

    limit: Limit = None
    lang: str = LANGUAGES[0]
    bucket: str | None = None
    passed: tuple[str, ...] = ()
    name: str = ""

    def arguments(self, submission: Submission) -> list[str]:
        """The arguments of `./cli.py run`."""
        return [typed(submission.recipe), *as_options(submission.overrides, self.limit, self.lang)]


@dataclass(frozen=True)
class Launch:
    """A file for an engine (`file` is its path, `text` its content), and the commands that start
    the engine with this file. `after` is the command that downloads the results. `after` is empty
    if the engine writes the results to runs/, or if no such command is known."""

    file: Path
    text: str
    commands: list[list[str]]
    after: str = ""


@dataclass(frozen=True)
class Engine:
    """One engine. `prepare` creates the Launch of one or more submissions. It writes no file and
    starts no process."""

    name: str  # the value of `--on`
    program: str  # the engine's own command line
    when_missing: str  # what to do if `program` is not installed
    prepare: Callable[[Submissions, LaunchOptions], Launch]
    # True if the engine can execute several runs at the same time; False if it always executes one
    # run after another.
    starts_at_once: bool = False
    takes_bucket: bool = False  # runs are stored in a bucket, not in runs/
    passes_exit_code: bool = False  # `program` ends with the run's exit code
    needs_checkout: bool = False  # the engine works only in a checkout of the repository


def local_paths(recipe: Recipe) -> list[Path]:
    """The files and folders on this machine that a recipe names. These are data, the folder of a
    model, and a template."""
    files = [entry.path for entry in recipe.data if entry.path] + list(recipe.data_path.values())
    if recipe.model not in PRESETS and Path(recipe.model).is_dir():
        files.append(Path(recipe.model))
    if recipe.template and recipe.template.endswith(".jinja"):
        files.append(Path(recipe.template))
    return list(dict.fromkeys(files))


def launch_name(submissions: Submissions, options: LaunchOptions) -> str:
    """A name for a launch that every engine accepts. It has lower-case letters, digits and dashes,
    and is short enough for a file name."""
    first, *others = submissions
    more = f"-and-{len(others)}-more" if others and not options.name else ""
    words = (options.name or first.recipe.stem).lower().replace("_", "-")
    accepted = "".join(
        letter for letter in words if letter.isascii() and (letter.isalnum() or letter == "-")
    )
    return f"kotune-{accepted[:LONGEST_NAME]}{more}"


def render(template: str, **facts: object) -> str:
    """Render `template`.jinja in this folder. Raises jinja2.UndefinedError if the template uses a
    variable that is not in `facts`."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(HERE)
    environment = Environment(
        loader=loader, undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    return environment.get_template(f"{template}.jinja").render(facts)
