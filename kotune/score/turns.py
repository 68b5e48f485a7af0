"""A chat that lm-eval's own tasks can only tell as one text is asked, in a run, in the turns that
it has: as it is trained.

lm-eval puts one user's turn into a model's chat template. Its HF model is asked for that by
apply_chat_template(), where the class here finds the turns again. Plain `lm_eval` asks the text.
"""

from functools import cache
from typing import Any

from kodata.card import Message
from kodata.errors import brief, shown
from kodata.prepare.cleaning import merged
from kotune.errors import StageError


def before_answer(messages: list[Message], merge: bool) -> list[Message]:
    """The turns before the last answer, role and content alone (datasets fills other keys of other
    rows with None)."""
    turns: list[Message] = [
        {"role": turn["role"], "content": turn["content"]} for turn in messages[:-1]
    ]
    return merged(*turns) if merge and turns[0]["role"] == "system" else turns


@cache
def model_class() -> Any:
    """lm-eval's HF model class with `told_as`: for a text that is asked, the turns that it tells
    of."""
    from lm_eval.models.huggingface import HFLM

    class TurnsModel(HFLM):  # type: ignore[misc]
        told_as: dict[str, list[Message]] = {}  # noqa: RUF012  (set anew by whoever asks)

        def apply_chat_template(
            self, chat_history: list[Message], add_generation_prompt: bool = True
        ) -> str:
            """As lm-eval's, but that it would leave out a system turn which a template refuses, and
            say so in a log alone."""
            turns = self.told_as.get(chat_history[-1]["content"], chat_history)
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
            except Exception as error:  # a template may raise whatever it likes
                mend = "say `system: merge` in the data entry, or " * (turns[0]["role"] == "system")
                asked = shown(turns[-1]["content"])
                raise StageError(
                    f"the template refuses what a task asks ({brief(error)}): {asked}; {mend}choose"
                    " another `template`"
                ) from None

    return TurnsModel
