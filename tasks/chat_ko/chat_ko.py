"""The functions of chat_ko.yaml. lm_eval loads this file by its path, from any folder.

A doc is kodata's record: guid, group, messages. The prompt has all turns before the last one, as a
single user turn."""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

if importlib.util.find_spec("kodata") is None:  # not installed: import it from the repository
    sys.path.append(str(Path(__file__).resolve().parents[2]))
from kodata.card import Record
from kodata.chat import answer, question
from kodata.scored import dataset, final_answer
from kodata.text import clean

__all__ = ["answer", "dataset", "process_results", "question"]


def process_results(doc: Record, results: Sequence[str]) -> dict[str, float]:
    """exact_match: the same characters, with any white space as one space. chrf: sacrebleu's chrF2
    with character 1- to 6-grams, between 0 and 1. Popović 2015, https://aclanthology.org/W15-3049.
    Thoughts are not part of an answer."""
    import sacrebleu

    text, expected = (
        " ".join(clean(each).split()) for each in (final_answer(results[0]) or "", answer(doc))
    )
    score = sacrebleu.sentence_chrf(text, [expected]).score
    return {"exact_match": float(text == expected), "chrf": score / 100}
