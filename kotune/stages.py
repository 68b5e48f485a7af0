"""Defines the inputs and outputs of each stage. A stage is skipped if it finished before with the
same inputs. So the inputs must cover everything that can change a stage's result."""

import hashlib
from collections.abc import Callable
from functools import cache
from importlib import metadata
from pathlib import Path

from kodata.prepare import convert
from kodata.prepare.entries import location_of
from kodata.reading.digests import digest
from kotune.display.page import PAGES
from kotune.display.phrases import FOLDER as PHRASES
from kotune.layout import (
    ADAPTER,
    ADAPTER_CONFIG,
    CONFIG,
    MANIFEST,
    METRICS,
    MODEL,
    PARITY,
    REPORT_MARKDOWN,
    REPORT_PAGE,
    SAMPLES,
    SCORES,
    TEMPLATE,
    TOKENIZER,
    TOKENIZER_CONFIG,
    TOKENIZER_FILES,
    TRAIN,
    VALIDATION,
)
from kotune.models import presets
from kotune.recipe.existing import Existing
from kotune.runs.code_digest import Code, KeptKeys
from kotune.runs.folder import Inputs, sha256
from kotune.runs.job import Job
from kotune.runs.reading import proof_statuses
from kotune.shipped import PACKAGE, ROOT, TASKS
from kotune.train import config
from kotune_tasks.card import cards, file, settings

# For each stage, the files and folders that must exist after the stage.
OUTPUTS = {
    "prepare": (TRAIN, VALIDATION, MANIFEST),
    "render": (CONFIG, TEMPLATE, PARITY),
    "train": (ADAPTER, METRICS),
    "score": (SCORES, *(f"{SAMPLES}/{kind}" for kind in ("base", "tuned", "items"))),
    "report": (REPORT_PAGE, REPORT_MARKDOWN),
}
METRICS_TABLE = "kodata.metrics.metrics.METRICS"
# A recipe selects entries of these dicts. Other entries cannot change its results. So a digest of
# code includes no entries, unless the caller replaces () by the keys of the selected ones.
NO_ENTRIES: KeptKeys = {
    "kodata.SOURCES": (),
    METRICS_TABLE: (),
}


def inputs(job: Job, stage: str) -> Inputs:
    """Everything that a stage's result depends on, by name."""
    return INPUTS[stage](job)


def outputs(job: Job, stage: str) -> tuple[str, ...]:
    """The files and folders that must exist after a stage. A model or an adapter that is only
    scored has no training metrics, and a model alone has no adapter and no tuned answers."""
    missing = [METRICS] if isinstance(job.recipe, Existing) else []
    if not job.is_tuned:
        missing += [ADAPTER, f"{SAMPLES}/tuned"]
    return tuple(name for name in OUTPUTS[stage] if name not in missing)


def is_done(job: Job, stage: str) -> bool:
    """Whether a stage finished with the current inputs, its outputs exist, and its recorded files
    are unchanged."""
    return (
        all(job.run.path(name).exists() for name in outputs(job, stage))
        and not _has_foreign_tokenizer_file(job, stage)
        and job.run.is_done(stage, inputs(job, stage), recorded_files(stage))
    )


def _has_foreign_tokenizer_file(job: Job, stage: str) -> bool:
    """Whether there is a tokenizer file that training did not write. Such a file has no recorded
    digest. False for other stages than `train`."""
    if stage != "train":
        return False
    finished = job.run.record().stages.get(stage)
    made = finished.files if finished else {}
    return any(name not in made and job.run.path(name).exists() for name in TOKENIZER_FILES)


def recorded_files(stage: str) -> tuple[str, ...]:
    """The files of a stage whose digests are recorded in run.json. If one of them changes, the
    stage runs again.

    No digests are recorded for samples, the adapter and the report. scores.json has the digests of
    the samples. The adapter is an input of the score stage, so a changed adapter is scored again.
    `kotune report` may write the report again in another language."""
    beside_adapter = (
        (ADAPTER_CONFIG, TOKENIZER, TOKENIZER_CONFIG, f"{MODEL}/{TEMPLATE}", *TOKENIZER_FILES)
        if stage == "train"
        else ()
    )
    own = (name for name in OUTPUTS[stage] if Path(name).suffix in (".json", ".jsonl", ".yml"))
    return (*own, *beside_adapter)


def _prepare_inputs(job: Job) -> Inputs:
    sources = {entry.source for entry in job.recipe.data} | {
        cards()[task].source for task in job.recipe.tasks
    }
    return {
        "data": [entry.model_dump(mode="json") for entry in job.recipe.data],
        "files": [convert.fingerprint(location_of(entry)) for entry in job.entries()],
        "test": _test_files(job),
        "leaks": job.recipe.leaks,
        "validation_rows": job.recipe.validation_rows,
        "seed": job.recipe.seed,
        "code": (
            code().digest(
                "kodata.prepare.convert.convert",
                kept_keys={**NO_ENTRIES, "kodata.SOURCES": sources},
            )
        ),
    }


