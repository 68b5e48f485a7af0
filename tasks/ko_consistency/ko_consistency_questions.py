"""The functions behind ko_consistency_questions.yaml: lm_eval loads this file by its path, from wherever it runs.

A doc is kodata's record (guid, group, question, answers) with `ways`, the number of questions of its group.
"""

import importlib.util
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if importlib.util.find_spec("kodata") is None:  # not installed: it stands beside the tasks
    sys.path.append(str(Path(__file__).resolve().parents[2]))
from kodata import scored
from kodata.card import Record
from kodata.metrics import aggregation
from kodata.overlap import folded
from kodata.paraphrases import answer, question
from kodata.scored import final_answer

__all__ = ["answer", "consistent_and_right", "dataset", "holds", "process_results", "question", "same_answer"]

same_answer, consistent_and_right = aggregation("same_answer"), aggregation("consistent_and_right")
answer_overlap, answer_overlap_between = aggregation("answer_overlap"), aggregation("answer_overlap_between")
answer_overlap_gain = aggregation("answer_overlap_gain")

SHORT = 100  # folded characters: a longer answer is not the short one that was asked for, whatever it holds
COMPARED = 1000  # folded characters of an answer that are compared


def dataset(source: str, data_path: str | dict[str, str] | None = None, **_: object) -> dict[str, Any]:
    """The questions, group by group. `data_path` as in kodata.scored.dataset()."""
    found = scored.dataset(source, data_path)["test"]
    ways = Counter(found["group"])
    return {"test": found.add_column("ways", [ways[name] for name in found["group"]])}


def process_results(doc: Record, results: Sequence[str]) -> dict[str, Any]:
    """What the doc gives to each metric; nothing to those of right answers where none is known. `unfinished`: the model
    was still thinking when it was stopped."""
    final = final_answer(results[0])
    said, group, ways = folded(final or ""), doc["group"], doc["ways"]
    text = said[:COMPARED]
    found: dict[str, Any] = {"empty": float(not said), "unfinished": float(final is None)}
    found["same_answer"] = (group, group, ways, "", text)
    for metric in ("answer_overlap", "answer_overlap_between", "answer_overlap_gain"):
        found[metric] = (group, ways, text)
    if doc["answers"]:
        right = holds(said, doc["answers"])
        found |= {"acc": float(right), "consistent_and_right": (group, group, ways, 1, int(right))}
    return found


def holds(said: str, answers: Sequence[str]) -> bool:
    """Whether a short folded answer holds one of the accepted forms; 7 does not stand in 17."""
    forms = (re.escape(folded(form)) for form in answers)
    return len(said) <= SHORT and any(re.search(rf"(?<!\d){form}(?!\d)", said) for form in forms)
