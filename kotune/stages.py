"""The inputs and outputs of each stage. A stage is skipped if it finished before with the same
inputs. So this module lists everything that can change a stage's result."""

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
from kotune.runs.code_digest import Code, KeptKeys
from kotune.runs.folder import Inputs, sha256
from kotune.runs.job import Job
from kotune.runs.reading import proof_statuses
from kotune.shipped import PACKAGE, ROOT, TASKS
from kotune.train import config
from kotune_tasks.card import cards, file, settings

OUTPUTS = {
    "prepare": (TRAIN, VALIDATION, MANIFEST),
    "render": (CONFIG, TEMPLATE, PARITY),
    "train": (ADAPTER, METRICS),
    "score": (SCORES, *(f"{SAMPLES}/{kind}" for kind in ("base", "tuned", "items"))),
    "report": (REPORT_PAGE, REPORT_MARKDOWN),
}
# NOTHING names the dicts from which a recipe selects entries. Only the selected entries are inputs
# of a stage. A stage for which no entry is selected has none of them as inputs.
METRICS_TABLE = "kodata.metrics.metrics.METRICS"
NOTHING: KeptKeys = {"kodata.SOURCES": (), "kotune.models.presets.PRESETS": (), METRICS_TABLE: ()}


def inputs(job: Job, stage: str) -> Inputs:
    """Everything that a stage's result depends on."""
    return INPUTS[stage](job)


def is_done(job: Job, stage: str) -> bool:
    """Whether a stage finished with the current inputs, and its outputs exist and are unchanged."""
    there = all(job.run.path(name).exists() for name in OUTPUTS[stage])
    return (
        there
        and not _added(job, stage)
        and job.run.is_done(stage, inputs(job, stage), answered(stage))
    )


def _added(job: Job, stage: str) -> bool:
    """Whether a tokenizer file was added to those that training wrote. Such a file has no recorded
    digest."""
    if stage != "train":
        return False
    finished = job.run.record().stages.get(stage)
    made = finished.files if finished else {}
    return any(name not in made and job.run.path(name).exists() for name in TOKENIZER_FILES)


def answered(stage: str) -> tuple[str, ...]:
    """The files of a stage whose digests are recorded. If one of them was edited, the stage runs
    again.

    The digests of samples are in scores.json. The adapter is an input of the score stage, so a
    changed adapter is scored again. A report has no digest, because `kotune report` may write the
    report again in another language."""
    beside = (
        (ADAPTER_CONFIG, TOKENIZER, TOKENIZER_CONFIG, f"{MODEL}/{TEMPLATE}", *TOKENIZER_FILES)
        if stage == "train"
        else ()
    )
    own = (name for name in OUTPUTS[stage] if Path(name).suffix in (".json", ".jsonl", ".yml"))
    return (*own, *beside)


def _prepare_inputs(job: Job) -> Inputs:
    read = {entry.source for entry in job.recipe.data} | {
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
                "kodata.prepare.convert.convert", kept_keys={**NOTHING, "kodata.SOURCES": read}
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
        "code": code().digest("kotune.parity.job.run", kept_keys=NOTHING),
        "versions": versions("axolotl", "lm_eval", "transformers", "torch"),
    }


def _train_inputs(job: Job) -> Inputs:
    names = (CONFIG, TEMPLATE, TRAIN, VALIDATION)
    model = presets.find(job.recipe.model, job.recipe.template)
    return {
        **{name: _known_sha256(job, name) for name in names},
        "model": _model_files(model.base),
        "code": code().digest(config.PLUGIN, kept_keys=NOTHING),
        "launcher": list(job.launcher),
        "versions": versions("axolotl", "torch", "transformers", "peft", "bitsandbytes"),
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
        "data": _known_sha256(job, TRAIN),  # baselines learn from it
        "validation": _known_sha256(job, VALIDATION),  # one of two baselines is chosen on it
        "test": _test_files(job),
        "tasks": _tasks(job),
        "code": code().digest("kotune.score.job.run", kept_keys=NOTHING),
        "versions": versions(
            "lm_eval", "torch", "transformers", "peft", "bitsandbytes", "kiwipiepy"
        ),
        "device": job.device,
        "limit": job.limit,
        "merge": sorted(task for task, data in job.tasks.items() if data.merge),
        "proven": proof_statuses(job.run.root),
    }


def _report_inputs(job: Job) -> Inputs:
    """The inputs of the report: the run's files, the phrases and the page templates."""
    words = sorted([*PAGES.glob("*.jinja"), *PHRASES.glob("*.yml")])
    return {
        "scores": _known_sha256(job, SCORES),
        "tasks": _tasks(job),
        "code": (
            code().digest(
                "kotune.report.writing.write",
                "kotune.display.phrases.Phrases",
                *words,
                kept_keys=NOTHING,
            )
        ),
        "lang": job.lang,
    }


def _known_sha256(job: Job, name: str) -> str | None:
    path = job.run.path(name)
    return sha256(path) if path.exists() else None


def _model_files(base: str) -> str:
    """The digest of a local model's weights and configuration files. For a hub model, its id, which
    is enough because run.json has the commit."""
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
    """For each task, a digest of what its file, functions, source and metrics do."""
    return {task: meaning_of_task(task) for task in job.tasks}


@cache
def meaning_of_task(name: str) -> str:
    metrics = [metric["metric"] for metric in settings(name)["metric_list"]]
    kept_keys = {**NOTHING, "kodata.SOURCES": (cards()[name].source,), METRICS_TABLE: metrics}
    return code().digest(file(name), METRICS_TABLE, kept_keys=kept_keys)


@cache
def code() -> Code:
    """kotune's own code, for digests of what the code does. After an edit of a prompt or a metric,
    a stage runs again. After an edit of a comment, the stage does not run again."""
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
