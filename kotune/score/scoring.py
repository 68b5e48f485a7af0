"""Scores the base and the tuned model with lm-evaluation-harness. Both are scored in one process
with one loaded model. The adapter is switched off for the base model.

Items, prompts and batch shapes are the same for both. The base model has the precision in which the
adapter was trained."""

import math
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from heapq import nlargest
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from kodata.card import TrainingRow
from kodata.errors import shown
from kodata.metrics.metrics import MEAN, METRICS
from kodata.metrics.resampling import stderr, value
from kotune import layout
from kotune.errors import StageError
from kotune.models.hub import tokenizer_of
from kotune.recipe.schema import Limit
from kotune.runs.folder import sha256, write_json
from kotune.runs.reading import lines_of, proof_statuses
from kotune.runs.records import (
    UNDEFINED,
    Baselines,
    FewShot,
    MetricValue,
    PublishedFigure,
    TaskScores,
    Values,
)
from kotune.runs.task_data import TaskData
from kotune.runs.unfinished import Note, RefusedNote
from kotune.score import borrowed, few_shot
from kotune.score.baselines import BaselineAnswers, BaselineScorer
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

ADVICE = "end other processes on it, or use a GPU with more memory; finished scores are kept"
SEED = 1234  # lm-eval's default; used by tasks that sample answers
VARIANTS = ("base", "tuned")
REHEARSED = 2  # items of each task that are scored before training
REHEARSED_TOKENS = 32  # of an answer: a real model would write 256 or 2,048 tokens for minutes
LONGEST = 20  # questions of a task whose length is checked if the prompt has examples
REHEARSED_ROWS = 300  # training rows that baselines learn from in the rehearsal


class Evaluated(NamedTuple):
    """A task's metrics, and its samples in the form of samples/<variant>/<task>.jsonl."""

    values: Values
    samples: list[SampleRow]


def score(
    root: Path,
    tasks: dict[str, TaskData],
    base: dict[str, str | None],
    limit: Limit,
    variants: Sequence[str] = VARIANTS,
) -> None:
    """Write `samples/<variant>/<task>.jsonl`, the questions as `samples/items/<task>.jsonl`, the
    baselines' answers as `samples/<baseline>/<task>.jsonl`, and scores.json last.

    A task is not scored again if scored/ already has its result for the same inputs
    (checkpoints.keep_matching).

    `tasks`: how the data of each task are read. `base`: how the base model is loaded. Its keys are
    base_precision (`nf4` or the name of a dtype), compute_dtype, model (hub id or folder) and
    model_revision (the hub commit used in training, None for a folder). `variants`: VARIANTS, or
    `base` alone if the run folder has no adapter."""
    meter = import_module("kotune.worker.meter").Meter(root)  # no part of the code digest
    loaded, chosen = [load_task(name, data) for name, data in tasks.items()], few_shot.read(root)
    limits = {task.name: task.quick() if limit == "quick" else limit for task in loaded}
    unchecked = [task for task in loaded if _is_unchecked(root, task.name)]
    todo = [*_todo(root, loaded, variants), *_few_shot_todo(root, loaded, chosen)]
    if unchecked or todo:
        is_tuned = "tuned" in variants
        model = load_model(root, base, is_tuned)
        model.meter = meter
        for task in unchecked:
            with _as_base(model):
                _check(root, task, model, limits[task.name], borrowed.tolerance(base))
        # Checked answers may have been rejected, so what is to do is found again.
        todo = [*_todo(root, loaded, variants), *_few_shot_todo(root, loaded, chosen)]
        for task, variant in todo:
            rows = chosen[task.name] if variant == few_shot.NAME else []
            model.examples = few_shot.turns(rows)
            if rows and _is_too_long(task, model, limits[task.name]):
                continue
            with nullcontext() if variant == "tuned" or not is_tuned else _as_base(model):
                result = evaluated(task, model, limits[task.name], variant)
                _write(root, variant, task, result, getattr(model, "generation_batches", []))
    baselines, entries = BaselineScorer(root), {}
    meter.begin("baselines", len(loaded), "tasks")
    for task in loaded:
        entries[task.name] = _entry(root, task, baselines, variants)
        meter.add(1)
    write_json(root / layout.SCORES, {name: entry.as_json() for name, entry in entries.items()})


