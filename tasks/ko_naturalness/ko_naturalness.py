"""The functions of ko_naturalness.yaml and ko_naturalness_sampled.yaml. lm_eval loads this file by
its path, from any folder.

A doc is kodata's record: guid, kind, level, prompt. The faults and signals are described in
kodata/metrics/naturalness/signals.py."""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

if importlib.util.find_spec("kodata") is None:  # not installed: import it from the repository
    sys.path.append(str(Path(__file__).resolve().parents[2]))
from kodata.card import Record
from kodata.metrics.metrics import aggregation
from kodata.metrics.naturalness.signals import is_empty_or_label, items, repeats
from kodata.metrics.resampling import Ingredients
from kodata.naturalness import answer, question
from kodata.scored import dataset, final_answer

__all__ = ["answer", "dataset", "process_results", "question", "rate", "void"]

rate, void = aggregation("hangul"), aggregation("void")  # all signals have the same aggregation


def process_results(doc: Record, results: Sequence[str]) -> Ingredients:
    """The items of a doc by metric, for the model's answer without its thought. For each fault and
    signal, an item is (guid, amount, out_of, empty).

    `empty_or_label`: the answer is empty, only a label, or its prompt again. `unfinished`: a
    thought was opened and not closed. The answer is then empty, and counts as unended. `length` is
    the number of characters of the answer."""
    answered = final_answer(results[0])
    text = answered or ""
    empty = is_empty_or_label(text) or repeats(text, doc["prompt"])
    return {
        "void": (doc["guid"], empty),
        "empty_or_label": float(empty),
        "unfinished": float(answered is None),
        "length": float(len(text)),
        **items(doc["guid"], text, empty, doc["level"], is_cut=answered is None),
    }
