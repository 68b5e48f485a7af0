"""What runs were made from and how, as tables in a reader's language: data cards, parity proof, how
to do it again."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from kodata.errors import shown
from kodata.prepare.output import Manifest
from kodata.reading.regular import content
from kotune.compare.result import Result
from kotune.display.phrases import Phrases
from kotune.display.table import Table
from kotune.layout import RECIPE
from kotune.report import data_tables
from kotune.runs.finished import Finished
from kotune.runs.reading import MAX_YAML
from kotune.shipped import PROGRAM

NOTHING = "-"


def data(result: Result, say: Phrases) -> Iterator[Table]:
    """The data card of each set of training data, under the names of the runs that trained on
    it."""
    sets: list[tuple[Manifest, list[str]]] = []
    for run in result.runs:
        names = next((names for manifest, names in sets if manifest == run.manifest), None)
        if names is None:
            sets.append((run.manifest, names := []))
        names.append(result.names[run.folder])
    for manifest, names in sets:
        whose = f": {' / '.join(names)}" if len(sets) > 1 else ""
        for piece in (_sources, data_tables.labels, data_tables.dropped, data_tables.leaks):
            yield piece(manifest, say, whose)


def _sources(manifest: Manifest, say: Phrases, whose: str) -> Table:
    rows = [
        (
            entry["source"],
            entry["form"],
            _origin(entry),
            say.word("card", entry["licence"]),
            *(f"{n:,}" for n in entry["kept"].values()),
        )
        for entry in manifest["entries"]
    ]
    asking = (entry for entry in manifest["entries"] if entry["obliges"])
    notes = [
        say("obliges", source=entry["source"], text=say.word("card", entry["obliges"]))
        for entry in asking
    ]
    sides = (say.word("side", side) for side in manifest["entries"][0]["kept"])
    head = (*map(say, ("source", "form", "origin", "licence")), *sides)
    return Table(say("data_title") + whose, head, rows, 4, notes)


def _origin(entry: dict[str, Any]) -> str:
    """Where a source's rows come from, and what proves that they are the same."""
    place = ", ".join(str(value) for value in entry["from"].values() if value)
    return f"{place} ({', '.join(file['sha256'][:12] for file in entry['files'][:3])})"


def parity(result: Result, say: Phrases) -> Table:
    """The proof that each model is scored on the prompt it was trained on."""
    proofs = [run.parity for run in result.runs]
    tasks = dict.fromkeys(task for proof in proofs for task in proof["tasks"])
    rows = [
        (task, *(_checked(proof["tasks"].get(task, {}), "items", say) for proof in proofs))
        for task in tasks
    ]
    rows.append((say("labels_checked"), *(_labels(proof["labels"], say) for proof in proofs)))
    lengths = [proof["lengths"] for proof in proofs]
    rows.append(
        (say("longest"), *(f"{side['longest']:,} / {side['sequence_len']:,}" for side in lengths))
    )
    over = (
        say("over_of", n=f"{side['too_long']:,}", number=f"{side['rows']:,}") for side in lengths
    )
    rows.append((say("over"), *over))
    return Table(
        say("parity_title"),
        _head(say("prompts"), result),
        rows,
        1 + len(proofs),
        [say("parity_note")],
    )


def _checked(side: dict[str, Any], unit: str, say: Phrases) -> str:
    """A status with how many of `unit`, items or rows, it was seen on."""
    status = say.word("parity_status", side["status"]) if side else NOTHING
    return (
        f"{status} ({say(f'{unit}_checked', n=format(side[unit], ','))})"
        if unit in side
        else status
    )


def _labels(side: dict[str, Any], say: Phrases) -> str:
    """What is trained, and in how many rows that was seen; of how many, where it was not seen in
    all."""
    rows, checked = side["rows"], side.get("checked")
    if checked in (None, rows):
        return _checked(side, "rows", say)
    of_rows = say("rows_checked_of", n=f"{checked:,}", number=f"{rows:,}")
    return f"{say.word('parity_status', side['status'])} ({of_rows})"


def machine(result: Result, say: Phrases) -> Table:
    """What each run was made with."""
    rows = [
        (say(key), *(str(fact(run, say)) for run in result.runs)) for key, fact in FACTS.items()
    ]
    command = shlex.join([PROGRAM, "compare", *(str(run.folder) for run in result.runs)])
    notes = [say("compared_by", command=command)] if len(result.runs) > 1 else []
    return Table(say("machine_title"), _head("", result), rows, 1 + len(result.runs), notes)


def _head(first: str, result: Result) -> tuple[str, ...]:
    return (first, *result.names.values())


def _versions(run: Finished, say: Phrases) -> str:
    known = [f"{name} {version}" for name, version in run.record["versions"].items() if version]
    return ", ".join([f"Python {run.record['python']}", *known])


def _generation(run: Finished, say: Phrases) -> str:
    """What the model asked for when it writes answers, none of which is done. Its text comes from
    the model."""
    asked = run.record.get("generation_unused") or {}
    return ", ".join(f"{name}={shown(value)}" for name, value in asked.items()) or NOTHING


FACTS: dict[str, Callable[[Finished, Phrases], object]] = {
    "command": lambda run, say: run.command,
    "seed": lambda run, say: run.record["seed"],
    "limit": lambda run, say: run.record["limit"] or say("all"),
    "device": lambda run, say: f"{run.record['device']}, {run.record['machine']}",
    "precision": lambda run, say: run.record["base_precision"],
    "model_revision": lambda run, say: run.record["model_revision"] or NOTHING,
    "generation_unused": _generation,
    "versions": _versions,
    "code": lambda run, say: run.record["code_revision"] or NOTHING,
}


def recipes(runs: Sequence[Finished]) -> list[str]:
    """Each run's recipe as it was resolved."""
    return [content(run.folder / RECIPE, MAX_YAML).decode("utf-8") for run in runs]
