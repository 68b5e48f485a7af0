"""Loads our lm-evaluation-harness tasks with the harness's own TaskManager.

The TaskManager can also index the thousands of tasks that the harness ships. The index is not
built, because that takes seconds and none of the shipped tasks is scored."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kodata.card import Message, Record
from kotune.errors import StageError
from kotune.runs.task_data import TaskData
from kotune.score.turns import before_answer
from kotune.shipped import TASKS
from kotune_tasks.card import TaskCard, cards

Logged = dict[str, Any]  # lm-eval's dict: the result of an evaluation, or a sample in it


@dataclass(frozen=True)
class Loaded:
    """A task. `task`: lm-eval's task object."""

    name: str
    task: Any
    merge: bool = False  # put system turns at the beginning of the first user turn

    @property
    def generates(self) -> bool:
        """Whether the model generates its answer instead of choosing one."""
        return bool(self.task.OUTPUT_TYPE == "generate_until")

    @property
    def draws(self) -> bool:
        """Whether answers are sampled at random. A second evaluation then gives other answers."""
        return self.generates and bool(self.task.config.generation_kwargs.get("do_sample"))

    def evaluate(self, model: Any, limit: int | Sequence[int] | None = None) -> Logged:
        """Score the task with lm-eval. Returns lm-eval's result (`results[name]` and
        `samples[name]`) without confidence intervals. `limit`: how many items to score, counted
        from the first, or the sorted numbers of the items to score; None for all items.

        lm-eval's simple_evaluate is not used, because every call queries the machine's properties,
        which takes more than a second. It also adds few-shot examples, which our tasks do not
        need."""
        from lm_eval.evaluator import evaluate

        tasks, model.turns_by_text = {self.name: self.task}, self.turns_by_text()
        items = (
            {"samples": {self.name: list(limit)}}
            if isinstance(limit, Sequence)
            else {"limit": limit}
        )
        result: Logged = evaluate(
            model, tasks, **items, apply_chat_template=True, bootstrap_iters=0, log_samples=True
        )
        return result

    def turns_by_text(self) -> dict[str, list[Message]]:
        """The chat turns of each question's text (kotune.score.turns). Raises StageError if two
        chats have the same text but different turns."""
        if not self.card.turns:
            return {}
        by_text: dict[str, list[Message]] = {}
        for doc in self.task.eval_docs:
            turns = before_answer(doc["messages"], self.merge)
            if by_text.setdefault(self.question(doc), turns) != turns:
                raise StageError(
                    f"{self.name}: {doc['guid']}: another chat has the same text in other turns;"
                    " change or remove one"
                )
        return by_text

    @property
    def card(self) -> TaskCard:
        """The task's card."""
        return cards()[self.name]

    def question(self, doc: Record) -> str:
        """The question's text, before a chat template is applied."""
        return str(self.task.doc_to_text(doc))

    def quick(self) -> int:
        """The number of items that `--limit quick` scores: those in the task's card, and further
        ones until the last cluster is complete."""
        docs, items = self.task.eval_docs, self.card.quick
        while (
            items < len(docs)
            and docs[items][self.card.cluster] == docs[items - 1][self.card.cluster]
        ):
            items += 1
        return min(items, len(docs))

    def with_documents(self, docs: list[Record]) -> "Loaded":
        """Replace the task's documents with `docs`, which must have the same form. Returns the task
        itself."""
        from datasets import Dataset

        self.task.dataset = {self.task.config.test_split: Dataset.from_list(docs)}
        return self

    def right_answer(self, doc: Record) -> int | str:
        """A document's right answer: the index of a choice, or a text."""
        return str(self.task.doc_to_target(doc)) if self.generates else self.right_choice(doc)

    def right_choice(self, doc: Record) -> int:
        """The index of the right answer among a document's choices. Raises ValueError if the right
        answer is not among the choices."""
        target = self.task.doc_to_target(doc)
        return (
            target if isinstance(target, int) else list(self.task.doc_to_choice(doc)).index(target)
        )


def load_task(name: str, data: TaskData = TaskData()) -> Loaded:  # noqa: B008  (immutable)
    """Load the task `name`. `data`: how the task's data are read."""
    from lm_eval.tasks import TaskManager

    options = {"data_path": str(data.path) if data.path else None, "test_share": data.test_share}
    metadata = {key: value for key, value in options.items() if value is not None}
    manager = TaskManager(include_path=str(TASKS), include_defaults=False, metadata=metadata)
    return Loaded(name, manager.load_task_or_group(name)[name], data.merge)
