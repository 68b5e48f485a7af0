"""The prompt of klue_nli_ko_polyglot.yaml. It is exactly the prompt of polyglot-ko's own
evaluation.

It comes from the polyglot branch of EleutherAI/lm-evaluation-harness, lm_eval/tasks/klue.py, class
NLI. Everything else is the same as in klue_nli_ko."""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("kodata") is None:  # not installed: import it from the repository
    sys.path.append(str(Path(__file__).resolve().parents[2]))
from kodata.card import Record

__all__ = ["choices", "question"]

# In the order of kodata's LABELS.
WORDS = {"entailment": "참", "neutral": "중립", "contradiction": "거짓"}


def question(doc: Record) -> str:
    """The published prompt. It adds a missing full stop to the hypothesis."""
    hypothesis = doc["hypothesis"] if doc["hypothesis"].endswith(".") else f"{doc['hypothesis']}."
    return f"{doc['premise']}\n질문: {hypothesis} 참, 거짓, 중립 중 무엇인가요?\n정답:"


def choices(doc: Record) -> list[str]:
    """참, 중립, 거짓, for every doc."""
    return list(WORDS.values())
