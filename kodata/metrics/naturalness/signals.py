"""Measures faults and signals of an answer. Each is an amount and a total, such as 3 foreign words
of 120 words. So a score over answers is a ratio of sums.

A fault is an error by any standard. A signal describes style. No study has shown that a higher or a
lower value is better. There is no overall score, since no weighting of signals has been shown to
agree with what people find natural."""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from kodata import klue_nli, nsmc
from kodata.metrics.naturalness import fluency, scripts
from kodata.metrics.naturalness.faults import is_looping, is_unended
from kodata.metrics.naturalness.translationese import (
    TRANSLATIONESE,
    Reading,
    function_morphemes,
    read,
    respaced,
)
from kodata.text import clean

PROFILE = Path(__file__).parent / "profile.yaml"
LONGEST = 2_000  # characters of an answer that Kiwi reads; more would hardly change a rate
# The share of answers with each fault, and the share with any fault.
FAULTS = (
    "unended_answers",
    "foreign_answers",
    "looping_answers",
    "broken_josa_answers",
    "faulty_answers",
)
SHARES = ("hangul", "repetition_4gram", "lm_bits_per_char", "kiwi_score", "function_profile")
# Occurrences per 1,000 eojeol. The names from the third on are the keys of TRANSLATIONESE.
PER_1000 = (
    "foreign_in_word",
    "spacing_errors",
    "pronouns",
    "self_pronouns",
    "plural_deul",
    "double_passive",
    "eui_hae",
    "compound_josa",
    "gajida",
    "geot",
    "genitive",
    "adnominal",
    "counted_of",
    "jungida",
    "su_itda",
)
LEVELS = ("speech_mixed", "speech_clash", "speech_asked")
NAMES = (*FAULTS, *SHARES, *PER_1000, *LEVELS)
# Signals are not rated, since no study has shown that a higher or a lower value is better.
SIGNALS = frozenset(NAMES) - {*FAULTS}

_MARKDOWN = str.maketrans("|", " ", "*#`_~>")
_LABELS = {
    *klue_nli.LABELS.values(),
    *nsmc.LABELS.values(),
    "참",
    "거짓",
    "예",
    "아니요",
    "정답",
    "답",
}


class Signal(NamedTuple):
    """A fault or signal of one answer. The metric over all answers is the sum of `amount` divided
    by the sum of `out_of`."""

    amount: float
    out_of: float


def is_empty_or_label(text: str) -> bool:
    """Whether an answer has fewer than two words, or consists only of labels. A model that was
    tuned on a classification task may answer every prompt with a label."""
    words = [re.sub(r"\W", "", word) for word in scripts.words(text)]
    return len(words) < 2 or set(words) <= _LABELS


def measure(text: str, level: str = "any", is_cut: bool = False) -> dict[str, Signal]:
    """Every signal of an answer to a prompt that asks for a speech level
    (kodata.naturalness.LEVELS). `is_cut`: the model was stopped within its thought, before its
    answer.

    The signals:

    - FAULTS: 1 for an answer with the fault, else 0.
    - hangul: the share of Hangul among letters.
    - repetition_4gram: the share of 4-grams of words that occurred before.
    - lm_bits_per_char: see fluency.py.
    - kiwi_score: Kiwi's log-likelihood (natural logarithm) per morpheme.
    - function_profile: log2(share in native Korean / share in translated Korean), the mean over
      function morphemes that have a reference value.
    - PER_1000: occurrences per 1,000 eojeol.
    - speech_mixed: whether an answer has several speech levels.
    - speech_clash: whether an answer has the plain level and a polite level. speech_mixed and
      speech_clash only count answers with at least one speech level.
    - speech_asked: whether an answer has the requested level and no other. Only answers to prompts
      that request a level count."""
    cleaned = clean(text)
    plain = cleaned.translate(_MARKDOWN).strip()
    words = scripts.words(plain)
    foreign = len(scripts.foreign_words(cleaned))  # counted before code marks are removed
    beginning = _beginning(plain)
    reading = read(beginning)
    faults = (is_cut or is_unended(plain), foreign > 0, is_looping(words), reading.broken_josa > 0)
    return {
        **_shares(FAULTS, (*faults, any(faults))),
        "hangul": Signal(*scripts.hangul(plain)),
        "foreign_in_word": Signal(foreign, len(words) / 1000),
        "repetition_4gram": _repetition(words),
        "lm_bits_per_char": Signal(*fluency.bits(plain)),
        **_read(beginning, reading, level),
    }


def _shares(names: Iterable[str], holds: Iterable[bool]) -> dict[str, Signal]:
    return {name: Signal(float(is_so), 1) for name, is_so in zip(names, holds, strict=True)}


def items(
    guid: str, text: str, empty: bool, level: str = "any", is_cut: bool = False
) -> dict[str, tuple[str, float, float, bool]]:
    """For each fault and signal of an answer, the item that its metric takes: (guid, amount,
    out_of, empty). See kodata.metrics.metrics. `empty` lets the metric count empty answers."""
    return {name: (guid, *part, empty) for name, part in measure(text, level, is_cut).items()}


def _repetition(words: list[str]) -> Signal:
    fours = list(zip(words, words[1:], words[2:], words[3:], strict=False))
    return Signal(len(fours) - len(set(fours)), len(fours))


def _beginning(text: str) -> str:
    """At most LONGEST characters, cut after a whole word if there is one."""
    if len(text) <= LONGEST:
        return text
    return text[:LONGEST].rsplit(maxsplit=1)[0]


def _read(text: str, reading: Reading, level: str) -> dict[str, Signal]:
    thousands = sum(map(scripts.is_korean, text.split())) / 1000
    counts = {name: count(reading.morphemes) for name, count in TRANSLATIONESE.items()}
    weights = [
        weight
        for morpheme in function_morphemes(reading.morphemes)
        if (weight := profile().get(morpheme)) is not None
    ]
    requested = {"haera": "plain"}.get(level, level)
    return {
        "kiwi_score": Signal(reading.score, len(reading.morphemes)),
        "function_profile": Signal(sum(weights), len(weights)),
        "spacing_errors": Signal(respaced(text), thousands),
        **{name: Signal(count, thousands) for name, count in counts.items()},
        "speech_mixed": Signal(float(len(reading.registers) > 1), float(bool(reading.registers))),
        "speech_clash": Signal(
            float(reading.registers > {"plain"}), float(bool(reading.registers))
        ),
        "speech_asked": Signal(float(reading.registers == {requested}), float(level != "any")),
    }


@cache
def profile() -> dict[str, float]:
    """Returns {form/tag: log2(share in native Korean / share in translated Korean)}, fitted by
    references.py."""
    import yaml

    weights: dict[str, float] = yaml.safe_load(PROFILE.read_text(encoding="utf-8"))["weights"]
    return weights
