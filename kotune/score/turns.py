"""Renders the questions of chat tasks as several turns, as in training.

lm-eval renders a question's text as one user turn, by calling apply_chat_template() of its HF
model. The class in this module overrides that method: it looks up the turns that belong to the text
and renders them. Plain `lm_eval` renders the text as one turn."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from kodata.card import Message
from kodata.errors import brief, shown
from kodata.prepare.cleaning import merged
from kotune.errors import StageError


def before_answer(messages: list[Message], merge: bool) -> list[Message]:
    """The turns before the last answer, each with its role and content only. The library `datasets`
    adds the keys of other rows with the value None, so all other keys are removed. `merge`: put the
    system turn at the beginning of the first user turn."""
    turns: list[Message] = [
        {"role": turn["role"], "content": turn["content"]} for turn in messages[:-1]
    ]
    return merged(*turns) if merge and turns[0]["role"] == "system" else turns


@cache
def model_class() -> Any:
    """lm-eval's HF model class with two attributes. `turns_by_text`: the turns of each question's
    text. `examples`: turns that are put before every question, but after a system turn."""
    from lm_eval.models.huggingface import HFLM

    class TurnsModel(HFLM):  # type: ignore[misc]
        turns_by_text: dict[str, list[Message]] = {}  # noqa: RUF012  (replaced by each caller)
        examples: Sequence[Message] = ()

        def apply_chat_template(
            self, chat_history: list[Message], add_generation_prompt: bool = True
        ) -> str:
            """Like lm-eval's method, but raises StageError if the template fails for the turns.
            lm-eval would drop a system turn that the template refuses, and only log that."""
            turns = self.turns_by_text.get(chat_history[-1]["content"], chat_history)
            first = int(turns[0]["role"] == "system")
            turns = [*turns[:first], *self.examples, *turns[first:]]
            try:
                return str(
                    self.tokenizer.apply_chat_template(
                        turns,
                        tokenize=False,
                        add_generation_prompt=add_generation_prompt,
                        continue_final_message=not add_generation_prompt,
                        **self.chat_template_args,
                    )
                )
            except Exception as error:  # a template may raise any exception
                has_system = turns[0]["role"] == "system"
                merge = "set `system: merge` in the data entry, or " * has_system
                question = shown(turns[-1]["content"])
                raise StageError(
                    f"the template refuses a task's question ({brief(error)}): {question};"
                    f" {merge}choose another `template`"
                ) from None

    return TurnsModel
