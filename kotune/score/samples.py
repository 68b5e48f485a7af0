"""Writes the files in samples/: the questions, and each variant's answers. A variant is `base` or
`tuned`. Also reads the notes in scored/. A note (runs.unfinished.Note) marks the samples of one
variant of one task as complete."""

import json
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, NotRequired, TypedDict, TypeVar

from kodata.errors import Translatable
from kodata.metrics.resampling import Ingredients
from kodata.scored import thought
from kotune import layout
from kotune.runs.folder import sha256, write_text
from kotune.runs.reading import json_of
from kotune.runs.records import parsed
from kotune.runs.unfinished import Note, RefusedNote
from kotune.score.harness import Loaded, Logged

# A field of a document that is not part of the question. Only some copies of the data have this
# field, so a document's hash (`doc_hash`) ignores it.
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
    baseline's line has only the fields that the baseline can fill."""

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
    """A hash of a text, with 16 hexadecimal digits."""
    return blake2b(text.encode(), digest_size=8).hexdigest()


def write_samples(
    root: Path, kind: str, task: str, rows: Sequence[SampleRow] | Sequence[ItemRow]
) -> str:
    """Write samples/<kind>/<task>.jsonl in the run folder `root`. Returns the file's digest.
    `kind`: base, tuned, items, or the name of a baseline."""
    path = samples_path(root, kind, task)
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return sha256(path)


def samples_path(root: Path, kind: str, task: str) -> Path:
    return root / layout.samples(kind, task)


def note_path(root: Path, task: str, variant: str) -> Path:
    return root / layout.note(variant, task)


def read_note(path: Path) -> Note | None:
    """Read a note in scored/. Returns None if the note is missing or damaged. Its task is then
    scored again."""
    return _read(path, Note)


def read_refused(root: Path, task: str) -> RefusedNote | None:
    """Read the note on why another run's base answers were rejected. Returns None if the note is
    missing or damaged."""
    return _read(refused_path(root, task), RefusedNote)


def _read(path: Path, shape: type[T]) -> T | None:
    """A JSON file as an object of the class `shape`; None if it is missing or damaged."""
    try:
        return parsed(json_of(path), shape)
    except (OSError, ValueError):  # missing, or not JSON
        return None


def damaged_notes(root: Path, tasks: Iterable[str]) -> Iterator[str]:
    """A message for each damaged note in scored/ that belongs to one of `tasks`."""
    for path in (note_path(root, task, variant) for task in tasks for variant in ("base", "tuned")):
        if path.exists() and not read_note(path):
            yield Translatable(
                "{path}: damaged; its task is scored again", path=path.relative_to(root)
            )


def refused_path(root: Path, task: str) -> Path:
    """The path of the note on why another run's base answers to a task were rejected."""
    return note_path(root, task, "base").with_suffix(".refused")


def item_of(sample: SampleRow, task: Loaded) -> ItemRow:
    """The question of a sample, for people who read the answers. The question is the same for base
    and tuned, so it is written once."""
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
    """The line of one item: its guid and cluster, the hashes of document, question, prompt and
    target, the prediction, the right answer (`gold`), and the values from which each metric is
    computed.

    The prompts of two models may differ, because their chat templates differ. The questions must be
    equal."""
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
    """Add an item's answer to its line: the generated text. For a choice task, add the index of the
    most likely choice, and the log-likelihoods of all choices. `responses`: lm-eval's responses."""
    if isinstance(responses[0], str):
        row["prediction"] = responses[0]
        return
    likelihoods = [response[0] for response in responses]
    row["prediction"] = max(range(len(likelihoods)), key=likelihoods.__getitem__)
    row["logprobs"] = likelihoods


def count_thoughts(samples: list[SampleRow], tokenizer: Any) -> None:
    """Add `thinking_tokens`, the number of tokens of the thought, to each item with a thought. The
    task cannot count them, because it has no tokenizer in lm-eval."""
    for sample in samples:
        if thinking := thought(str(sample["prediction"])):
            sample["metrics"]["thinking_tokens"] = len(
                tokenizer.encode(thinking, add_special_tokens=False)
            )
