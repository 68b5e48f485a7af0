"""Runs the stages of a recipe in order: prepare, render, train, score, report. A stage is skipped
if its result exists and its inputs have not changed."""

import os
import platform
import shutil
import subprocess
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import yaml

from kodata import drafts
from kodata.errors import Translatable, UserError, did_you_mean, joined
from kotune import stages
from kotune.bodies import BODIES
from kotune.display.phrases import LANGUAGES
from kotune.display.progress import Screen
from kotune.errors import RecipeError, StageError
from kotune.layout import (
    CACHES,
    CHECKPOINTS,
    RECIPE,
    SCORED,
)
from kotune.models import presets
from kotune.plan import on_cpu
from kotune.recipe.reading import load, run_name
from kotune.recipe.schema import Limit
from kotune.runs import guard
from kotune.runs.finished import explain_malformed
from kotune.runs.folder import RUNS, STAGES, Run, as_options, command, write_text
from kotune.runs.job import LAUNCHERS, Job, Launcher
from kotune.shipped import INSTALL, IS_CHECKOUT, ROOT
from kotune.train import gpu, tracking, training
from kotune.train.checkpoints import last_good_step
from kotune.worker import server
from kotune.worker.device import Device, chosen, detect_device

# For each stage, the folders of its intermediate files. They are removed when the stage's result is
# recorded. A killed stage continues from them, but not from CACHES, which execute() deletes first.
WORK = {"render": (CACHES,), "train": (*training.WORK, CACHES), "score": (SCORED, CACHES)}
PRIVATE = 0o700  # the mode of a new run folder; its owner may change it
PACKAGES = (  # the packages whose versions are recorded in run.json
    "axolotl",
    "torch",
    "transformers",
    "peft",
    "bitsandbytes",
    "lm_eval",
    "datasets",
    "kotune",
)


@dataclass(frozen=True)
class RunOptions:
    """The options of `kotune run`.

    - `until`: the last stage to run
    - `seeds`: how many seeds to train (kotune.study.seeds); None for those of the recipe
    """

    overrides: tuple[str, ...] = ()
    until: str = "report"
    limit: Limit = None
    seeds: int | None = None
    runs_dir: Path = RUNS
    dry_run: bool = False
    lang: str = LANGUAGES[0]  # the language of the report
    launcher: Launcher = ()
    device: Device | None = None  # `cpu`: do not use a GPU, and accept that the run may take hours
    fresh_base: bool = False  # reuse no base answers of other runs

    def command(self, recipe_file: Path) -> str:
        """The command that starts the same run again, quoted for a shell. `until` and `dry_run` are
        left out."""
        words = as_options(self.overrides, self.limit, self.lang)
        words += ["--seeds", str(self.seeds)] if self.seeds else []
        words += ["--device", self.device] if self.device else []
        words += ["--fresh-base"] if self.fresh_base else []
        name, *arguments = self.launcher or ("",)
        words += ["--launcher", name] if name else []
        return command(recipe_file, *words, runs_dir=self.runs_dir, passed=arguments)


def run(recipe_file: Path, options: RunOptions, screen: Screen) -> Run:
    """Run the stages of a recipe up to `options.until`, with the recipe's first seed. Returns the
    run, whose folder is `<runs_dir>/<recipe>-<hash>`. If `options.dry_run` is set, only show the
    state of each stage on the screen.

    Raises KotuneError, or DataError for unusable data, if a stage cannot run or fails."""
    with chosen(options.device):
        return _run(recipe_file, options, screen)


def _run(recipe_file: Path, options: RunOptions, screen: Screen) -> Run:
    """The body of run(), which hides all GPUs for `--device cpu`."""
    _check_options(options)
    recipe = load(recipe_file, options.overrides)
    folder = options.runs_dir / run_name(recipe_file, recipe, options.limit)
    guard.check_run(folder, presets.find(recipe.model, recipe.template).base)
    job = Job(
        recipe,
        Run(folder.absolute()),
        options.device or detect_device(),
        options.limit,
        options.lang,
        options.launcher,
        options.fresh_base,
    )
    screen.header(folder, f"{recipe.model}, {recipe.adapter}")
    for line in (*tracking.lines(recipe.axolotl), *gpu.notes(job)):
        screen.say(line)
    if options.dry_run:
        with _explain_malformed_unless_new(folder):
            for stage, state in plan(job, options.until):
                screen.say(joined("", (f"{stage:8} ", state)))
        return job.run
    facts: dict[str, object] = {
        "command": options.command(recipe_file),
        "overrides": list(options.overrides),
        "limit": options.limit,
        "launcher": list(options.launcher) or None,
    }
    try:
        with _explain_malformed_unless_new(folder):
            _require_machine(job, options)
            # If both the render and the score stage run, they share a server process. So torch and
            # lm_eval are imported only once, which saves seconds.
            is_shared = all(
                gpu.is_pending(job, stage, options.until) for stage in ("render", "score")
            )
            with server.up(job.run.root) if is_shared else nullcontext():
                execute(job, options.until, screen, facts)
    except KeyboardInterrupt as stop:
        stop.add_note(_kept(job, str(facts["command"])))
        raise
    return job.run


def _explain_malformed_unless_new(folder: Path) -> AbstractContextManager[None]:
    """Context manager around all work in a run folder. If the folder exists already, an error that
    malformed files cause becomes a KotuneError.

    A new folder has only files that this process writes. Such an error would then be a bug of
    kotune, so it is not converted."""
    if not folder.exists():
        return nullcontext()
    return explain_malformed(folder, remedy="move the folder away and run again")


