"""Base and tuned are scored by lm-evaluation-harness in one process with one model load: the
adapter is switched off for base. Same items, same prompts, same batch shapes; the base has the
precision that the adapter was trained on."""

import math
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from kodata.errors import shown
from kodata.metrics.metrics import MEAN, METRICS
from kodata.metrics.resampling import stderr, value
from kotune import layout
from kotune.errors import StageError
from kotune.recipe.schema import Limit
from kotune.runs.folder import sha256, write_json
from kotune.runs.reading import lines_of, proven
from kotune.runs.records import (
    UNDEFINED,
    Baselines,
    MetricValue,
    PublishedFigure,
    TaskScores,
    Values,
)
from kotune.runs.task_data import TaskData
from kotune.runs.unfinished import Note, RefusedNote
from kotune.score import borrowed
from kotune.score.baselines import Lines, References
from kotune.score.harness import Loaded, Logged, load_task
from kotune.score.memory import is_exhausted
from kotune.score.model import harness_model, load_base, load_model
from kotune.score.samples import (
    SampleRow,
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


class Evaluated(NamedTuple):
    """A task's metrics, and its samples as samples/<variant>/<task>.jsonl holds them."""

    values: Values
    samples: list[SampleRow]


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
    entries = {task.name: _entry(root, task, references) for task in loaded}
    write_json(root / layout.SCORES, {name: entry.as_json() for name, entry in entries.items()})


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
    note = _done(root, task, "base")
    return note is not None and note.is_unchecked


def _check(root: Path, task: Loaded, model: Any, limit: int | None, tolerance: float) -> None:
    """Another run's base answers become this run's, with the items that were asked again, or are
    forgotten, with the reason."""
    path, place = note_path(root, task.name, "base"), samples_path(root, "base", task.name)
    note, docs = _noted(root, task.name, "base"), len(task.task.eval_docs)
    items = docs if limit is None else min(limit, docs)
    why, asked = borrowed.doubt(
        place,
        task,
        model.tokenizer,
        items,
        lambda chosen: evaluated(task, model, chosen).samples,
        tolerance,
    )
    if not why and not _is_told_right(note, place):
        why = "the scores beside them do not follow from them"
    if why:
        refused = RefusedNote.model_validate({"from": note.origin, "why": why})
        print(f"{task.name}: base answers of {note.origin} are not used: {why}", flush=True)
        path.unlink()
        write_json(refused_path(root, task.name), refused.as_json())
    else:
        write_json(path, {**note.as_json(), "checked": asked})


def _is_told_right(note: Note, samples: Path) -> bool:
    """Whether number and scores in a note are those of the samples."""
    rows = lines_of(samples)
    made, told = (_json(values) for values in (metrics({}, rows), note.values))
    return note.n == len(rows) and borrowed.is_near(made, told, borrowed.EXACT)


def _json(values: Values) -> dict[str, object]:
    return {name: value.as_json() for name, value in values.items()}


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
        references.of(task, evaluated(task, model, REHEARSED).samples)


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
    result: Evaluated,
    written: list[int],
) -> None:
    """Write one variant's samples of a task and, last, their note in scored/, so that a kill costs
    one such pair at most. `written`: sizes of the batches that answers were written in; none where
    they were chosen."""
    samples = result.samples
    items = [item_of(sample, task) for sample in samples]
    note = Note(
        n=len(samples),
        values=result.values,
        sha256=write_samples(root, variant, task.name, samples),
        items=write_samples(root, "items", task.name, items),
        batches=sorted(set(written)),
    )
    write_json(note_path(root, task.name, variant), note.as_json())


def _done(root: Path, task: str, variant: str) -> Note | None:
    """The note on a variant's samples of a task; None unless the samples are there unchanged."""
    note, path = read_note(note_path(root, task, variant)), samples_path(root, variant, task)
    if note is None or (variant == "tuned" and not note.items):  # whose note has the items' digest
        return None
    return note if path.exists() and sha256(path) == note.sha256 else None


def _noted(root: Path, task: str, variant: str) -> Note:
    """The note on samples that are done. StageError if something removed it meanwhile."""
    path = note_path(root, task, variant)
    if (note := read_note(path)) is None:
        raise StageError(f"{path}: missing or damaged meanwhile; run the same command again")
    return note


def _entry(root: Path, task: Loaded, references: References) -> TaskScores:
    """A task's scores, from the notes on its variants; writes its baselines' samples."""
    base, tuned = (_noted(root, task.name, variant) for variant in VARIANTS)
    card, samples = task.card, lines_of(samples_path(root, "tuned", task.name))
    digests = {"base": base.sha256, "tuned": tuned.sha256, "items": str(tuned.items)}
    baselines = _baselines(root, references.of(task, samples), task.name, digests)
    names = dict.fromkeys((*base.values, *tuned.values))
    return TaskScores(
        version=card.version,
        criterion=card.criterion,
        chance=dict(card.chance),
        published=[PublishedFigure(**asdict(figure)) for figure in card.published],
        sha256=digests,
        n=tuned.n,
        base=_aligned(base.values, names),
        tuned=_aligned(tuned.values, names),
        base_from=base.origin,
        batches={"base": base.batches or [], "tuned": tuned.batches or []},
        proven=proven(root).get(task.name),
        references=baselines,
    )


def _baselines(root: Path, made: Lines, task: str, digests: dict[str, str]) -> Baselines:
    """The scores of a task's baselines; writes their samples and adds their digests."""
    for name, rows in made.samples.items():
        digests[name] = write_samples(root, name, task, rows)
    lines = {name: metrics({}, rows) for name, rows in made.samples.items()}
    return Baselines(rows=made.rows, absent=made.absent, lines=lines)


def evaluated(task: Loaded, model: Any, limit: int | Sequence[int] | None) -> Evaluated:
    """Ask the model. `limit`: as for Loaded.evaluate()."""
    import torch

    torch.manual_seed(SEED)  # base and tuned, and a run again, draw from the same numbers
    model.written = []
    result = _result(task, model, limit)
    samples = [sample_of(sample, task) for sample in result["samples"][task.name]]
    if task.generates:
        count_thoughts(samples, model.tokenizer)
    return Evaluated(metrics(result["results"][task.name], samples), samples)


def _result(task: Loaded, model: Any, limit: int | Sequence[int] | None) -> Logged:
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


def _aligned(values: Values, names: Iterable[str]) -> Values:
    """The values of all metrics of base or tuned, undefined where only the other one has it: one of
    them may think and the other not."""
    return {name: values.get(name, UNDEFINED) for name in names}


def metrics(result: Logged, samples: list[SampleRow]) -> Values:
    """lm-eval's `acc,none` by metric, with `n` the items that have it. The
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
        values[name] = MetricValue(value=_finite(mean), stderr=_finite(error), n=len(items))
    return values


def _finite(value: Any) -> float | None:
    """A number that JSON can hold; None for NaN (no whole premise under --limit, a single
    cluster)."""
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
