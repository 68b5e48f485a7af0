"""The base model answers alike whatever is trained on it: what it answered in a run beside this one is taken over where it was
asked the same by the same code on the same kind of machine. scores.json says which run the answers are of (`base_from`).
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kodata import drafts
from kotune.errors import KotuneError
from kotune.layout import SCORES
from kotune.runs.finished import Finished
from kotune.runs.folder import Run, sha256, write_json
from kotune.score.samples import note_path, samples_path

ASKED = ("template", "code", "versions", "device", "limit")  # of what the score stage depends on
PER_TASK = ("test", "tasks")  # test data and meaning of each task
LOADED = ("base_precision", "compute_dtype", "model_revision")


def take_over(root: Path, inputs: dict[str, Any]) -> None:
    """Put a finished run's base answers where scoring finds a task done (kotune.score.scoring). `inputs`: of this
    run's score stage.

    A task that scoring began with itself is left to it."""
    model = _model(root, Run(root).record(), inputs)
    missing = [task for task in inputs["test"] if not note_path(root, task, "base").exists()]
    for other, theirs in _finished_beside(root) if missing else ():
        if theirs == model:
            known = other.record["stages"]["score"]["inputs"]
            same = [
                task for task in missing if all(known.get(key, {}).get(task) == inputs[key][task] for key in PER_TASK)
            ]
            missing = [task for task in missing if task not in same or not _is_taken(other, task, root)]


def _finished_beside(root: Path) -> Iterator[tuple[Finished, dict[str, Any]]]:
    """Each with its base model."""
    for folder in sorted(root.parent.iterdir()):
        try:
            if folder != root and (folder / SCORES).exists():
                run = Finished(folder)
                yield run, _model(folder, run.record, run.record["stages"]["score"]["inputs"])
        except (KotuneError, OSError):  # damaged, of another version or user, or removed meanwhile: not of use
            continue


def _model(root: Path, record: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """What a base model's answers follow from, but for the task."""
    trained, tokenizer = record.get("stages", {}).get("train", {}), root / "model" / "tokenizer.json"
    return {
        **{key: inputs.get(key) for key in ASKED}, **{key: record.get(key) for key in LOADED},
        "model": trained.get("inputs", {}).get("model"),
        "tokenizer": sha256(tokenizer) if tokenizer.exists() else None,
    }  # fmt: skip


def _is_taken(other: Finished, task: str, root: Path) -> bool:
    """Whether the answers are here and as they were scored; the note, which makes the task done, comes last."""
    entry, place = other.scores[task], samples_path(root, "base", task)
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        with samples_path(other.folder, "base", task).open("rb") as answers, drafts.draft(place) as copy:
            shutil.copyfileobj(answers, copy)
    except FileNotFoundError:  # not there, or no longer
        return False
    if sha256(place) != entry["sha256"]["base"]:
        place.unlink()
        return False
    asked = {metric: told for metric, told in entry["base"].items() if told["n"]}  # others the tuned model alone has
    whose = entry.get("base_from") or other.folder.name
    found = {"n": entry["n"], "values": asked, "sha256": entry["sha256"]["base"], "from": whose}
    write_json(note_path(root, task, "base"), found)
    return True
