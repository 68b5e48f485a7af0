"""Our lm-evaluation-harness tasks, loaded through the harness's own TaskManager.

Its index of thousands of shipped tasks is left out: it costs seconds and none of them is scored
here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kodata.card import Message, Record
from kotune.errors import StageError
from kotune.runs.task_data import TaskData
from kotune.score.turns import before_answer
from kotune.shipped import TASKS
from kotune_tasks.card import TaskCard, cards

Logged = dict[str, Any]  # lm-eval's own: the result of an evaluation, or a sample in it


@dataclass(frozen=True)
class Loaded:
    """One task object, by the name that lm-eval knows it by."""

    name: str
    task: Any
    merge: bool = False  # system turns are asked as the beginning of the first user's turn

    @property
    def generates(self) -> bool:
        """Whether the model writes its answer, instead of choosing one."""
        return bool(self.task.OUTPUT_TYPE == "generate_until")

    @property
    def draws(self) -> bool:
        """Whether the model's answers are drawn at random, so that asked again it gives others."""
        return self.generates and bool(self.task.config.generation_kwargs.get("do_sample"))

    def evaluate(self, model: Any, limit: int | Sequence[int] | None = None) -> Logged:
        """lm-eval's own result for this task: `results[name]`, `samples[name]`. Intervals are not
        lm-eval's to make. `limit`: the first so many items, or those of these numbers, in rising
        order.

        Its simple_evaluate would ask the machine about itself each time, for more than a second,
        and add nothing else: our tasks have no examples in the prompt to draw."""
        from lm_eval.evaluator import evaluate

        tasks, model.told_as = {self.name: self.task}, self._told_as()
        chosen = (
            {"samples": {self.name: list(limit)}}
            if isinstance(limit, Sequence)
            else {"limit": limit}
        )
        result: Logged = evaluate(
            model, tasks, **chosen, apply_chat_template=True, bootstrap_iters=0, log_samples=True
        )
        return result

    def _told_as(self) -> dict[str, list[Message]]:
        """For each text that is asked, the turns that a model is asked in (kotune.score.turns)."""
        if not self.card.turns:
            return {}
        told: dict[str, list[Message]] = {}
        for doc in self.task.eval_docs:
            turns = before_answer(doc["messages"], self.merge)
            if told.setdefault(self.question(doc), turns) != turns:
                raise StageError(
                    f"{self.name}: {doc['guid']}: another chat's turns are told as the same text;"
                    " change or remove one"
                )
        return told

    @property
    def card(self) -> TaskCard:
        """What the task tells about itself."""
        return cards()[self.name]

    def question(self, doc: Record) -> str:
        """What is asked, before any model's chat template."""
        return str(self.task.doc_to_text(doc))

    def quick(self) -> int:
        """The items of a quick look, up to the end of the cluster that the last of them belongs
        to."""
        docs, items = self.task.eval_docs, self.card.quick
        while (
            items < len(docs)
            and docs[items][self.card.cluster] == docs[items - 1][self.card.cluster]
        ):
            items += 1
        return min(items, len(docs))

    def with_documents(self, docs: list[Record]) -> "Loaded":
        """The same task over other documents of the same form."""
        from datasets import Dataset

        self.task.dataset = {self.task.config.test_split: Dataset.from_list(docs)}
        return self

    def right_answer(self, doc: Record) -> int | str:
        """What a document's right answer is: the index of a choice, or text."""
        return str(self.task.doc_to_target(doc)) if self.generates else self.right_choice(doc)

    def right_choice(self, doc: Record) -> int:
        """Index of the right answer among a multiple-choice document's choices."""
        target = self.task.doc_to_target(doc)
        return (
            target if isinstance(target, int) else list(self.task.doc_to_choice(doc)).index(target)
        )


def load_task(name: str, data: TaskData = TaskData()) -> Loaded:  # noqa: B008  (it cannot change)
    """The task called `name` over these data."""
    from lm_eval.tasks import TaskManager

    told = {"data_path": str(data.path) if data.path else None, "test_share": data.test_share}
    metadata = {key: value for key, value in told.items() if value is not None}
    manager = TaskManager(include_path=str(TASKS), include_defaults=False, metadata=metadata)
    return Loaded(name, manager.load_task_or_group(name)[name], data.merge)
