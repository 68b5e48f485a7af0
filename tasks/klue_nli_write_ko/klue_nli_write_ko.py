"""The functions of klue_nli_write_ko.yaml. lm_eval loads this file by its path, from any folder.

The model writes a hypothesis for a premise and a relation. A judge (kodata/metrics/nli_judge.py)
predicts the relation of what it wrote. The judge also predicts the relation of the hypothesis that
a person wrote for the same premise and relation, for comparison (the human_... metrics).

A doc is kodata's record with `corpus`, the source whose train split the judge is fitted to. Without
a train split, relations and novelty are not scored."""

import importlib.util
import re
import sys
from collections.abc import Sequence
from pathlib import Path

if importlib.util.find_spec("kodata") is None:  # not installed: import it from the repository
    sys.path.append(str(Path(__file__).resolve().parents[2]))
from kodata import klue_nli, scored
from kodata.card import Record
from kodata.metrics import nli_judge
from kodata.metrics.metrics import aggregation
from kodata.metrics.naturalness.signals import NAMES, items
from kodata.metrics.resampling import Ingredients
from kodata.scored import Splits, final_answer
from kodata.text import folded

__all__ = ["answer", "dataset", "process_results", "question", "rate", "void"]

rate, void = aggregation("hangul"), aggregation("void")  # all signals have the same aggregation
SIGNALS = frozenset(NAMES) - {"speech_asked"}  # the prompt requests no speech level
# The number of characters of an answer that are judged. It is five times the length of the longest
# premise.
LONGEST = 1_000
# An answer that is only a label, after folded().
_LABEL = re.compile(rf"(관계는?)?({'|'.join(klue_nli.LABELS.values())})(관계)?(이다|입니다)?")


def dataset(source: str, data_path: str | dict[str, str] | None = None, **_: object) -> Splits:
    """Like kodata.scored.dataset(), with the additional field `corpus` in each doc. Also tells the
    judge where the data are."""
    nli_judge.prepare(source, scored.path_of(source, data_path))
    splits = scored.dataset(source, data_path)
    return {name: docs.add_column("corpus", [source] * len(docs)) for name, docs in splits.items()}


def question(doc: Record) -> str:
    """The prompt."""
    return klue_nli.question(doc, "write")


def answer(doc: Record) -> str:
    """The hypothesis that a person wrote."""
    return klue_nli.answer(doc, "write")


def process_results(doc: Record, results: Sequence[str]) -> Ingredients:
    """The items of a doc by metric. An answer is degenerate if it is empty, a copy of the premise,
    or only a label. Its relation counts as wrong, whatever the judge predicts. If more than a tenth
    of all answers are degenerate, the naturalness signals are NaN. `unfinished`: a thought was
    opened and not closed."""
    answered = final_answer(results[0])
    text = " ".join((answered or "")[:LONGEST].split())
    faults = {
        "empty": float(not folded(text)),
        "premise_copy": float(folded(text) == folded(doc["premise"])),
        "bare_label": float(bool(_LABEL.fullmatch(folded(text)))),
    }
    degenerate = bool(max(faults.values()))
    return {
        **judged(doc, text, degenerate),
        **{
            name: item
            for name, item in items(doc["guid"], text, degenerate, is_cut=answered is None).items()
            if name in SIGNALS
        },
        "void": (doc["guid"], degenerate),
        **faults,
        "degenerate": float(degenerate),
        "unfinished": float(answered is None),
    }


def judged(doc: Record, text: str, degenerate: bool) -> dict[str, float]:
    """The judge's values for an answer `text`, and for the hypothesis that a person wrote. Empty if
    there is no judge. `degenerate` is as in process_results()."""
    judge = nli_judge.judge(doc.get("corpus"))
    if judge is None:
        return {}
    premise, label, human = doc["premise"], doc["label"], doc["hypothesis"]
    values = {
        "relation_acc": float(not degenerate and judge.relation(premise, text) == label),
        "human_relation_acc": float(judge.relation(premise, human) == label),
        "train_copy": float(judge.is_copy(text)),
        "novelty": None if degenerate else judge.novelty(text),
        "human_novelty": judge.novelty(human),
    }
    return {name: value for name, value in values.items() if value is not None}
