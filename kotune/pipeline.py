"""The stages of a run in their order: prepare, render, train, score, report. Only what is missing
or changed is done."""

import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from kodata import drafts
from kodata.errors import did_you_mean
from kotune import stages
from kotune.display.phrases import LANGUAGES, Phrases
from kotune.display.progress import Screen
from kotune.errors import KotuneError, RecipeError, StageError
from kotune.layout import (
    CACHES,
    CHECKPOINTS,
    CONFIG,
    MANIFEST,
    METRICS,
    PARITY,
    RECIPE,
    RECORD,
    SCORED,
    SCORES,
    TEMPLATE,
)
from kotune.models import generation, hub, presets
from kotune.plan import lean, on_cpu
from kotune.recipe.reading import load, run_name
from kotune.recipe.schema import Limit
from kotune.report import lines, writing
from kotune.runs import guard
from kotune.runs.events import read_metrics
from kotune.runs.finished import made_of
from kotune.runs.folder import RUNS, STAGES, Run, command, read_json, read_shaped, said, write_text
from kotune.runs.job import LAUNCHERS, Job, Launcher
from kotune.runs.records import Manifest, fits
from kotune.runs.unfinished import Started, TrainedRecord
from kotune.score import base_answers
from kotune.score.samples import damaged_notes
from kotune.shipped import INSTALL, IS_CHECKOUT, ROOT
from kotune.train import config, gpu, out_of_memory, tracking, training
from kotune.train.checkpoints import keep_matching, last_good_step
from kotune.worker import server
from kotune.worker.call import call
from kotune.worker.device import Device, chosen, detect_device

