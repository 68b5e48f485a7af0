"""Formats names and numbers that are the same in every language."""

import math
import unicodedata

ADAPTERS = {"lora": "LoRA", "qlora": "QLoRA"}


def amount(value: float, is_share: bool, nearest: float = math.inf, sign: str = "") -> str:
    """A difference as text, without its unit. If it is a difference of shares (`is_share`), it is
    in percentage points. `sign`: `+` to write the sign of positive numbers too.

    `nearest` is the end of the confidence interval that is nearest to 0. The text has enough digits
    to distinguish this end from 0, but at most nine."""
    scale, digits = (100, 1) if is_share else (1, 3)
    while digits < 9 and not round(abs(scale * nearest), digits):
        digits += 1
    return f"{round(scale * value, digits) + 0:{sign}.{digits}f}"


def padded(text: str, columns: int) -> str:
    """The text with spaces up to a width on a terminal, where a Korean letter has two columns."""
    width = sum(1 + is_wide(letter) for letter in text)
    return text + " " * (columns - width)


def is_wide(letter: str) -> bool:
    """Whether a letter has two columns on a terminal."""
    return unicodedata.east_asian_width(letter) in "WF"


def p_text(p_value: float | None) -> str:
    """A p-value as journals print it: .004, or < .001. A dash for None and NaN."""
    if p_value is None or math.isnan(p_value):
        return "-"
    return "< .001" if p_value < 0.001 else f"{p_value:.3f}".removeprefix("0")
