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
from typing import NamedTuple

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
from kotune.runs.folder import Inputs, Run, sha256, write_json
from kotune.runs.reading import MAX_LINES
from kotune.runs.records import Begun, TaskScores
from kotune.runs.unfinished import Note
from kotune.score.samples import note_path, read_note, read_refused, samples_path

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


class Link(NamedTuple):
    """An input of a stage, which is the digest of a file that an earlier stage made."""

    stage: str
    name: str
    maker: str
    file: str


CHAIN = (
    Link("train", TRAIN, "prepare", TRAIN),
    Link("train", VALIDATION, "prepare", VALIDATION),
    Link("train", CONFIG, "render", CONFIG),
    Link("score", "data", "prepare", TRAIN),
)
# Inputs of the score stage; copies may lack them.
STILL_THERE = (
    ("adapter", ADAPTER),
    ("adapter_config", ADAPTER_CONFIG),
    ("template", f"{MODEL}/{TEMPLATE}"),
    ("tokenizer", TOKENIZER),
    ("tokenizer_config", TOKENIZER_CONFIG),
)


def take_over(root: Path, inputs: Inputs, tasks: Iterable[str]) -> list[str]:
    """Put a finished run's base answers where scoring finds a task done (kotune.score.scoring).
    `inputs`: of this run's score stage; `tasks`: those that it scores. Returns a sentence for each
    run that seems to have been asked the same and is not used: why.

    A task that scoring began with itself is left to it."""
    model, doubts = _model(Run(root).record(), inputs), []
    missing = [task for task in tasks if not note_path(root, task, "base").exists()]
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


def checked(root: Path, tasks: Iterable[str]) -> dict[str, dict[str, object]]:
    """For run.json: of each task whose base answers are another run's `from`, that run's name, and
    `checked`, the items that were asked again."""
    notes = {task: read_note(note_path(root, task, "base")) for task in tasks}
    return {
        task: {"from": note.origin, "checked": note.checked}
        for task, note in notes.items()
        if note and note.origin and note.checked
    }


def refused(root: Path, tasks: Iterable[str]) -> list[str]:
    """Why scoring did not believe answers that were taken over, a sentence each."""
    notes = {task: read_refused(root, task) for task in tasks}
    return [
        f"{task}: base answers of {note.origin} are not used: {note.why}; the base model was asked"
        " anew"
        for task, note in notes.items()
        if note
    ]


def _asked_alike(
    folder: Path, model: dict[str, object], inputs: Inputs, missing: list[str]
) -> list[str]:
    """Those of the missing tasks that the run in a folder says it asked of the same base model in
    the same way."""
    try:
        if not (folder / SCORES).exists():
            return []
        record = Run(folder).record()
    except (KotuneError, OSError):  # damaged, of another version, or removed meanwhile
        return []
    score = record.stages.get("score")
    if score is None or _model(record, score.inputs) != model:
        return []
    return [task for task in missing if _of_task(score.inputs, task) == _of_task(inputs, task)]


def _of_task(inputs: Inputs, task: str) -> list[object]:
    """The inputs of the score stage that are the task's own."""
    values = [inputs.get(key) for key in PER_TASK]
    return [value.get(task) if isinstance(value, dict) else None for value in values]


def _model(record: Begun, inputs: Inputs) -> dict[str, object]:
    """What a base model's answers follow from, apart from the task."""
    train = record.stages.get("train")
    return {
        **{key: inputs.get(key) for key in ASKED},
        "base_precision": record.base_precision,
        "compute_dtype": record.compute_dtype,
        "model_revision": record.model_revision,
        "model": train.inputs.get("model") if train else None,
    }


def _trusted(folder: Path) -> Finished:
    """A finished run that is this user's own and whose records agree. KotuneError says what does
    not."""
    for path in (folder, folder / RECORD, folder / SCORES):
        _require_own(path)
    run = Finished(folder)
    if SCORES not in run.record.score.files:  # its digest is what Finished looks at, if it is there
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
    stages = run.record.stages
    for link in CHAIN:
        maker = stages.get(link.maker)
        made = maker.files.get(link.file) if maker else None
        if made is None or stages[link.stage].inputs.get(link.name) != made:
            yield f"{link.file} of {link.stage} is not what {link.maker} made"
    for name, file in STILL_THERE:
        path = run.folder / file
        if path.exists() and sha256(path) != run.record.score.inputs.get(name):
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
    if (
        sha256(place) != entry.sha256["base"]
    ):  # nothing takes it for scored before its note is written
        place.unlink()
        raise KotuneError(f"{source}: changed since it was scored")
    # The tuned model alone has metrics without items of the base model.
    values = {name: value.as_json() for name, value in entry.base.items() if value.n}
    note = {
        "n": entry.n,
        "values": values,
        "sha256": entry.sha256["base"],
        "from": _origin(entry, run),
        "batches": entry.batches.get("base", []),
    }
    write_json(note_path(root, task, "base"), Note.model_validate(note).as_json())


def _origin(entry: TaskScores, run: Finished) -> str:
    """The name of the run that asked the model: this one, or the one that it took answers from."""
    name = entry.base_from
    return name if name and name.isprintable() and Path(name).name == name else run.folder.name
