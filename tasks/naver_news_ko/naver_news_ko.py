"""The functions of naver_news_ko.yaml. lm_eval loads this file by its path, from any folder.

A doc is kodata's record: guid, document, summary, and optionally date, category, press, title.
ROUGE is rouge_score's F-measure (Lin 2004, https://aclanthology.org/W04-1013/) with our tokenizers,
since its own tokenizer deletes all Hangul. The first LONGEST characters of an answer are scored.
The baseline for every score is lead-3, the first three sentences of the article."""

import importlib.util
import re
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

if importlib.util.find_spec("kodata") is None:  # not installed: import it from the repository
    sys.path.append(str(Path(__file__).resolve().parents[2]))
from kodata.card import Record
from kodata.metrics.morphemes import surfaces
from kodata.naver_news import answer, question
from kodata.scored import dataset, final_answer

__all__ = ["answer", "dataset", "lead", "process_results", "question", "rouge"]

TYPES = ("rouge1", "rouge2", "rougeL")
# The number of characters that are scored, several times the length of 512 tokens. The limit bounds
# the time for an endless answer, whose score is near 0 anyway.
LONGEST = 5_000
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|(?<=[.!?…][\"'”’)\]])\s+|\n+")


class Characters:
    """Every character except white space is a token. Spacing does not count, since Korean writers
    vary it."""

    def tokenize(self, text: str) -> list[str]:
        return list("".join(text.split()))


class Words:
    """Every word between white space is a token: an eojeol, with its particles."""

    def tokenize(self, text: str) -> list[str]:
        return text.split()


class Morphemes:
    """Every morpheme as it is written in the text is a token, including punctuation. So particles
    are separate from nouns."""

    def tokenize(self, text: str) -> list[str]:
        return surfaces(text)


UNITS = {"char": Characters, "word": Words, "morph": Morphemes}


def process_results(doc: Record, results: Sequence[str]) -> dict[str, float]:
    """Per-item values, each between 0 and 1. `unfinished`: generation stopped within the
    thought."""
    text = final_answer(results[0])
    return {
        **rouge(text or "", doc["summary"]),
        **lead3(doc["document"], doc["summary"]),
        "unfinished": float(text is None),
    }


def rouge(text: str, gold: str) -> dict[str, float]:
    """rouge1_char ... rougeL_morph: the F-measure of each type with each unit as token."""
    return {
        f"{kind}_{unit}": float(score.fmeasure)
        for unit in UNITS
        for kind, score in _scorer(unit).score(gold, text[:LONGEST]).items()
    }


@cache  # the base and the tuned model have the same baseline, which is a third of the work
def lead3(document: str, summary: str) -> dict[str, float]:
    """lead3_rouge1_char ...: rouge() of the article's first three sentences."""
    return {f"lead3_{metric}": value for metric, value in rouge(lead(document), summary).items()}


@cache
def _scorer(unit: str) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(list(TYPES), tokenizer=UNITS[unit]())


def lead(document: str, sentences: int = 3) -> str:
    """The first sentences of a document. A sentence ends with . ! ? or … (and a closing quote or
    bracket) before white space, or at a line end."""
    parts = [part.strip() for part in _SENTENCE_END.split(document) if part.strip()]
    return " ".join(parts[:sentences])
