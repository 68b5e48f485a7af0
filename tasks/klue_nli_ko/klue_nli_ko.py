"""The functions behind klue_nli_ko.yaml: lm_eval loads this file by its path, from wherever it runs.

A doc is kodata's record: guid, source, premise, hypothesis, label. The choices stand in the order of kodata's LABELS.
"""

import importlib.util
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if importlib.util.find_spec("kodata") is None:  # not installed: it stands beside the tasks
    sys.path.append(str(Path(__file__).resolve().parents[2]))
from kodata.card import Record
from kodata.klue_nli import LABELS, question
from kodata.metrics import aggregation
from kodata.scored import chosen, dataset

__all__ = ["choices", "dataset", "macro_f1", "process_results", "question", "target", "triple_acc"]

macro_f1, triple_acc = aggregation("macro_f1"), aggregation("triple_acc")


def choices(doc: Record) -> list[str]:
    """함의, 중립, 모순: the same for every doc."""
    return list(LABELS.values())


def target(doc: Record) -> int:
    """The index of the right choice."""
    return list(LABELS).index(doc["label"])


def process_results(doc: Record, results: Sequence[tuple[float, bool]]) -> dict[str, Any]:
    """Per-item values from the three log-likelihoods. Raises ValueError where a model gives no finite number."""
    gold, predicted = target(doc), chosen(doc, results)
    return {
        "acc": float(gold == predicted),
        "macro_f1": (gold, predicted),
        "triple_acc": (doc["premise"], gold, predicted),
        "brier": brier(gold, [likelihood for likelihood, _ in results]),
    }


def brier(gold: int, likelihoods: Sequence[float]) -> float:
    """Squared distance of the choices' probabilities (softmax) from the truth: 0 is certain and right, 2 certain and
    wrong, 2/3 an even guess among three. Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """
    top = max(likelihoods)
    weights = [math.exp(likelihood - top) for likelihood in likelihoods]
    return sum((weight / sum(weights) - (choice == gold)) ** 2 for choice, weight in enumerate(weights))
