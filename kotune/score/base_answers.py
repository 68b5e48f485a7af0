"""Reuses the base model's answers ("base answers") of a sibling run: a finished run in the same
runs folder, with the same test data, code, versions and device. Base answers do not depend on
training. In scores.json, `base_from` is the name of the run that computed them.

Answers of runs in other folders come from the user's cache folder (kotune.score.base_cache).

A sibling run is used only if it belongs to this user, and if its records agree with each other and
with its files. Scoring then verifies the answers: the base model answers a few items again
(kotune.score.borrowed)."""

import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from kodata import drafts
from kodata.errors import Translatable
from kodata.reading.regular import opened
from kotune.errors import KotuneError
from kotune.layout import (
    CONFIG,
    RECORD,
    SCORES,
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

# The score stage's inputs on which base answers depend.
BASE_INPUTS = (
    "template",
    "tokenizer",
    "tokenizer_config",
    "tokenizer_files",
    "code",
    "versions",
    "device",
    "limit",
    "merge",
)
# Inputs with a separate value for each task, on which base answers depend too: the task's test data
# and its definition.
PER_TASK = ("test", "tasks")
# The score stage's other inputs, on which base answers do not depend: the adapter, the training
# and validation data of baselines, and the result of the check of prompts (kotune.parity).
OTHER_INPUTS = ("adapter", "adapter_config", "data", "validation", "proven")


class Link(NamedTuple):
    """A file that the stage `maker` writes and the later stage `stage` reads. In the record of
    `stage`, the input `name` must be the digest that `maker` recorded for `file`."""

    stage: str
    name: str
    maker: str
    file: str


# The files that must be unchanged between the stages of a run. Otherwise its base answers are not
# used.
CHAIN = (
    Link("train", TRAIN, "prepare", TRAIN),
    Link("train", VALIDATION, "prepare", VALIDATION),
    Link("train", CONFIG, "render", CONFIG),
    Link("score", "data", "prepare", TRAIN),
)


def reuse(root: Path, inputs: Inputs, tasks: Iterable[str]) -> list[str]:
    """Copy base answers of finished sibling runs into the run folder `root`, so that scoring does
    not compute them. `inputs`: the inputs of this run's score stage. `tasks`: the tasks that this
    run scores. A task is skipped if this run already has its base answers.

    Returns a message for each run that matches but cannot be used."""
    model = _model(Run(root).record(), inputs)
    messages: list[str] = []
    missing = list_missing(root, tasks)
    for folder in sorted(root.parent.iterdir()) if missing else ():
        if folder == root or not (same := _same_tasks(folder, model, inputs, missing)):
            continue
        try:
            run = _load_trusted(folder)
            for task in same:
                _copy(run, task, root)
                missing.remove(task)
        except FileNotFoundError:  # removed meanwhile
            continue
        except (KotuneError, OSError) as error:
            messages.append(
                Translatable(
                    "base answers of {run} are not used: {error}", run=folder.name, error=error
                )
            )
    return messages


def list_missing(root: Path, tasks: Iterable[str]) -> list[str]:
    """Those of `tasks` whose base answers are not yet in the run folder `root`."""
    return [task for task in tasks if not note_path(root, task, "base").exists()]


def forget(root: Path, tasks: Iterable[str]) -> None:
    """Discard the base answers of `tasks` that the run folder `root` reused from another run.
    Scoring then computes them, or reuses them again."""
    for path in (note_path(root, task, "base") for task in tasks):
        if (note := read_note(path)) and note.origin:
            path.unlink()


def list_checked(root: Path, tasks: Iterable[str]) -> dict[str, dict[str, object]]:
    """For each task whose base answers come from another run, its entry in run.json. In an entry,
    `from` is the name of the other run, and `checked` lists the numbers of the items that the base
    model answered again."""
    notes = {task: read_note(note_path(root, task, "base")) for task in tasks}
    return {
        task: {"from": note.origin, "checked": note.checked}
        for task, note in notes.items()
        if note and note.origin and note.checked
    }


def list_rejected(root: Path, tasks: Iterable[str]) -> list[str]:
    """A message with the reason for each task whose reused answers were rejected in scoring."""
    notes = {task: read_refused(root, task) for task in tasks}
    return [
        Translatable(
            "{task}: base answers of {run} are not used: {reason}; the base model was scored again",
            task=task,
            run=note.origin,
            reason=note.why,
        )
        for task, note in notes.items()
        if note
    ]


def _same_tasks(
    folder: Path, model: dict[str, object], inputs: Inputs, missing: list[str]
) -> list[str]:
    """Those tasks in `missing` whose base answers the run in `folder` can supply: its values of
    _model() are `model`, and its inputs for the task are those in `inputs`. Empty if the run is not
    scored or cannot be read."""
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


def key_of(record: Begun, inputs: Inputs, task: str) -> str:
    """Everything on which the base answers to a task depend, as JSON. `inputs`: the inputs of the
    score stage of the run with this record."""
    key = [task, _of_task(inputs, task), _model(record, inputs)]
    return json.dumps(key, sort_keys=True, ensure_ascii=False)


def _of_task(inputs: Inputs, task: str) -> list[object]:
    """One task's values of the inputs PER_TASK; None for a missing value."""
    values = [inputs.get(key) for key in PER_TASK]
    return [value.get(task) if isinstance(value, dict) else None for value in values]


def _model(record: Begun, inputs: Inputs) -> dict[str, object]:
    """Everything on which a base model's answers depend, except the task."""
    train = record.stages.get("train")
    return {
        **{key: inputs.get(key) for key in BASE_INPUTS},
        "base_precision": record.base_precision,
        "compute_dtype": record.compute_dtype,
        "model_revision": record.model_revision,
        "model": train.inputs.get("model") if train else None,
    }


def _load_trusted(folder: Path) -> Finished:
    """Load a finished run. Raises KotuneError if the run belongs to another user, or if its records
    disagree. The error describes the first disagreement."""
    for path in (folder, folder / RECORD, folder / SCORES):
        _require_own(path)
    run = Finished(folder)
    if SCORES not in run.record.score.files:  # Finished checks the digest only if it is recorded
        raise KotuneError(f"{folder / RECORD}: the score stage has no record of its files")
    for disagreement in _disagreements(run):
        raise KotuneError(f"{folder / RECORD}: {disagreement}")
    return run


def _require_own(path: Path) -> None:
    """Raise KotuneError for a path that is a link, belongs to another user, or is writable by
    everybody."""
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        raise KotuneError(f"{path}: is a link")
    if status.st_uid != os.geteuid() or status.st_mode & stat.S_IWOTH:
        raise KotuneError(f"{path}: belongs to another user, or is writable by everybody")


def _disagreements(run: Finished) -> Iterator[str]:
    """A message for each file of CHAIN that a later stage read in another version, and for each
    file that changed since it was scored."""
    stages = run.record.stages
    for link in CHAIN:
        maker = stages.get(link.maker)
        made = maker.files.get(link.file) if maker else None
        if made is None or stages[link.stage].inputs.get(link.name) != made:
            yield f"stage {link.stage} read another {link.file} than stage {link.maker} made"
    for file in run.replaced():
        yield f"{file} changed since it was scored"


def _copy(run: Finished, task: str, root: Path) -> None:
    """Copy a task's base answers into the run folder `root` (see place()). Raises
    KotuneError if the answers changed since they were scored, if their file is too large, or if the
    file fails the checks of _require_own()."""
    source = run.folder / samples("base", task)
    _require_own(source)
    with opened(source) as original:
        if os.fstat(original.fileno()).st_size > MAX_LINES:
            raise KotuneError(f"{source}: over {MAX_LINES:,} bytes")
        place(original, note_of(run.scores[task], run.folder.name), root, task)


def place(answers: BinaryIO, note: Note, root: Path, task: str) -> None:
    """Write the rest of an open file into the run folder `root` as a task's base answers, then
    write the note that marks the task as done. Raises KotuneError if the answers do not have the
    digest that the note records."""
    target = samples_path(root, "base", task)
    target.parent.mkdir(parents=True, exist_ok=True)
    with drafts.draft(target) as copy:
        shutil.copyfileobj(answers, copy)
    # The copy does not count as scored before its note is written.
    if sha256(target) != note.sha256:
        target.unlink()
        raise KotuneError(f"{answers.name}: changed since it was scored")
    write_json(note_path(root, task, "base"), note.as_json())


def note_of(entry: TaskScores, run: str) -> Note:
    """The note on base answers that another run reuses. `entry`: the task's scores in the run that
    has the answers; `run`: the name of that run."""
    # scores.json lists the metrics of both models. The base model's note omits metrics without
    # items (n = 0).
    values = {name: value.as_json() for name, value in entry.base.items() if value.n}
    note = {
        "n": entry.n,
        "values": values,
        "sha256": entry.sha256["base"],
        "from": origin_of(entry.base_from, run),
        "batches": entry.batches.get("base", []),
    }
    return Note.model_validate(note)


def origin_of(name: str | None, run: str) -> str:
    """The name of the run that computed answers: `name`, or `run` if `name` is None or cannot be
    the name of a folder."""
    return name if name and name.isprintable() and Path(name).name == name else run
