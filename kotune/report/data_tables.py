"""What a manifest tells of training data, as tables with their notes in a reader's language."""

from collections.abc import Iterator

from kodata.prepare.output import SIDES
from kotune.display.phrases import Phrases
from kotune.display.table import Row, Table
from kotune.report.lines import test_parts
from kotune.runs.records import Manifest, ManifestEntry


def labels(manifest: Manifest, say: Phrases, whose: str = "") -> Table:
    """How many rows have each label."""
    rows = [row for entry in manifest.entries for row in _label_rows(entry, say)]
    head = (say("source"), say("label"), *(say.word("side", side) for side in SIDES))
    return Table(say("labels_title") + whose, head, rows, 2)


def _label_rows(entry: ManifestEntry, say: Phrases) -> Iterator[Row]:
    """Each label's rows and share of the labelled ones, on each side; then all rows."""
    counts = entry.labels.both()
    for label in dict.fromkeys(label for count in counts for label in count):
        numbers = [(count.get(label, 0), sum(count.values()) or 1) for count in counts]
        yield (
            entry.source,
            label,
            *(say("share", n=f"{n:,}", share=f"{n / whole:.1%}") for n, whole in numbers),
        )
    yield entry.source, say("all"), *(f"{rows:,}" for rows in entry.kept.both())


def dropped(manifest: Manifest, say: Phrases, whose: str = "") -> Table:
    """What was left out, and why; and what was not read."""
    rows = [
        (entry.source, say.word("reasons", reason), f"{n:,}")
        for entry in manifest.entries
        for reason, n in entry.dropped.items()
    ]
    head = (say("source"), say("reason"), say("rows"))
    notes = [] if rows else [say("none_dropped")]
    notes += [note for entry in manifest.entries for note in _unread(entry, say)]
    notes += test_parts(manifest, say)
    return Table(say("dropped_title") + whose, head, rows, 2, notes)


def _unread(entry: ManifestEntry, say: Phrases) -> Iterator[str]:
    """What of an entry's data was not read, or rewritten; nothing of what runs of earlier versions
    do not say."""
    found = [say("unread_key", name=key, n=f"{n:,}") for key, n in entry.not_read.items()]
    found += [say("unread_file", name=name) for name in entry.unread_files]
    if found:
        yield say("unread", source=entry.source, what=", ".join(found))
    for what, n in entry.rewritten.items():
        yield say("rewritten", source=entry.source, what=say.word("rewriting", what), n=f"{n:,}")


def leaks(manifest: Manifest, say: Phrases, whose: str = "") -> Table:
    """What of the training text stands in test text, and what became of it."""
    leaks = manifest.leaks
    rows = [
        (
            leak.source,
            leak.task,
            say.word("kinds", leak.kind),
            f"{leak.rows:,}",
            f"{leak.texts:,}",
        )
        for leak in leaks.found
    ]
    notes = [say.word("policy", leaks.policy) if rows else say("none_leaked")]
    notes += [
        say("between_tests", source=shared.source, task=shared.task, texts=shared.texts)
        for shared in leaks.between_tests
    ]
    head = tuple(map(say, ("source", "task", "kind", "rows", "texts")))
    return Table(say("leaks_title") + whose, head, rows, 3, notes)
