"""Keeps the base model's answers ("base answers") in the user's cache folder. A run with another
--runs-dir can then reuse them.

An entry is the file base-answers/<digest of its key>.jsonl. Its key is base_answers.key_of(). Its
first line is the note on the answers (runs.unfinished.Note). Its other lines are the samples. An
entry is written under a temporary name and renamed. If the entries are larger than MOST in total,
those that were not used for the longest time are removed.

An entry is used only if the entry, its folder and the folder above belong to this user, are no
links, and nobody else may write to them. Scoring then verifies the answers like those of a sibling
run (kotune.score.borrowed).

A cache that cannot be used is never an error. The functions return messages for the screen."""

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from kodata import drafts
from kodata.errors import Translatable
from kodata.reading import digests
from kodata.reading.regular import opened
from kotune.errors import KotuneError
from kotune.layout import SCORES, samples
from kotune.runs.folder import Inputs, Run, read_model
from kotune.runs.reading import MAX_LINE, MAX_LINES, loads
from kotune.runs.records import TaskScores, parsed
from kotune.runs.unfinished import Note
from kotune.score.base_answers import key_of, list_missing, note_of, origin_of, place
from kotune_tasks.card import settings

FOLDER, ENTRY = "base-answers", ".jsonl"
MOST = 500_000_000  # bytes of all entries; the answers to 3,000 items have about 2 million
FAILURES = (KotuneError, OSError, RuntimeError)  # RuntimeError: a user without a home


def reuse(root: Path, inputs: Inputs, tasks: Iterable[str]) -> list[str]:
    """Copy base answers from the cache into the run folder `root`, for the tasks whose base answers
    it does not have. `inputs`: the inputs of this run's score stage.

    Returns a message for each task whose answers are reused, and for each entry that cannot be
    used."""
    try:
        folder = _require_private(_require_private(digests.cache_folder()) / FOLDER)
    except FileNotFoundError:  # nothing is kept yet
        return []
    except FAILURES as error:
        return [
            Translatable("base answers in the cache are not used: {reason}", reason=_reason(error))
        ]
    record = Run(root).record()
    messages = (
        _fetch(folder / _name(key_of(record, inputs, task)), root, task)
        for task in list_missing(root, tasks)
    )
    return [message for message in messages if message]


def keep(root: Path, inputs: Inputs, tasks: Iterable[str]) -> list[str]:
    """Add the base answers of a run that was just scored to the cache. Answers that are sampled at
    random are not added, because they cannot be verified. Returns a list with one message if this
    fails, else an empty list."""
    try:
        folder = digests.make_cache_folder() / FOLDER
        folder.mkdir(digests.PRIVATE, exist_ok=True)
        _require_private(folder.parent)
        drafts.clear(_require_private(folder))
        scores, record = read_model(root / SCORES, dict[str, TaskScores]), Run(root).record()
        for task in (task for task in tasks if not _draws(task)):
            _store(folder / _name(key_of(record, inputs, task)), scores[task], root, task)
        _remove_oldest(folder)
    except FAILURES as error:
        return [
            Translatable("base answers are not kept in the cache: {reason}", reason=_reason(error))
        ]
    return []


def _fetch(path: Path, root: Path, task: str) -> str:
    """Copy the entry `path` into the run folder `root`. Returns a message for the screen; empty if
    there is no such entry."""
    try:
        _require_private(path)
        with opened(path, MAX_LINES) as file:
            note = _note(file.readline(MAX_LINE), path)
            place(file, note, root, task)
        os.utime(path)  # the time of the last use
    except FileNotFoundError:
        return ""
    except FAILURES as error:
        return Translatable(
            "base answers of {task} in the cache are not used: {reason}",
            task=task,
            reason=_reason(error),
        )
    return Translatable(
        "base answers of {task} are reused from the cache; the run {run} kept them",
        task=task,
        run=note.origin,
    )


def _note(line: bytes, path: Path) -> Note:
    """The note in the first line of an entry. Raises KotuneError if the line is damaged."""
    try:
        note = parsed(loads(line), Note)
    except ValueError:  # not JSON
        note = None
    if note is None or not note.is_unchecked or note.origin != origin_of(note.origin, ""):
        raise KotuneError(f"{path}: damaged")
    return note


def _store(path: Path, entry: TaskScores, root: Path, task: str) -> None:
    """Write a task's base answers as the entry `path`. `entry`: the task's scores. The file is not
    written if this run reused its answers from it, or if the answers are too large."""
    if entry.base_from and path.exists():
        return
    note = note_of(entry, root.name)
    with opened(root / samples("base", task)) as answers:
        if os.fstat(answers.fileno()).st_size > MAX_LINES // 2:
            return
        with drafts.draft(path) as copy:
            copy.write(json.dumps(note.as_json()).encode() + b"\n")
            copy.write(answers.read())


def _remove_oldest(folder: Path) -> None:
    """Remove the entries that were not used for the longest time, until all have at most MOST
    bytes."""
    entries = sorted(_entries(folder), reverse=True)  # the last used first
    total = 0
    for _, size, path in entries:
        total += size
        if total > MOST:
            path.unlink(missing_ok=True)


def _entries(folder: Path) -> Iterator[tuple[int, int, Path]]:
    """The time of the last use, the size and the path of each entry."""
    for path in folder.glob(f"*{ENTRY}"):
        try:
            status = path.lstat()
        except FileNotFoundError:  # removed by another process
            continue
        yield status.st_mtime_ns, status.st_size, path


def _name(key: str) -> str:
    """The file name of the entry with this key."""
    return hashlib.sha256(key.encode(errors="backslashreplace")).hexdigest() + ENTRY


def _draws(task: str) -> bool:
    """Whether a task's answers are sampled at random."""
    return bool(settings(task).get("generation_kwargs", {}).get("do_sample"))


def _require_private(path: Path) -> Path:
    """Return the path. Raises KotuneError if it is a link, belongs to another user, or if others
    may write to it."""
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        raise KotuneError(f"{path}: is a link")
    if status.st_uid != os.geteuid():
        raise KotuneError(
            f"{path}: belongs to another user; set {digests.CACHE} to your own folder"
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise KotuneError(f"{path}: others may write to it; run `chmod go-w` on it")
    return path


def _reason(error: BaseException) -> str:
    """An error as one message. kotune.errors.os_error() is not used, because its advice is about
    --runs-dir."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)