# What a stage goes on from when it is killed; of no use once its result is on record.
WORK = {"render": (CACHES,), "train": (*training.WORK, CACHES), "score": (SCORED, CACHES)}
PRIVATE = 0o700  # of a new run folder; who wants others to read one gives it another mode
PACKAGES = (
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
    """What the command line says beside the recipe; `command` is how to start the same run
    again."""

    overrides: tuple[str, ...] = ()
    until: str = "report"
    limit: Limit = None
    runs_dir: Path = RUNS
    dry_run: bool = False
    lang: str = LANGUAGES[0]  # of the report; the screen speaks English
    launcher: Launcher = ()
    device: Device | None = None  # `cpu`: whatever GPU there is, and however long it takes

    def command(self, recipe_file: Path) -> str:
        words = said(self.overrides, self.limit, self.lang) + (
            ["--device", self.device] if self.device else []
        )
        name, *arguments = self.launcher or ("",)
        words += ["--launcher", name] if name else []
        return command(recipe_file, *words, runs_dir=self.runs_dir, passed=arguments)


def run(recipe_file: Path, options: RunOptions, screen: Screen) -> Run:
    """Take a recipe through its stages up to `options.until`; the run, whose folder is
    `<runs_dir>/<recipe>-<hash>`."""
    with chosen(options.device):
        return _run(recipe_file, options, screen)


def _run(recipe_file: Path, options: RunOptions, screen: Screen) -> Run:
    if options.until not in STAGES:
        raise RecipeError(
            f"--until {options.until}: unknown stage{did_you_mean(options.until, STAGES)}"
        )
    _check_launcher(options.launcher)
    recipe = load(recipe_file, options.overrides)
    folder = options.runs_dir / run_name(recipe_file, recipe, options.limit)
    guard.check_run(folder, presets.find(recipe.model, recipe.template).base)
    place, device = Run(folder.absolute()), options.device or detect_device()
    job = Job(recipe, place, device, options.limit, options.lang, options.launcher)
    screen.header(folder, f"{recipe.model}, {recipe.adapter}")
    for line in (*tracking.lines(recipe.axolotl), *gpu.notes(job)):
        screen.say(line)
    if options.dry_run:
        with _judged(folder):
            for stage, state in plan(job, options.until):
                screen.say(f"{stage:8} {state}")
        return job.run
    facts = {
        "command": options.command(recipe_file),
        "overrides": list(options.overrides),
        "limit": options.limit,
        "launcher": list(options.launcher) or None,
    }
    try:
        with _judged(folder):
            _require_machine(job, options)
            # Importing torch and lm_eval takes longer than the proof or a small scoring.
            both = all(gpu.is_to_come(job, stage, options.until) for stage in ("render", "score"))
            with server.up(job.run.root) if both else nullcontext():
                execute(job, options.until, screen, facts)
    except KeyboardInterrupt as stop:
        stop.add_note(f"what is done is kept{_progress(job)}; go on with: {facts['command']}")
        raise
    return job.run


def _judged(folder: Path) -> AbstractContextManager[None]:
    """Around all that is done with a run folder that was there: what its files break is one
    message. A new one holds nothing but our own, and what breaks there is our fault."""
    if not folder.exists():
        return nullcontext()
    return made_of(folder, instead="move the folder away and run again")


def _check_launcher(launcher: Launcher) -> None:
    name, *arguments = launcher or LAUNCHERS[:1]
    if name not in LAUNCHERS:
        raise RecipeError(f"--launcher {name}: unknown launcher{did_you_mean(name, LAUNCHERS)}")
    if arguments and name == "python":
        raise RecipeError(
            f"-- {' '.join(arguments)}: these are for a launcher; add --launcher torchrun or"
            " accelerate"
        )


def _progress(job: Job) -> str:
    step = last_good_step(job.run.path(CHECKPOINTS))
    return f", training up to step {step}" if step else ""


def execute(job: Job, until: str, screen: Screen, facts: dict[str, Any]) -> None:
    """Run the stages up to and including `until`. A folder that never got past its first stage is
    not left behind."""
    root = job.run.root
    fresh = not root.exists()
    root.mkdir(PRIVATE, parents=True, exist_ok=True)
    try:
        with job.run.lock():
            drafts.clear(root)
            # Of a run that was killed, or a stranger's.
            shutil.rmtree(job.run.path(CACHES), ignore_errors=True)
            if os.path.lexists(job.run.path(CACHES)):
                raise StageError(
                    f"{job.run.path(CACHES)}: cannot be taken away, and libraries would load code"
                    " from it; remove it"
                )
            for stage in STAGES[: STAGES.index(until) + 1]:
                _stage(job, stage, screen, facts)
    except (KotuneError, ValueError):
        if fresh and not job.run.record().get("stages"):
            shutil.rmtree(root)
        raise


def _require_machine(job: Job, options: RunOptions) -> None:
    """KotuneError, before anything is written or downloaded, where this machine cannot do what is
    to come, or takes hours."""
    require_engines()
    gpu.require(job, options.until)
    if job.device == "cpu" and not options.device:
        on_cpu.require(job, options.until)


def require_engines() -> None:
    """RecipeError in the light install, before anything is written."""
    if not find_spec("axolotl"):
        raise RecipeError(
            f"this is the light install, which only checks, renders and plans; {INSTALL} brings"
            " Axolotl and torch"
        )


def _stage(job: Job, stage: str, screen: Screen, facts: dict[str, Any]) -> None:
    if stages.is_done(job, stage):
        screen.skipped(stage)
        return
    inputs = stages.inputs(job, stage)
    if changed := job.run.changed(stage, inputs):
        screen.again(stage, changed)
    guard.refuse_namesake(job.run.root, presets.find(job.recipe.model, job.recipe.template).base)
    _begin(job, facts)
    with job.run.stage(stage, inputs, stages.answered(stage)), screen.stage(stage):
        BODIES[stage](job, screen)
    for name in WORK.get(stage, ()):
        shutil.rmtree(job.run.path(name), ignore_errors=True)


def plan(job: Job, until: str) -> list[tuple[str, str]]:
    """(stage, `done` or `to do`) without writing anything; after the first stage to do, all are to
    do."""
    states: list[tuple[str, str]] = []
    for stage in STAGES[: STAGES.index(until) + 1]:
        pending = any(state == "to do" for _, state in states)
        done = not pending and stages.is_done(job, stage)
        states.append((stage, "done" if done else "to do"))
    return states


def _begin(job: Job, facts: dict[str, Any]) -> None:
    """What is true of the machine and the code that run the next stage."""
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


def _prepare(job: Job, screen: Screen) -> None:
    manifest = job.prepare()
    for line in lines.prepared(manifest):
        screen.say(line)


def configure(job: Job, weights: bool = True) -> presets.Model:
    """What Axolotl is started with, written into the run folder, once the model is at hand:
    axolotl.yml and our template.

    The tokenizer's own template, where there is none of ours, is written by whoever loads the
    tokenizer."""
    model = presets.find(job.recipe.model, job.recipe.template)
    revision = hub.fetch(model.base, weights)
    _refuse_beyond_positions(job, generation.positions(model.base, revision))
    unused = generation.unused_settings(model.base, revision)
    job.run.update(model_revision=revision, generation_unused=unused or None)
    write_text(job.run.path(CONFIG), _rendered(job, revision))
    job.run.path(TEMPLATE).unlink(missing_ok=True)
    if model.template:
        write_text(job.run.path(TEMPLATE), model.template.read_text(encoding="utf-8"))
    return model


def _rendered(job: Job, revision: str | None) -> str:
    """axolotl.yml, for as many training rows as there are where they are prepared."""
    manifest = job.run.path(MANIFEST)
    rows = read_shaped(manifest, Manifest)["rows"]["train"] if manifest.exists() else None
    return config.render(job.recipe, job.device, revision, rows, job.is_old_gpu)


def _refuse_beyond_positions(job: Job, positions: float) -> None:
    """RecipeError for examples longer than the model was made for, of which it makes something
    without a word."""
    wanted = int(config.config(job.recipe, job.device)["sequence_len"])
    if wanted > positions:
        raise RecipeError(
            f"axolotl.sequence_len: {wanted:,} is beyond the {positions:,} positions of"
            f" {job.recipe.model}; give no more"
        )


def _render(job: Job, screen: Screen) -> None:
    base, revision = configure(job).base, job.run.record()["model_revision"]
    call(
        "parity",
        job.run.root,
        base=base,
        revision=revision,
        tasks=job.tasks,
        trained=job.trained_tasks(),
    )
    for line in lines.proven(read_json(job.run.path(PARITY))):
        screen.say(line)


def _train(job: Job, screen: Screen) -> None:
    base, revision = (
        presets.find(job.recipe.model, job.recipe.template).base,
        job.run.record().get("model_revision"),
    )
    hub.fetch(base, revision=revision)  # judged here too: a stranger's run.json skips stages
    config.refuse_foreign(job.run.root, job.recipe, _rendered(job, revision))
    with closing(
        training.train(job.run.root, stages.inputs(job, "train"), job.launcher, lean.is_lean(job))
    ) as following:
        screen.training(following)
    events = read_metrics(job.run.path(METRICS))
    # The last one is of this training: those before it may be of one that was killed, in a folder
    # that is a stranger's.
    started = [event for event in events if fits(event, Started)][-1]
    kept = {
        key: started[key]
        for key in ("base_precision", "compute_dtype", "trainable_parameters", "examples_a_step")
    }
    kept |= {key: started.get(key) for key in ("gradient_checkpointing", "head")}
    doubts = training.warnings(events)
    job.run.update(
        **kept, halvings=out_of_memory.halvings(job.run.root) or None, warnings=doubts or None
    )
    for line in lines.doubts(job.run.record(), Phrases(LANGUAGES[0])):
        screen.say(line)


def _score(job: Job, screen: Screen) -> None:
    record = job.run.record()
    if not fits(record, TrainedRecord):
        told = (
            "does not say how the base model was loaded for training; move the run folder away and"
            " run again"
        )
        raise StageError(f"{job.run.path(RECORD)}: {told}")
    kept = {key: record[key] for key in ("base_precision", "compute_dtype", "model_revision")}
    inputs = stages.inputs(job, "score")
    if told := keep_matching(job.run.path(SCORED), {**inputs, "base": kept}):
        screen.say(told)
    for line in damaged_notes(job.run.root, job.tasks):
        screen.say(line)
    for line in base_answers.take_over(job.run.root, inputs):
        screen.say(line)
    model = presets.find(job.recipe.model, job.recipe.template).base
    hub.fetch(model, revision=kept["model_revision"])
    call("score", job.run.root, tasks=job.tasks, base={**kept, "model": model}, limit=job.limit)
    job.run.update(base_checked=base_answers.checked(job.run.root, job.tasks) or None)
    for line in base_answers.refused(job.run.root, job.tasks):
        screen.say(line)
    scores = read_json(job.run.path(SCORES))
    for whose in {entry["base_from"]: None for entry in scores.values() if entry["base_from"]}:
        screen.say(f"what the base model answers is known from {whose}")
    for line in lines.score_lines(scores):
        screen.say(line)


def _report(job: Job, screen: Screen) -> None:
    for path in writing.write(job.run.root, Phrases(job.lang)):
        screen.say(os.path.relpath(path))


def _revision() -> str | None:
    """The git commit of this checkout, with `+changes` where it was edited; None outside git, and
    in an installation."""
    if not IS_CHECKOUT:  # a git that it lies in is somebody else's
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


BODIES: dict[str, Callable[[Job, Screen], None]] = {
    "prepare": _prepare,
    "render": _render,
    "train": _train,
    "score": _score,
    "report": _report,
}
