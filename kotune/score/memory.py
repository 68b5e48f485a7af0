"""Scores in batches that fit into the GPU's memory. If memory runs out, the batch size is halved.
Answers that are already computed are kept."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from kotune.train.out_of_memory import EXHAUSTED

T = TypeVar("T")


def is_exhausted(error: BaseException) -> bool:
    """Whether an error from torch or the driver reports that the GPU is out of memory."""
    return isinstance(error, RuntimeError) and bool(
        EXHAUSTED.search(f"{type(error).__name__}: {error}")
    )


def batch_size(model: Any) -> int:
    """The batch size of lm_eval's HF model, or the maximum batch size if the batch size is
    `auto`."""
    size = model.batch_size_per_gpu
    return int(model.max_batch_size if size == "auto" else size)


def within_memory(model: Any, attempt: Callable[[], T]) -> T:
    """Call `attempt` and return its result. If the GPU runs out of memory, halve `model`'s batch
    size and call `attempt` again. Raises torch's error if memory is too small for a batch size of
    1."""
    import torch

    while True:
        try:
            return attempt()
        except RuntimeError as error:
            if not is_exhausted(error) or batch_size(model) == 1:
                raise
        # The next lines are outside the except block, because within it the error still keeps the
        # batch's tensors in memory.
        model.batch_size_per_gpu = batch_size(model) // 2
        torch.cuda.empty_cache()
        print(f"out of memory: continuing with batches of {model.batch_size_per_gpu}", flush=True)


class AnswerRecorder:
    """A wrapper around lm_eval's cache hook. lm_eval calls the hook with each new answer. The
    wrapper stores the answer and passes it on to the hook."""

    def __init__(self, hook: Any, meter: Any = None) -> None:
        """`meter` counts log-likelihoods (kotune.worker.meter); None: they are not counted.
        Generated answers are counted in kotune.score.model."""
        self.hook, self._meter = hook, meter
        self._answers: dict[str, list[Any]] = {}

    def add_partial(self, kind: str, request: Any, answer: Any) -> None:
        from lm_eval.api.model import hash_args

        self._answers.setdefault(hash_args(kind, request), []).append(answer)
        self.hook.add_partial(kind, request, answer)
        if self._meter and kind == "loglikelihood":
            self._meter.add(1)

    def take(self, kind: str, request: Any) -> list[Any]:
        """Remove and return the next stored answer to a request: a list with one answer, or an
        empty list.

        Each answer is returned only once, because tasks that sample answers send the same request
        several times. A request of None is part of a longer text. lm_eval does not cache such
        parts, so the list is empty."""
        from lm_eval.api.model import hash_args

        answers = self._answers.get(hash_args(kind, request), []) if request is not None else []
        return [answers.pop(0)] if answers else []


def answers_within_memory(
    model: Any,
    kind: str,
    requests: Sequence[tuple[Any, T]],
    ask: Callable[[list[T]], list[Any]],
    used: list[int],
) -> list[Any]:
    """The answers to the requests, in their order. lm_eval's own method `ask` computes them in
    batches that fit into memory. If memory runs out, answered requests are not sent again.

    `kind`: lm_eval's name for the kind of request, such as `loglikelihood`. `requests`: pairs of a
    cache key and a request. `used`: a list; each batch size that produced answers is appended."""
    done: dict[int, Any] = {}
    model.cache_hook = hook = AnswerRecorder(model.cache_hook, model.meter)

    def attempt() -> None:
        open_numbers = [number for number in range(len(requests)) if number not in done]
        size, before = batch_size(model), len(done)
        try:
            answers = ask([requests[number][1] for number in open_numbers])
            done.update(zip(open_numbers, answers, strict=True))
        except RuntimeError:
            for number in open_numbers:
                for answer in hook.take(kind, requests[number][0]):
                    done[number] = answer
            raise
        finally:
            if len(done) > before:
                used.append(size)

    try:
        within_memory(model, attempt)
    finally:
        model.cache_hook = hook.hook
    return [done[number] for number in range(len(requests))]
