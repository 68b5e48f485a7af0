"""The scoring side of the parity proof: the token ids that lm-evaluation-harness (lm-eval) would
send to the model for a task."""

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
    """A request of lm-eval, and the token ids that the model would get."""

    instance: Any
    ids: list[int]


def scored_ids(tokenizer: Any, task: Loaded) -> list[list[int]]:
    """The scored token ids of each document of a task, in the task's order. For a choice task,
    these are the context and the right answer. For a generation task, these are the prompt."""
    recorder = recorder_of(tokenizer)
    with another_day():
        task.evaluate(recorder)
    documents = []
    for requests in recorder.by_document():
        right = task.right_choice(requests[0].instance.doc) if len(requests) > 1 else 0
        documents.append(requests[right].ids)
    return documents


def check_texts(tasks: Iterable[Loaded], tokenizer: Any) -> None:
    """Raise StageError if a question or choice of a task contains the name of a special token.

    The name would open or close turns that are not in the data. kodata removes the names of common
    special tokens, but a tokenizer may have others. rendered.SpecialTokenCheck checks the training
    rows."""
    special = special_tokens(tokenizer)
    for task in tasks:
        texts = ((doc["guid"], text) for doc in task.task.eval_docs for text in _texts(task, doc))
        while batch := list(islice(texts, BATCH)):
            encoded = tokenizer([text for _, text in batch], add_special_tokens=False)["input_ids"]
            for (guid, _), ids in zip(batch, encoded, strict=True):
                if (token := next(filter(special.__contains__, ids), None)) is not None:
                    raise StageError(
                        f"{task.name}: guid {guid}: the question contains {shown(special[token])},"
                        " the name of a special token of this model; remove it from the row"
                    )


def _texts(task: Loaded, doc: Record) -> list[str]:
    return [task.question(doc), *([] if task.generates else task.task.doc_to_choice(doc))]


def recorder_of(tokenizer: Any) -> Any:
    """An object of lm-eval's model class that has no model. It tokenizes requests as in scoring,
    but only records their token ids. Its by_document() returns the requests of each document."""

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
            for request in self.seen:
                documents.setdefault(request.instance.doc_id, []).append(request)
            return [documents[doc_id] for doc_id in sorted(documents)]

    return Recorder()
