"""What the signals of ko_naturalness are worth, as tables in tasks/ko_naturalness/README.md: python
-m benchmarks.naturalness

The tables over our own texts are made anywhere, those over real text where ../shared/data is.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

from kodata import korquad, nsmc
from kodata.control_text import records_of
from kodata.metrics.naturalness import references, scripts
from kodata.metrics.naturalness.signals import Signal, measure
from kodata.metrics.naturalness.translationese import TRANSLATIONESE, function_morphemes, read

ROOT = Path(__file__).parent.parent
REAL = ROOT.parent / "shared" / "data"
PAGE = ROOT / "tasks" / "ko_naturalness" / "README.md"
TEXTS = ROOT / "kodata" / "metrics" / "naturalness"
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


def written(name: str) -> list[dict[str, object]]:
    """The rows of pairs.jsonl or leaky.jsonl."""
    return [
        json.loads(line)
        for line in (TEXTS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    ]


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


def pairs(held_out: bool) -> list[tuple[str, str]]:
    """(natural, translationese) of one half of the pairs."""
    rows = [row for row in written("pairs") if row["held_out"] == held_out]
    return [(str(row["natural"]), str(row["translationese"])) for row in rows]


def pair_table() -> Iterator[str]:
    """Rank accuracy on both halves of the pairs."""
    yield (
        "| signal | development: right | tied | reversed | held out: right | tied | reversed |"
        " held-out rank accuracy |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    halves = pairs(held_out=False), pairs(held_out=True)
    for name, score in scores().items():
        (right, *rest), held = ranked(score, halves[0]), ranked(score, halves[1])
        cells = [name, right, *rest, *held, accuracy(held[0], len(halves[1]))]
        yield "| " + " | ".join(map(str, cells)) + " |"


def accuracy(right: int, out_of: int) -> str:
    """A share with its 95% interval (Wilson 1927)."""
    from scipy.stats import binomtest

    low, high = binomtest(right, out_of).proportion_ci(method="wilson")
    return f"{right / out_of:.2f} ({low:.2f} to {high:.2f})"


# ---- damage: what the fluency signals are for


def typo(text: str, chance: random.Random) -> str:
    """One syllable in eight has another vowel."""
    places = [at for at, letter in enumerate(text) if "가" <= letter <= "힣"]
    letters = list(text)
    for at in chance.sample(places, max(1, len(places) // 8)):
        initial, rest = divmod(ord(letters[at]) - 0xAC00, 588)
        vowel, final = divmod(rest, 28)
        letters[at] = chr(
            0xAC00 + initial * 588 + (vowel + chance.randrange(1, 21)) % 21 * 28 + final
        )
    return "".join(letters)


def wrong_josa(text: str, chance: random.Random) -> str:
    """The other form of every 은/는, 이/가, 을/를 and 과/와 at the end of a word."""
    other = dict(zip("은는이가을를과와", "는은가이를을와과", strict=True))
    return re.sub(r"(?<=\w)[은는이가을를과와](?=\s)", lambda match: other[match[0]], text)


def word_salad(text: str, chance: random.Random) -> str:
    """The words in another order."""
    return " ".join(chance.sample(text.split(), len(text.split())))


def lost_spaces(text: str, chance: random.Random) -> str:
    """Every third space is gone."""
    places = [at for at, letter in enumerate(text) if letter == " "]
    gone = set(chance.sample(places, max(1, len(places) // 3))) if places else set()
    return "".join(letter for at, letter in enumerate(text) if at not in gone)


def stray_spaces(text: str, chance: random.Random) -> str:
    """Every third word is broken in two."""
    words = text.split()
    places = [at for at, word in enumerate(words) if len(word) > 2]
    for at in chance.sample(
        places, max(1, len(words) // 3) if len(places) > len(words) // 3 else len(places)
    ):
        cut = chance.randrange(1, len(words[at]) - 1)
        words[at] = f"{words[at][:cut]} {words[at][cut:]}"
    return " ".join(words)


DAMAGE = (typo, wrong_josa, word_salad, lost_spaces, stray_spaces)


def damaged(how: Callable[[str, random.Random], str]) -> list[tuple[str, str]]:
    """(natural, damaged) for the natural side of all pairs that the damage changes."""
    found = [
        (str(row["natural"]), how(str(row["natural"]), random.Random(str(row["guid"]))))
        for row in written("pairs")
    ]
    return [(natural, other) for natural, other in found if natural != other]


def damage_table() -> Iterator[str]:
    """Rank accuracy of the fluency signals on whole against damaged text."""
    yield f"| damage | texts | {' | '.join(FLUENCY)} |"
    yield "|---|---|" + "---|" * len(FLUENCY)
    for how in DAMAGE:
        found = damaged(how)
        cells = [accuracy(ranked(rate(name), found)[0], len(found)) for name in FLUENCY]
        yield f"| {how.__name__} | {len(found)} | {' | '.join(cells)} |"


def script_lines() -> Iterator[str]:
    """The script check on our own lines."""
    rows = written("leaky")
    for leaky, told in (
        (True, "leaky lines found"),
        (False, "lines with foreign letters of right taken for leaky"),
    ):
        texts = [str(row["text"]) for row in rows if row["leaky"] == leaky]
        yield f"- {told}: {sum(bool(scripts.leaky(text)) for text in texts)} of {len(texts)}"


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
    halves = pairs(held_out=False), pairs(held_out=True)
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
        alarms = sum(bool(scripts.leaky(text)) for text in texts)
        yield (
            f"- {name}: {alarms} of {len(texts):,}; {foreign:,} of them hold a letter that is not"
            " Hangul"
        )


def blocks(real: Path | None) -> dict[str, list[str]]:
    """The generated parts of the page by name; those over real text only where it is."""
    own = {"pairs": [*pair_table()], "damage": [*damage_table()], "scripts": [*script_lines()]}
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
        parts = re.split(pattern, page, flags=re.S)
        assert len(parts) == 4, f"{PAGE}: no place for {name}"
        before, begin, end, after = parts
        page = f"{before}{begin}\n{body}\n\n{end}{after}"
    return page


if __name__ == "__main__":
    made = blocks(REAL if REAL.is_dir() else None)
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), made), encoding="utf-8")
    print("\n\n".join("\n".join(lines) for lines in made.values()))
