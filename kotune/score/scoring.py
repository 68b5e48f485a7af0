"""Scores base and tuned with lm-evaluation-harness in one process and with one loaded model. The
adapter is switched off for base.

Items, prompts and batch shapes are the same for both. The base has the precision that the adapter
was trained on."""

import math
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kodata.errors import shown
from kodata.metrics.metrics import MEAN, METRICS
from kodata.metrics.resampling import stderr, value
from kotune import layout
from kotune.errors import StageError
from kotune.recipe.schema import Limit
from kotune.runs.folder import sha256, write_json
from kotune.runs.reading import lines_of, proven
from kotune.runs.task_data import TaskData
from kotune.score import borrowed
from kotune.score.baselines import BaselineAnswers, Baselines
from kotune.score.harness import Loaded, load_task
from kotune.score.memory import is_exhausted
from kotune.score.model import harness_model, load_base, load_model
from kotune.score.samples import (
    count_thoughts,
    item_of,
    note_path,
    read_note,
    refused_path,
    sample_of,
    samples_path,
    write_samples,
)

ADVICE = "end other processes on it, or use a GPU with more memory; finished scores are kept"
SEED = 1234  # lm-eval's own, for a task that samples
VARIANTS = ("base", "tuned")
REHEARSED = 2  # items of each task that are scored before training
REHEARSED_ROWS = 300  # training rows from which baselines learn in the rehearsal


def score(
    root: Path, tasks: dict[str, TaskData], base: dict[str, str | None], limit: Limit
) -> None:
    """Write `samples/<variant>/<task>.jsonl`, the questions as `samples/items/<task>.jsonl`, the
    baselines' answers as `samples/<baseline>/<task>.jsonl`, and scores.json last.

    Tasks that are already in scored/, from the same inputs (checkpoints.keep_matching), are not
    scored again.

    `tasks`: how the data of each task are read. `base`: how the base model is loaded, with
    base_precision (`nf4` or the name of a dtype), compute_dtype, model (hub id or folder) and
    model_revision (the trained hub commit, None for a folder)."""
    loaded = [load_task(name, data) for name, data in tasks.items()]
    limits = {task.name: task.quick() if limit == "quick" else limit for task in loaded}
    unchecked = [task for task in loaded if _is_unchecked(root, task.name)]
    if unchecked or _todo(root, loaded):
        model = load_model(root, base)
        for task in unchecked:
            with model.model.disable_adapter():
                _check(root, task, model, limits[task.name], borrowed.tolerance(base))
        for task, variant in _todo(root, loaded):
            with model.model.disable_adapter() if variant == "base" else nullcontext():
                evaluation = evaluated(task, model, limits[task.name])
                _write(root, variant, task, evaluation, getattr(model, "written", []))
    baselines = Baselines(root)
    write_json(root / layout.SCORES, {task.name: _entry(root, task, baselines) for task in loaded})


def _todo(root: Path, tasks: list[Loaded]) -> list[tuple[Loaded, str]]:
    return [
        (task, variant)
        for task in tasks
        for variant in VARIANTS
        if _done(root, task.name, variant) is None
    ]


def _is_unchecked(root: Path, task: str) -> bool:
    """Whether a task's base answers come from another run (base_answers) and are not verified
    yet."""
    note = _done(root, task, "base") or {}
    return "from" in note and "checked" not in note


def _check(root: Path, task: Loaded, model: Any, limit: int | None, tolerance: float) -> None:
    """Verify another run's base answers. Record the items that were asked again, or discard the
    answers and record the reason."""
    path, samples = note_path(root, task.name, "base"), samples_path(root, "base", task.name)
    note, docs = read_note(path), len(task.task.eval_docs)
    items = docs if limit is None else min(limit, docs)
    why, asked = borrowed.find_doubt(
        samples,
        task,
        model.tokenizer,
        items,
        lambda chosen: evaluated(task, model, chosen)[1],
        tolerance,
    )
    if not why and not _has_same_scores(note, samples):
        why = "the recorded scores do not follow from them"
    if why:
        refused = {"from": note["from"], "why": why}
        print(f"{task.name}: base answers of {note['from']} are not used: {why}", flush=True)
        path.unlink()
        write_json(refused_path(root, task.name), refused)
    else:
        write_json(path, {**note, "checked": asked})


