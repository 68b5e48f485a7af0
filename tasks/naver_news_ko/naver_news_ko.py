"""The functions behind naver_news_ko.yaml: lm_eval loads this file by its path, from wherever it
runs.

A doc is kodata's record: guid, document, summary and, where they are known, date, category, press,
title. ROUGE is rouge_score's F-measure (Lin 2004, https://aclanthology.org/W04-1013/) over tokens
of ours: its own tokenizer deletes all Hangul. Of an answer the first LONGEST characters are scored.
Every score stands beside that of lead-3, the first three sentences of the article."""

import importlib.util
import re
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

if importlib.util.find_spec("kodata") is None:  # not installed: it stands beside the tasks
    sys.path.append(str(Path(__file__).resolve().parents[2]))
from kodata.card import Record
from kodata.metrics.morphemes import surfaces
from kodata.naver_news import answer, question
from kodata.scored import dataset, final_answer

__all__ = ["answer", "dataset", "lead", "process_results", "question", "rouge"]

TYPES = ("rouge1", "rouge2", "rougeL")
# several times what 512 tokens hold: an endless answer is scored in a second, and near 0 as it
# would be
LONGEST = 5_000
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|(?<=[.!?…][\"'”’)\]])\s+|\n+")


class Characters:
    """Each character that is no white space is a token: spacing, which Korean writers vary, does
    not count."""

    def tokenize(self, text: str) -> list[str]:
        return list("".join(text.split()))


class Words:
    """What stands between white space is a token: a word with its particles, an eojeol."""

    def tokenize(self, text: str) -> list[str]:
        return text.split()


class Morphemes:
    """Each morpheme as it stands in the text, signs among them; none is left out. So particles
    count apart from nouns."""

    def tokenize(self, text: str) -> list[str]:
        return surfaces(text)


UNITS = {"char": Characters, "word": Words, "morph": Morphemes}


def process_results(doc: Record, results: Sequence[str]) -> dict[str, float]:
    """Per-item values, each between 0 and 1. `unfinished`: the model was still thinking when it was
    stopped."""
    said = final_answer(results[0])
    return {
        **rouge(said or "", doc["summary"]),
        **lead3(doc["document"], doc["summary"]),
        "unfinished": float(said is None),
    }


def rouge(said: str, gold: str) -> dict[str, float]:
    """rouge1_char ... rougeL_morph: the F-measure of each type over each unit."""
    return {
        f"{kind}_{unit}": float(score.fmeasure)
        for unit in UNITS
        for kind, score in _scorer(unit).score(gold, said[:LONGEST]).items()
    }


@cache  # the same for base and tuned, and a third of the work
def lead3(document: str, summary: str) -> dict[str, float]:
    """lead3_rouge1_char ...: what rouge() gives the article's first three sentences."""
    return {f"lead3_{metric}": value for metric, value in rouge(lead(document), summary).items()}


@cache
def _scorer(unit: str) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(list(TYPES), tokenizer=UNITS[unit]())


def lead(document: str, sentences: int = 3) -> str:
    """The first sentences. One ends with . ! ? or … (and a closing quote or bracket) before white
    space, or at a line end."""
    found = [part.strip() for part in _SENTENCE_END.split(document) if part.strip()]
    return " ".join(found[:sentences])
