"""The functions behind chat_ko.yaml: lm_eval loads this file by its path, from wherever it runs.

A doc is kodata's record: guid, group, messages. The question is all before the last turn, as one
user's turn."""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

if importlib.util.find_spec("kodata") is None:  # not installed: it stands beside the tasks
    sys.path.append(str(Path(__file__).resolve().parents[2]))
from kodata.card import Record
from kodata.chat import answer, question
from kodata.scored import dataset, final_answer
from kodata.text import clean

__all__ = ["answer", "dataset", "process_results", "question"]


def process_results(doc: Record, results: Sequence[str]) -> dict[str, float]:
    """exact_match: the same characters, white space counted as one space. chrf: sacrebleu's chrF2
    of this answer, 0-1: characters 1- to 6-grams. Popović 2015, https://aclanthology.org/W15-3049.
    Thoughts are no part of an answer."""
    import sacrebleu

    said, expected = (
        " ".join(clean(text).split()) for text in (final_answer(results[0]) or "", answer(doc))
    )
    score = sacrebleu.sentence_chrf(said, [expected]).score
    return {"exact_match": float(said == expected), "chrf": score / 100}