def _has_same_scores(note: dict[str, Any], path: Path) -> bool:
    """Whether the number of items and the scores in a note are those of the samples."""
    samples = lines_of(path)
    return bool(note["n"] == len(samples)) and borrowed.is_near(
        metrics({}, samples), note["values"], borrowed.EXACT
    )


def rehearse(
    root: Path, base: str, revision: str | None, tokenizer: Any, tasks: Iterable[Loaded]
) -> None:
    """Score two items of every task with the untrained model and with the baselines. Errors of
    scoring thus appear before hours of training."""
    untrained = load_base(
        base, {"base_precision": "auto", "compute_dtype": "auto", "model_revision": revision}
    )
    _refuse_more_tokens(base, untrained, tokenizer)
    model, baselines = harness_model(untrained, tokenizer), Baselines(root, REHEARSED_ROWS)
    for task in tasks:
        baselines.of(task, evaluated(task, model, REHEARSED)[1])


def _refuse_more_tokens(base: str, model: Any, tokenizer: Any) -> None:
    """Raise StageError for a tokenizer with more tokens than the base model has embeddings. Axolotl
    would add random embeddings, and the adapter would not fit the base model."""
    rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        names = tokenizer.convert_ids_to_tokens([*range(rows, len(tokenizer))][:3])
        raise StageError(
            f"model {base}: its embedding has {rows:,} tokens, but its tokenizer, with the recipe's"
            f" own tokens, {len(tokenizer):,} ({', '.join(map(shown, names))}, ...), so base and"
            " tuned could not be compared; remove new tokens from axolotl.tokens and"
            " axolotl.special_tokens, or rename reserved ones with axolotl.added_tokens_overrides;"
            " if the recipe adds none, choose another model"
        )


def _write(
    root: Path,
    variant: str,
    task: Loaded,
    evaluation: tuple[dict[str, Any], list[dict[str, Any]]],
    written: list[int],
) -> None:
    """Write a variant's samples of a task, then their note in scored/. A kill thus costs at most
    one task of one variant. `written`: the batch sizes of generated answers; empty for choice
    tasks."""
    values, samples = evaluation
    note = {
        "n": len(samples),
        "values": values,
        "sha256": write_samples(root, variant, task.name, samples),
        "items": write_samples(
            root, "items", task.name, [item_of(sample, task) for sample in samples]
        ),
        "batches": sorted(set(written)),
    }
    write_json(note_path(root, task.name, variant), note)


def _done(root: Path, task: str, variant: str) -> dict[str, Any] | None:
    """The note on a variant's samples of a task. None if it is missing or does not match the
    samples."""
    note, path = read_note(note_path(root, task, variant)), samples_path(root, variant, task)
    # The tuned model's note also has the digest of the questions.
    is_complete = note and (variant == "base" or note.get("items"))
    return note if is_complete and path.exists() and sha256(path) == note["sha256"] else None


def _entry(root: Path, task: Loaded, baselines: Baselines) -> dict[str, Any]:
    """A task's entry in scores.json, from the notes on its variants. Also writes the baselines'
    samples."""
    notes = {variant: read_note(note_path(root, task.name, variant)) for variant in VARIANTS}
    card, sums = task.card, {variant: note["sha256"] for variant, note in notes.items()}
    sums["items"] = notes["tuned"]["items"]
    entry: dict[str, Any] = {
        "version": card.version,
        "criterion": card.criterion,
        "chance": dict(card.chance),
        "published": [asdict(figure) for figure in card.published],
        "sha256": sums,
        "n": notes["tuned"]["n"],
        **{variant: note["values"] for variant, note in notes.items()},
    }
    _align(entry)
    samples = lines_of(samples_path(root, "tuned", task.name))
    entry["base_from"] = notes["base"].get("from")  # the run whose base answers are reused
    entry["batches"] = {variant: note.get("batches", []) for variant, note in notes.items()}
    entry["proven"] = proven(root).get(task.name)
    entry["references"] = _references(root, baselines.of(task, samples), task.name, sums)
    return entry


