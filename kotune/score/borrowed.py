"""Base answers that lie in another run's folder are believed only after two looks. All of them are
what the task's own code makes of what the model is said to have answered; and a few, drawn at
random, are what this run's base model answers now.

Whoever edits a run knows every digest in it and can write them anew. What the model answers is the
one thing that cannot be written, and nobody knows beforehand which items it is asked: they are
drawn from the system's own randomness."""

import json
import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kotune.runs.reading import lines_of
from kotune.score.harness import Loaded
from kotune.score.samples import SampleRow, count_thoughts, sample_of

SHARE, LEAST = 0.02, 20  # of the items are asked again, but at least so many, and at most all
EXACT = 1e-6  # how far a figure may be off that is calculated again from the same answers
# How far a choice's log-likelihood x may move, as a part of 1 + |x|, where the same question stands
# among others in a batch.
NEAR, COARSE = 1e-4, 0.03
LONGEST = 100_000  # characters of an answer; no task lets a model write as much
# Of a sample: what follows from the answer; the rest is the question's.
LATER = ("logprobs", "metrics", "prediction")
UNFIT = (ArithmeticError, LookupError, RecursionError, TypeError, ValueError, AttributeError)


def drawn(items: int) -> list[int]:
    """The numbers of the items that are asked again, in rising order."""
    return sorted(
        secrets.SystemRandom().sample(
            range(items), min(items, max(LEAST, math.ceil(SHARE * items)))
        )
    )


def tolerance(base: Mapping[str, str | None]) -> float:
    """How far log-likelihoods may be apart for a base model that is loaded so: in float32, or in
    anything coarser."""
    return NEAR if base.get("base_precision") == base.get("compute_dtype") == "float32" else COARSE


def stored(path: Path, items: int) -> list[SampleRow] | None:
    """The samples of a file, None where they are not those of the first `items` items, one each."""
    try:
        found = lines_of(path)
    except UNFIT:
        return None
    whole = all(
        isinstance(sample, dict) and sample.get("doc_id") == at for at, sample in enumerate(found)
    )
    return found if whole and len(found) == items else None


def is_consistent(samples: list[SampleRow], task: Loaded, tokenizer: Any) -> bool:
    """Whether all samples are what scoring makes of their answers: the task's items, and metrics
    that follow."""
    try:
        made = [_made_again(sample, task) for sample in samples]
        if task.generates:
            count_thoughts(made, tokenizer)
        return is_near(json.loads(json.dumps(made)), samples, EXACT)
    except UNFIT:  # a type, a length or a number that no model gives
        return False


def unlike(samples: list[SampleRow], asked: Sequence[SampleRow], tolerance: float) -> int | None:
    """The number of the first item to which the model now gives another answer than is stored; None
    where it gives none."""
    fresh: list[SampleRow] = json.loads(json.dumps(asked))
    return next(
        (new["doc_id"] for new in fresh if not _is_same(samples[new["doc_id"]], new, tolerance)),
        None,
    )


def _is_same(old: SampleRow, new: SampleRow, tolerance: float) -> bool:
    """Which choice is likeliest is not compared: of two that are as likely it may be either, and
    is_consistent() sees to it that the stored one is that of the stored likelihoods."""
    question = {key: value for key, value in new.items() if key not in LATER}
    if question != {key: value for key, value in old.items() if key not in LATER}:
        return False
    if "logprobs" in new:
        return is_near(new["logprobs"], old.get("logprobs"), tolerance)
    return bool(new["prediction"] == old.get("prediction"))


def _made_again(sample: SampleRow, task: Loaded) -> SampleRow:
    """A sample as scoring makes it of a document and of what a model answered to it."""
    from lm_eval.utils import hash_string

    doc = task.task.eval_docs[sample["doc_id"]]
    answer: list[Any] = (
        [sample["prediction"]] if task.generates else [(each, False) for each in sample["logprobs"]]
    )
    if task.generates and not (isinstance(answer[0], str) and len(answer[0]) <= LONGEST):
        raise ValueError("no answer")
    target, metrics = task.task.doc_to_target(doc), task.task.process_results(doc, answer)
    told = {
        "doc_id": sample["doc_id"],
        "doc": doc,
        "target": target,
        "target_hash": hash_string(str(target)),
        "prompt_hash": sample["prompt_hash"],
        "filtered_resps": answer,
        "metrics": list(metrics),
        **metrics,
    }
    return sample_of(told, task)


def is_near(one: Any, other: Any, tolerance: float) -> bool:
    """Whether two JSON values are the same, a number x within `tolerance` times 1 + |x|."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            is_near(one[key], other[key], tolerance) for key in one
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_near, one, other, [tolerance] * len(one)))
    if _is_number(one) and _is_number(other):
        return (
            one == other
            or abs(one - other) <= tolerance * (1 + abs(one))
            or (math.isnan(one) and math.isnan(other))
        )
    return type(one) is type(other) and bool(one == other)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def doubt(
    path: Path,
    task: Loaded,
    tokenizer: Any,
    items: int,
    ask: Callable[[list[int]], list[SampleRow]],
    tolerance: float,
) -> tuple[str, list[int]]:
    """Why the samples in a file are not to be believed, empty where they are; and the items that
    were asked again. `ask` gives the model's samples of the items with these numbers."""
    if task.draws:
        return "its answers are drawn at random, so that they cannot be asked for again", []
    samples = stored(path, items)
    if samples is None:
        return "they are not one answer to each item", []
    chosen = drawn(items)
    if (wrong := unlike(samples, ask(chosen), tolerance)) is not None:
        return f"the base model answers item {wrong} otherwise", chosen
    if not is_consistent(samples, task, tokenizer):
        return "their metrics or questions do not follow from the answers", chosen
    return "", chosen