def _as_base(model: Any) -> AbstractContextManager[None]:
    """Context manager: the adapter is switched off."""
    context: AbstractContextManager[None] = model.model.disable_adapter()
    return context


def _todo(root: Path, tasks: list[Loaded], variants: Sequence[str]) -> list[tuple[Loaded, str]]:
    """The pairs of task and variant whose samples are not complete. The last variant's samples are
    complete only if it also wrote the questions."""
    notes = (
        (task, variant, _done(root, task.name, variant)) for task in tasks for variant in variants
    )
    return [
        (task, variant)
        for task, variant, note in notes
        if note is None or (variant == variants[-1] and not note.items)
    ]


def _few_shot_todo(
    root: Path, tasks: list[Loaded], chosen: few_shot.Chosen
) -> list[tuple[Loaded, str]]:
    """The tasks that the base model is to answer with examples in its prompt."""
    return [
        (task, few_shot.NAME)
        for task in tasks
        if chosen.get(task.name) and _done(root, task.name, few_shot.NAME) is None
    ]


def _is_too_long(task: Loaded, model: Any, limit: int | None) -> bool:
    """Whether a prompt with the model's examples, and its answer, exceed the model's maximum
    length. lm_eval would cut the beginning of the prompt. The LONGEST questions are counted."""
    model.turns_by_text = task.turns_by_text()
    docs = [*islice(task.task.eval_docs, _items(task, limit))]
    for doc in nlargest(LONGEST, docs, key=lambda doc: len(task.question(doc))):
        prompt = model.apply_chat_template([{"role": "user", "content": task.question(doc)}])
        if task.generates:
            answer = int(task.task.config.generation_kwargs["max_gen_toks"])
        else:
            answer = max(len(model.tok_encode(text)) for text in task.task.doc_to_choice(doc))
        if len(model.tok_encode(prompt)) + answer > model.max_length:
            print(f"{task.name}: not scored with examples; a prompt is too long", flush=True)
            return True
    return False


def _is_unchecked(root: Path, task: str) -> bool:
    """Whether a task's base answers come from another run (kotune.score.base_answers) and are not
    verified yet."""
    note = _done(root, task, "base")
    return note is not None and note.is_unchecked


def _check(root: Path, task: Loaded, model: Any, limit: int | None, tolerance: float) -> None:
    """Verify base answers that come from another run. If they pass, record which items the model
    answered again. Otherwise discard the answers and record the reason."""
    path, samples = note_path(root, task.name, "base"), samples_path(root, "base", task.name)
    note, items = _noted(root, task.name, "base"), _items(task, limit)

    why, asked = borrowed.find_doubt(
        samples,
        task,
        model.tokenizer,
        items,
        lambda chosen: evaluated(task, model, chosen, "base, verification").samples,
        tolerance,
    )
    if not why and not _has_same_scores(note, samples):
        why = "the recorded scores do not follow from them"
    if why:
        refused = RefusedNote.model_validate({"from": note.origin, "why": why})
        print(f"{task.name}: base answers of {note.origin} are not used: {why}", flush=True)
        path.unlink()
        write_json(refused_path(root, task.name), refused.as_json())
    else:
        write_json(path, {**note.as_json(), "checked": asked})


def _items(task: Loaded, limit: int | Sequence[int] | None) -> int:
    """The number of a task's items that are scored. `limit`: as in Loaded.evaluate()."""
    docs = len(task.task.eval_docs)
    if isinstance(limit, Sequence):
        return len(limit)
    return docs if limit is None else min(limit, docs)


def _has_same_scores(note: Note, path: Path) -> bool:
    """Whether the number of items and the scores in a note agree with the samples."""
    rows = lines_of(path)
    computed, recorded = (_json(values) for values in (metrics({}, rows), note.values))
    return note.n == len(rows) and borrowed.is_near(computed, recorded, borrowed.EXACT)


def _json(values: Values) -> dict[str, object]:
    return {name: value.as_json() for name, value in values.items()}


