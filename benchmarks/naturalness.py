"""What the signals of ko_naturalness are worth, as tables in tasks/ko_naturalness/README.md: python
-m benchmarks.naturalness

The tables over our own texts are made anywhere, those over real text where ../shared/data is.
"""

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

from benchmarks.naturalness_texts import DAMAGE, EARLIER, Row, damaged, read_pairs, read_rows
from kodata import korquad, nsmc
from kodata.control_text import records_of
from kodata.metrics.naturalness import references, scripts
from kodata.metrics.naturalness.signals import Signal, measure
from kodata.metrics.naturalness.translationese import TRANSLATIONESE, function_morphemes, read

ROOT = Path(__file__).parent.parent
REAL = ROOT.parent / "shared" / "data"
PAGE = ROOT / "tasks" / "ko_naturalness" / "README.md"
SENTENCES, SAMPLES = 30, 300  # of a corpus, in each sample for the AUC; samples of each corpus
FITS = 12  # profiles fitted on other halves

# Which end of a signal is the unnatural one.
HIGHER_IS_WORSE = {
    "lm_bits_per_char": True,
    "kiwi_score": False,
    "function_profile": False,
    "spacing_errors": True,
}
HIGHER_IS_WORSE |= dict.fromkeys(TRANSLATIONESE, True)
FLUENCY = ("lm_bits_per_char", "kiwi_score", "spacing_errors")
Signals = dict[str, Signal]
Score = Callable[[Signals], float]


@cache
def measured(text: str) -> Signals:
    """Each text is read once for all tables."""
    return measure(text)


def rate(name: str) -> Score:
    """A signal of one text, turned so that more of it is less natural; 0 where it is out of
    nothing."""
    sign = 1 if HIGHER_IS_WORSE[name] else -1
    return lambda signals: (
        sign * signals[name].amount / signals[name].out_of if signals[name].out_of else 0.0
    )


def any_count(signals: Signals) -> float:
    """All counts of translationese together: for this page alone, no metric."""
    return sum(rate(name)(signals) for name in TRANSLATIONESE)


def length(signals: Signals) -> float:
    """How long the text is, which should tell nothing: also for this page alone."""
    return signals["lm_bits_per_char"].out_of


def scores() -> dict[str, Score]:
    """The rows of the tables."""
    return {
        **{name: rate(name) for name in HIGHER_IS_WORSE},
        "(all counts together)": any_count,
        "(characters)": length,
    }


def ranked(score: Score, pairs: Iterable[tuple[str, str]]) -> tuple[int, int, int]:
    """Of (natural, unnatural): in how many the unnatural one has more, in how many both have the
    same, and less."""
    found = [score(measured(unnatural)) - score(measured(natural)) for natural, unnatural in pairs]
    return sum(gap > 0 for gap in found), found.count(0), sum(gap < 0 for gap in found)


def pair_table() -> Iterator[str]:
    """Rank accuracy on both halves of the pairs."""
    yield (
        "| signal | development: right | tied | reversed | held out: right | tied | reversed |"
        " held-out rank accuracy |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    halves = read_pairs(held_out=False), read_pairs(held_out=True)
    for name, score in scores().items():
        (right, *rest), held = ranked(score, halves[0]), ranked(score, halves[1])
        cells = [name, right, *rest, *held, accuracy(held[0], len(halves[1]))]
        yield "| " + " | ".join(map(str, cells)) + " |"


def accuracy(right: int, out_of: int) -> str:
    """A share with its 95% interval (Wilson 1927)."""
    from scipy.stats import binomtest

    low, high = binomtest(right, out_of).proportion_ci(method="wilson")
    return f"{right / out_of:.2f} ({low:.2f} to {high:.2f})"


def damage_table() -> Iterator[str]:
    """Rank accuracy of the fluency signals on whole against damaged text."""
    yield f"| damage | texts | {' | '.join(FLUENCY)} |"
    yield "|---|---|" + "---|" * len(FLUENCY)
    for damage in DAMAGE:
        texts = damaged(damage)
        cells = [accuracy(ranked(rate(name), texts)[0], len(texts)) for name in FLUENCY]
        yield f"| {damage.__name__} | {len(texts)} | {' | '.join(cells)} |"


def script_table() -> Iterator[str]:
    """Precision and recall of the script check on both halves of the lines."""
    yield "| lines | faulty | flagged | precision | recall |"
    yield "|---|---|---|---|---|"
    rows = read_rows("scripts")
    for name, half in {
        "development": [row for row in rows if not row["held_out"] and not _is_earlier(row)],
        "held out": [row for row in rows if row["held_out"]],
        "of the earlier version": [row for row in rows if _is_earlier(row)],
    }.items():
        flagged = [row for row in half if scripts.foreign_words(row["text"])]
        right, faulty = sum(row["fault"] for row in flagged), sum(row["fault"] for row in half)
        yield (
            f"| {name} ({len(half)}) | {faulty} | {len(flagged)} |"
            f" {accuracy(right, len(flagged))} | {accuracy(right, faulty)} |"
        )


def _is_earlier(row: Row) -> bool:
    return str(row["guid"]).startswith(EARLIER)


# ---- real text


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
    found = [[list(map(measured, texts)) for texts in sides] for sides in corpora]
    for name in HIGHER_IS_WORSE:
        values = [f"{references.rates(side)[name]:.2f}" for side in found[0]]
        aucs = [
            f"{auc(rate(name), *sides):.2f} | {auc_of_samples(name, *sides):.2f}" for sides in found
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
            sum(one[name].amount for one in signals), sum(one[name].out_of for one in signals)
        )
    }


