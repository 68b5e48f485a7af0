"""Reads the data files that a digest of code covers: YAML files and chat templates."""

from itertools import groupby
from typing import Any, NamedTuple

import yaml


class FunctionTag(NamedTuple):
    """A value `!function stem.name` of an lm_eval YAML file. It refers to a function in the module
    stem.py of the same folder."""

    stem: str
    name: str


def task_yaml(text: str) -> Any:
    """The value in a YAML file. Each value with lm_eval's tag `!function` becomes a FunctionTag."""
    return yaml.load(text, _TaskLoader)


# PyYAML's C loader takes a tenth of the time of its Python loader.
class _TaskLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Loads YAML with lm_eval's `!function` tags."""


_TaskLoader.add_multi_constructor(
    "!function", lambda loader, suffix, node: FunctionTag(*node.value.rsplit(".", 1))
)


def template_tokens(text: str) -> list[tuple[str, str]]:
    """The tokens of a Jinja template as (kind, text), without comments and without white space
    between the parts of an expression. Blocks are trimmed as transformers does in chat templates.
    An invalid template becomes a single token."""
    from jinja2 import Environment, TemplateSyntaxError

    try:
        tokens = list(Environment(trim_blocks=True, lstrip_blocks=True).lex(text))
    except TemplateSyntaxError:
        return [("unread", text)]
    relevant = [
        (kind, token) for _, kind, token in tokens if "comment" not in kind and kind != "whitespace"
    ]
    # A comment splits the text around it into two tokens. So adjacent text tokens are joined.
    joined: list[tuple[str, str]] = []
    for is_text, group in groupby(relevant, key=lambda token: token[0] == "data"):
        if is_text:
            joined.append(("data", "".join(text for _, text in group)))
        else:
            joined += group
    return joined
