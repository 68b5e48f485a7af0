"""The base model answers alike whatever is trained on it: what it answered in a run beside this one
is taken over where it was asked the same by the same code on the same kind of machine. scores.json
says which run the answers are of (`base_from`).

A run is taken from only where it is this user's own and its records agree with each other and with
its files. Scoring then asks the base model a few items again before it believes them
(kotune.score.borrowed)."""

import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kodata import drafts
from kodata.reading.regular import opened
from kotune.errors import KotuneError
from kotune.layout import (
    ADAPTER,
    ADAPTER_CONFIG,
    CONFIG,
    MODEL,
    RECORD,
    SCORES,
    TEMPLATE,
    TOKENIZER,
    TOKENIZER_CONFIG,
    TRAIN,
    VALIDATION,
    samples,
)
from kotune.runs.finished import Finished
from kotune.runs.folder import Run, sha256, write_json
from kotune.runs.reading import MAX_LINES
from kotune.runs.unfinished import RefusedNote
from kotune.score.samples import note_path, read_note, refused_path, samples_path

ASKED = (
    "template",
    "tokenizer",
    "tokenizer_config",
    "tokenizer_files",
    "code",
    "versions",
    "device",
    "limit",
    "merge",
)  # of what the score stage depends on
PER_TASK = ("test", "tasks")  # test data and meaning of each task
TRAINED = (
    "adapter",
    "adapter_config",
    "data",
    "proven",
    # what remains of it: the adapter, the data that reference lines are made of, and what is proven
    # of its training
)
LOADED = ("base_precision", "compute_dtype", "model_revision")
# What a stage depends on is what an earlier one made: (stage, its input, stage, what that made).
CHAIN = (
    ("train", TRAIN, "prepare", TRAIN),
    ("train", VALIDATION, "prepare", VALIDATION),
    ("train", CONFIG, "render", CONFIG),
    ("score", "data", "prepare", TRAIN),
)
# Inputs of the score stage; copies may lack them.
STILL_THERE = (
    ("adapter", ADAPTER),
    ("adapter_config", ADAPTER_CONFIG),
    ("template", f"{MODEL}/{TEMPLATE}"),
    ("tokenizer", TOKENIZER),
    ("tokenizer_config", TOKENIZER_CONFIG),
)


def take_over(root: Path, inputs: dict[str, Any]) -> list[str]:
    """Put a finished run's base answers where scoring finds a task done (kotune.score.scoring).
    `inputs`: of this run's score stage. Returns why runs that say that they were asked the same are
    not taken from, a sentence each.

    A task that scoring began with itself is left to it."""
    model, doubts = _model(Run(root).record(), inputs), []
    missing = [task for task in inputs["test"] if not note_path(root, task, "base").exists()]
    for folder in sorted(root.parent.iterdir()) if missing else ():
        if folder == root or not (same := _asked_alike(folder, model, inputs, missing)):
            continue
        try:
            run = _trusted(folder)
            for task in same:
                _take(run, task, root)
                missing.remove(task)
        except FileNotFoundError:  # removed meanwhile
            continue
        except (KotuneError, OSError) as error:
            doubts.append(f"base answers of {folder.name} are not used: {error}")
    return doubts


def checked(root: Path, tasks: Iterable[str]) -> dict[str, dict[str, Any]]:
    """For each task whose base answers are another run's: `from`, and `checked`, the items that
    were asked again."""
    notes = {task: read_note(note_path(root, task, "base")) for task in tasks}
    keys = ("from", "checked")
    return {
        task: {key: note[key] for key in keys}
        for task, note in notes.items()
        if all(map(note.get, keys))
    }


def refused(root: Path, tasks: Iterable[str]) -> list[str]:
    """Why scoring did not believe answers that were taken over, a sentence each."""
    notes = {task: read_note(refused_path(root, task), RefusedNote) for task in tasks}
    return [
        f"{task}: base answers of {note['from']} are not used: {note['why']}; the base model was"
        " asked anew"
        for task, note in notes.items()
        if note
    ]


