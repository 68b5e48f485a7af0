"""Defines the work of each stage as a function of the job and the screen (BODIES). kotune.pipeline
decides which stages run."""

import os
from collections.abc import Callable
from contextlib import closing
from itertools import islice

from kodata.errors import Translatable
from kodata.reading import guard
from kotune import stages
from kotune.display.phrases import Phrases
from kotune.display.progress import Screen
from kotune.errors import RecipeError, StageError
from kotune.layout import (
    CONFIG,
    MANIFEST,
    METRICS,
    PARITY,
    RECORD,
    SCORED,
    SCORES,
    TEMPLATE,
    TRAIN,
)
from kotune.models import generation, hub, presets
from kotune.models.template_kwargs import with_kwargs
from kotune.plan import lean
from kotune.report import lines, writing
from kotune.runs.events import read_metrics
from kotune.runs.folder import Inputs, read_model, write_text
from kotune.runs.job import Job
from kotune.runs.manifest import Manifest
from kotune.runs.proof import Parity
from kotune.runs.reading import rows_of
from kotune.runs.records import TaskScores, parsed
from kotune.runs.unfinished import Started, TrainedRecord
from kotune.score import base_answers, base_cache
from kotune.score.samples import damaged_notes
from kotune.template import examine, words
from kotune.template.findings import CLOSED
from kotune.train import config, out_of_memory, training
from kotune.train.checkpoints import keep_matching
from kotune.worker.call import call

ROWS = 1_000  # training rows in which thoughts are looked for


def _prepare(job: Job, screen: Screen) -> None:
    """Write the training data and the manifest."""
    with screen.watching() as watch, guard.watched(watch):
        manifest = job.prepare(watch)
    for line in lines.prepared(manifest, Phrases(screen.language)):
        screen.say(line)


def configure(job: Job, weights: bool = True) -> presets.Model:
    """Fetch the model, and write axolotl.yml and the chat template into the run folder. Returns the
    model. `weights`: whether to fetch the model's weights too.

    If kotune has no template for the model, the tokenizer's own template is used. It is not written
    here, but by the parity job, which loads the tokenizer.

    Raises RecipeError if sequence_len is larger than the model's number of positions."""
    model = presets.find(job.recipe.model, job.recipe.template)
    revision = hub.fetch(model.base, weights)
    _refuse_beyond_positions(job, generation.max_positions(model.base, revision))
    unused = generation.unused_settings(model.base, revision)
    job.run.update(model_revision=revision, generation_unused=unused or None)
    write_text(job.run.path(CONFIG), _rendered(job, revision))
    job.run.path(TEMPLATE).unlink(missing_ok=True)
    if model.template:
        text = model.template.read_text(encoding="utf-8")
        write_text(job.run.path(TEMPLATE), with_kwargs(text, job.recipe.template_kwargs))
    return model


def _rendered(job: Job, revision: str | None) -> str:
    """The content of axolotl.yml. `revision`: the model's commit on the hub; None for a local
    model.

    Some settings depend on the number of training rows, which the manifest has. Before the prepare
    stage there is no manifest, and these settings keep their defaults."""
    manifest = job.run.path(MANIFEST)
    rows = read_model(manifest, Manifest).rows.train if manifest.exists() else None
    return config.render(job.recipe, job.device, revision, rows, job.is_old_gpu)


def _refuse_beyond_positions(job: Job, positions: float) -> None:
    """Raise RecipeError if sequence_len is larger than `positions`, the model's number of
    positions. Training would not report this."""
    length = int(config.config(job.recipe, job.device)["sequence_len"])
    if length > positions:
        raise RecipeError(
            f"axolotl.sequence_len: {length:,} is beyond the {positions:,} positions of"
            f" {job.recipe.model}; set at most {positions:,}"
        )


def _examine_template(job: Job, screen: Screen) -> None:
    """Show the findings about the chat template, before the weights are downloaded.

    Raises KotuneError if one must be fixed. If no task scores the trained form, prompts need not
    be equal, so that only the proof decides."""
    subject = examine.of_recipe(job.recipe)
    if subject.is_tested:
        return
    with screen.watching() as watch, guard.watched(watch):
        findings = examine.fetch_and_examine(subject)
    phrases = Phrases(screen.language)
    for finding in findings:
        screen.say(words.line(finding, phrases))
    if job.trained_tasks():
        examine.refuse(subject, findings, may_think=_has_thoughts(job))


def _has_thoughts(job: Job) -> bool:
    """Whether one of the first training rows has a thought before an answer."""
    rows = (row for _, row in islice(rows_of(job.run.path(TRAIN)), ROWS))
    return any(CLOSED in turn["content"] for row in rows for turn in row["messages"])


