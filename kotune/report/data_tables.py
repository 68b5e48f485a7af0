"""Tables with notes on a run's training data, in English or Korean. They are made from the manifest
(data/manifest.json). `suffix` is added to the title of a table."""

from collections.abc import Iterator

from kodata.prepare.output import SPLITS
from kotune.display.phrases import Phrases
from kotune.display.table import Row, Table
from kotune.report.lines import test_parts
from kotune.runs.manifest import Leaks, Manifest, ManifestEntry


def labels(manifest: Manifest, phrases: Phrases, suffix: str = "") -> Table:
    """A table with the number of training and validation rows for each label."""
    rows = [row for entry in manifest.entries for row in _label_rows(entry, phrases)]
    head = (phrases("source"), phrases("label"), *(phrases.word("side", split) for split in SPLITS))
    return Table(phrases("labels_title") + suffix, head, rows, 2)


def _label_rows(entry: ManifestEntry, phrases: Phrases) -> Iterator[Row]:
    """A table row for each label of a data entry. For each split, it has the number of data rows
    with the label, and their share of the split's labelled rows. The last table row has the number
    of all data rows."""
    counts = entry.labels.both()
    for label in dict.fromkeys(label for count in counts for label in count):
        numbers = [(count.get(label, 0), sum(count.values()) or 1) for count in counts]
        yield (
            entry.source,
            label,
            *(phrases("share", n=f"{n:,}", share=f"{n / whole:.1%}") for n, whole in numbers),
        )
    yield entry.source, phrases("all"), *(f"{rows:,}" for rows in entry.kept.both())


def dropped(manifest: Manifest, phrases: Phrases, suffix: str = "") -> Table:
    """A table with the number of dropped rows of each source by reason. The notes list data that
    were not read or were rewritten. Further notes are on the test data (test_parts)."""
    rows = [
        (entry.source, phrases.word("reasons", reason), f"{n:,}")
        for entry in manifest.entries
        for reason, n in entry.dropped.items()
    ]
    head = (phrases("source"), phrases("reason"), phrases("rows"))
    notes = [] if rows else [phrases("none_dropped")]
    notes += [note for entry in manifest.entries for note in _unread(entry, phrases)]
    notes += test_parts(manifest, phrases)
    return Table(phrases("dropped_title") + suffix, head, rows, 2, notes)


def _unread(entry: ManifestEntry, phrases: Phrases) -> Iterator[str]:
    """Notes on a data entry: one on keys and files that were not read, and one for each way in
    which rows were rewritten. Manifests of earlier versions lack these numbers and give no
    notes."""
    unread = [phrases("unread_key", name=key, n=f"{n:,}") for key, n in entry.not_read.items()]
    unread += [phrases("unread_file", name=name) for name in entry.unread_files]
    if unread:
        yield phrases("unread", source=entry.source, what=", ".join(unread))
    for what, n in entry.rewritten.items():
        yield phrases(
            "rewritten", source=entry.source, what=phrases.word("rewriting", what), n=f"{n:,}"
        )


def leaks(manifest: Manifest, phrases: Phrases, suffix: str = "") -> Table:
    """A table with the number of training rows that repeat test data. The notes say whether these
    rows were dropped or kept, and how many test texts were compared. Further notes are on rows that
    share parts with test data, and on test data that repeat other test data."""
    leaks = manifest.leaks
    rows = [
        (
            leak.source,
            leak.task,
            phrases.word("kinds", leak.kind),
            f"{leak.rows:,}",
            f"{leak.texts:,}",
        )
        for leak in leaks.found
    ]
    notes = [phrases.word("policy", leaks.policy) if rows else phrases("none_leaked")]
    notes += _compared(leaks, phrases)
    notes += [
        phrases("shared_parts", source=part.source, task=part.task, rows=f"{part.rows:,}")
        for part in leaks.shared
    ]
    notes += [
        phrases("between_tests", source=shared.source, task=shared.task, texts=shared.texts)
        for shared in leaks.between_tests
    ]
    head = tuple(map(phrases, ("source", "task", "kind", "rows", "texts")))
    return Table(phrases("leaks_title") + suffix, head, rows, 3, notes)


def _compared(leaks: Leaks, phrases: Phrases) -> Iterator[str]:
    """Notes with the number of texts, and of pairs of texts, that were compared for each task.
    Manifests of earlier versions lack these numbers and give no notes."""
    texts = [(task, compared.texts) for task, compared in leaks.compared.items()]
    pairs = [(task, compared.pairs) for task, compared in leaks.compared.items() if compared.pairs]
    for key, counts in (("compared_texts", texts), ("compared_pairs", pairs)):
        if counts:
            yield phrases(key, what=", ".join(f"{task} ({n:,})" for task, n in counts))