def _asked_alike(
    folder: Path, model: dict[str, Any], inputs: dict[str, Any], missing: list[str]
) -> list[str]:
    """Those of the missing tasks that the run in a folder says it asked of the same base model in
    the same way."""
    try:
        record = Run(folder).record() if (folder / SCORES).exists() else {}
        known = (record.get("stages") or {}).get("score", {}).get("inputs")
        if known is None or _model(record, known) != model:
            return []
        return [
            task
            for task in missing
            if all(known.get(key, {}).get(task) == inputs[key][task] for key in PER_TASK)
        ]
    except (
        KotuneError,
        OSError,
        AttributeError,
        TypeError,
    ):  # damaged, of another version, or removed meanwhile
        return []


def _model(record: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """What a base model's answers follow from, but for the task."""
    trained = record.get("stages", {}).get("train", {})
    return {
        **{key: inputs.get(key) for key in ASKED},
        **{key: record.get(key) for key in LOADED},
        "model": trained.get("inputs", {}).get("model"),
    }


def _trusted(folder: Path) -> Finished:
    """A finished run that is this user's own and whose records agree. KotuneError says what does
    not."""
    for path in (folder, folder / RECORD, folder / SCORES):
        _require_own(path)
    run = Finished(folder)
    made = run.record["stages"]["score"].get("made") or {}
    if SCORES not in made:  # its digest is what Finished looks at, if it is there
        raise KotuneError(f"{folder / RECORD}: the score stage does not say what it made")
    for told in _disagreements(run):
        raise KotuneError(f"{folder / RECORD}: {told}")
    return run


def _require_own(path: Path) -> None:
    """KotuneError for a link, and for what is another user's or may be written by everybody."""
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise KotuneError(f"{path}: a link")
    if found.st_uid != os.geteuid() or found.st_mode & stat.S_IWOTH:
        raise KotuneError(f"{path}: another user's, or open for everybody to write")


def _disagreements(run: Finished) -> Iterator[str]:
    """Stages that were not made from each other, or files that are not those which were scored."""
    stages = run.record["stages"]
    for stage, name, earlier, file in CHAIN:
        if stages[stage]["inputs"].get(name) != ((stages.get(earlier) or {}).get("made") or {}).get(
            file, False
        ):
            yield f"{file} of {stage} is not what {earlier} made"
    for name, file in STILL_THERE:
        path = run.folder / file
        if path.exists() and sha256(path) != stages["score"]["inputs"].get(name):
            yield f"{file} is not what was scored"


def _take(run: Finished, task: str, root: Path) -> None:
    """Copy the answers, if they are as they were scored; the note, which makes the task done, comes
    last. KotuneError."""
    entry, place, source = (
        run.scores[task],
        samples_path(root, "base", task),
        run.folder / samples("base", task),
    )
    _require_own(source)
    place.parent.mkdir(parents=True, exist_ok=True)
    with opened(source) as there, drafts.draft(place) as here:
        if os.fstat(there.fileno()).st_size > MAX_LINES:
            raise KotuneError(f"{source}: over {MAX_LINES:,} bytes")
        shutil.copyfileobj(there, here)
    # Nothing takes it for scored before its note is written.
    if sha256(place) != entry["sha256"]["base"]:
        place.unlink()
        raise KotuneError(f"{source}: changed since it was scored")
    # Others the tuned model alone has.
    asked = {metric: told for metric, told in entry["base"].items() if told["n"]}
    found = {
        "n": entry["n"],
        "values": asked,
        "sha256": entry["sha256"]["base"],
        "from": _whose(entry, run),
    }
    found["batches"] = entry.get("batches", {}).get("base", [])
    write_json(note_path(root, task, "base"), found)


def _whose(entry: dict[str, Any], run: Finished) -> str:
    """The name of the run whose answers they are: this one, or the one that it took them from."""
    told: str | None = entry.get("base_from")
    return told if told and told.isprintable() and Path(told).name == told else run.folder.name