def spread_lines(folder: Path) -> Iterator[str]:
    """What the pairs say of profiles fitted on other halves of the translated text."""
    native = native_occurrences(folder)
    halves = read_pairs(held_out=False), read_pairs(held_out=True)
    found: tuple[list[int], list[int]] = ([], [])
    for number in range(FITS):
        texts = references.translated(folder, True, seed=f"spread {number}")
        weights = references.fit(native, references.occurrences(texts))
        for right, half in zip(found, halves, strict=True):
            right.append(
                sum(
                    _nativeness(weights, natural) > _nativeness(weights, other)
                    for natural, other in half
                )
            )
    for right, half, name in zip(found, halves, ("development", "held out"), strict=True):
        yield (
            f"- {name}: {min(right)} to {max(right)} right of {len(half)}, {sum(right) / FITS:.1f}"
            " in the mean"
        )


@cache
def native_occurrences(folder: Path) -> Counter[str]:
    """What a profile's native side is fitted on."""
    return references.occurrences(references.native(folder, "train"))


def _nativeness(weights: dict[str, float], text: str) -> float:
    known = [weights[one] for one in occurring(text) if one in weights]
    return sum(known) / len(known) if known else 0.0


@cache
def occurring(text: str) -> tuple[str, ...]:
    """A text's function morphemes."""
    return tuple(function_morphemes(read(text).morphemes))


def false_alarms(folder: Path) -> Iterator[str]:
    """The script check on real text."""
    corpora = {
        "KLUE-NLI dev premises": references.native(folder, "test"),
        "KorQuAD dev paragraphs": sorted(
            {str(row["context"]) for row in records_of(korquad.read("test", folder / "korquad"))}
        ),
        "NSMC test reviews": [
            str(row["document"]) for row in records_of(nsmc.read("test", folder / "nsmc"))
        ],
    }
    for name, texts in corpora.items():
        foreign = sum(
            any(letter.isalpha() and scripts.script(letter) != "HANGUL" for letter in text)
            for text in texts
        )
        alarms = sum(bool(scripts.foreign_words(text)) for text in texts)
        yield (
            f"- {name}: {alarms} of {len(texts):,}; {foreign:,} of them hold a letter that is not"
            " Hangul"
        )


def blocks(real: Path | None) -> dict[str, list[str]]:
    """The generated parts of the page by name; those over real text only where it is."""
    own = {"pairs": [*pair_table()], "damage": [*damage_table()], "scripts": [*script_table()]}
    return own | (
        {
            "separability": [*separability_table(real)],
            "alarms": [*false_alarms(real)],
            "spread": [*spread_lines(real)],
        }
        if real
        else {}
    )


def filled(page: str, found: dict[str, list[str]]) -> str:
    """The page with its generated parts replaced: each stands between <!-- name --> and <!-- end
    -->."""
    for name, lines in found.items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
        body = "\n".join(lines)
        page, times = re.subn(
            pattern, lambda match, body=body: f"{match[1]}\n{body}\n\n{match[2]}", page, flags=re.S
        )
        assert times == 1, f"{PAGE}: no place for {name}"
    return page


if __name__ == "__main__":
    made = blocks(REAL if REAL.is_dir() else None)
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), made), encoding="utf-8")
    print("\n\n".join("\n".join(lines) for lines in made.values()))
