"""Base and tuned are scored by lm-evaluation-harness in one process with one model load: the
adapter is switched off for base. Same items, same prompts, same batch shapes; the base has the
precision that the adapter was trained on."""

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
from kotune.score.baselines import Lines, References
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

ADVICE = "end what else uses it, or take a GPU with more; what is scored so far is kept"
SEED = 1234  # lm-eval's own, for a task that samples
VARIANTS = ("base", "tuned")
REHEARSED = 2  # items of each task that go the whole way before training begins,
REHEARSED_ROWS = 300  # and training rows that reference lines are then made of


def score(
    root: Path, tasks: dict[str, TaskData], base: dict[str, str | None], limit: Limit
) -> None:
    """Write `samples/<variant>/<task>.jsonl`, what was asked as `samples/items/<task>.jsonl`, what
    reference lines answer as `samples/<line>/<task>.jsonl`, and, last, scores.json.

    What scored/ says is done, of the same inputs (checkpoints.keep_matching), is not done again.

    `tasks` says how the data of each are read. `base` says how the base model is loaded:
    base_precision (`nf4` or a dtype's name), compute_dtype, model (its hub id or folder), and
    model_revision (the hub commit that was trained on, None for a folder)."""
    loaded = [load_task(name, data) for name, data in tasks.items()]
    limits = {task.name: task.quick() if limit == "quick" else limit for task in loaded}
    lent = [task for task in loaded if _is_unchecked(root, task.name)]
    if lent or _todo(root, loaded):
        model = load_model(root, base)
        for task in lent:
            with model.model.disable_adapter():
                _check(root, task, model, limits[task.name], borrowed.tolerance(base))
        for task, variant in _todo(root, loaded):
            with model.model.disable_adapter() if variant == "base" else nullcontext():
                found = evaluated(task, model, limits[task.name])
                _score(root, variant, task, found, getattr(model, "written", []))
    references = References(root)
    write_json(root / layout.SCORES, {task.name: _entry(root, task, references) for task in loaded})


def _todo(root: Path, tasks: list[Loaded]) -> list[tuple[Loaded, str]]:
    return [
        (task, variant)
        for task in tasks
        for variant in VARIANTS
        if _done(root, task.name, variant) is None
    ]


def _is_unchecked(root: Path, task: str) -> bool:
    """Whether a task's base answers are another run's (base_answers) and the base model was not yet
    asked about them."""
    note = _done(root, task, "base") or {}
    return "from" in note and "checked" not in note


def _check(root: Path, task: Loaded, model: Any, limit: int | None, tolerance: float) -> None:
    """Another run's base answers become this run's, with the items that were asked again, or are
    forgotten, with the reason."""
    path, place = note_path(root, task.name, "base"), samples_path(root, "base", task.name)
    note, docs = read_note(path), len(task.task.eval_docs)
    items = docs if limit is None else min(limit, docs)
    why, asked = borrowed.doubt(
        place,
        task,
        model.tokenizer,
        items,
        lambda chosen: evaluated(task, model, chosen)[1],
        tolerance,
    )
    if not why and not _is_told_right(note, place):
        why = "the scores beside them do not follow from them"
    if why:
        refused = {"from": note["from"], "why": why}
        print(f"{task.name}: base answers of {note['from']} are not used: {why}", flush=True)
        path.unlink()
        write_json(refused_path(root, task.name), refused)
    else:
        write_json(path, {**note, "checked": asked})


def _is_told_right(note: dict[str, Any], samples: Path) -> bool:
    """Whether number and scores in a note are those of the samples."""
    found = lines_of(samples)
    return bool(note["n"] == len(found)) and borrowed.is_near(
        metrics({}, found), note["values"], borrowed.EXACT
    )


def rehearse(
    root: Path, base: str, revision: str | None, tokenizer: Any, tasks: Iterable[Loaded]
) -> None:
    """Two items of every task go the whole way with the untrained model, and so do their reference
    lines, so that what would go wrong after hours of training goes wrong before."""
    plain = load_base(
        base, {"base_precision": "auto", "compute_dtype": "auto", "model_revision": revision}
    )
    _refuse_more_tokens(base, plain, tokenizer)
    model, references = harness_model(plain, tokenizer), References(root, REHEARSED_ROWS)
    for task in tasks:
        references.of(task, evaluated(task, model, REHEARSED)[1])


def _refuse_more_tokens(base: str, model: Any, tokenizer: Any) -> None:
    """StageError for a tokenizer with more tokens than the base model has embeddings: Axolotl would
    add rows of random numbers to them, and the adapter could not be laid over the base."""
    rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        names = tokenizer.convert_ids_to_tokens([*range(rows, len(tokenizer))][:3])
        raise StageError(
            f"model {base}: its embedding has {rows:,} tokens, and its tokenizer, with what the"
            f" recipe adds, {len(tokenizer):,} ({', '.join(map(shown, names))}, ...): base and"
            " tuned would be two models; take new ones out of axolotl.tokens and"
            " axolotl.special_tokens, or give names to reserved ones with"
            " axolotl.added_tokens_overrides; where the recipe adds none, choose another model"
        )


