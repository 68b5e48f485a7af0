"""Computes the reference values: the faults and signals of texts that people wrote. A language
model's answers are compared with them.

    python -m kodata.metrics.naturalness.references FOLDER

FOLDER has the folders klue-nli and xnli-ko. Two files are written, which contain no texts:

- profile.yaml: the profile, which is a weight for each frequent function morpheme (fit())
- references.yaml: the value of each fault and signal for each of three kinds of text (rates())

The kinds of text are:

- native: premises of KLUE-NLI, which people wrote in Korean (news, encyclopedia, reviews)
- translated: premises of XNLI's Korean part, which people translated from English. Their genres
  differ from those of KLUE-NLI, so translation is not the only cause of a difference.
- hypotheses: hypotheses of KLUE-NLI, which people wrote for a given premise and relation

The profile is fitted on KLUE-NLI's train split and on one half of XNLI's dev file. references.yaml
is measured on KLUE-NLI's test split (the dev file) and on the other half of XNLI's dev file."""

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
# The profile contains only function morphemes whose mean share in native and translated text is at
# least this number. The share of a rarer morpheme depends more on the topics of the texts than on
# translation.
MIN_SHARE = 0.01
XNLI = "xnli-ko/xnli.dev.ko.tsv"


def reference_values() -> dict[str, dict[str, float]]:
    """The values in references.yaml. The keys are the kinds of text: native, translated and
    hypotheses. For each kind, a dict has the value of each fault and signal, and the number of
    texts under `texts`."""
    import yaml

    content = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return {kind: values for kind, values in content.items() if isinstance(values, dict)}


def native(folder: Path, split: str, field: str = "premise") -> list[str]:
    """The distinct premises or hypotheses (`field`) of a split of KLUE-NLI, sorted. `folder` has
    the folder klue-nli. Raises DataError."""
    records = records_of(klue_nli.read(split, folder / "klue-nli"))
    return sorted({str(record[field]) for record in records})


def translated(
    folder: Path, is_fitted: bool, field: str = "sentence1", seed: str = "profile"
) -> list[str]:
    """The distinct premises (`field` is sentence1) or hypotheses (sentence2) of one half of XNLI's
    Korean dev file, sorted. `folder` has the folder xnli-ko. The premises are divided at random by
    `seed`. `is_fitted`: True for the half on which the profile is fitted, False for the other half.
    Raises DataError."""
    rows, draw = data_files.rows(folder / XNLI), make_draw(seed)
    half = {clean(row[field]) for row in rows if (draw(str(row["sentence1"])) < 0.5) == is_fitted}
    return sorted(half - {""})


def occurrences(texts: Iterable[str]) -> Counter[str]:
    """How often each function morpheme (form/tag) occurs in the texts."""
    return Counter(
        morpheme for text in texts for morpheme in function_morphemes(read(text).morphemes)
    )


def fit(native_counts: Counter[str], translated_counts: Counter[str]) -> dict[str, float]:
    """Fits the profile to the counts of function morphemes in native and in translated text.
    Returns {form/tag: weight} for the morphemes that MIN_SHARE selects. The weight is log2(share in
    native text / share in translated text). 1 is added to each count, so that no share is zero."""
    both = native_counts, translated_counts
    frequent = sorted(
        name
        for name in native_counts | translated_counts
        if sum(counts[name] / counts.total() for counts in both) / 2 >= MIN_SHARE
    )
    in_native, in_translated = (_smoothed_shares(counts, frequent) for counts in both)
    return {name: round(math.log2(in_native[name] / in_translated[name]), 3) for name in frequent}


def _smoothed_shares(counts: Counter[str], names: list[str]) -> dict[str, float]:
    """The share of each name among all these names, after 1 is added to each count."""
    total = sum(counts[name] + 1 for name in names)
    return {name: (counts[name] + 1) / total for name in names}


def rates(measured: Iterable[dict[str, Signal]]) -> dict[str, float]:
    """The value of each fault and signal over all texts. `measured` has the result of measure() for
    each text. A value is the sum of `amount` divided by the sum of `out_of`.

    Signals whose `out_of` is always 0 are left out. The signals of LEVELS are left out too, since
    most of these texts are one sentence, which cannot mix speech levels."""
    sums = {name: [0.0, 0.0] for name in NAMES if name not in LEVELS}
    for signals in measured:
        for name, pair in sums.items():
            pair[0] += signals[name].amount
            pair[1] += signals[name].out_of
    return {name: amount / out_of for name, (amount, out_of) in sums.items() if out_of}


def _write(path: Path, head: str, content: Mapping[str, object]) -> None:
    """Writes `content` as YAML, after the comment `head`."""
    import yaml

    path.write_text(
        f"# {head}\n" + yaml.safe_dump(content, allow_unicode=True, sort_keys=False),
        encoding="utf-8",
    )


def main(folder: str) -> None:
    """Write profile.yaml, then references.yaml, which depends on the profile."""
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
