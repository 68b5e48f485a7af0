"""The functions of nsmc_ko.yaml. lm_eval loads this file by its path, from any folder.

A doc is kodata's record: guid, document, label. The model chooses one of the labels 부정 and 긍정,
in the order of kodata's LABELS."""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

if importlib.util.find_spec("kodata") is None:  # not installed: import it from the repository
    sys.path.append(str(Path(__file__).resolve().parents[2]))
from kodata.card import Record
from kodata.metrics.metrics import aggregation
from kodata.metrics.resampling import Ingredients
from kodata.nsmc import LABELS, question
from kodata.scored import dataset, likeliest

__all__ = ["choices", "dataset", "macro_f1", "process_results", "question", "target"]

macro_f1 = aggregation("macro_f1")


def choices(doc: Record) -> list[str]:
    """The choices 부정 and 긍정, which are the same for every doc."""
    return list(LABELS.values())


def target(doc: Record) -> int:
    """The index of the right choice."""
    return list(LABELS).index(doc["label"])


def process_results(doc: Record, results: Sequence[tuple[float, bool]]) -> Ingredients:
    """The items of a doc by metric (see kodata.metrics.metrics). `results` has lm_eval's
    (log-likelihood, is_greedy) of each choice. Raises ValueError if a log-likelihood is not
    finite."""
    gold, predicted = target(doc), likeliest(doc, results)
    return {"acc": float(gold == predicted), "macro_f1": (gold, predicted)}
