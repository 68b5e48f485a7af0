"""The functions behind klue_nli_ko_gen.yaml: lm_eval loads this file by its path, from wherever it
runs.

A doc is kodata's record, as in klue_nli_ko; here the model writes its answer, after a thought if it
thinks."""

import importlib.util
import re
import sys
from collections.abc import Sequence
from pathlib import Path

if importlib.util.find_spec("kodata") is None:  # not installed: it stands beside the tasks
    sys.path.append(str(Path(__file__).resolve().parents[2]))
from kodata.card import Record
from kodata.klue_nli import LABELS, answer, question
from kodata.metrics.metrics import NO_ANSWER, aggregation
from kodata.metrics.resampling import Ingredients
from kodata.scored import dataset, final_answer, hangul_share, thought

__all__ = ["answer", "dataset", "macro_f1", "process_results", "question"]

macro_f1 = aggregation("macro_f1")
WORDS = list(LABELS.values())
# characters: what is longer argues, or is a thought that the template opened and that was cut off
LONGEST = 300
_MENTION = re.compile(rf"(?<!\w)(?:{'|'.join(WORDS)})")  # 함의입니다 but not 포함의


def process_results(doc: Record, results: Sequence[str]) -> Ingredients:
    """Per-item values. What is no valid answer is wrong; an item without a thought is not asked how
    long it is and in which language."""
    said, thinking, gold = final_answer(results[0]), thought(results[0]), WORDS.index(answer(doc))
    told, mentioned = strict(said or ""), flexible(said or "")
    values: Ingredients = {
        "acc": float(told == gold),
        "acc_flexible": float(mentioned == gold),
        "macro_f1": (gold, NO_ANSWER if told is None else told),
        "invalid": float(told is None),
        "invalid_flexible": float(mentioned is None),
        "unfinished": float(said is None),
        "thinking": float(bool(thinking)),
    }
    if thinking:
        values["thinking_characters"] = float(len(thinking))
    if (korean := hangul_share(thinking)) is not None:
        values["thinking_korean"] = korean
    return values


def strict(said: str) -> int | None:
    """The index of the word that an answer is, but for white space and signs after it; None where
    it is no such word."""
    end = len(said)
    while end and not said[end - 1].isalnum():
        end -= 1
    word = said[:end].lstrip()
    return WORDS.index(word) if word in WORDS else None


def flexible(said: str) -> int | None:
    """The index of the only one of the three words that begins a word of the answer, whatever
    follows it (중립입니다); None where none or several do, or it is longer than LONGEST: a cut
    thought has no tag to be known by. A denial (모순이 아니다) is not understood: it counts as the
    word."""
    found = set(_MENTION.findall(said)) if len(said) <= LONGEST else set()
    return WORDS.index(found.pop()) if len(found) == 1 else None
