"""The functions behind korquad_ko.yaml: lm_eval loads this file by its path, from wherever it runs.

A doc is kodata's record: guid, title, context, question, answer. Exact match and F1 are those of
KorQuAD's official script, evaluate-v1.0.py (https://korquad.github.io/KorQuad%201.0/), itself made
from SQuAD 1.1's; the code is ours. Unlike there, both sides are NFC, and a model's thoughts are no
part of its answer. The script does not know josa, so that 서울에 for 서울 is as wrong as 부산:
exact_match_no_josa and f1_no_josa are ours, and are the same two after the particles that end
either side are taken away."""

import importlib.util
import string
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

if importlib.util.find_spec("kodata") is None:  # not installed: it stands beside the tasks
    sys.path.append(str(Path(__file__).resolve().parents[2]))
from kodata.card import Record
from kodata.korquad import answer, question
from kodata.metrics.morphemes import without_josa
from kodata.scored import dataset, final_answer

__all__ = [
    "answer",
    "character_f1",
    "dataset",
    "exact_match",
    "no_josa",
    "process_results",
    "question",
]

# The script turns these into spaces and deletes what then is left of ASCII punctuation: `A(B)` is
# two words, `A-B` one.
_SPACED = dict.fromkeys("'\"《》<>〈〉()‘’", " ")
_DELETED = dict.fromkeys(set(string.punctuation) - set(_SPACED), "")
_SIGNS = "".join({*_SPACED, *_DELETED}) + string.whitespace
_FOLDED = str.maketrans({**_SPACED, **_DELETED})


def process_results(doc: Record, results: Sequence[str]) -> dict[str, float]:
    """Per-item values, each between 0 and 1. `unfinished`: the model was still thinking when it was
    stopped."""
    said = final_answer(results[0])
    whole, bare = (said or "", doc["answer"]), (no_josa(said or ""), no_josa(doc["answer"]))
    return {
        "exact_match": exact_match(*whole),
        "f1": character_f1(*whole),
        "exact_match_no_josa": exact_match(*bare),
        "f1_no_josa": character_f1(*bare),
        "unfinished": float(said is None),
    }


def no_josa(text: str) -> str:
    """The text without the signs that end it and the particles before them: 서울에서. is 서울."""
    return without_josa(text.rstrip(_SIGNS))


def exact_match(said: str, gold: str) -> float:
    """1 where the two are the same words: spacing between words counts, its width, case and
    punctuation do not."""
    return float(_words(said) == _words(gold))


def character_f1(said: str, gold: str) -> float:
    """F1 of the characters, each as often as it occurs, in any order; spaces do not count."""
    ours, theirs = Counter("".join(_words(said))), Counter("".join(_words(gold)))
    same = (ours & theirs).total()
    return 2 * same / (ours.total() + theirs.total()) if same else 0.0


def _words(text: str) -> list[str]:
    return text.lower().translate(_FOLDED).split()
