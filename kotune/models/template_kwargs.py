"""The `template_kwargs` of a recipe: values of variables that a chat template reads, for example
`enable_thinking`.

They are written into the run's copy of the template. So every library that reads the copy uses the
same values: Axolotl, lm-evaluation-harness, and whoever serves the adapter."""

import json
from collections.abc import Mapping

from kodata.errors import shown

Value = bool | int | str
TemplateKwargs = Mapping[str, Value]
MAX_KWARGS, MAX_CHARACTERS = 10, 200  # values, and characters of a text
# Variables that libraries set themselves in every chat.
_RESERVED = """
    add_generation_prompt chat_template continue_final_message conversation conversations documents
    max_length messages padding real_last_index return_assistant_tokens_mask return_dict
    return_tensors tokenize tokenizer_kwargs tools truncation
    additional_special_tokens bos_token cls_token eos_token mask_token pad_token sep_token unk_token
    cycler dict joiner lipsum namespace raise_exception range strftime_now
    False None True and else false if in is loop none not or self true"""
RESERVED = frozenset(_RESERVED.split())


def kwargs_problem(kwargs: Mapping[str, object]) -> str:
    """The problem with `template_kwargs`, as text for a message. Empty if they are valid
    TemplateKwargs."""
    if len(kwargs) > MAX_KWARGS:
        return f"{len(kwargs)} values; give {MAX_KWARGS} or fewer"
    for name, value in kwargs.items():
        if not (name.isidentifier() and name.isascii()) or name.startswith("_"):
            return f"`{shown(name)}` cannot be a variable of a template; give the name of one"
        if name in RESERVED:
            return f"`{name}` is set by the libraries that render a chat; leave it out"
        if not isinstance(value, Value):
            return f"`{name}` is {shown(value)}; give true, false, a whole number or a text"
        if isinstance(value, str) and len(value) > MAX_CHARACTERS:
            return f"`{name}` has over {MAX_CHARACTERS} characters; give a shorter text"
    return ""


def with_kwargs(template: str, kwargs: TemplateKwargs) -> str:
    """The text of a template that begins by setting its variables to these values.

    Chat templates are rendered with jinja's `trim_blocks`, which removes the line break after each
    added line. So the rest of the template is rendered as before."""
    # JSON writes these values as jinja reads them.
    values = {name: json.dumps(value, ensure_ascii=False) for name, value in kwargs.items()}
    return "".join(f"{{% set {name} = {values[name]} %}}\n" for name in values) + template