def rehearse(
    root: Path, base: str, revision: str | None, tokenizer: Any, tasks: Iterable[Loaded]
) -> None:
    """Score two items of every task with the untrained model and with the baselines, without
    writing scores. Errors in scoring thus appear before training, which can take hours.

    `base` and `revision`: the hub id or folder of the base model, and its hub commit. `tokenizer`:
    the tokenizer with the recipe's own tokens and template."""
    untrained = load_base(
        base, {"base_precision": "auto", "compute_dtype": "auto", "model_revision": revision}
    )
    _refuse_more_tokens(base, revision, untrained, tokenizer)
    model, baselines = harness_model(untrained, tokenizer), BaselineScorer(root, REHEARSED_ROWS)
    model.longest = REHEARSED_TOKENS
    for task in tasks:
        baselines.of(task, evaluated(task, model, REHEARSED).samples)


def _refuse_more_tokens(base: str, revision: str | None, model: Any, tokenizer: Any) -> None:
    """Raise StageError if the recipe adds tokens for which the base model has no embeddings. With
    random embeddings for them, base and tuned could not be compared.

    Special tokens of the model's own tokenizer are allowed. Gemma 3's text models have such a
    token, for images. No text of a run contains it: kotune.parity refuses special tokens."""
    rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) <= rows:
        return
    own = tokenizer_of(base, revision).added_tokens_decoder.values()
    special = {str(token) for token in own if token.special}
    names = tokenizer.convert_ids_to_tokens([*range(rows, len(tokenizer))])
    if added := [name for name in names if name not in special]:
        raise StageError(
            f"model {base}: its embedding has {rows:,} tokens, but its tokenizer, with the recipe's"
            f" own tokens, {len(tokenizer):,} ({', '.join(map(shown, added[:3]))}, ...), so base"
            " and tuned could not be compared; remove new tokens from axolotl.tokens and"
            " axolotl.special_tokens, or rename reserved ones with axolotl.added_tokens_overrides;"
            " if the recipe adds none, choose another model"
        )


def _write(root: Path, variant: str, task: Loaded, result: Evaluated, batches: list[int]) -> None:
    """Write a variant's samples of a task, then the note on them in scored/. If the process is
    killed, at most one task of one variant is lost. `batches`: the batch sizes of generated
    answers; empty for choice tasks."""
    samples = result.samples
    items = [item_of(sample, task) for sample in samples]
    note = Note(
        n=len(samples),
        values=result.values,
        sha256=write_samples(root, variant, task.name, samples),
        items=write_samples(root, "items", task.name, items),
        batches=sorted(set(batches)),
    )
    write_json(note_path(root, task.name, variant), note.as_json())


def _done(root: Path, task: str, variant: str) -> Note | None:
    """The note on a variant's samples of a task. None if the note is missing or does not match the
    samples."""
    note, path = read_note(note_path(root, task, variant)), samples_path(root, variant, task)
    return note if note and path.exists() and sha256(path) == note.sha256 else None


def _noted(root: Path, task: str, variant: str) -> Note:
    """The note on finished samples. Raises StageError if the note was removed or damaged
    meanwhile."""
    path = note_path(root, task, variant)
    if (note := read_note(path)) is None:
        raise StageError(f"{path}: missing or damaged; run the same command again")
    return note


def _entry(
    root: Path, task: Loaded, scorer: BaselineScorer, variants: Sequence[str] = VARIANTS
) -> TaskScores:
    """A task's scores, from the notes on the variants. Also writes the samples of the task's
    baselines."""
    noted = {variant: _noted(root, task.name, variant) for variant in variants}
    base, last = noted["base"], noted[variants[-1]]
    card, samples = task.card, lines_of(samples_path(root, variants[-1], task.name))
    digests = {variant: note.sha256 for variant, note in noted.items()}
    digests["items"] = str(last.items)
    baselines = _baselines(root, scorer.of(task, samples), task.name, digests)
    with_examples = _done(root, task.name, few_shot.NAME)
    if with_examples:
        digests[few_shot.NAME] = with_examples.sha256
        lines = {few_shot.NAME: with_examples.values, **baselines.lines}
        baselines = baselines.model_copy(update={"lines": lines})
    names = dict.fromkeys(name for note in noted.values() for name in note.values)
    return TaskScores(
        version=card.version,
        criterion=card.criterion,
        chance=dict(card.chance),
        published=[PublishedFigure(**asdict(figure)) for figure in card.published],
        sha256=digests,
        n=last.n,
        base=_aligned(base.values, names),
        tuned=_aligned(noted["tuned"].values, names) if "tuned" in noted else {},
        base_from=base.origin,
        batches={variant: note.batches or [] for variant, note in noted.items()},
        proven=proof_statuses(root).get(task.name),
        references=baselines,
        few_shot=_few_shot(few_shot.read(root).get(task.name), with_examples is not None),
    )


