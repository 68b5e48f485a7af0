"""Memory that is too small halves the batches; what was answered by then is not asked again."""

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kodata.progress import Progress
from kotune.score import memory
from kotune.worker import meter
from tests.score import random_models
from tests.score.random_models import ours

torch = pytest.importorskip("torch")
TOO_SMALL = "CUDA out of memory"


def needs(room: int, tried: list[int], model: Any, error: Exception) -> Any:
    """Work that is done in batches of at most `room`."""

    def attempt() -> str:
        tried.append(memory.batch_size(model))
        if tried[-1] > room:
            raise error
        return "done"

    return attempt


@pytest.mark.parametrize(
    ("start", "room", "sizes"),
    [
        (32, 32, [32]),
        (32, 8, [32, 16, 8]),
        (32, 1, [32, 16, 8, 4, 2, 1]),
        (5, 1, [5, 2, 1]),
        ("auto", 20, [64, 32, 16]),
    ],
)
@pytest.mark.parametrize(
    "words", [TOO_SMALL, "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED"]
)
def test_batches_are_halved_until_they_fit(
    start: int | str, room: int, sizes: list[int], words: str
) -> None:
    model, tried = SimpleNamespace(batch_size_per_gpu=start, max_batch_size=64), list[int]()
    error = torch.OutOfMemoryError(words) if words == TOO_SMALL else RuntimeError(words)
    assert memory.within_memory(model, needs(room, tried, model, error)) == "done"
    assert tried == sizes and memory.batch_size(model) == sizes[-1]


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError(TOO_SMALL), RuntimeError("an index is out of range")]
)
def test_what_smaller_batches_do_not_help_is_raised(error: Exception) -> None:
    model, tried = SimpleNamespace(batch_size_per_gpu=4), list[int]()
    with pytest.raises(type(error), match=str(error)):
        memory.within_memory(model, needs(0, tried, model, error))
    assert tried == ([4, 2, 1] if "memory" in str(error) else [4])


class Full:
    """A model's forward pass that once, at its `fails`th call, has no memory. `read`: the rows of
    ids that it did read."""

    def __init__(self, model: Any, fails: int) -> None:
        self.forward, self.fails, self.calls, self.read = (
            model.forward,
            fails,
            0,
            list[tuple[int, ...]](),
        )

    def __call__(self, *ids: Any, **named: Any) -> Any:
        self.calls += 1
        if self.calls == self.fails:
            raise torch.OutOfMemoryError(TOO_SMALL)
        self.read += map(tuple, (ids[0] if ids else named["input_ids"]).tolist())
        return self.forward(*ids, **named)


def full(model: Any, fails: int) -> Full:
    model.forward = made = Full(model, fails)
    return made


def questions(number: int) -> list[Any]:
    """Contexts of one length, with two choices that part at once; the first ids say whose they
    are."""
    return [
        ((f"{at}", str(choice)), [at + 1, *range(40)], [choice, 3])
        for at in range(number)
        for choice in (5, 6)
    ]


@pytest.mark.parametrize("fails", [1, 2, 3, 4])
def test_log_likelihoods_of_finished_batches_are_kept(fails: int) -> None:
    model, requests = random_models.made("llama"), questions(9)
    made = ours(model, batch_size=4)
    # Two passes for each three contexts.
    expected = made._loglikelihood_tokens(requests, disable_tqdm=True)
    now = full(model, fails)
    found = made._loglikelihood_tokens(requests, disable_tqdm=True)
    assert made.batch_size_per_gpu == 2
    assert [value for value, _ in found] == pytest.approx(
        [value for value, _ in expected], abs=1e-4
    )
    contexts = [row[0] for row in now.read if len(row) > 1]
    # Where the second pass of a batch fails, its contexts were read already.
    again = 3 if fails in (2, 4) else 0
    assert len(contexts) == 9 + again and set(contexts) == {*range(1, 10)}


