"""The functions of ko_naturalness*.yaml. lm_eval loads this file by its path, from any folder.

A doc is kodata's record: guid, kind, level, prompt. The signals are described in
kodata/metrics/naturalness/signals.py."""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

if importlib.util.find_spec("kodata") is None:  # not installed: import it from the repository
    sys.path.append(str(Path(__file__).resolve().parents[2]))
from kodata.card import Record
from kodata.metrics.metrics import aggregation
from kodata.metrics.naturalness.signals import is_empty_or_label, items
from kodata.metrics.resampling import Ingredients
from kodata.naturalness import answer, question
from kodata.scored import dataset, final_answer

__all__ = ["answer", "dataset", "process_results", "question", "rate", "void"]

rate, void = aggregation("hangul"), aggregation("void")  # all signals have the same aggregation


def process_results(doc: Record, results: Sequence[str]) -> Ingredients:
    """The doc's item for each fault and signal: (guid, count, total, empty). `unfinished`: a
    thought was opened and not closed. An unfinished answer counts as empty and as unended. `length`
    is in characters. Thoughts are not part of an answer."""
    finished = final_answer(results[0])
    said = finished or ""
    empty = is_empty_or_label(said)
    return {
        "void": (doc["guid"], empty),
        "empty_or_label": float(empty),
        "unfinished": float(finished is None),
        "length": float(len(said)),
        **items(doc["guid"], said, empty, doc["level"], is_cut=finished is None),
    }