def _few_shot(rows: list[TrainingRow] | None, is_scored: bool) -> FewShot | None:
    """The record of the examples in the base model's prompt. `rows`: the chosen rows; None if no
    examples were asked for."""
    if rows is None:
        return None
    absent = None if is_scored else "too long" if rows else "too few"
    return FewShot(guids=[row["guid"] for row in rows], absent=absent)


def _baselines(
    root: Path, answers: BaselineAnswers, task: str, digests: dict[str, str]
) -> Baselines:
    """The scores of a task's baselines. Also writes their samples and adds their digests."""
    for name, rows in answers.samples.items():
        digests[name] = write_samples(root, name, task, rows)
    lines = {name: metrics({}, rows) for name, rows in answers.samples.items()}
    return Baselines(rows=answers.rows, absent=answers.absent, lines=lines)


def evaluated(
    task: Loaded, model: Any, limit: int | Sequence[int] | None, what: str = ""
) -> Evaluated:
    """Score a task with a model. `limit`: as in Loaded.evaluate(). `what`: what is scored, for the
    model's `meter`, if it has one. Raises StageError if the GPU's memory is too small for one
    question."""
    import torch

    if meter := getattr(model, "meter", None):
        meter.begin(f"{task.name}, {what}", _items(task, limit), "items")
    torch.manual_seed(SEED)  # base, tuned and repeated runs use the same random numbers
    model.generation_batches, model.ended = [], []
    result = _result(task, model, limit)
    samples = [sample_of(sample, task) for sample in result["samples"][task.name]]
    if task.generates:
        count_thoughts(samples, model.tokenizer)
        for sample, ended in zip(samples, model.ended, strict=bool(model.ended)):
            if ended is not None:
                sample["ended"] = ended
    return Evaluated(metrics(result["results"][task.name], samples), samples)


def _result(task: Loaded, model: Any, limit: int | Sequence[int] | None) -> Logged:
    """lm-eval's result, in batches that fit into the GPU's memory (kotune.score.memory).

    In float32, the batch size changes no answer, and it changes log-likelihoods by less than 1e-4
    (benchmarks/tasks.py). In 16 bits, answers may also change if two tokens are almost equally
    likely."""
    try:
        return task.evaluate(model, limit)
    except RuntimeError as error:
        if not is_exhausted(error):
            raise
    raise StageError(
        f"score {task.name}: out of GPU memory, even with a batch of one question; {ADVICE}"
    )


def _aligned(values: Values, names: Iterable[str]) -> Values:
    """A variant's values of the metrics `names`: all metrics that base or tuned has. A metric is
    undefined if only the other variant has it. For example, only one of the two variants may write
    thoughts."""
    return {name: values.get(name, UNDEFINED) for name in names}


def metrics(result: Logged, samples: list[SampleRow]) -> Values:
    """The value of each metric in the samples, by name. If `result`, lm-eval's result, has the
    metric (for example as `acc,none`), its value is used. Otherwise the value is computed from the
    samples. `n` is the number of items with the metric.

    The standard error is a bootstrap over clusters. lm-eval's own standard error is not used: it
    assumes that items with the same premise are independent, and it exists only for means. An
    undefined value or standard error is None."""
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
        values[name] = MetricValue(value=_finite(mean), stderr=_finite(error), n=len(items))
    return values


def _finite(value: Any) -> float | None:
    """A number for JSON; None if the value is NaN, infinite or no number. A single cluster gives
    NaN, and so does a --limit that leaves no complete premise."""
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
