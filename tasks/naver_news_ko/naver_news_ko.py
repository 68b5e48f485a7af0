"""The functions of naver_news_ko.yaml. lm_eval loads this file by its path, from any folder.

A doc is kodata's record: guid, document, summary, and optionally date, category, press, title. The
model writes a summary, whose first LONGEST characters are scored.

The metrics are the F-measures of ROUGE, computed with rouge_score (Lin 2004,
https://aclanthology.org/W04-1013/). They use our tokenizers, since rouge_score's own tokenizer
deletes all Hangul. The baseline is lead-3, the first three sentences of the article."""

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

TYPES = ("rouge1", "rouge2", "rougeL")  # 1-grams, 2-grams, longest common subsequence
# The number of characters of an answer that are scored. It is several times the length of 512
# tokens, and limits the time for an endless answer, whose score is near 0 anyway.
LONGEST = 5_000
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|(?<=[.!?…][\"'”’)\]])\s+|\n+")


class Characters:
    """A tokenizer. Every character except white space is a token. So spacing does not matter, in
    which Korean writers differ."""

    def tokenize(self, text: str) -> list[str]:
        return list("".join(text.split()))


class Words:
    """A tokenizer. Every eojeol is a token: a word between white space, with its particles."""

    def tokenize(self, text: str) -> list[str]:
        return text.split()


class Morphemes:
    """A tokenizer. Every morpheme is a token, as it is written in the text, and so is punctuation.
    So nouns and their particles are separate tokens."""

    def tokenize(self, text: str) -> list[str]:
        return surfaces(text)


UNITS = {"char": Characters, "word": Words, "morph": Morphemes}  # by the end of a metric's name


def process_results(doc: Record, results: Sequence[str]) -> dict[str, float]:
    """The values of a doc by metric, each between 0 and 1. `unfinished`: a thought was opened and
    not closed."""
    text = final_answer(results[0])
    return {
        **rouge(text or "", doc["summary"]),
        **lead3(doc["document"], doc["summary"]),
        "unfinished": float(text is None),
    }


def rouge(text: str, gold: str) -> dict[str, float]:
    """The F-measures of `text` against the summary `gold`, for each type of ROUGE and each
    tokenizer: rouge1_char, ..., rougeL_morph."""
    return {
        f"{kind}_{unit}": float(score.fmeasure)
        for unit in UNITS
        for kind, score in _scorer(unit).score(gold, text[:LONGEST]).items()
    }


@cache  # the base model and the tuned model have the same baseline
def lead3(document: str, summary: str) -> dict[str, float]:
    """The baseline: rouge() of the article's first three sentences, as lead3_rouge1_char, ...,
    lead3_rougeL_morph."""
    return {f"lead3_{metric}": value for metric, value in rouge(lead(document), summary).items()}


@cache
def _scorer(unit: str) -> Any:
    """The scorer of rouge_score with the tokenizer of UNITS."""
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(list(TYPES), tokenizer=UNITS[unit]())


def lead(document: str, sentences: int = 3) -> str:
    """The first `sentences` sentences of a document. A sentence ends at a line end, or with . ! ?
    or … before white space. A closing quote or bracket may come between."""
    parts = [part.strip() for part in _SENTENCE_END.split(document) if part.strip()]
    return " ".join(parts[:sentences])
