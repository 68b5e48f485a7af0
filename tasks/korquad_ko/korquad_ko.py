"""The functions of korquad_ko.yaml. lm_eval loads this file by its path, from any folder.

A doc is kodata's record: guid, title, context, question, answer. exact_match and f1 are computed as
in KorQuAD's official script, evaluate-v1.0.py (https://korquad.github.io/KorQuad%201.0/). Two
things differ: answers are normalized to NFC, and thoughts are not part of an answer.

The official script does not handle particles (josa), so 서울에 instead of 서울 is as wrong as 부산.
exact_match_no_josa and f1_no_josa are additional metrics. For them, particles at the end of both
answers are removed first."""

import importlib.util
import string
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

if importlib.util.find_spec("kodata") is None:  # not installed: import it from the repository
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

# As in the official script, these characters become spaces, and all other ASCII punctuation is
# deleted. So `A(B)` becomes two words, and `A-B` one word.
_SPACED = dict.fromkeys("'\"《》<>〈〉()‘’", " ")
_DELETED = dict.fromkeys(set(string.punctuation) - set(_SPACED), "")
_SIGNS = "".join({*_SPACED, *_DELETED}) + string.whitespace
_FOLDED = str.maketrans({**_SPACED, **_DELETED})


def process_results(doc: Record, results: Sequence[str]) -> dict[str, float]:
    """The values of a doc by metric, each between 0 and 1. `unfinished`: a thought was opened and
    not closed."""
    answered, gold = final_answer(results[0]), doc["answer"]
    text = answered or ""
    without_particles = no_josa(text), no_josa(gold)
    return {
        "exact_match": exact_match(text, gold),
        "f1": character_f1(text, gold),
        "exact_match_no_josa": exact_match(*without_particles),
        "f1_no_josa": character_f1(*without_particles),
        "unfinished": float(answered is None),
    }


def no_josa(text: str) -> str:
    """The text without punctuation at its end, and without particles before this punctuation:
    서울에서. becomes 서울."""
    return without_josa(text.rstrip(_SIGNS))


def exact_match(text: str, gold: str) -> float:
    """1 if both texts have the same words in the same order, else 0. Case, the amount of white
    space, and punctuation that is deleted do not matter."""
    return float(_words(text) == _words(gold))


def character_f1(text: str, gold: str) -> float:
    """The F1 of the characters of both texts, without white space. A character that occurs twice
    counts twice. The order does not matter."""
    predicted, expected = Counter("".join(_words(text))), Counter("".join(_words(gold)))
    same = (predicted & expected).total()
    return 2 * same / (predicted.total() + expected.total()) if same else 0.0


def _words(text: str) -> list[str]:
    """The words of a text, in lower case and without punctuation."""
    return text.lower().translate(_FOLDED).split()
