"""Defines what all engines use: the types Submission, LaunchOptions, Launch and Engine, and their
functions. An engine is a program that runs kotune elsewhere: Docker, SLURM or SkyPilot."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kotune.display.phrases import LANGUAGES
from kotune.models.presets import PRESETS
from kotune.recipe.schema import Limit, Recipe
from kotune.runs.folder import RUNS, as_options
from kotune.shipped import typed

HERE = Path(__file__).parent
FOLDER = RUNS / "launch"  # where a launch writes its file
LONGEST_NAME = 100  # launch_name() keeps at most this many characters of a recipe's or study's name
# The environment variables that a run gets from the user: the tokens of the hub and of experiment
# trackers, and MLflow's address and user name.
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
    """One run for an engine. `recipe`: the path of the recipe; `overrides`: the values of
    `--set`."""

    recipe: Path
    overrides: tuple[str, ...] = ()


# Each submission with its recipe after the overrides, in the order of the command line.
Submissions = dict[Submission, Recipe]


@dataclass(frozen=True)
class LaunchOptions:
    """The command-line options that apply to all submissions of a launch.

    - `limit`, `lang`, `seeds`: as in `run`
    - `bucket`: the address of the bucket for the runs, such as `s3://NAME`; None without a bucket
    - `passed`: arguments for the engine's own program, which gets them unchanged
    - `name`: the name of the launch; if empty, the name of the first recipe's file is used"""

    limit: Limit = None
    lang: str = LANGUAGES[0]
    bucket: str | None = None
    passed: tuple[str, ...] = ()
    name: str = ""
    seeds: int | None = None

    def arguments(self, submission: Submission) -> list[str]:
        """The arguments of `./cli.py run` for a submission."""
        options = as_options(submission.overrides, self.limit, self.lang, self.seeds)
        return [typed(submission.recipe), *options]


@dataclass(frozen=True)
class Launch:
    """What a launch writes and executes.

    - `file`, `text`: the path and the content of the file for the engine
    - `commands`: the commands that start the engine's program, each as a list of arguments
    - `after`: the command that downloads the results. It is empty if the engine writes the results
      to runs/, or if no such command is known."""

    file: Path
    text: str
    commands: list[list[str]]
    after: str = ""


@dataclass(frozen=True)
class Engine:
    """One engine. `prepare` returns the Launch of one or more submissions. It writes no file and
    starts no process. It raises RecipeError if the engine cannot execute a submission."""

    name: str  # the value of `--on`
    program: str  # the engine's own command line
    when_missing: str  # what to do if `program` is not installed
    prepare: Callable[[Submissions, LaunchOptions], Launch]
    # Whether the engine may execute several runs at the same time. If not, it executes one run
    # after another.
    starts_at_once: bool = False
    takes_bucket: bool = False  # whether runs are stored in a bucket; if not, they are in runs/
    # Whether `program` waits for the run and ends with its exit code.
    passes_exit_code: bool = False
    # Whether the engine needs a checkout of the repository. If not, an installation is enough.
    needs_checkout: bool = False


def local_paths(recipe: Recipe) -> list[Path]:
    """The files and folders on this machine that a recipe names, without duplicates: data, the
    folder of a model, and a template. Empty if everything comes from the hub or ships with
    kotune."""
    files = [entry.path for entry in recipe.data if entry.path] + list(recipe.data_path.values())
    if recipe.model not in PRESETS and Path(recipe.model).is_dir():
        files.append(Path(recipe.model))
    if recipe.template and recipe.template.endswith(".jinja"):
        files.append(Path(recipe.template))
    return list(dict.fromkeys(files))


def launch_name(submissions: Submissions, options: LaunchOptions) -> str:
    """A name for a launch that every engine accepts, such as `kotune-llama-lora-and-2-more`. It has
    only lower-case letters, digits and dashes, and is short enough for a file name."""
    first, *others = submissions
    more = f"-and-{len(others)}-more" if others and not options.name else ""
    words = (options.name or first.recipe.stem).lower().replace("_", "-")
    accepted = "".join(
        letter for letter in words if letter.isascii() and (letter.isalnum() or letter == "-")
    )
    return f"kotune-{accepted[:LONGEST_NAME]}{more}"


def render(template: str, **facts: object) -> str:
    """The text of `template`.jinja in this folder, rendered with the variables in `facts`. Raises
    jinja2.UndefinedError if the template uses any other variable."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(HERE)
    environment = Environment(
        loader=loader, undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    return environment.get_template(f"{template}.jinja").render(facts)