def _render(job: Job, screen: Screen) -> None:
    """Write Axolotl's configuration, and prove that training and scoring use the same prompts."""
    _examine_template(job, screen)
    with screen.watching() as watch, guard.watched(watch):
        base = configure(job).base
    revision = job.run.record().model_revision
    call(
        "parity",
        job.run.root,
        base=base,
        revision=revision,
        tasks=job.tasks,
        trained=job.trained_tasks(),
    )
    for line in lines.proven(read_model(job.run.path(PARITY), Parity)):
        screen.say(line)


def _train(job: Job, screen: Screen) -> None:
    """Train the adapter, and record in run.json how it was trained."""
    base = presets.find(job.recipe.model, job.recipe.template).base
    revision = job.run.record().model_revision
    # The render stage has fetched the model, but an untrusted run.json may say so falsely.
    hub.fetch(base, revision=revision)
    config.refuse_foreign(job.run.root, job.recipe, _rendered(job, revision))
    with closing(
        training.train(job.run.root, stages.inputs(job, "train"), job.launcher, lean.is_lean(job))
    ) as following:
        screen.training(following)
    events = read_metrics(job.run.path(METRICS))
    # The last start event is from this training. Earlier ones may be from a killed training or from
    # an untrusted folder.
    starts = (parsed(event.as_json(), Started) for event in events)
    started = [start for start in starts if start][-1]
    warnings, halvings = training.warnings(events), out_of_memory.halvings(job.run.root)
    job.run.update(
        base_precision=started.base_precision,
        compute_dtype=started.compute_dtype,
        trainable_parameters=started.trainable_parameters,
        examples_a_step=started.examples_a_step,
        gradient_checkpointing=started.gradient_checkpointing,
        head=started.head,
        halvings=[halving.as_json() for halving in halvings] or None,
        warnings=[warning.as_json() for warning in warnings] or None,
    )
    for line in lines.doubts(warnings, halvings, Phrases(screen.language)):
        screen.say(line)


def _score(job: Job, screen: Screen) -> None:
    """Score the base and the tuned model on all tasks. Base answers of other runs are reused."""
    base, inputs = _base(job), stages.inputs(job, "score")
    if message := keep_matching(job.run.path(SCORED), {**inputs, "base": base}):
        screen.say(message)
    for line in damaged_notes(job.run.root, job.tasks):
        screen.say(line)
    for line in _reuse(job, inputs):
        screen.say(line)
    model = presets.find(job.recipe.model, job.recipe.template).base
    hub.fetch(model, revision=base["model_revision"])
    with screen.watching() as watch:
        call(
            "score",
            job.run.root,
            watch=watch,
            tasks=job.tasks,
            base={**base, "model": model},
            limit=job.limit,
        )
    job.run.update(base_checked=base_answers.list_checked(job.run.root, job.tasks) or None)
    for line in base_answers.list_rejected(job.run.root, job.tasks):
        screen.say(line)
    scores = read_model(job.run.path(SCORES), dict[str, TaskScores])
    for run in dict.fromkeys(entry.base_from for entry in scores.values() if entry.base_from):
        screen.say(Translatable("the base model's answers are reused from {run}", run=run))
    for line in base_cache.keep(job.run.root, inputs, job.tasks):
        screen.say(line)
    for line in lines.score_lines(scores):
        screen.say(line)


def _reuse(job: Job, inputs: Inputs) -> list[str]:
    """Copy base answers of other runs into the run folder: first those of sibling runs, then those
    in the user's cache. If `job.fresh_base` is set, remove copied answers instead.

    `inputs`: the inputs of the score stage. Returns messages for the screen."""
    if job.fresh_base:
        base_answers.forget(job.run.root, job.tasks)
        return []
    siblings = base_answers.reuse(job.run.root, inputs, job.tasks)
    return siblings + base_cache.reuse(job.run.root, inputs, job.tasks)


def _base(job: Job) -> dict[str, str | None]:
    """The keys of run.json that say how training loaded the base model (TrainedRecord). Raises
    StageError if one of them is missing."""
    record = parsed(job.run.record().as_json(), TrainedRecord)
    if record is None:
        raise StageError(
            f"{job.run.path(RECORD)}: does not say how the base model was loaded for training; move"
            " the run folder away and run again"
        )
    return {
        "base_precision": record.base_precision,
        "compute_dtype": record.compute_dtype,
        "model_revision": record.model_revision,
    }


def _report(job: Job, screen: Screen) -> None:
    """Write report.html and report.md."""
    for path in writing.write(job.run.root, Phrases(job.lang)):
        screen.say(os.path.relpath(path))


BODIES: dict[str, Callable[[Job, Screen], None]] = {
    "prepare": _prepare,
    "render": _render,
    "train": _train,
    "score": _score,
    "report": _report,
}
