"""One recipe on its way through the stages, and what each stage depends on.

A stage is skipped when it finished before with the same inputs, so everything that can change its result is named here.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from kodata import convert
from kodata.digests import digest
from kotune import axolotl_config, models
from kotune.axolotl_config import TEMPLATE_FILE, Device
from kotune.meaning import Code, Cut
from kotune.page import PAGES
from kotune.phrases import FOLDER as PHRASES
from kotune.phrases import LANGUAGES
from kotune.recipe import ROOT, Limit, Recipe
from kotune.run import Run, sha256
from kotune.training import Launcher
from tasks.card import cards, file, settings


@dataclass(frozen=True)
class Job:
    """One recipe on its way through the stages."""

    recipe: Recipe
    run: Run
    device: Device
    limit: Limit
    lang: str = LANGUAGES[0]  # of the report
    launcher: Launcher = ()

    def inputs(self, stage: str) -> dict[str, Any]:
        """Everything that a stage's result depends on."""
        return INPUTS[stage](self)

    def is_done(self, stage: str) -> bool:
        """Whether a stage finished with the inputs of now and what it made is still there."""
        there = all(self.run.path(name).exists() for name in OUTPUTS[stage])
        return there and self.run.is_done(stage, self.inputs(stage))

    def answered(self, stage: str) -> tuple[str, ...]:
        """The files of a stage whose digests its record keeps, so that an edited one is made again. Samples have theirs in
        scores.json; another adapter is scored again; a report may be written again in another language."""
        return tuple(name for name in OUTPUTS[stage] if Path(name).suffix in (".json", ".jsonl", ".yml"))

    def entries(self) -> list[convert.Entry]:
        """The recipe's data entries for kodata."""
        return [
            convert.Entry(entry.source, str(entry.form), entry.place, entry.samples, entry.weight)
            for entry in self.recipe.data
        ]

    def scored(self) -> convert.Scored:
        """What the recipe is scored on, for kodata's leak check."""
        places = {task: (cards()[task].source, path) for task, path in self.task_paths().items()}
        return convert.Scored(places, self.recipe.leaks)

    def task_paths(self) -> dict[str, Path | None]:
        """Every task with the place of its source: that of the data entry (Data.place), or of `data_path`; None: the hub."""
        places = {source: path.resolve() for source, path in self.recipe.data_path.items()}
        for entry in self.recipe.data:
            if entry.place:
                places[entry.source] = entry.path.resolve() if entry.path else entry.place
        return {task: places.get(cards()[task].source) for task in self.recipe.tasks}

    def trained_tasks(self) -> list[str]:
        """The tasks whose source is trained on the prompt that the task asks."""
        trained = {(entry.source, entry.form) for entry in self.recipe.data}
        return [task for task in self.recipe.tasks if (cards()[task].source, cards()[task].form) in trained]


def _prepare_inputs(job: Job) -> dict[str, Any]:
    read = {entry.source for entry in job.recipe.data} | {cards()[task].source for task in job.recipe.tasks}
    return {
        "data": [entry.model_dump(mode="json") for entry in job.recipe.data],
        "files": [convert.fingerprint(entry) for entry in job.entries()],
        "test": _test_files(job),
        "leaks": job.recipe.leaks,
        "seed": job.recipe.seed,
        "code": code().digest("kodata.convert.convert", cut={**NOTHING, "kodata.SOURCES": read}),
    }


def _render_inputs(job: Job) -> dict[str, Any]:
    model = models.find(job.recipe.model, job.recipe.template)
    return {
        "config": hashlib.sha256(axolotl_config.render(job.recipe, job.device).encode()).hexdigest(),
        "template": code().digest(model.template.resolve()) if model.template else "own",
        "model": _model_files(model.base),
        "data": [_known_sha256(job, f"data/{part}.jsonl") for part in ("train", "validation")],
        "test": _test_files(job),
        "tasks": _tasks(job),
        "code": code().digest("kotune.child.JOBS", cut={**NOTHING, "kotune.child.JOBS": ("parity",)}),
        "versions": versions("axolotl", "lm_eval", "transformers", "torch"),
    }


