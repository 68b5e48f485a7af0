"""Scoring in batches that fit into the GPU's memory: they are halved where it is too small, and
finished answers are kept."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from kotune.train.out_of_memory import EXHAUSTED

T = TypeVar("T")


def is_exhausted(error: BaseException) -> bool:
    """Whether an error, torch's own or a driver's, says that the GPU's memory is too small."""
    return isinstance(error, RuntimeError) and bool(
        EXHAUSTED.search(f"{type(error).__name__}: {error}")
    )


def batch_size(model: Any) -> int:
    """The batch size of lm_eval's HF model; the largest that it may have, where lm_eval is asked to
    find one."""
    size = model.batch_size_per_gpu
    return int(model.max_batch_size if size == "auto" else size)


def within_memory(model: Any, attempt: Callable[[], T]) -> T:
    """The result of `attempt`, which is called again, with `model`'s batch size halved, while the
    GPU's memory is too small. Raises torch's own error where batches of one are too large."""
    import torch

    while True:
        try:
            return attempt()
        except RuntimeError as error:
            if not is_exhausted(error) or batch_size(model) == 1:
                raise
        # Here, where the error no longer holds the batch's tensors.
        model.batch_size_per_gpu = batch_size(model) // 2
        torch.cuda.empty_cache()
        print(f"out of memory: batches of {model.batch_size_per_gpu} from here on", flush=True)


class Kept:
    """lm_eval's cache hook, which is called with each answer as it is made, with a memory: the
    answers to each request."""

    def __init__(self, hook: Any) -> None:
        self.hook = hook
        self._answers: dict[str, list[Any]] = {}

    def add_partial(self, kind: str, asked: Any, answer: Any) -> None:
        from lm_eval.api.model import hash_args

        self._answers.setdefault(hash_args(kind, asked), []).append(answer)
        self.hook.add_partial(kind, asked, answer)

    def take(self, kind: str, asked: Any) -> list[Any]:
        """An answer to what is asked, in a list that is empty where there is none. The same is
        asked more than once where answers are drawn at random, and each answer is taken once. None:
        a part of a text, of which lm_eval tells no cache."""
        from lm_eval.api.model import hash_args

        answers = self._answers.get(hash_args(kind, asked), []) if asked is not None else []
        return [answers.pop(0)] if answers else []


def keeping(
    model: Any,
    kind: str,
    requests: Sequence[tuple[Any, T]],
    ask: Callable[[list[T]], list[Any]],
    used: list[int],
) -> list[Any]:
    """The answers of lm_eval's own `ask` to requests, in their order, within memory: those of
    batches that were finished are not asked again. `kind`: how lm_eval calls them. `requests`: each
    after what its answer is cached by. `used`: is told of each batch size that gave answers."""
    done: dict[int, Any] = {}
    model.cache_hook = hook = Kept(model.cache_hook)

    def attempt() -> None:
        left, size = (
            [number for number in range(len(requests)) if number not in done],
            batch_size(model),
        )
        try:
            done.update(zip(left, ask([requests[number][1] for number in left]), strict=True))
        except RuntimeError:
            done.update(
                (number, answer)
                for number in left
                for answer in hook.take(kind, requests[number][0])
            )
            raise
        finally:
            used.extend([size] * (len(done) > len(requests) - len(left)))

    try:
        within_memory(model, attempt)
    finally:
        model.cache_hook = hook.hook
    return [done[number] for number in range(len(requests))]
