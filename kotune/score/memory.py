"""Scores in batches that fit into the GPU's memory. Batches are halved when memory runs out, and
finished answers are kept."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from kotune.train.out_of_memory import EXHAUSTED

T = TypeVar("T")


def is_exhausted(error: BaseException) -> bool:
    """Whether an error of torch or of the driver means that the GPU ran out of memory."""
    return isinstance(error, RuntimeError) and bool(
        EXHAUSTED.search(f"{type(error).__name__}: {error}")
    )


def batch_size(model: Any) -> int:
    """The batch size of lm_eval's HF model; the maximum if lm_eval determines it itself."""
    size = model.batch_size_per_gpu
    return int(model.max_batch_size if size == "auto" else size)


def within_memory(model: Any, attempt: Callable[[], T]) -> T:
    """The result of `attempt`. It is called again with half of `model`'s batch size as long as the
    GPU runs out of memory. Raises torch's own error if a batch of one is too large."""
    import torch

    while True:
        try:
            return attempt()
        except RuntimeError as error:
            if not is_exhausted(error) or batch_size(model) == 1:
                raise
        # Outside the except block, where the error no longer holds the batch's tensors.
        model.batch_size_per_gpu = batch_size(model) // 2
        torch.cuda.empty_cache()
        print(f"out of memory: continuing with batches of {model.batch_size_per_gpu}", flush=True)


class AnswerRecorder:
    """lm_eval's cache hook, which is called with each new answer. It also keeps the answers to each
    request."""

    def __init__(self, hook: Any) -> None:
        self.hook = hook
        self._answers: dict[str, list[Any]] = {}

    def add_partial(self, kind: str, request: Any, answer: Any) -> None:
        from lm_eval.api.model import hash_args

        self._answers.setdefault(hash_args(kind, request), []).append(answer)
        self.hook.add_partial(kind, request, answer)

    def take(self, kind: str, request: Any) -> list[Any]:
        """A list with one answer to a request, or an empty list.

        Each answer is returned once, because tasks that sample answers repeat a request. A request
        of None is a part of a text, which lm_eval does not report to its cache."""
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
    """The answers of lm_eval's own `ask`, in the order of the requests, in batches that fit into
    memory. Requests of finished batches are not repeated.

    `kind`: lm_eval's name for the requests. `requests`: pairs of a cache key and a request. `used`:
    each batch size that gave answers is appended to it."""
    done: dict[int, Any] = {}
    model.cache_hook = hook = AnswerRecorder(model.cache_hook)

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