def _references(
    root: Path, answers: BaselineAnswers, task: str, sums: dict[str, str]
) -> dict[str, Any]:
    """The entry `references` of a task in scores.json. Also writes the baselines' samples and adds
    their digests to `sums`."""
    for name, samples in answers.samples.items():
        sums[name] = write_samples(root, name, task, samples)
    lines = {name: metrics({}, samples) for name, samples in answers.samples.items()}
    return {"rows": answers.rows, "absent": answers.absent, "lines": lines}


def evaluated(
    task: Loaded, model: Any, limit: int | Sequence[int] | None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A task's metrics, {name: {value, stderr, n}}, and its samples in the form of
    samples/<variant>/<task>.jsonl. `limit`: as in Loaded.evaluate(). Raises StageError if the GPU's
    memory is too small for one question."""
    import torch

    torch.manual_seed(SEED)  # the same random numbers for base, tuned and a repeated run
    model.written = []
    result = _result(task, model, limit)
    samples = [sample_of(sample, task) for sample in result["samples"][task.name]]
    if task.generates:
        count_thoughts(samples, model.tokenizer)
    return metrics(result["results"][task.name], samples), samples


def _result(task: Loaded, model: Any, limit: int | Sequence[int] | None) -> dict[str, Any]:
    """lm-eval's result, in batches that fit into the GPU's memory (kotune.score.memory).

    In float32, another batch size changes no answer, and log-likelihoods by less than 1e-4
    (benchmarks/tasks.py). In 16 bits both may change if two tokens are almost equally likely."""
    try:
        return task.evaluate(model, limit)
    except RuntimeError as error:
        if not is_exhausted(error):
            raise
    raise StageError(
        f"score {task.name}: out of GPU memory, even with a batch of one question; {ADVICE}"
    )


def _align(entry: dict[str, Any]) -> None:
    """Give base and tuned the same metrics, with null for a metric that one of them lacks: one may
    think and the other not."""
    names = dict.fromkeys(name for variant in VARIANTS for name in entry[variant])
    for variant in VARIANTS:
        entry[variant] = {
            name: entry[variant].get(name, {"value": None, "stderr": None, "n": 0})
            for name in names
        }


def metrics(
    result: dict[str, Any], samples: list[dict[str, Any]]
) -> dict[str, dict[str, float | None]]:
    """lm-eval's `acc,none` and the samples' other metrics as {metric: {value, stderr, n}}, where
    `n` is the number of items with the metric.

    The standard error is a bootstrap over clusters. lm-eval's own assumes that the items of a
    premise are independent, and exists for means alone. A value or error that is not defined is
    null."""
    reported = {key.partition(",")[0]: mean for key, mean in result.items() if "," in key}
    values = {}
    for name in dict.fromkeys(name for sample in samples for name in sample["metrics"]):
        pairs = [
            (sample["metrics"][name], sample["cluster"])
            for sample in samples
            if name in sample["metrics"]
        ]
        items, clusters = zip(*pairs, strict=True)
        metric = METRICS.get(name, MEAN)
        mean = reported[name] if name in reported else value(metric, items, clusters)
        error = stderr(metric, items, clusters)
        values[name] = {"value": _finite(mean), "stderr": _finite(error), "n": len(items)}
    return values


def _finite(value: Any) -> float | None:
    """A number for JSON; None if it is NaN (no whole premise under --limit, or a single
    cluster)."""
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
