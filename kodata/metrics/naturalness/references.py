"""Computes the signals of native and of translated Korean, for comparison with the signals of a
language model's answers.

    python -m kodata.metrics.naturalness.references FOLDER   # with klue-nli/ and xnli-ko/

Writes two files, which contain numbers only, no text:

- profile.yaml: the profile, which is a weight for each frequent function morpheme (fit())
- references.yaml: the value of each fault and signal for each kind of text (rates())

Native: premises of KLUE-NLI, which people wrote in Korean (news, encyclopedia, reviews).
Translated: XNLI's Korean part, which translators made from English. The genres differ too, so
translation is not the only cause of a difference.

The profile is fitted on the premises of KLUE-NLI's train part and of one half of XNLI's dev file.
The values in references.yaml are measured on other premises: those of KLUE-NLI's dev part, and
those of the other half of XNLI. The third kind of text is the hypotheses of KLUE-NLI's dev part.
People wrote them for a given premise and relation."""

import math
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from kodata import klue_nli
from kodata.control_text import records_of
from kodata.metrics.naturalness.signals import LEVELS, NAMES, PROFILE, Signal, measure, profile
from kodata.metrics.naturalness.translationese import function_morphemes, read
from kodata.reading import files as data_files
from kodata.records import make_draw
from kodata.text import clean

FILE = Path(__file__).parent / "references.yaml"
# The profile contains only function morphemes with at least this share. It is the mean of the
# shares in native and in translated text. The share of a rare morpheme depends on the corpus more
# than on translation.
MIN_SHARE = 0.01
XNLI = "xnli-ko/xnli.dev.ko.tsv"


def reference_values() -> dict[str, dict[str, float]]:
    """The values in references.yaml. The keys of the outer dict are `native`, `translated` and
    `hypotheses`. Each inner dict maps a fault or signal to its value, and `texts` to the number of
    texts."""
    import yaml

    content = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return {kind: values for kind, values in content.items() if isinstance(values, dict)}


def native(folder: Path, split: str, field: str = "premise") -> list[str]:
    """The distinct premises, or hypotheses, of a split of KLUE-NLI, sorted."""
    records = records_of(klue_nli.read(split, folder / "klue-nli"))
    return sorted({str(record[field]) for record in records})


def translated(
    folder: Path, is_fitted: bool, field: str = "sentence1", seed: str = "profile"
) -> list[str]:
    """The distinct premises (sentence1) or hypotheses (sentence2) of one half of XNLI-ko's dev
    file, sorted. The file is divided by premise, at random with the seed `seed`. `is_fitted`: True
    for the half on which the profile is fitted, False for the other half."""
    rows, draw = data_files.rows(folder / XNLI), make_draw(seed)
    half = {clean(row[field]) for row in rows if (draw(str(row["sentence1"])) < 0.5) == is_fitted}
    return sorted(half - {""})


def occurrences(texts: Iterable[str]) -> Counter[str]:
    """How often each function morpheme occurs."""
    return Counter(
        morpheme for text in texts for morpheme in function_morphemes(read(text).morphemes)
    )


def fit(native_counts: Counter[str], translated_counts: Counter[str]) -> dict[str, float]:
    """Fit the profile. Returns the weight of each frequent function morpheme (MIN_SHARE):
    {form/tag: log2(share in native text / share in translated text)}. One occurrence is added to
    each count, so that no share is zero."""
    both = native_counts, translated_counts
    frequent = sorted(
        name
        for name in native_counts | translated_counts
        if sum(counts[name] / counts.total() for counts in both) / 2 >= MIN_SHARE
    )
    in_native, in_translated = (_smoothed_shares(counts, frequent) for counts in both)
    return {name: round(math.log2(in_native[name] / in_translated[name]), 3) for name in frequent}


def _smoothed_shares(counts: Counter[str], names: list[str]) -> dict[str, float]:
    total = sum(counts[name] + 1 for name in names)
    return {name: (counts[name] + 1) / total for name in names}


def rates(measured: Iterable[dict[str, Signal]]) -> dict[str, float]:
    """The value of each fault and signal over all texts. A value is the sum of the texts' `amount`
    divided by the sum of their `out_of`. Signals whose `out_of` is always 0 are left out. LEVELS
    are left out too: most of these texts have one sentence, which cannot mix speech levels."""
    sums = {name: [0.0, 0.0] for name in NAMES if name not in LEVELS}
    for signals in measured:
        for name, pair in sums.items():
            pair[0] += signals[name].amount
            pair[1] += signals[name].out_of
    return {name: amount / out_of for name, (amount, out_of) in sums.items() if out_of}


def _write(path: Path, head: str, content: Mapping[str, object]) -> None:
    import yaml

    path.write_text(
        f"# {head}\n" + yaml.safe_dump(content, allow_unicode=True, sort_keys=False),
        encoding="utf-8",
    )


def main(folder: str) -> None:
    import kiwipiepy

    data = Path(folder)
    made_by = {
        "made_by": "python -m kodata.metrics.naturalness.references",
        "kiwipiepy": kiwipiepy.__version__,
    }
    weights = fit(occurrences(native(data, "train")), occurrences(translated(data, is_fitted=True)))
    _write(
        PROFILE,
        "Function morphemes, log2 of native over translated: references.py",
        {**made_by, "weights": weights},
    )
    profile.cache_clear()
    texts = {
        "native": native(data, "test"),
        "translated": translated(data, is_fitted=False),
        "hypotheses": native(data, "test", "hypothesis"),
    }
    values = {
        name: {
            "texts": len(written),
            **{key: round(rate, 4) for key, rate in rates(map(measure, written)).items()},
        }
        for name, written in texts.items()
    }
    _write(
        FILE,
        "The signals in native (KLUE-NLI dev premises; and hypotheses) and translated (XNLI-ko"
        " premises) text",
        {**made_by, **values},
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
