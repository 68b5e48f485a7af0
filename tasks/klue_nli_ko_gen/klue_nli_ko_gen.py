"""The functions of klue_nli_ko_gen.yaml. lm_eval loads this file by its path, from any folder.

A doc is kodata's record, as in klue_nli_ko. The model writes its answer here, instead of choosing
one. A reasoning model writes a thought first."""

import importlib.util
import re
import sys
from collections.abc import Sequence
from pathlib import Path

if importlib.util.find_spec("kodata") is None:  # not installed: import it from the repository
    sys.path.append(str(Path(__file__).resolve().parents[2]))
from kodata.card import Record
from kodata.klue_nli import LABELS, answer, question
from kodata.metrics.metrics import NO_ANSWER, aggregation
from kodata.metrics.resampling import Ingredients
from kodata.scored import dataset, final_answer, hangul_share, thought

__all__ = ["answer", "dataset", "macro_f1", "process_results", "question"]

macro_f1 = aggregation("macro_f1")
WORDS = list(LABELS.values())  # the labels as the model should write them
# The maximum number of characters of an answer in which flexible() searches a label. A longer text
# may be an unfinished thought without a tag, because the template opened the thought.
LONGEST = 300
_MENTION = re.compile(rf"(?<!\w)(?:{'|'.join(WORDS)})")  # matches 함의입니다, but not 포함의


def process_results(doc: Record, results: Sequence[str]) -> Ingredients:
    """The items of a doc by metric. An answer without a label is invalid and counts as wrong.

    - acc and invalid: the label is the whole answer (strict()).
    - acc_flexible and invalid_flexible: the label is found in the answer (flexible()).
    - unfinished: a thought was opened and not closed.
    - thinking: the model wrote a thought.
    - thinking_characters and thinking_korean: the length of the thought in characters, and the
      share of Hangul in it. They are left out if there is no thought."""
    text, thinking, gold = final_answer(results[0]), thought(results[0]), WORDS.index(answer(doc))
    label, mentioned = strict(text or ""), flexible(text or "")
    values: Ingredients = {
        "acc": float(label == gold),
        "acc_flexible": float(mentioned == gold),
        "macro_f1": (gold, NO_ANSWER if label is None else label),
        "invalid": float(label is None),
        "invalid_flexible": float(mentioned is None),
        "unfinished": float(text is None),
        "thinking": float(bool(thinking)),
    }
    if thinking:
        values["thinking_characters"] = float(len(thinking))
    if (korean := hangul_share(thinking)) is not None:
        values["thinking_korean"] = korean
    return values


def strict(text: str) -> int | None:
    """The index of the label if it is the whole answer, else None. White space around it and
    punctuation after it are ignored."""
    end = len(text)
    while end and not text[end - 1].isalnum():
        end -= 1
    word = text[:end].lstrip()
    return WORDS.index(word) if word in WORDS else None


def flexible(text: str) -> int | None:
    """The index of the label with which a word of the answer begins, as in 중립입니다. None if the
    answer has no label or several different ones, or is longer than LONGEST.

    Negation is not recognized: 모순이 아니다 counts as 모순."""
    labels = set(_MENTION.findall(text)) if len(text) <= LONGEST else set()
    return WORDS.index(labels.pop()) if len(labels) == 1 else None