@pytest.mark.parametrize("repeats", [1, 2], ids=["each once", "the same twice"])
def test_answers_of_finished_batches_are_kept(repeats: int) -> None:
    """The fault comes after the first batch of lm_eval's was written to its end."""
    model = random_models.made("llama")
    made, settings = (
        ours(model, batch_size=2),
        {"until": ["###"], "max_gen_toks": 3, "do_sample": False},
    )
    texts = [f"{'비' * length}가 온다" for length in (6, 5, 4, 3)]
    requests = [SimpleNamespace(args=(text, settings)) for text in texts for _ in range(repeats)]
    expected = made.generate_until(requests, disable_tqdm=True)
    asked: list[list[str]] = []
    generate = model.generate

    def once_too_large(input_ids: Any, **named: Any) -> Any:
        asked.append(made.tokenizer.batch_decode(input_ids, skip_special_tokens=True))
        if len(asked) == 2:
            raise torch.OutOfMemoryError(TOO_SMALL)
        return generate(input_ids=input_ids, **named)

    model.generate = once_too_large
    hook = made.cache_hook
    assert made.generate_until(requests, disable_tqdm=True) == expected
    # Answers alone have smaller batches from here on.
    assert (made.most, made.batch_size_per_gpu) == (1, 2)
    assert made.generation_batches == [2, 1]  # both sizes gave answers
    assert made.cache_hook is hook
    assert [len(batch) for batch in asked] == [2, 2] + [1] * (4 * repeats - 2)
    assert [text for batch in asked[2:] for text in batch] == [
        text for text in texts for _ in range(repeats)
    ][2:]


def test_a_model_that_shares_nothing_keeps_its_answers_too() -> None:
    model, requests = random_models.made("llama"), questions(4)
    made = ours(model, batch_size=2)
    made.shares = False
    expected = made._loglikelihood_tokens(requests, disable_tqdm=True)
    now = full(model, 3)
    found = made._loglikelihood_tokens(requests, disable_tqdm=True)
    assert [value for value, _ in found] == pytest.approx(
        [value for value, _ in expected], abs=1e-4
    )
    assert len(now.read) == len(requests) and made.batch_size_per_gpu == 1


def test_a_long_text_is_scored_whole_where_memory_is_too_small_and_nothing_is_shared() -> None:
    """lm_eval tells its cache of the whole text, and of no part."""
    model, asked = random_models.made("llama"), [SimpleNamespace(args=("비가 온다. " * 9,))]
    made = ours(model, batch_size=4, max_length=16)
    made.shares = False
    expected = made.loglikelihood_rolling(asked, disable_tqdm=True)
    full(model, 1)
    assert made.loglikelihood_rolling(asked, disable_tqdm=True) == pytest.approx(expected, abs=1e-4)
    assert made.batch_size_per_gpu == 2


@pytest.mark.parametrize("fails", [0, 2])
def test_finished_answers_are_counted_once_with_their_tokens(fails: int, tmp_path: Path) -> None:
    model, requests = random_models.made("llama"), questions(9)
    made = ours(model, batch_size=4)
    made._loglikelihood_tokens(requests, disable_tqdm=True)  # shares contexts from now on
    made.meter = meter.Meter(tmp_path, itertools.count().__next__)
    made.meter.begin("task, base", 9, "items")
    if fails:
        full(model, fails)
    made._loglikelihood_tokens(requests)
    # 41 ids of a context and one of each of two choices, whose last id is only predicted.
    assert meter.read(tmp_path) == Progress("task, base", 9, 9, "items", 9 * (41 + 2))


def test_written_answers_are_counted_with_their_tokens(tmp_path: Path) -> None:
    made = ours(random_models.made("llama"), batch_size=2)
    settings = {"until": ["###"], "max_gen_toks": 3, "do_sample": False}
    requests = [SimpleNamespace(args=(f"{at} 비가 온다", settings)) for at in range(4)]
    made.meter = meter.Meter(tmp_path, itertools.count().__next__)
    made.meter.begin("task, base", 4, "items")
    made.generate_until(requests, disable_tqdm=True)
    counted = meter.read(tmp_path)
    assert counted and (counted.done, counted.total) == (4, 4) and 4 <= counted.tokens <= 12


def test_answers_of_plain_lm_eval_are_counted(tmp_path: Path) -> None:
    made = ours(random_models.made("llama"), batch_size=4)
    made.shares = False
    made.meter = meter.Meter(tmp_path, itertools.count().__next__)
    made.meter.begin("task, base", 9, "items")
    made._loglikelihood_tokens(questions(9), disable_tqdm=True)
    counted = meter.read(tmp_path)
    assert counted and counted.done == 9
