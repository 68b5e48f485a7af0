"""Renders chats with a chat template that is given as text, as transformers renders them.

An untrusted template must be rendered only in the child process of a job (kotune.template.job),
where kotune.worker.bounds limits its time and memory."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kodata.card import Message


@dataclass(frozen=True)
class SpecialTokens:
    """What a template needs to know about a tokenizer.

    - `variables`: the special tokens that a template can use as variables, for example `bos_token`
    - `ends`: the tokens that may end an answer: EOS, and the recipe's or preset's end of turn
    - `names`: the names of all special tokens; empty if they are not known
    - `adds_bos`: whether the tokenizer adds BOS to a text"""

    variables: Mapping[str, str]
    ends: tuple[str, ...]
    names: frozenset[str] = frozenset()
    adds_bos: bool = False

    @property
    def bos(self) -> str:
        """The BOS token; empty if the tokenizer has none."""
        return self.variables.get("bos_token", "")


@dataclass(frozen=True)
class Template:
    """A chat template. `kwargs`: the values of the recipe's `template_kwargs`."""

    text: str
    tokens: SpecialTokens
    kwargs: Mapping[str, Any]

    def render(self, messages: list[Message], prompt: bool = False) -> str:
        """The text of a chat. `prompt`: whether to add the beginning of the next answer. Raises any
        exception that the template raises."""
        from transformers.utils.chat_template_utils import render_jinja_template

        rendered: Any = render_jinja_template(
            [messages],
            chat_template=self.text,
            add_generation_prompt=prompt,
            **{**self.tokens.variables, **self.kwargs},
        )
        return str(rendered[0][0])

    def with_kwargs(self, more: Mapping[str, Any]) -> "Template":
        """The same template with further kwargs."""
        return replace(self, kwargs={**self.kwargs, **more})