def _check_options(options: RunOptions) -> None:
    """Raise RecipeError for an unknown stage or launcher, and for launcher arguments without a
    launcher."""
    if options.until not in STAGES:
        raise RecipeError(
            Translatable(
                "--until {stage}: unknown stage{hint}",
                stage=options.until,
                hint=did_you_mean(options.until, STAGES),
            )
        )
    name, *arguments = options.launcher or LAUNCHERS[:1]
    if name not in LAUNCHERS:
        raise RecipeError(f"--launcher {name}: unknown launcher{did_you_mean(name, LAUNCHERS)}")
    if arguments and name == "python":
        raise RecipeError(
            f"-- {' '.join(arguments)}: these are for a launcher; add --launcher torchrun or"
            " accelerate"
        )


def _kept(job: Job, command: str) -> Translatable:
    """The message after an interruption: what is kept, and the command that continues the run."""
    step = last_good_step(job.run.path(CHECKPOINTS))
    return Translatable(
        "what is done is kept, including training up to step {step}; go on with: {command}"
        if step
        else "what is done is kept; go on with: {command}",
        step=step,
        command=command,
    )


def execute(job: Job, until: str, screen: Screen, facts: dict[str, object]) -> None:
    """Run the stages up to and including `until`. `facts`: keys and values for run.json.

    If a UserError is raised before the first stage finished, a new folder is removed. After any
    other error the folder is kept, because its files may explain the error."""
    root = job.run.root
    is_new = not root.exists()
    root.mkdir(PRIVATE, parents=True, exist_ok=True)
    try:
        with job.run.lock():
            drafts.clear(root)
            # Libraries load code from the caches. These are deleted, since a killed run may have
            # left them, or the folder may be untrusted.
            shutil.rmtree(job.run.path(CACHES), ignore_errors=True)
            if os.path.lexists(job.run.path(CACHES)):
                raise StageError(
                    f"{job.run.path(CACHES)}: cannot be deleted, and libraries would load code"
                    " from it; delete it yourself"
                )
            for stage in STAGES[: STAGES.index(until) + 1]:
                _stage(job, stage, screen, facts)
    except UserError:
        if is_new and not job.run.record().stages:
            shutil.rmtree(root)
        raise


def _require_machine(job: Job, options: RunOptions) -> None:
    """Raise KotuneError if this machine cannot run the remaining stages. Without --device, also
    raise it if they would take hours on the CPU. Must be called before anything is written or
    downloaded."""
    require_engines()
    gpu.require(job, options.until)
    if job.device == "cpu" and not options.device:
        on_cpu.require(job, options.until)


def require_engines() -> None:
    """Raise RecipeError if Axolotl is not installed, as in the light installation."""
    if not find_spec("axolotl"):
        raise RecipeError(
            Translatable(
                "this is the light install, which only checks, renders and plans; {install}"
                " brings Axolotl and torch",
                install=INSTALL,
            )
        )


def _stage(job: Job, stage: str, screen: Screen, facts: dict[str, object]) -> None:
    """Run one stage, unless it is done. `facts`: keys and values for run.json."""
    if stages.is_done(job, stage):
        screen.skipped(stage)
        return
    inputs = stages.inputs(job, stage)
    if changed := job.run.changed_inputs(stage, inputs):
        screen.again(stage, changed)
    guard.refuse_namesake(job.run.root, presets.find(job.recipe.model, job.recipe.template).base)
    _begin(job, facts)
    with job.run.stage(stage, inputs, stages.recorded_files(stage)), screen.stage(stage):
        BODIES[stage](job, screen)
    for name in WORK.get(stage, ()):
        shutil.rmtree(job.run.path(name), ignore_errors=True)


class StageState(NamedTuple):
    """A stage and its state, which is `done` or `to do`."""

    stage: str
    state: str


def plan(job: Job, until: str) -> list[StageState]:
    """The state of each stage up to and including `until`. If a stage is to do, all stages after it
    are to do as well. Nothing is written."""
    states: list[StageState] = []
    done = True
    for stage in STAGES[: STAGES.index(until) + 1]:
        done = done and stages.is_done(job, stage)
        states.append(StageState(stage, Translatable("done") if done else Translatable("to do")))
    return states


def _begin(job: Job, facts: dict[str, object]) -> None:
    """Write recipe.yml, and write `facts` and facts about the machine and the code into run.json.
    Must be called before each stage."""
    write_text(
        job.run.path(RECIPE),
        "# The recipe as it was resolved for this run; `overrides` and `limit` stand in run.json.\n"
        + yaml.safe_dump(
            job.recipe.model_dump(mode="json", exclude_none=True),
            sort_keys=False,
            allow_unicode=True,
        ),
    )
    job.run.update(
        **facts,
        seed=job.recipe.seed,
        device=job.device,
        versions=stages.versions(*PACKAGES),
        code_revision=_revision(),
        python=platform.python_version(),
        machine=f"{platform.system()} {platform.machine()}",
    )


def _revision() -> str | None:
    """The git commit of this checkout. `+changes` is added if tracked files were edited. None for
    an installation, and for a checkout without git."""
    if not IS_CHECKOUT:  # a git repository around an installation is not kotune's
        return None
    git = ["git", "-C", str(ROOT)]
    try:
        head = subprocess.run(
            [*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        changes = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+changes" if changes else "")