def _render_inputs(job: Job) -> Inputs:
    model = presets.find(job.recipe.model, job.recipe.template)
    return {
        "config": (
            hashlib.sha256(
                config.render(job.recipe, job.device, is_old=job.is_old_gpu).encode()
            ).hexdigest()
        ),
        "template": code().digest(model.template.resolve()) if model.template else "own",
        "model": _model_files(model.base),
        "data": [_known_sha256(job, part) for part in (TRAIN, VALIDATION)],
        "test": _test_files(job),
        "tasks": _tasks(job),
        "code": code().digest("kotune.parity.job.run", kept_keys=NO_ENTRIES),
        "versions": versions("axolotl", "lm_eval", "transformers", "torch"),
    }


def _train_inputs(job: Job) -> Inputs:
    names = (CONFIG, TEMPLATE, TRAIN, VALIDATION)
    model = presets.find(job.recipe.model, job.recipe.template)
    return {
        **(_given(job.recipe) if isinstance(job.recipe, Existing) else {}),
        **{name: _known_sha256(job, name) for name in names},
        "model": _model_files(model.base),
        "code": code().digest(config.PLUGIN, kept_keys=NO_ENTRIES),
        "launcher": list(job.launcher),
        "versions": versions("axolotl", "torch", "transformers", "peft", "bitsandbytes"),
    }


def _given(recipe: Existing) -> Inputs:
    """The files of an adapter that is not trained here, and the code that takes it."""
    folder = recipe.adapter_path
    return {
        "given": _model_files(str(folder)) if folder else None,
        "taken_by": code().digest("kotune.existing.bodies.take", kept_keys=NO_ENTRIES),
    }


def _score_inputs(job: Job) -> Inputs:
    return {
        "adapter": _known_sha256(job, ADAPTER),
        "template": _known_sha256(job, f"{MODEL}/{TEMPLATE}"),
        "adapter_config": _known_sha256(job, ADAPTER_CONFIG),
        "tokenizer": _known_sha256(job, TOKENIZER),
        "tokenizer_config": _known_sha256(job, TOKENIZER_CONFIG),
        "tokenizer_files": {
            name: known for name in TOKENIZER_FILES if (known := _known_sha256(job, name))
        },
        "data": _known_sha256(job, TRAIN),  # baselines are trained on this file
        "validation": _known_sha256(job, VALIDATION),  # selects one of two baselines
        "test": _test_files(job),
        "tasks": _tasks(job),
        "code": code().digest(
            "kotune.score.job.run", "kotune.score.few_shot.write", kept_keys=NO_ENTRIES
        ),
        "versions": versions(
            "lm_eval", "torch", "transformers", "peft", "bitsandbytes", "kiwipiepy"
        ),
        "device": job.device,
        "limit": job.limit,
        "few_shot": job.recipe.few_shot,
        "merge": sorted(task for task, data in job.tasks.items() if data.merge),
        "proven": proof_statuses(job.run.root),
    }


def _report_inputs(job: Job) -> Inputs:
    """The inputs of the report. The digest of the code covers the phrases and page templates."""
    data_files = sorted([*PAGES.glob("*.jinja"), *PHRASES.glob("*.yml")])
    return {
        "scores": _known_sha256(job, SCORES),
        "tasks": _tasks(job),
        "code": (
            code().digest(
                "kotune.report.writing.write",
                "kotune.display.phrases.Phrases",
                *data_files,
                kept_keys=NO_ENTRIES,
            )
        ),
        "lang": job.lang,
    }


def _known_sha256(job: Job, name: str) -> str | None:
    """The digest of a file of the run folder (folder.sha256); None if the file is missing."""
    path = job.run.path(name)
    return sha256(path) if path.exists() else None


def _model_files(base: str) -> str:
    """A digest of the weights and configuration files of a local model. `base`: the model's folder
    or hub id. A hub id is returned unchanged, because run.json has the commit."""
    if not presets.is_folder(base):
        return base
    files = sorted(
        path
        for path in Path(base).iterdir()
        if path.suffix in (".safetensors", ".json", ".jinja", ".model")
    )
    return hashlib.sha256("".join(map(digest, files)).encode()).hexdigest()


def _test_files(job: Job) -> dict[str, str]:
    """For each task, the fingerprint of its test data."""
    return {task: convert.fingerprint(place, "test") for task, place in job.scored().tasks.items()}


def _tasks(job: Job) -> dict[str, str]:
    """For each scored task, the digest of its code (task_digest)."""
    return {task: task_digest(task) for task in job.tasks}


@cache
def task_digest(name: str) -> str:
    """A digest of what a task's file, functions, source and metrics do."""
    metrics = [metric["metric"] for metric in settings(name)["metric_list"]]
    kept_keys = {**NO_ENTRIES, "kodata.SOURCES": (cards()[name].source,), METRICS_TABLE: metrics}
    return code().digest(file(name), METRICS_TABLE, kept_keys=kept_keys)


@cache
def code() -> Code:
    """kotune's own code, for digests of what the code does. An edit of a prompt or a metric changes
    the digest, so stages run again. An edit of a comment does not change the digest."""
    return Code({"kodata": ROOT / "kodata", "kotune": PACKAGE, "kotune_tasks": TASKS})


def versions(*packages: str) -> dict[str, str | None]:
    """The installed version of each package; None if it is not installed."""
    return {package: _version(package) for package in packages}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


INPUTS: dict[str, Callable[[Job], Inputs]] = {
    "prepare": _prepare_inputs,
    "render": _render_inputs,
    "train": _train_inputs,
    "score": _score_inputs,
    "report": _report_inputs,
}
