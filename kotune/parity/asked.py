"""lm-evaluation-harness's side of the proof: the ids that its own task would send to the model."""

from collections.abc import Iterable
from itertools import islice
from typing import Any, NamedTuple

from kodata.card import Record
from kodata.errors import shown
from kotune.errors import StageError
from kotune.parity.lengths import BATCH
from kotune.parity.rendered import special_tokens
from kotune.score import turns
from kotune.score.harness import Loaded
from kotune.train.upstream import another_day


class Request(NamedTuple):
    """A request of lm-eval's, and the ids that the model would be asked."""

    instance: Any
    ids: list[int]


def score_side(tokenizer: Any, task: Loaded) -> list[list[int]]:
    """For each document the ids of context + right answer (choice tasks) or of the prompt
    (generation tasks)."""
    recorder = recorder_of(tokenizer)
    with another_day():
        task.evaluate(recorder)
    sides = []
    for requests in recorder.by_document():
        right = task.right_choice(requests[0].instance.doc) if len(requests) > 1 else 0
        sides.append(requests[right].ids)
    return sides


def check_texts(tasks: Iterable[Loaded], tokenizer: Any) -> None:
    """StageError where a text that a task asks has the name of a special token, which would open or
    close turns that nobody said: kodata takes the known names away, and a tokenizer may have
    others. Of what is trained, rendered.TemplatesTokens tells."""
    special = special_tokens(tokenizer)
    for task in tasks:
        texts = ((doc["guid"], text) for doc in task.task.eval_docs for text in _texts(task, doc))
        while batch := list(islice(texts, BATCH)):
            every = tokenizer([text for _, text in batch], add_special_tokens=False)["input_ids"]
            for (guid, _), ids in zip(batch, every, strict=True):
                if (found := next(filter(special.__contains__, ids), None)) is not None:
                    raise StageError(
                        f"{task.name}: guid {guid}: what is asked has {shown(special[found])} in"
                        " it, the name of a special token of this model that is not known here;"
                        " take it out of the row"
                    )


def _texts(task: Loaded, doc: Record) -> list[str]:
    return [task.question(doc), *([] if task.generates else task.task.doc_to_choice(doc))]


def recorder_of(tokenizer: Any) -> Any:
    """lm-eval's own HF model class with no model in it: its request building runs, and the ids are
    kept."""

    class Recorder(turns.model_class()):  # type: ignore[misc]
        def __init__(self) -> None:
            self.tokenizer, self.backend, self.add_bos_token = tokenizer, "causal", None
            self.custom_prefix_token_id = None
            self.chat_template_args: dict[str, object] = {}
            self._rank, self._world_size = 0, 1
            self.seen: list[Request] = []

        def loglikelihood(
            self, requests: Any, disable_tqdm: bool = True
        ) -> list[tuple[float, bool]]:
            self.pending = requests
            return list(super().loglikelihood(requests, disable_tqdm=True))

        def _loglikelihood_tokens(self, requests: Any, **_: Any) -> list[tuple[float, bool]]:
            for instance, (_text, context, continuation) in zip(
                self.pending, requests, strict=True
            ):
                self.seen.append(Request(instance, context + continuation))
            return [(0.0, False)] * len(requests)

        def generate_until(self, requests: Any, disable_tqdm: bool = True) -> list[str]:
            self.seen += [
                Request(instance, self.tok_encode(instance.args[0])) for instance in requests
            ]
            return [""] * len(requests)

        def get_model_info(self) -> dict[str, object]:
            return {}

        @property
        def tokenizer_name(self) -> str:
            return str(tokenizer.name_or_path)

        def by_document(self) -> list[list[Request]]:
            documents: dict[int, list[Request]] = {}
            for asked in self.seen:
                documents.setdefault(asked.instance.doc_id, []).append(asked)
            return [documents[doc_id] for doc_id in sorted(documents)]

    return Recorder()
