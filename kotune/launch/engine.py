"""What the engines share: what is submitted, what is launched, and the one type behind each of
them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kotune.display.phrases import LANGUAGES
from kotune.models.presets import PRESETS
from kotune.recipe.schema import Limit, Recipe
from kotune.runs.folder import RUNS, said
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
    """One run to be handed over: a recipe and the keys that are changed for it."""

    recipe: Path
    overrides: tuple[str, ...] = ()


# Each with its resolved recipe, in the order of the command line.
Submissions = dict[Submission, Recipe]


@dataclass(frozen=True)
class LaunchOptions:
    """What the command line says of all submissions. `passed` goes to the engine's own command line
    as it is. `name` is the name of the whole launch; where it is empty, the first recipe's name is
    used."""

    limit: Limit = None
    lang: str = LANGUAGES[0]
    bucket: str | None = None
    passed: tuple[str, ...] = ()
    name: str = ""

    def arguments(self, submission: Submission) -> list[str]:
        """What follows `./cli.py run`."""
        return [typed(submission.recipe), *said(submission.overrides, self.limit, self.lang)]


@dataclass(frozen=True)
class Launch:
    """The file that an engine reads and the commands that hand it over. `after` is the command that
    brings results back; it is empty where they lie in runs/."""

    file: Path
    text: str
    commands: list[list[str]]
    after: str = ""


@dataclass(frozen=True)
class Engine:
    """Every fact about one engine. `prepare` makes the Launch of one or more submissions; it writes
    and starts nothing."""

    name: str  # what `--on` takes
    program: str  # the engine's own command line
    when_missing: str  # what to do where `program` is not installed
    prepare: Callable[[Submissions, LaunchOptions], Launch]
    # All runs start at the same time; the other engines take them in turn.
    starts_at_once: bool = False
    takes_bucket: bool = False  # runs lie in a bucket, not in runs/
    passes_exit_code: bool = False  # `program` ends with the exit code of the run inside
    needs_checkout: bool = False  # the engine is given the repository itself


def local_places(recipe: Recipe) -> list[Path]:
    """The files and folders of this machine that a recipe names: data, a model's folder, a
    template."""
    named = [entry.path for entry in recipe.data if entry.path] + list(recipe.data_path.values())
    named += (
        [Path(recipe.model)] if recipe.model not in PRESETS and Path(recipe.model).is_dir() else []
    )
    named += (
        [Path(recipe.template)] if recipe.template and recipe.template.endswith(".jinja") else []
    )
    return list(dict.fromkeys(named))


def launch_name(submissions: Submissions, options: LaunchOptions) -> str:
    """Lower case, digits and dashes, short enough for a file: what every engine takes for a
    name."""
    first, *others = submissions
    more = f"-and-{len(others)}-more" if others and not options.name else ""
    words = (options.name or first.recipe.stem).lower().replace("_", "-")
    kept = "".join(
        letter for letter in words if letter.isascii() and (letter.isalnum() or letter == "-")
    )
    return f"kotune-{kept[:LONGEST_NAME]}{more}"


def render(template: str, **facts: object) -> str:
    """The text of `template`.jinja in this folder; a fact that it names and is not given is an
    error of jinja2."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(HERE)
    environment = Environment(
        loader=loader, undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    return environment.get_template(f"{template}.jinja").render(facts)
