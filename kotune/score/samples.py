"""The files of samples/: what was asked, and what each variant made of it."""

import json
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, NotRequired, TypedDict, TypeVar

from kodata.metrics.resampling import Ingredients
from kodata.scored import thought
from kotune import layout
from kotune.runs.folder import sha256, write_text
from kotune.runs.reading import json_of
from kotune.runs.records import parsed
from kotune.runs.unfinished import Note, RefusedNote
from kotune.score.harness import Loaded, Logged

# A field of a doc that is not part of what is asked: some copies of the data have it, and their
# items are the same.
AGREEMENT = "agreement"
T = TypeVar("T")


class ItemRow(TypedDict):
    """A line of samples/items; records.Item reads it."""

    doc_hash: str
    question: str
    choices: list[str] | None
    agreement: NotRequired[str]


class SampleRow(TypedDict, total=False):
    """A line of samples/base, samples/tuned or a baseline's samples; records.Answer reads it. A
    baseline's line lacks what it does not know."""

    guid: str
    source: str
    doc_hash: str
    cluster: str
    question_hash: str
    doc_id: int
    prompt_hash: str
    target_hash: str
    prediction: int | str
    logprobs: list[float]
    gold: int | str
    metrics: Ingredients


def _short(text: str) -> str:
    return blake2b(text.encode(), digest_size=8).hexdigest()


def write_samples(
    root: Path, kind: str, task: str, rows: Sequence[SampleRow] | Sequence[ItemRow]
) -> str:
    """Write samples/<kind>/<task>.jsonl; its digest."""
    path = samples_path(root, kind, task)
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return sha256(path)


def samples_path(root: Path, kind: str, task: str) -> Path:
    return root / layout.samples(kind, task)


def note_path(root: Path, task: str, variant: str) -> Path:
    return root / layout.note(variant, task)


def read_note(path: Path) -> Note | None:
    """A note in scored/; None if it is missing or damaged: its samples are then made again."""
    return _read(path, Note)


def read_refused(root: Path, task: str) -> RefusedNote | None:
    """Why another run's base answers were not believed; None if there is no whole note."""
    return _read(refused_path(root, task), RefusedNote)


def _read(path: Path, shape: type[T]) -> T | None:
    try:
        return parsed(json_of(path), shape)
    except (OSError, ValueError):  # missing, or no JSON
        return None


def damaged_notes(root: Path, tasks: Iterable[str]) -> Iterator[str]:
    """What to tell of notes that are there and cannot be used."""
    for path in (note_path(root, task, variant) for task in tasks for variant in ("base", "tuned")):
        if path.exists() and not read_note(path):
            yield f"{path.relative_to(root)}: damaged, so what it tells of is scored again"


def refused_path(root: Path, task: str) -> Path:
    """Beside the note on a task's base answers: whose were not believed, and why."""
    return note_path(root, task, "base").with_suffix(".refused")


def item_of(sample: SampleRow, task: Loaded) -> ItemRow:
    """What was asked, for a person to read beside the answers: the same for base and tuned, so it
    is written once."""
    doc = task.task.eval_docs[sample["doc_id"]]
    choices = None if task.generates else list(task.task.doc_to_choice(doc))
    row: ItemRow = {
        "doc_hash": sample["doc_hash"],
        "question": task.question(doc),
        "choices": choices,
    }
    if doc.get(AGREEMENT) is not None:
        row["agreement"] = doc[AGREEMENT]
    return row


def sample_of(sample: Logged, task: Loaded) -> SampleRow:
    """One item: guid, cluster, hashes of document, question, prompt and target, prediction, gold
    and each metric's ingredients. Two models' prompts differ by their chat templates, their
    questions may not."""
    doc = sample["doc"]
    row: SampleRow = {"guid": doc["guid"]}
    if "source" in doc:
        row["source"] = doc["source"]
    row["doc_hash"] = _short(json.dumps({key: doc[key] for key in doc if key != AGREEMENT}))
    row["cluster"] = _short(str(doc[task.card.cluster]))
    row["question_hash"] = _short(task.question(doc))
    row["doc_id"] = sample["doc_id"]
    row["prompt_hash"], row["target_hash"] = sample["prompt_hash"], sample["target_hash"]
    _add_prediction(row, sample["filtered_resps"])
    row["gold"] = sample["target"]
    row["metrics"] = {name: sample[name] for name in sample["metrics"]}
    return row


def _add_prediction(row: SampleRow, responses: list[Any]) -> None:
    """Adds the text that the model wrote, or the index of the likeliest choice and all
    log-likelihoods."""
    if isinstance(responses[0], str):
        row["prediction"] = responses[0]
        return
    likelihoods = [response[0] for response in responses]
    row["prediction"] = max(range(len(likelihoods)), key=likelihoods.__getitem__)
    row["logprobs"] = likelihoods


def count_thoughts(samples: list[SampleRow], tokenizer: Any) -> None:
    """Adds `thinking_tokens` to the items in which the model thought: the thought's text in the
    model's own tokens. A task alone cannot, since lm-eval shows it no tokenizer."""
    for sample in samples:
        if thinking := thought(str(sample["prediction"])):
            sample["metrics"]["thinking_tokens"] = len(
                tokenizer.encode(thinking, add_special_tokens=False)
            )
