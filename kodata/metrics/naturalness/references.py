"""Native and translated Korean as the signals see them: what a model's answers are held against.

    python -m kodata.metrics.naturalness.references FOLDER   # with klue-nli/ and xnli-ko/

Writes profile.yaml and references.yaml.

Native: premises of KLUE-NLI, which people wrote in Korean (news, encyclopedia, reviews).
Translated: XNLI's Korean part, put into Korean from English by translators. Their genres differ as
well, so a difference is not all translation's. The profile is fitted on KLUE-NLI's train part and
half of XNLI's premises, the values are those of its dev part and the other half; the dev part's
hypotheses, which people wrote for a premise and a relation, stand beside. Only numbers are kept, no
text."""

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
# a function morpheme with a smaller mean share has no weight: rare ones tell one corpus, not
# translation
LEAST = 0.01
XNLI = "xnli-ko/xnli.dev.ko.tsv"


def reference_values() -> dict[str, dict[str, float]]:
    """What the signals are in `native` and `translated` Korean, and in the `hypotheses` that people
    wrote: each value by the name of its signal, from references.yaml."""
    import yaml

    told = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return {kind: values for kind, values in told.items() if isinstance(values, dict)}


def native(folder: Path, split: str, field: str = "premise") -> list[str]:
    """The different premises, or hypotheses, of a split of KLUE-NLI."""
    records = records_of(klue_nli.read(split, folder / "klue-nli"))
    return sorted({str(record[field]) for record in records})


def translated(
    folder: Path, fitted: bool, field: str = "sentence1", seed: str = "profile"
) -> list[str]:
    """The different premises (sentence1) or hypotheses (sentence2) of XNLI-ko's dev file that
    belong to the half of the premises on which the profile is fitted, or to the other."""
    rows, drawn = data_files.rows(folder / XNLI), make_draw(seed)
    half = {clean(row[field]) for row in rows if (drawn(str(row["sentence1"])) < 0.5) == fitted}
    return sorted(half - {""})


def occurrences(texts: Iterable[str]) -> Counter[str]:
    """How often each function morpheme occurs."""
    return Counter(one for text in texts for one in function_morphemes(read(text).morphemes))


def fit(native: Counter[str], translated: Counter[str]) -> dict[str, float]:
    """form/tag: binary logarithm of its share in native over that in translated text, one
    occurrence added to each."""
    sides = (native, translated)
    common = sorted(
        one
        for one in native | translated
        if sum(side[one] / side.total() for side in sides) / 2 >= LEAST
    )
    shares = [
        {one: (side[one] + 1) / sum(side[other] + 1 for other in common) for one in common}
        for side in sides
    ]
    return {one: round(math.log2(shares[0][one] / shares[1][one]), 3) for one in common}


def rates(measured: Iterable[dict[str, Signal]]) -> dict[str, float]:
    """Every signal over texts: the sum of its counts over the sum of what they are out of."""
    sums = {name: [0.0, 0.0] for name in NAMES if name not in LEVELS}
    for signals in measured:
        for name, pair in sums.items():
            pair[0] += signals[name].amount
            pair[1] += signals[name].out_of
    return {name: count / out_of for name, (count, out_of) in sums.items() if out_of}


def _write(path: Path, head: str, content: Mapping[str, object]) -> None:
    import yaml

    path.write_text(
        f"# {head}\n" + yaml.safe_dump(content, allow_unicode=True, sort_keys=False),
        encoding="utf-8",
    )


def main(folder: str) -> None:
    import kiwipiepy

    place = Path(folder)
    made = {
        "made_by": "python -m kodata.metrics.naturalness.references",
        "kiwipiepy": kiwipiepy.__version__,
    }
    weights = fit(occurrences(native(place, "train")), occurrences(translated(place, fitted=True)))
    _write(
        PROFILE,
        "Function morphemes, log2 of native over translated: references.py",
        {**made, "weights": weights},
    )
    profile.cache_clear()
    texts = {
        "native": native(place, "test"),
        "translated": translated(place, fitted=False),
        "hypotheses": native(place, "test", "hypothesis"),
    }
    values = {
        name: {
            "texts": len(found),
            **{key: round(rate, 4) for key, rate in rates(map(measure, found)).items()},
        }
        for name, found in texts.items()
    }
    _write(
        FILE,
        "The signals in native (KLUE-NLI dev premises; and hypotheses) and translated (XNLI-ko"
        " premises) text",
        {**made, **values},
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
