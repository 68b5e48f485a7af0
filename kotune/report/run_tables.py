"""Tables on how runs were made, in English or Korean: the data cards, the parity proof, and how to
reproduce each run. The parity proof shows that the trained prompts and the scored prompts are
equal."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from kodata.errors import shown
from kodata.prepare.output import SPLITS
from kodata.reading.regular import content
from kotune.compare.result import Result
from kotune.display.figures import NOTHING
from kotune.display.phrases import Phrases
from kotune.display.table import Row, Table
from kotune.layout import RECIPE
from kotune.report import data_tables
from kotune.runs.finished import Finished
from kotune.runs.manifest import Manifest, ManifestEntry
from kotune.runs.proof import LabelProof, TaskProof
from kotune.runs.reading import MAX_YAML
from kotune.shipped import PROGRAM


def data(result: Result, phrases: Phrases) -> Iterator[Table]:
    """The data card of each set of training data. A data card is four tables: sources, labels,
    dropped rows, and rows that repeat test data.

    Runs with equal manifests have one data card. If there are several data cards, the title of each
    table names the runs that trained on the data. A run in which nothing was trained has none."""
    sets: list[_TrainingData] = []
    for run in (run for run in result.runs if run.record.trained):
        trained_on = next((each for each in sets if each.manifest == run.manifest), None)
        if trained_on is None:
            sets.append(trained_on := _TrainingData(run.manifest, []))
        trained_on.runs.append(result.names[run.folder])
    for each in sets:
        suffix = f": {' / '.join(each.runs)}" if len(sets) > 1 else ""
        for table in (_sources, data_tables.labels, data_tables.dropped, data_tables.leaks):
            yield table(each.manifest, phrases, suffix)


class _TrainingData(NamedTuple):
    """A set of training data, and the names of the runs that trained on it."""

    manifest: Manifest
    runs: list[str]


def _sources(manifest: Manifest, phrases: Phrases, suffix: str) -> Table:
    """A table with the form, origin, licence and number of rows of each source. The notes list
    licence obligations. `suffix` is added to the title."""
    rows = [
        (
            entry.source,
            entry.form,
            _origin(entry),
            phrases.word("card", entry.licence),
            *(f"{n:,}" for n in entry.kept.both()),
        )
        for entry in manifest.entries
    ]
    notes = [
        phrases("obliges", source=entry.source, text=phrases.word("card", entry.obliges))
        for entry in manifest.entries
        if entry.obliges
    ]
    splits = (phrases.word("side", split) for split in SPLITS)
    head = (*map(phrases, ("source", "form", "origin", "licence")), *splits)
    return Table(phrases("data_title") + suffix, head, rows, 4, notes)


def _origin(entry: ManifestEntry) -> str:
    """The origin of a source's rows, and the digests of its first three files. The digests are
    shortened to 12 characters."""
    origin = ", ".join(str(value) for value in entry.origin.values() if value)
    return f"{origin} ({', '.join(file.sha256[:12] for file in entry.files[:3])})"


def parity(result: Result, phrases: Phrases) -> Table:
    """A table of the parity proof. It has a row for each task, one for the labels (the trained
    tokens), and two for the lengths of examples in tokens. Each run has a column."""
    proofs = [run.parity for run in result.runs]
    tasks = dict.fromkeys(task for proof in proofs for task in proof.tasks)
    rows: list[Row] = [
        (task, *(_task_status(proof.tasks.get(task), phrases) for proof in proofs))
        for task in tasks
    ]
    rows.append(
        (phrases("labels_checked"), *(_label_status(proof.labels, phrases) for proof in proofs))
    )
    lengths = [proof.lengths for proof in proofs]
    rows.append(
        (phrases("longest"), *(f"{each.longest:,} / {each.sequence_len:,}" for each in lengths))
    )
    over = (phrases("over_of", n=f"{each.too_long:,}", number=f"{each.rows:,}") for each in lengths)
    rows.append((phrases("over"), *over))
    return Table(
        phrases("parity_title"),
        _head(phrases("prompts"), result),
        rows,
        1 + len(proofs),
        [phrases("parity_note")],
    )


def _task_status(proof: TaskProof | None, phrases: Phrases) -> str:
    """A task's status in the proof, with the number of prompts that were compared. A dash if the
    run's proof does not have the task."""
    if proof is None:
        return NOTHING
    status = phrases.word("parity_status", proof.status)
    if proof.items is None:
        return status
    return f"{status} ({phrases('items_checked', n=f'{proof.items:,}')})"


def _label_status(proof: LabelProof, phrases: Phrases) -> str:
    """The status of the labels in the proof, with the number of rows checked. If not all rows were
    checked, the number of all rows is added."""
    rows, checked = proof.rows, proof.checked
    if checked is None or checked == rows:
        counts = phrases("rows_checked", n=f"{rows:,}")
    else:
        counts = phrases("rows_checked_of", n=f"{checked:,}", number=f"{rows:,}")
    return f"{phrases.word('parity_status', proof.status)} ({counts})"


def reproduction(result: Result, phrases: Phrases) -> Table:
    """A table on how to reproduce each run: command, seed, device, versions and the other FACTS. If
    there are several runs, a note has the command that compares them."""
    rows = [
        (phrases(key), *(str(fact(run, phrases)) for run in result.runs))
        for key, fact in FACTS.items()
    ]
    command = shlex.join([PROGRAM, "compare", *(str(run.folder) for run in result.runs)])
    notes = [phrases("compared_by", command=command)] if len(result.runs) > 1 else []
    return Table(phrases("machine_title"), _head("", result), rows, 1 + len(result.runs), notes)


def _head(first: str, result: Result) -> tuple[str, ...]:
    """The head of a table with a column for each run. `first`: the heading of the first column."""
    return (first, *result.names.values())


def _versions(run: Finished, phrases: Phrases) -> str:
    """The versions of Python and of the installed packages."""
    known = [f"{name} {version}" for name, version in run.record.versions.items() if version]
    return ", ".join([f"Python {run.record.python}", *known])


def _generation(run: Finished, phrases: Phrases) -> str:
    """The generation settings in the model's own files, which scoring does not use."""
    settings = run.record.generation_unused or {}
    return ", ".join(f"{name}={shown(value)}" for name, value in settings.items()) or NOTHING


# The rows of reproduction(): the phrase of a row's name, and the function that returns a run's
# cell.
FACTS: dict[str, Callable[[Finished, Phrases], object]] = {
    "command": lambda run, phrases: run.command,
    "seed": lambda run, phrases: run.record.seed,
    "limit": lambda run, phrases: run.record.limit or phrases("all"),
    "device": lambda run, phrases: f"{run.record.device}, {run.record.machine}",
    "precision": lambda run, phrases: run.record.base_precision,
    "model_revision": lambda run, phrases: run.record.model_revision or NOTHING,
    "generation_unused": _generation,
    "versions": _versions,
    "code": lambda run, phrases: run.record.code_revision or NOTHING,
}


def recipes(runs: Sequence[Finished]) -> list[str]:
    """The text of each run's resolved recipe."""
    return [content(run.folder / RECIPE, MAX_YAML).decode("utf-8") for run in runs]
