"""Writes the files in samples/: the questions, and each variant's answers."""

import json
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from kodata.scored import thought
from kotune import layout
from kotune.runs.folder import sha256, write_text
from kotune.runs.reading import json_of
from kotune.runs.records import fits
from kotune.runs.unfinished import Note
from kotune.score.harness import Loaded

# Fields of a document that are no part of the question. Some copies of the data have them, but the
# items are the same.
NOTES = ("agreement",)


def _short(text: str) -> str:
    return blake2b(text.encode(), digest_size=8).hexdigest()


def write_samples(root: Path, kind: str, task: str, rows: list[dict[str, Any]]) -> str:
    """Write samples/<kind>/<task>.jsonl. Returns the digest of the file."""
    path = samples_path(root, kind, task)
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return sha256(path)


def samples_path(root: Path, kind: str, task: str) -> Path:
    return root / layout.samples(kind, task)


def note_path(root: Path, task: str, variant: str) -> Path:
    return root / layout.note(variant, task)


def read_note(path: Path, shape: Any = Note) -> dict[str, Any]:
    """A note in scored/. Empty if it is missing or damaged; its task is then scored again."""
    try:
        note = json_of(path)
    except (OSError, ValueError):
        return {}
    return dict(note) if fits(note, shape) else {}


def damaged_notes(root: Path, tasks: Iterable[str]) -> Iterator[str]:
    """A message for each damaged note in scored/."""
    for path in (note_path(root, task, variant) for task in tasks for variant in ("base", "tuned")):
        if path.exists() and not read_note(path):
            yield f"{path.relative_to(root)}: damaged; its task is scored again"


def refused_path(root: Path, task: str) -> Path:
    """The file that records which run's base answers were refused for a task, and why."""
    return note_path(root, task, "base").with_suffix(".refused")


def item_of(sample: dict[str, Any], task: Loaded) -> dict[str, Any]:
    """The question of a sample, for people who read the answers. It is the same for base and tuned,
    so it is written once."""
    doc = task.task.eval_docs[sample["doc_id"]]
    choices = None if task.generates else list(task.task.doc_to_choice(doc))
    notes = {key: doc[key] for key in NOTES if doc.get(key) is not None}
    return {
        "doc_hash": sample["doc_hash"],
        "question": task.question(doc),
        "choices": choices,
        **notes,
    }


def sample_of(sample: dict[str, Any], task: Loaded) -> dict[str, Any]:
    """One item: guid, cluster, hashes of document, question, prompt and target, prediction, gold,
    and the values from which each metric is computed.

    The prompts of two models differ by their chat templates; the questions must be equal."""
    doc = sample["doc"]
    kept = {key: sample[key] for key in ("doc_id", "prompt_hash", "target_hash")}
    names = {key: doc[key] for key in ("guid", "source") if key in doc}
    names["doc_hash"] = _short(json.dumps({key: doc[key] for key in doc if key not in NOTES}))
    names["cluster"] = _short(str(doc[task.card.cluster]))
    names["question_hash"] = _short(task.question(doc))
    metrics = {name: sample[name] for name in sample["metrics"]}
    return {
        **names,
        **kept,
        **_predicted(sample["filtered_resps"]),
        "gold": sample["target"],
        "metrics": metrics,
    }


def _predicted(responses: list[Any]) -> dict[str, Any]:
    """The generated text, or the index of the most likely choice and the log-likelihoods of all."""
    if isinstance(responses[0], str):
        return {"prediction": responses[0]}
    likelihoods = [response[0] for response in responses]
    return {
        "prediction": max(range(len(likelihoods)), key=likelihoods.__getitem__),
        "logprobs": likelihoods,
    }


def count_thoughts(samples: list[dict[str, Any]], tokenizer: Any) -> None:
    """Add `thinking_tokens` to items with a thought: the number of its tokens. The task cannot
    count them, because lm-eval gives it no tokenizer."""
    for sample in samples:
        if thinking := thought(sample["prediction"]):
            sample["metrics"]["thinking_tokens"] = len(
                tokenizer.encode(thinking, add_special_tokens=False)
            )
