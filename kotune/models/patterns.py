"""Checks patterns for the names of a model's modules.

peft and transformers use such patterns as regular expressions and match them with the name of each
module. Some regular expressions, such as `(([a-z]+\\.?)+)+!`, take exponential time. So only these
parts of regular expressions are accepted:

- characters, `.`, `\\.`, `\\d` and classes in brackets
- `*`, `+` and `?` after one of these
- groups of alternatives, without `*` and `+` inside or after the group"""

import re
from collections.abc import Iterable

from kodata.errors import shown

_ONE = r"(?:[\w.^$-]|\\[.dDwW]|\[\^?(?:[\w.-]|\\[.dw-])+\])"  # one character, or a class of them
_PART = re.compile(rf"(?P<group>\((?:{_ONE}|\|)*\))\??|{_ONE}[*+?]?|\|", re.ASCII)
# The assumed length of the longest module name, in characters. A `*` or `+` can end after any of
# these characters, so it multiplies the number of ways to match by this length.
NAME_LENGTH = 100
# The maximum number of ways to match all patterns of one key with one name.
# `.*layers.\\d+.(self_attn|mlp).(q|k|v|o)_proj` has 80,000 ways.
MAX_WAYS = 250_000
ACCEPTED = (
    r"names of modules, or patterns of letters, digits, `_`, `-`, `.`, `\.`, `\d`, `[0-9]` and"
    r" (a|b), with `*` or `+` after one "
    "character or class at most twice, and never after a group"
)


def pattern_problem(patterns: Iterable[str]) -> str:
    """The problem with the names or patterns in the value of one key, as text for a message. Empty
    if all are accepted."""
    ways = 0
    for pattern in patterns:
        own_ways = _ways(pattern)
        if not own_ways or not _is_valid(pattern):
            return (
                f"`{shown(pattern)}` is not a pattern, or may take forever to match; accepted are"
                f" {ACCEPTED}"
            )
        ways += own_ways
    if ways > MAX_WAYS:
        return (
            f"these patterns can be matched in over {MAX_WAYS:,} ways; give fewer patterns, or"
            " fewer `*` and `+`"
        )
    return ""


def _ways(pattern: str) -> int:
    """An upper bound for the number of ways to match a pattern with a name. 0 if the pattern has a
    part that is not accepted, or more than MAX_WAYS ways."""
    position, ways = 0, 1
    while position < len(pattern) and ways <= MAX_WAYS:
        if not (part := _PART.match(pattern, position)):
            return 0
        text, position = part[0], part.end()
        ways *= part["group"].count("|") + 1 if part["group"] else 1
        repeats = {"*": NAME_LENGTH, "+": NAME_LENGTH, "?": 2}
        ways *= repeats.get(text[-1:] if len(text) > 1 else "", 1)
        ways += text == "|"
    return ways if ways <= MAX_WAYS else 0


def _is_valid(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return True
