"""The types that all engines share: submissions, launches, and the engine itself."""

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
LONGEST_NAME = 100  # characters of a recipe's name or a study's
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
    """One run to hand over: a recipe and its `--set` overrides."""

    recipe: Path
    overrides: tuple[str, ...] = ()


# Each submission with its resolved recipe, in the order of the command line.
Submissions = dict[Submission, Recipe]


@dataclass(frozen=True)
class LaunchOptions:
    """The command-line options for all submissions. `passed` is passed unchanged to the engine's
    own command line. `name` is the name of the launch; if it is empty, the first recipe's name is
    used."""

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
    """The file that an engine reads, and the commands that hand it over. `after` is the command
    that downloads the results; it is empty if they are in runs/."""

    file: Path
    text: str
    commands: list[list[str]]
    after: str = ""


@dataclass(frozen=True)
class Engine:
    """One engine. `prepare` makes the Launch of one or more submissions; it writes and starts
    nothing."""

    name: str  # the value of `--on`
    program: str  # the engine's own command line
    when_missing: str  # what to do if `program` is not installed
    prepare: Callable[[Submissions, LaunchOptions], Launch]
    # All runs start at the same time; with the other engines, one after another.
    starts_at_once: bool = False
    takes_bucket: bool = False  # runs are stored in a bucket, not in runs/
    passes_exit_code: bool = False  # `program` ends with the run's exit code
    needs_checkout: bool = False  # the engine gets the repository itself


def local_paths(recipe: Recipe) -> list[Path]:
    """The files and folders of this machine that a recipe names: data, a model's folder, a
    template."""
    files = [entry.path for entry in recipe.data if entry.path] + list(recipe.data_path.values())
    if recipe.model not in PRESETS and Path(recipe.model).is_dir():
        files.append(Path(recipe.model))
    if recipe.template and recipe.template.endswith(".jinja"):
        files.append(Path(recipe.template))
    return list(dict.fromkeys(files))


def launch_name(submissions: Submissions, options: LaunchOptions) -> str:
    """A name that every engine accepts: lower case, digits and dashes, short enough for a file
    name."""
    first, *others = submissions
    more = f"-and-{len(others)}-more" if others and not options.name else ""
    words = (options.name or first.recipe.stem).lower().replace("_", "-")
    accepted = "".join(
        letter for letter in words if letter.isascii() and (letter.isalnum() or letter == "-")
    )
    return f"kotune-{accepted[:LONGEST_NAME]}{more}"


def render(template: str, **facts: object) -> str:
    """The text of `template`.jinja in this folder. Raises an error of jinja2 if it uses a fact that
    is not given."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(HERE)
    environment = Environment(
        loader=loader, undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    return environment.get_template(f"{template}.jinja").render(facts)