def _train_inputs(job: Job) -> dict[str, Any]:
    names = ("axolotl.yml", TEMPLATE_FILE, "data/train.jsonl", "data/validation.jsonl")
    model = models.find(job.recipe.model, job.recipe.template)
    return {
        **{name: _known_sha256(job, name) for name in names},
        "model": _model_files(model.base),
        "code": code().digest(axolotl_config.PLUGIN, cut=NOTHING),
        "launcher": list(job.launcher),
        "versions": versions("axolotl", "torch", "transformers", "peft", "bitsandbytes"),
    }


def _score_inputs(job: Job) -> dict[str, Any]:
    return {
        "adapter": _known_sha256(job, "model/adapter_model.safetensors"),
        "template": _known_sha256(job, f"model/{TEMPLATE_FILE}"),
        "data": _known_sha256(job, "data/train.jsonl"),  # reference lines are made of it
        "test": _test_files(job),
        "tasks": _tasks(job),
        "code": code().digest("kotune.child.JOBS", cut={**NOTHING, "kotune.child.JOBS": ("score",)}),
        "versions": versions("lm_eval", "torch", "transformers", "peft", "bitsandbytes", "kiwipiepy"),
        "device": job.device,
        "limit": job.limit,
    }


def _report_inputs(job: Job) -> dict[str, Any]:
    """Everything that the report says is in the run's files, or in the words and pages that it is told with."""
    words = sorted([*PAGES.glob("*.jinja"), *PHRASES.glob("*.yml")])
    return {
        "scores": _known_sha256(job, "scores.json"),
        "tasks": _tasks(job),
        "code": code().digest("kotune.report.write", "kotune.phrases.Phrases", *words, cut=NOTHING),
        "lang": job.lang,
    }


def _known_sha256(job: Job, name: str) -> str | None:
    path = job.run.path(name)
    return sha256(path) if path.exists() else None


def _model_files(base: str) -> str:
    """A local folder by its weights and configuration, a hub model by its id (its commit stands in run.json)."""
    folder = Path(base)
    if not folder.is_dir():
        return base
    files = sorted(path for path in folder.iterdir() if path.suffix in (".safetensors", ".json", ".jinja"))
    return hashlib.sha256("".join(map(digest, files)).encode()).hexdigest()


def _test_files(job: Job) -> dict[str, str]:
    """For each task the identity of what it scores on."""
    entries = {task: convert.Entry(cards()[task].source, path=path) for task, path in job.task_paths().items()}
    return {task: convert.fingerprint(entry, "test") for task, entry in entries.items()}


def _tasks(job: Job) -> dict[str, str]:
    """For each task the meaning of its file, its functions, its source and its metrics."""
    return {task: meaning_of_task(task) for task in job.recipe.tasks}


@cache
def meaning_of_task(name: str) -> str:
    metrics = [metric["metric"] for metric in settings(name)["metric_list"]]
    cut = {**NOTHING, "kodata.SOURCES": (cards()[name].source,), METRICS: metrics}
    return code().digest(file(name), METRICS, cut=cut)


@cache
def code() -> Code:
    """Our own code by what it means: an edited prompt or metric is never scored with stale results, an edited comment is."""
    return Code({package: ROOT / package for package in ("kodata", "kotune", "tasks")})


def versions(*packages: str) -> dict[str, str | None]:
    """The installed version of each package, None where it is not installed."""
    return {package: _version(package) for package in packages}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


# Dicts that a recipe chooses from: of each only what it chooses counts, which is nothing where a stage does not say.
METRICS = "kodata.metrics.METRICS"
NOTHING: Cut = {"kodata.SOURCES": (), "kotune.models.PRESETS": (), METRICS: ()}
OUTPUTS = {
    "prepare": ("data/train.jsonl", "data/validation.jsonl", "data/manifest.json"),
    "render": ("axolotl.yml", TEMPLATE_FILE, "parity.json"),
    "train": ("model/adapter_model.safetensors", "metrics.jsonl"),
    "score": ("scores.json", "samples/base", "samples/tuned", "samples/items"),
    "report": ("report.html", "report.md"),
}
INPUTS: dict[str, Callable[[Job], dict[str, Any]]] = {
    "prepare": _prepare_inputs,
    "render": _render_inputs,
    "train": _train_inputs,
    "score": _score_inputs,
    "report": _report_inputs,
}