def _score(
    root: Path,
    variant: str,
    task: Loaded,
    found: tuple[dict[str, Any], list[dict[str, Any]]],
    written: list[int],
) -> None:
    """Write one variant's samples of a task and, last, their note in scored/, so that a kill costs
    one such pair at most. `written`: sizes of the batches that answers were written in; none where
    they were chosen."""
    values, samples = found
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
    """The note on a variant's samples of a task, None where they are not there as it says."""
    note, path = note_path(root, task, variant), samples_path(root, variant, task)
    found = read_note(note)
    # Those of the tuned model tell what was asked.
    is_told = found and (variant == "base" or found.get("items"))
    return found if is_told and path.exists() and sha256(path) == found["sha256"] else None


def _entry(root: Path, task: Loaded, references: References) -> dict[str, Any]:
    """What scores.json says of a task, from the notes on its variants; writes its reference lines'
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
    # The run that the base answers are taken from, where they are.
    entry["base_from"] = notes["base"].get("from")
    entry["batches"] = {variant: note.get("batches", []) for variant, note in notes.items()}
    entry["proven"] = proven(root).get(task.name)
    entry["references"] = _lines(root, references.of(task, samples), task.name, sums)
    return entry


def _lines(root: Path, found: Lines, task: str, sums: dict[str, str]) -> dict[str, Any]:
    """What scores.json says of a task's reference lines; writes their samples."""
    for name, samples in found.samples.items():
        sums[name] = write_samples(root, name, task, samples)
    lines = {name: metrics({}, samples) for name, samples in found.samples.items()}
    return {"rows": found.rows, "absent": found.absent, "lines": lines}


def evaluated(
    task: Loaded, model: Any, limit: int | Sequence[int] | None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A task's metrics, {name: {value, stderr, n}}, and its samples as
    samples/<variant>/<task>.jsonl holds them. `limit`: as for Loaded.evaluate()."""
    import torch

    torch.manual_seed(SEED)  # base and tuned, and a run again, draw from the same numbers
    model.written = []
    result = _result(task, model, limit)
    samples = [sample_of(sample, task) for sample in result["samples"][task.name]]
    if task.generates:
        count_thoughts(samples, model.tokenizer)
    return metrics(result["results"][task.name], samples), samples


def _result(task: Loaded, model: Any, limit: int | Sequence[int] | None) -> dict[str, Any]:
    """lm-eval's result, in batches that the GPU's memory has room for (kotune.score.memory). In
    float32, batches of another size change no answer and a log-likelihood by less than 1e-4
    (benchmarks/tasks.py); in 16 bits either may change where two tokens are nearly as likely."""
    try:
        return task.evaluate(model, limit)
    except RuntimeError as error:
        if not is_exhausted(error):
            raise
    raise StageError(
        f"score {task.name}: the GPU's memory is too small even for one question; {ADVICE}"
    )


def _align(entry: dict[str, Any]) -> None:
    """Base and tuned have the same metrics, null where one of them was never asked: it may think
    and the other not."""
    names = dict.fromkeys(name for variant in VARIANTS for name in entry[variant])
    for variant in VARIANTS:
        entry[variant] = {
            name: entry[variant].get(name, {"value": None, "stderr": None, "n": 0})
            for name in names
        }


def metrics(
    result: dict[str, Any], samples: list[dict[str, Any]]
) -> dict[str, dict[str, float | None]]:
    """lm-eval's `acc,none` as {metric: {value, stderr, n}}, `n` the items that have it. The
    standard error is a bootstrap over clusters, since lm-eval's own takes the items of a premise as
    independent and exists for means alone; null where nothing can be said."""
    told = {key.partition(",")[0]: told for key, told in result.items() if "," in key}
    values = {}
    for name in dict.fromkeys(name for sample in samples for name in sample["metrics"]):
        asked = [
            (sample["metrics"][name], sample["cluster"])
            for sample in samples
            if name in sample["metrics"]
        ]
        items, clusters = zip(*asked, strict=True)
        metric = METRICS.get(name, MEAN)
        mean = told[name] if name in told else value(metric, items, clusters)
        error = stderr(metric, items, clusters)
        values[name] = {"value": _finite(mean), "stderr": _finite(error), "n": len(items)}
    return values


def _finite(value: Any) -> float | None:
    """A number that JSON can hold; None for NaN (no whole premise under --limit, a single
    cluster)."""
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
