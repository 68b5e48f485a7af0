"""The prompt and choices of klue_nli_ko_polyglot.yaml. lm_eval loads this file by its path, from
any folder.

They are exactly those of polyglot-ko's own evaluation: class NLI in lm_eval/tasks/klue.py, on the
branch polyglot of EleutherAI/lm-evaluation-harness. Everything else is as in klue_nli_ko."""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("kodata") is None:  # not installed: import it from the repository
    sys.path.append(str(Path(__file__).resolve().parents[2]))
from kodata.card import Record

__all__ = ["choices", "question"]

# The choice for each label, in the order of kodata's LABELS.
WORDS = {"entailment": "참", "neutral": "중립", "contradiction": "거짓"}


def question(doc: Record) -> str:
    """The prompt as published. If the hypothesis has no full stop at its end, one is added."""
    hypothesis = doc["hypothesis"] if doc["hypothesis"].endswith(".") else f"{doc['hypothesis']}."
    return f"{doc['premise']}\n질문: {hypothesis} 참, 거짓, 중립 중 무엇인가요?\n정답:"


def choices(doc: Record) -> list[str]:
    """The choices 참, 중립 and 거짓, which are the same for every doc."""
    return list(WORDS.values())
