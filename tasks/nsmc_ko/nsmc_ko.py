"""The functions behind nsmc_ko.yaml: lm_eval loads this file by its path, from wherever it runs.

A doc is kodata's record: guid, document, label. The choices stand in the order of kodata's LABELS.
"""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

if importlib.util.find_spec("kodata") is None:  # not installed: it stands beside the tasks
    sys.path.append(str(Path(__file__).resolve().parents[2]))
from kodata.card import Record
from kodata.metrics.metrics import aggregation
from kodata.metrics.resampling import Ingredients
from kodata.nsmc import LABELS, question
from kodata.scored import chosen, dataset

__all__ = ["choices", "dataset", "macro_f1", "process_results", "question", "target"]

macro_f1 = aggregation("macro_f1")


def choices(doc: Record) -> list[str]:
    """부정, 긍정: the same for every doc."""
    return list(LABELS.values())


def target(doc: Record) -> int:
    """The index of the right choice."""
    return list(LABELS).index(doc["label"])


def process_results(doc: Record, results: Sequence[tuple[float, bool]]) -> Ingredients:
    """Per-item values from the two log-likelihoods. Raises ValueError where a model gives no finite
    number."""
    gold, predicted = target(doc), chosen(doc, results)
    return {"acc": float(gold == predicted), "macro_f1": (gold, predicted)}
