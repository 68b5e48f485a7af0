"""Names of a model's modules, and patterns of names that are matched in a time that a few
characters more do not double.

peft and transformers match them as regular expressions with each module's name. `(([a-z]+\\.?)+)+!`
is matched for longer than anybody waits, so that of regular expressions only these are taken:
characters, `.`, `\\.`, `\\d`, classes in brackets, groups of alternatives without anything inside
to repeat, and `*`, `+` and `?` behind one character."""

import re
from collections.abc import Iterable

from kodata.errors import shown

_ONE = r"(?:[\w.^$-]|\\[.dDwW]|\[\^?(?:[\w.-]|\\[.dw-])+\])"  # one character, or a class of them
_PART = re.compile(rf"(?P<group>\((?:{_ONE}|\|)*\))\??|{_ONE}[*+?]?|\|", re.ASCII)
LETTERS = 100  # of the longest name of a module: each `*` and `+` may end anywhere in it
# ways to match all patterns of one key with one name;
# `.*layers.\\d+.(self_attn|mlp).(q|k|v|o)_proj` has 80,000
MOST = 250_000
TAKEN = (
    r"names of modules, or patterns of letters, digits, `_`, `-`, `.`, `\.`, `\d`, `[0-9]` and"
    r" (a|b), with `*` or `+` behind one "
    "character or class at most twice, and never behind a group"
)


def trouble(patterns: Iterable[str]) -> str:
    """What is wrong with the names or patterns of one key, empty where nothing is."""
    ways = 0
    for pattern in patterns:
        found = _ways(pattern)
        if not found or not _is_valid(pattern):
            return (
                f"`{shown(pattern)}` may be matched without end, or is none; these are taken:"
                f" {TAKEN}"
            )
        ways += found
    return (
        f"these patterns can be matched in over {MOST:,} ways; give fewer, or with fewer `*`"
        " and `+`" * (ways > MOST)
    )


def _ways(pattern: str) -> int:
    """The ways to match a pattern with a name, 0 for one of another kind or of far too many."""
    at, ways = 0, 1
    while at < len(pattern) and ways <= MOST:
        if not (part := _PART.match(pattern, at)):
            return 0
        text, at = part[0], part.end()
        ways *= part["group"].count("|") + 1 if part["group"] else 1
        ways *= {"*": LETTERS, "+": LETTERS, "?": 2}.get(text[-1:] if len(text) > 1 else "", 1)
        ways += text == "|"
    return ways if ways <= MOST else 0


def _is_valid(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return True
