"""Measures faults and signals of an answer. Each is an amount and a total, such as 3 foreign words
out of 120 words. The value over many answers is the sum of the amounts divided by the sum of the
totals.

A fault is an error by any standard. A signal describes style: no study has shown that a higher or a
lower value is better. There is no overall score, since no weighting of the signals is known to
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
# The maximum number of characters of an answer that Kiwi analyses. More would hardly change a value
# over many answers.
LONGEST = 2_000
# The faults. faulty_answers counts the answers with at least one of the others.
FAULTS = (
    "unended_answers",
    "foreign_answers",
    "looping_answers",
    "broken_josa_answers",
    "faulty_answers",
)
RATIOS = ("hangul", "repetition_4gram", "lm_bits_per_char", "kiwi_score", "function_profile")
# Signals in occurrences per 1,000 eojeol, which are words with Hangul. foreign_in_word is per 1,000
# words. From the third on, the names are the keys of TRANSLATIONESE.
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
LEVELS = ("speech_mixed", "speech_clash", "speech_asked")  # signals about speech levels
NAMES = (*FAULTS, *RATIOS, *PER_1000, *LEVELS)
SIGNALS = frozenset(NAMES) - {*FAULTS}

# Removes the marks of Markdown, and replaces | with a space.
_MARKDOWN = str.maketrans("|", " ", "*#`_~>")
# Words that are answers to a classification task.
LABELS = {
    *klue_nli.LABELS.values(),
    *nsmc.LABELS.values(),
    "참",
    "거짓",
    "예",
    "아니요",
    "정답",
    "답",
}


# An answer repeats its prompt if at least this share of its words are words of the prompt, and it
# has at most LONGER times as many words.
REPEATED, LONGER = 0.85, 1.5


class Signal(NamedTuple):
    """A fault or signal of one answer. The value over all answers is the sum of `amount` divided by
    the sum of `out_of`."""

    amount: float
    out_of: float


def is_empty_or_label(text: str) -> bool:
    """Whether an answer has fewer than two words, or only words that are labels. A model that was
    tuned on a classification task may answer every prompt with a label."""
    words = _words(text)
    return len(words) < 2 or set(words) <= LABELS


def repeats(text: str, prompt: str) -> bool:
    """Whether an answer is hardly more than its prompt again. Such a text may be natural, but it
    answers nothing. A small model that was tuned on a few hundred rows answers so
    (docs/real_models.md). Punctuation is ignored."""
    words, asked = _words(text), _words(prompt)
    known = sum(map({*asked}.__contains__, words))
    return bool(words) and known >= REPEATED * len(words) and len(words) <= LONGER * len(asked)


def _words(text: str) -> list[str]:
    """The words of a text, without punctuation."""
    return [re.sub(r"\W", "", word) for word in scripts.words(text)]


def measure(text: str, level: str = "any", is_cut: bool = False) -> dict[str, Signal]:
    """Returns every fault and signal of an answer. `level` is the speech level that the prompt
    requests, one of kodata.naturalness.LEVELS. `is_cut`: the model was stopped within its thought,
    before its answer.

    What is measured:

    - FAULTS: 1 for an answer with the fault, else 0.
    - hangul: the share of Hangul among letters.
    - repetition_4gram: the share of 4-grams of words that occurred earlier in the answer.
    - lm_bits_per_char: bits per character under the model of fluency.py.
    - kiwi_score: the natural logarithm of the likelihood that Kiwi gives to its analysis, per
      morpheme.
    - function_profile: the mean weight of the function morphemes that are in profile().
    - PER_1000: occurrences per 1,000 eojeol; for foreign_in_word, per 1,000 words.
    - speech_mixed: whether an answer has several speech levels.
    - speech_clash: whether an answer has the plain level and a polite level. For speech_mixed and
      speech_clash, answers without a speech level are not counted.
    - speech_asked: whether an answer has the requested level and no other. Answers to prompts that
      request no level are not counted."""
    cleaned = clean(text)
    plain = cleaned.translate(_MARKDOWN).strip()
    words = scripts.words(plain)
    foreign = len(scripts.foreign_words(cleaned))  # needs the backticks that mark code
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
    """For each name, 1 out of 1 if it holds for the answer, else 0 out of 1."""
    return {name: Signal(float(is_so), 1) for name, is_so in zip(names, holds, strict=True)}


def items(
    guid: str, text: str, empty: bool, level: str = "any", is_cut: bool = False
) -> dict[str, tuple[str, float, float, bool]]:
    """The item (guid, amount, out_of, empty) of each fault and signal of an answer, for the metrics
    in kodata.metrics.metrics. `empty`: the answer is empty or only a label. `level` and `is_cut`
    are as in measure()."""
    return {name: (guid, *part, empty) for name, part in measure(text, level, is_cut).items()}


def _repetition(words: list[str]) -> Signal:
    """The number of 4-grams of words that occurred before, out of all of them."""
    fours = list(zip(words, words[1:], words[2:], words[3:], strict=False))
    return Signal(len(fours) - len(set(fours)), len(fours))


def _beginning(text: str) -> str:
    """The first LONGEST characters of a text, without a last word that may be cut."""
    if len(text) <= LONGEST:
        return text
    return text[:LONGEST].rsplit(maxsplit=1)[0]


def _read(text: str, reading: Reading, level: str) -> dict[str, Signal]:
    """The signals that depend on Kiwi's analysis of a text, `reading`. `level` is as in
    measure()."""
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
    """The weights of function morphemes, as {form/tag: log2(share in native Korean / share in
    translated Korean)}. references.py fits them."""
    import yaml

    weights: dict[str, float] = yaml.safe_load(PROFILE.read_text(encoding="utf-8"))["weights"]
    return weights
