"""The prompt of klue_nli_ko_polyglot.yaml: that of polyglot-ko's own evaluation, character by
character.

From the polyglot branch of EleutherAI/lm-evaluation-harness, lm_eval/tasks/klue.py, class NLI. The
rest is klue_nli_ko's."""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("kodata") is None:  # not installed: it stands beside the tasks
    sys.path.append(str(Path(__file__).resolve().parents[2]))
from kodata.card import Record

__all__ = ["choices", "question"]

# In the order of kodata's LABELS.
WORDS = {"entailment": "참", "neutral": "중립", "contradiction": "거짓"}


def question(doc: Record) -> str:
    """The published prompt: a hypothesis without a full stop is given one."""
    hypothesis = doc["hypothesis"] if doc["hypothesis"].endswith(".") else f"{doc['hypothesis']}."
    return f"{doc['premise']}\n질문: {hypothesis} 참, 거짓, 중립 중 무엇인가요?\n정답:"


def choices(doc: Record) -> list[str]:
    """참, 중립, 거짓: the same for every doc."""
    return list(WORDS.values())
