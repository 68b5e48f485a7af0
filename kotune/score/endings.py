"""Records which generated answers ended: the model wrote its end of turn before the task's limit of
tokens. lm_eval returns only the text, from which this cannot be seen."""

from typing import Any


class Endings:
    """A wrapper around lm_eval's cache hook. lm_eval calls the hook with each new answer of a
    batch, in the order of its rows."""

    def __init__(self, hook: Any) -> None:
        self.hook = hook
        self._rows: list[bool] = []  # of the current batch, the answers that lm_eval has not named
        self._ended: dict[str, list[bool]] = {}

    def read(self, generated: Any, width: int, limit: int, ends: list[int]) -> None:
        """Read a generated batch: ids [row, id], of which the first `width` are the prompt.

        `limit`: the maximum number of ids in a row. `ends`: the ids that end a turn. If the batch
        is shorter than the limit, every row ended. Longer rows stop at the limit."""
        import torch

        written = generated[:, width:]
        ended = torch.isin(written, torch.tensor(ends, device=written.device)).any(1)
        self._rows = [generated.shape[1] < limit or is_end for is_end in ended.tolist()]

    def add_partial(self, kind: str, request: Any, answer: Any) -> None:
        """Note whether the next row of the batch ended. Its prompt is the first part of the
        request."""
        self._ended.setdefault(request[0], []).append(self._rows.pop(0))
        self.hook.add_partial(kind, request, answer)

    def take(self, prompt: str) -> bool | None:
        """Whether the next answer to a prompt ended. Equal prompts are returned in their order.
        None if lm_eval did not name an answer."""
        ended = self._ended.get(prompt)
        return ended.pop(0) if ended else None


def end_ids(lm: Any) -> list[int]:
    """The ids that end a turn: those of the model's generation settings, and its tokenizer's."""
    ids = lm.model.generation_config.eos_token_id
    own = ids if isinstance(ids, list) else [ids]
    return sorted({number for number in (*own, lm.eot_token_id) if number is not None})
