"""The functions of chat_ko.yaml. lm_eval loads this file by its path, from any folder.

A doc is kodata's record: guid, group, messages. The model writes the last turn of the chat. Its
prompt has all earlier turns in a single user turn."""

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
    """The values of a doc by metric, for the model's answer without its thought:

    - exact_match: 1 if the answer has the same characters as the expected one, else 0. Each run of
      white space counts as one space.
    - chrf: sacrebleu's chrF2 with character 1- to 6-grams, between 0 and 1. Popović 2015,
      https://aclanthology.org/W15-3049."""
    import sacrebleu

    text, expected = (
        " ".join(clean(each).split()) for each in (final_answer(results[0]) or "", answer(doc))
    )
    score = sacrebleu.sentence_chrf(text, [expected]).score
    return {"exact_match": float(text == expected), "chrf": score / 100}
