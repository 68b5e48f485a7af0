"""The files of samples/: what was asked, and what each variant made of it."""

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

# Of a doc, but not of what is asked: some copies of the data have it, and are the same items.
NOTES = ("agreement",)


def _short(text: str) -> str:
    return blake2b(text.encode(), digest_size=8).hexdigest()


def write_samples(root: Path, kind: str, task: str, rows: list[dict[str, Any]]) -> str:
    """Write samples/<kind>/<task>.jsonl; its digest."""
    path = samples_path(root, kind, task)
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return sha256(path)


def samples_path(root: Path, kind: str, task: str) -> Path:
    return root / layout.samples(kind, task)


def note_path(root: Path, task: str, variant: str) -> Path:
    return root / layout.note(variant, task)


def read_note(path: Path, shape: Any = Note) -> dict[str, Any]:
    """A note in scored/. Empty where there is none, or a damaged one: what it told of is done
    again."""
    try:
        found = json_of(path)
    except (OSError, ValueError):
        return {}
    return dict(found) if fits(found, shape) else {}


def damaged_notes(root: Path, tasks: Iterable[str]) -> Iterator[str]:
    """What to tell of notes that are there and cannot be used."""
    for path in (note_path(root, task, variant) for task in tasks for variant in ("base", "tuned")):
        if path.exists() and not read_note(path):
            yield f"{path.relative_to(root)}: damaged, so what it tells of is scored again"


def refused_path(root: Path, task: str) -> Path:
    """Beside the note on a task's base answers: whose were not believed, and why."""
    return note_path(root, task, "base").with_suffix(".refused")


def item_of(sample: dict[str, Any], task: Loaded) -> dict[str, Any]:
    """What was asked, for a person to read beside the answers: the same for base and tuned, so it
    is written once."""
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
    """One item: guid, cluster, hashes of document, question, prompt and target, prediction, gold
    and each metric's ingredients. Two models' prompts differ by their chat templates, their
    questions may not."""
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
    """The text that the model wrote, or the index of the likeliest choice and all
    log-likelihoods."""
    if isinstance(responses[0], str):
        return {"prediction": responses[0]}
    likelihoods = [response[0] for response in responses]
    return {
        "prediction": max(range(len(likelihoods)), key=likelihoods.__getitem__),
        "logprobs": likelihoods,
    }


def count_thoughts(samples: list[dict[str, Any]], tokenizer: Any) -> None:
    """Adds `thinking_tokens` to the items in which the model thought: the thought's text in the
    model's own tokens. A task alone cannot, since lm-eval shows it no tokenizer."""
    for sample in samples:
        if thinking := thought(sample["prediction"]):
            sample["metrics"]["thinking_tokens"] = len(
                tokenizer.encode(thinking, add_special_tokens=False)
            )
