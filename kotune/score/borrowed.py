"""Verifies answers of the base model that another run computed. There are two checks:

- For all items, the task's own code must compute the stored samples from the stored answers.
- For a few random items, this run's base model must give the stored answers again.

Digests do not detect a deliberate edit, because the editor can rewrite them too. But an editor
cannot know which items are drawn, because the operating system's random numbers decide."""

import json
import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kotune.runs.reading import lines_of
from kotune.score.harness import Loaded
from kotune.score.samples import SampleRow, count_thoughts, sample_of

# The share of items that are asked again, and their minimum number. If a task has fewer items, all
# of them are asked again.
SHARE, LEAST = 0.02, 20
EXACT = 1e-6  # tolerance of a value that is computed again from the same answers
# Two log-likelihoods count as the same if they differ by at most this value times 1 + |x|, where x
# is the new one. Other questions in the batch change them slightly. NEAR is for float32, COARSE for
# lower precisions.
NEAR, COARSE = 1e-4, 0.03
LONGEST = 100_000  # maximum characters of an answer; more than any task allows
FROM_ANSWER = ("logprobs", "metrics", "prediction")  # keys of a sample that depend on the answer
# The errors that computing with a malformed sample can raise.
MALFORMED = (ArithmeticError, LookupError, RecursionError, TypeError, ValueError, AttributeError)


def draw_items(items: int) -> list[int]:
    """The numbers of the items that are asked again, chosen at random and sorted."""
    number = min(items, max(LEAST, math.ceil(SHARE * items)))
    return sorted(secrets.SystemRandom().sample(range(items), number))


def tolerance(base: Mapping[str, str | None]) -> float:
    """The tolerance of log-likelihoods: NEAR if the base model is loaded and computed in float32,
    else COARSE. `base`: as in scoring.score()."""
    return NEAR if base.get("base_precision") == base.get("compute_dtype") == "float32" else COARSE


def read_stored(path: Path, items: int) -> list[SampleRow] | None:
    """The samples in a file. Returns None if the file is damaged, or if it does not have exactly
    one sample for each of the first `items` items, in order."""
    try:
        samples = lines_of(path)
    except MALFORMED:
        return None
    is_whole = all(
        isinstance(sample, dict) and sample.get("doc_id") == i for i, sample in enumerate(samples)
    )
    return samples if is_whole and len(samples) == items else None


def is_consistent(samples: list[SampleRow], task: Loaded, tokenizer: Any) -> bool:
    """Whether the samples belong to the task's items, and scoring computes the same metrics from
    the stored answers."""
    try:
        computed = [_recompute(sample, task) for sample in samples]
        if task.generates:
            count_thoughts(computed, tokenizer)
        return is_near(json.loads(json.dumps(computed)), samples, EXACT)
    except MALFORMED:  # a type, a length or a number that no model produces
        return False


def first_difference(
    samples: list[SampleRow], asked: Sequence[SampleRow], tolerance: float
) -> int | None:
    """The number of the first item whose new answer differs from the stored one; None if no answer
    differs. `samples`: the stored samples of all items. `asked`: the new samples of some items."""
    fresh: list[SampleRow] = json.loads(json.dumps(asked))
    return next(
        (new["doc_id"] for new in fresh if not _is_same(samples[new["doc_id"]], new, tolerance)),
        None,
    )


def _is_same(old: SampleRow, new: SampleRow, tolerance: float) -> bool:
    """Whether two samples have the same question and the same answer. For a choice task, the answer
    is its log-likelihoods, compared by is_near(). The most likely choice is not compared, because
    two choices may be equally likely. is_consistent() checks that the stored choice follows from
    the stored log-likelihoods."""
    question = {key: value for key, value in new.items() if key not in FROM_ANSWER}
    if question != {key: value for key, value in old.items() if key not in FROM_ANSWER}:
        return False
    if "logprobs" in new:
        return is_near(new["logprobs"], old.get("logprobs"), tolerance)
    return bool(new["prediction"] == old.get("prediction"))


def _recompute(sample: SampleRow, task: Loaded) -> SampleRow:
    """The sample that scoring computes from the document and the stored answer. Raises one of
    MALFORMED if the stored answer is malformed."""
    from lm_eval.utils import hash_string

    doc = task.task.eval_docs[sample["doc_id"]]
    answer: list[Any] = (
        [sample["prediction"]] if task.generates else [(each, False) for each in sample["logprobs"]]
    )
    if task.generates and not (isinstance(answer[0], str) and len(answer[0]) <= LONGEST):
        raise ValueError("no answer")
    target, metrics = task.task.doc_to_target(doc), task.task.process_results(doc, answer)
    logged = {
        "doc_id": sample["doc_id"],
        "doc": doc,
        "target": target,
        "target_hash": hash_string(str(target)),
        "prompt_hash": sample["prompt_hash"],
        "filtered_resps": answer,
        "metrics": list(metrics),
        **metrics,
    }
    row = sample_of(logged, task)
    if task.generates and "ended" in sample:
        row["ended"] = bool(sample["ended"])
    return row


def is_near(a: Any, b: Any, tolerance: float) -> bool:
    """Whether two JSON values are equal. Two numbers are equal if they differ by at most
    `tolerance` * (1 + |a|), where a is the first of them."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(is_near(a[key], b[key], tolerance) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(is_near, a, b, [tolerance] * len(a)))
    if _is_number(a) and _is_number(b):
        return a == b or abs(a - b) <= tolerance * (1 + abs(a)) or (math.isnan(a) and math.isnan(b))
    return type(a) is type(b) and bool(a == b)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def find_doubt(
    path: Path,
    task: Loaded,
    tokenizer: Any,
    items: int,
    ask: Callable[[list[int]], list[SampleRow]],
    tolerance: float,
) -> tuple[str, list[int]]:
    """Verify the samples in a file. Returns the reason to reject them (empty if there is none), and
    the numbers of the items that the model answered again.

    `items`: the number of items that this run scores. `ask` returns this run's samples for the
    given item numbers. `tolerance`: as in tolerance()."""
    if task.draws:
        return "the task samples its answers at random, so they cannot be verified", []
    samples = read_stored(path, items)
    if samples is None:
        return "they are not exactly one answer per item", []
    chosen = draw_items(items)
    if (wrong := first_difference(samples, ask(chosen), tolerance)) is not None:
        return f"the base model answers item {wrong} differently", chosen
    if not is_consistent(samples, task, tokenizer):
        return "their metrics or questions do not follow from the answers", chosen
    return "", chosen
