"""One recipe on its way through the stages, and what each stage depends on.

A stage is skipped when it finished before with the same inputs, so everything that can change its result is named here.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from kodata import convert
from kotune import axolotl_config, models
from kotune.axolotl_config import TEMPLATE_FILE, Device
from kotune.phrases import LANGUAGES
from kotune.recipe import ROOT, Limit, Recipe
from kotune.run import Run, sha256
from kotune.training import Launcher
from tasks.card import cards


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
    return {
        "data": [entry.model_dump(mode="json") for entry in job.recipe.data],
        "files": [convert.fingerprint(entry) for entry in job.entries()],
        "test": {task: _test_files(task, path) for task, path in job.task_paths().items()},
        "leaks": job.recipe.leaks,
        "seed": job.recipe.seed,
        "code": _code("kodata"),
    }


def _render_inputs(job: Job) -> dict[str, Any]:
    model = models.find(job.recipe.model, job.recipe.template)
    return {
        "config": hashlib.sha256(axolotl_config.render(job.recipe, job.device).encode()).hexdigest(),
        "template": sha256(model.template) if model.template else "own",
        "model": _model_files(model.base),
        "data": [_known_sha256(job, f"data/{part}.jsonl") for part in ("train", "validation")],
        "test": {task: _test_files(task, path) for task, path in job.task_paths().items()},
        "code": _code(
            "kodata", "tasks", *(f"kotune/{name}.py" for name in ("parity", "lengths", "scoring", "harness"))
        ),
        "versions": versions("axolotl", "lm_eval", "transformers", "torch"),
    }


def _train_inputs(job: Job) -> dict[str, Any]:
    names = ("axolotl.yml", TEMPLATE_FILE, "data/train.jsonl", "data/validation.jsonl")
    model = models.find(job.recipe.model, job.recipe.template)
    return {
        **{name: _known_sha256(job, name) for name in names},
        "model": _model_files(model.base),
        "code": _code("kotune/plugin.py", "kotune/precision.py"),
        "launcher": list(job.launcher),
        "versions": versions("axolotl", "torch", "transformers", "peft", "bitsandbytes"),
    }


def _score_inputs(job: Job) -> dict[str, Any]:
    return {
        "adapter": _known_sha256(job, "model/adapter_model.safetensors"),
        "template": _known_sha256(job, f"model/{TEMPLATE_FILE}"),
        "data": _known_sha256(job, "data/train.jsonl"),  # reference lines are made of it
        "test": {task: _test_files(task, path) for task, path in job.task_paths().items()},
        "code": _code("kodata", "tasks", *(f"kotune/{name}.py" for name in SCORING)),
        "versions": versions("lm_eval", "torch", "transformers", "peft", "bitsandbytes", "kiwipiepy"),
        "device": job.device,
        "limit": job.limit,
    }


def _report_inputs(job: Job) -> dict[str, Any]:
    return {"scores": _known_sha256(job, "scores.json"), "code": _code("kotune"), "lang": job.lang}


def _known_sha256(job: Job, name: str) -> str | None:
    path = job.run.path(name)
    return sha256(path) if path.exists() else None


def _model_files(base: str) -> str:
    """A local folder by its weights and configuration, a hub model by its id (its commit stands in run.json)."""
    folder = Path(base)
    if not folder.is_dir():
        return base
    return sha256(*sorted(p for p in folder.iterdir() if p.suffix in (".safetensors", ".json", ".jinja")))


def _test_files(task: str, path: Path | None) -> str:
    """The identity of what a task scores on."""
    source = cards()[task].source
    return convert.fingerprint(convert.Entry(source, path=path), "test")


def _code(*places: str) -> str:
    """A digest of our own code and tasks, so that an edited prompt or metric is never scored with stale results."""
    found = [ROOT / place if place.endswith(".py") else (ROOT / place).rglob("*") for place in places]
    files = [path for place in found for path in ([place] if isinstance(place, Path) else place)]
    kinds = (".py", ".yaml", ".yml", ".txt", ".npz", ".jinja")
    return sha256(*sorted(path for path in files if path.suffix in kinds))


def versions(*packages: str) -> dict[str, str | None]:
    """The installed version of each package, None where it is not installed."""
    return {package: _version(package) for package in packages}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


SCORING = ("scoring", "references", "harness", "precision")
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
