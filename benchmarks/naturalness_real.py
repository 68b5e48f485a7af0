"""What the signals and checks do on real text: native and translated corpora, and text that people
published, where an alarm of a check is mostly false."""

import random
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from benchmarks.naturalness_signals import HIGHER_IS_WORSE, Score, Signals, measured, rate
from benchmarks.naturalness_texts import read_pairs
from kodata import korquad, nsmc
from kodata.control_text import records_of
from kodata.metrics.naturalness import references, scripts
from kodata.metrics.naturalness.josa import broken_josa
from kodata.metrics.naturalness.signals import LEVELS, Signal
from kodata.metrics.naturalness.translationese import function_morphemes, read

SENTENCES, SAMPLES = 30, 300  # of a corpus, in each sample for the AUC; samples of each corpus
REVIEWS = 10_000  # of NSMC, which the checks read
FITS = 12  # profiles fitted on other halves


def separability_table(folder: Path) -> Iterator[str]:
    """AUC of native against translated text, by sentence and over samples of sentences, for
    premises and hypotheses."""
    corpora = [
        [
            references.native(folder, "test", "premise"),
            references.translated(folder, False, "sentence1"),
        ],
        [
            references.native(folder, "test", "hypothesis")[::3],
            references.translated(folder, False, "sentence2"),
        ],
    ]
    sizes = [f"{len(native):,} / {len(translated):,}" for native, translated in corpora]
    yield (
        "| signal | premises: native | translated | AUC, sentence | AUC, 30 | hypotheses: AUC,"
        " sentence | AUC, 30 |"
    )
    yield "|---|---|---|---|---|---|---|"
    signals = [[list(map(measured, texts)) for texts in pair] for pair in corpora]
    for name in (name for name in HIGHER_IS_WORSE if name not in LEVELS):
        values = [f"{references.rates(side)[name]:.2f}" for side in signals[0]]
        aucs = [
            f"{auc(rate(name), *pair):.2f} | {auc_of_samples(name, *pair):.2f}" for pair in signals
        ]
        yield f"| {name} | {' | '.join(values)} | {' | '.join(aucs)} |"
    yield f"| sentences | {sizes[0].replace(' / ', ' | ')} | | | {sizes[1]} | |"


def auc(score: Score, natives: list[Signals], translations: list[Signals]) -> float:
    """The share of (native, translated) in which the translated one has more, ties counted half."""
    from sklearn.metrics import roc_auc_score

    values = [score(signals) for signals in (*natives, *translations)]
    return float(roc_auc_score([0] * len(natives) + [1] * len(translations), values))


def auc_of_samples(name: str, natives: list[Signals], translations: list[Signals]) -> float:
    """The same over samples of SENTENCES sentences each."""
    chance = random.Random(42)
    sums = [
        [_summed(name, chance.sample(side, SENTENCES)) for _ in range(SAMPLES)]
        for side in (natives, translations)
    ]
    return auc(rate(name), *sums)


def _summed(name: str, signals: list[Signals]) -> Signals:
    return {
        name: Signal(
            sum(row[name].amount for row in signals), sum(row[name].out_of for row in signals)
        )
    }


def spread_lines(folder: Path) -> Iterator[str]:
    """How many pairs the profiles of other halves of the translated text rank rightly."""
    native = native_occurrences(folder)
    halves = read_pairs(held_out=False), read_pairs(held_out=True)
    counts: tuple[list[int], list[int]] = ([], [])
    for number in range(FITS):
        texts = references.translated(folder, True, seed=f"spread {number}")
        weights = references.fit(native, references.occurrences(texts))
        for right, half in zip(counts, halves, strict=True):
            right.append(
                sum(
                    _nativeness(weights, natural) > _nativeness(weights, other)
                    for natural, other in half
                )
            )
    for right, half, name in zip(counts, halves, ("development", "held out"), strict=True):
        yield (
            f"- {name}: {min(right)} to {max(right)} right of {len(half)}, {sum(right) / FITS:.1f}"
            " in the mean"
        )


@cache
def native_occurrences(folder: Path) -> Counter[str]:
    """What a profile's native side is fitted on."""
    return references.occurrences(references.native(folder, "train"))


def _nativeness(weights: dict[str, float], text: str) -> float:
    known = [weights[name] for name in occurring(text) if name in weights]
    return sum(known) / len(known) if known else 0.0


@cache
def occurring(text: str) -> tuple[str, ...]:
    """A text's function morphemes."""
    return tuple(function_morphemes(read(text).morphemes))


def false_alarms(folder: Path) -> Iterator[str]:
    """How many real texts the checks of script and josa flag."""
    reviews = [str(row["document"]) for row in records_of(nsmc.read("test", folder / "nsmc"))]
    corpora = {
        "KLUE-NLI dev premises": references.native(folder, "test"),
        "KorQuAD dev paragraphs": sorted(
            {str(row["context"]) for row in records_of(korquad.read("test", folder / "korquad"))}
        ),
        f"NSMC test reviews, the first {REVIEWS:,}": reviews[:REVIEWS],
    }
    yield "| text | with a letter that is not Hangul | foreign_answers | broken_josa_answers |"
    yield "|---|---|---|---|"
    for name, texts in corpora.items():
        counts = [
            sum(map(check, texts))
            for check in (
                lambda text: any(map(_is_foreign, text)),
                lambda text: bool(scripts.foreign_words(text)),
                lambda text: bool(broken_josa(text)),
            )
        ]
        yield f"| {name} ({len(texts):,}) | {' | '.join(f'{count:,}' for count in counts)} |"


def _is_foreign(letter: str) -> bool:
    return letter.isalpha() and scripts.script(letter) != "HANGUL"
