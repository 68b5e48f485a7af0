"""Converts data sets to train.jsonl and validation.jsonl, with a manifest.json that describes
inputs and results.

Guarantees:
- Train and validation share no group (such as a premise). Groups that differ only in case or
  spacing are the same group.
- The same seed gives the same bytes.
- Rows are streamed. Only a few numbers for each row, and the sampled rows, are in memory.
- A file appears only when it is complete, and the manifest appears last. Nothing is written if an
  input is missing."""

import gc
import hashlib
import heapq
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypedDict

from kodata.card import Record, Source
from kodata.errors import DataError, SizeError, Translatable
from kodata.prepare.cleaning import Example, examples
from kodata.prepare.entries import (
    DataLocation,
    Entry,
    Scored,
    share_kept,
    source_at,
    source_of,
    splits_of,
)
from kodata.prepare.leak_guard import LeakGuard
from kodata.prepare.output import SPLITS, Manifest, Output
from kodata.prepare.split import VALIDATION_ROWS, SplitRule, split_chooser, split_rule
from kodata.prepare.unread import unread_files
from kodata.prepare.usable import Tally, usable_records
from kodata.progress import Progress, Watch, counted, unwatched
from kodata.reading import hub
from kodata.reading.digests import digest
from kodata.reading.files import sha256
from kodata.records import make_draw
from kodata.test_part import FEWEST


class RowCounts(TypedDict):
    """The part of the manifest that counts the rows of an entry."""

    read: dict[str, int]  # by split of the source
    kept: dict[str, int]  # by split of the output
    dropped: dict[str, int]  # by reason
    not_read: dict[str, int]  # by key of the source's rows
    rewritten: dict[str, int]  # by kind of change
    labels: dict[str, dict[str, int]]  # by split of the output, then by label


def convert(
    entries: list[Entry],
    out_dir: Path,
    seed: int,
    scored: Scored | None = None,
    validation_rows: int = VALIDATION_ROWS,
    watch: Watch = unwatched,
) -> Manifest:
    """Writes train.jsonl, validation.jsonl and manifest.json into out_dir, and returns the
    manifest. `scored`: the tasks whose test data are checked for leaks; None for no check. Raises
    DataError if an input cannot be read, if no rows are left for a split, or if there are leaks and
    `scored.leaks` is `refuse`. Raises SizeError if an entry has fewer train rows than its
    `samples`.

    A row is {"messages", "guid", "source", "form", "doc"}: the chat example, its origin, and the
    record (see doc_of). If an entry has `samples`, its train rows are in random order, and a
    smaller sample is the beginning of a larger one. Validation does not depend on `samples`, so
    that runs with different sizes are measured on the same rows. `validation_rows` is divided
    equally between the entries. Each entry has at most its part, but at least one row.

    `watch` is called with the progress of the leak check and of the conversion."""
    inputs = [_inputs(entry) for entry in entries]  # file errors are raised before any write
    guard = LeakGuard(scored.tasks, scored.leaks, watch) if scored else None
    out_dir.mkdir(parents=True, exist_ok=True)
    with _without_garbage_collection(), Output(out_dir) as output:
        rule = split_rule(entries, seed, max(validation_rows // len(entries), 1), guard)
        counts = [_convert_entry(entry, rule, output, guard, watch) for entry in entries]
        kept = {split: sum(part["kept"][split] for part in counts) for split in SPLITS}
        if not all(kept.values()):
            raise DataError(_too_few(entries, counts, kept))
        described = [{**read, **part} for read, part in zip(inputs, counts, strict=True)]
        manifest: Manifest = {"seed": seed, "rows": kept, "entries": described}
        if scored and guard:
            manifest |= _test_data(scored, guard, entries)
        output.finish(manifest)
    return manifest


def _test_data(scored: Scored, guard: LeakGuard, entries: list[Entry]) -> Manifest:
    """The part of the manifest about test data: scored tasks, tasks without test data, leaks."""
    tallies = guard.tallies
    return {
        "scored": {
            task: {
                **_origin(source_at(location), location.path, "test"),
                "test_share": share_kept(location),
                "left_out": dict(tallies[task].dropped),
                **tallies[task].counts(),
            }
            for task, location in scored.tasks.items()
        },
        "not_scored": {
            task: {"groups": groups, "needed": FEWEST} for task, groups in scored.not_scored.items()
        },
        "leaks": guard.verdict(entries),
    }


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Context manager: disables CPython's cyclic garbage collector. Rows have no reference cycles,
    and the search for cycles takes an eighth of the time of converting NSMC."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _too_few(entries: list[Entry], counts: list[RowCounts], kept: dict[str, int]) -> str:
    """The error message if no rows are left for train or for validation. `kept`: the number of rows
    that are left for each."""
    sources = ", ".join(str(entry.path or entry.source) for entry in entries)
    dropped = sum((Counter(part["dropped"]) for part in counts), Counter[str]())
    why = f" (dropped: {dict(dropped)})" if dropped else ""
    advice = "give more data"
    if dropped["leak"]:  # for example if all questions have the same wording
        advice = (
            "rows that are very similar to test rows are leaks: give related rows one `group`, add"
            " your own test data, or set `leaks: keep`"
        )
    return f"{sources}: too few rows to train and to validate on: {kept}{why}; {advice}"


def fingerprint(location: DataLocation, split: str | None = None) -> str:
    """An identifier of a source's data: the hub commit, or a hash of the files' names and contents.

    Covers the files of `split`; if `split` is None, the files of train and validation. Does not use
    the network. Raises DataError if a file is missing or cannot be read."""
    source, path = source_at(location), location.path
    if _kind(source, path) == "hub":
        return f"{source.CARD.hub_id}@{path or source.CARD.revision}"
    files = source.files(split, path) if split else _files(source, path)
    contents: list[object] = [(file.name, digest(file)) for file in files]
    if location.test_share is not None:
        contents.append(location.test_share)
    return hashlib.sha256(json.dumps(contents).encode()).hexdigest()


def _kind(source: Source, path: str | Path | None) -> str:
    """Where a source's data are read from: `folder`, `hub`, or `shipped` with kotune."""
    if path is not None and not hub.is_commit(path):
        return "folder"
    return "hub" if source.CARD.hub_id else "shipped"


def _origin(source: Source, path: str | Path | None, split: str) -> Manifest:
    """The part of the manifest that names the origin of a source's data. For the hub, it includes
    the commit that was downloaded."""
    kind = _kind(source, path)
    if kind != "hub":
        return {"kind": kind}
    return {
        "kind": kind,
        "hub_id": source.CARD.hub_id,
        "revision": hub.commit(source.files(split, path)[0]),
    }


def _files(source: Source, path: str | Path | None) -> list[Path]:
    """The files of train and validation, without duplicates."""
    return list(
        dict.fromkeys(
            file for split in splits_of(source, path) for file in source.files(split, path)
        )
    )


def _inputs(entry: Entry) -> Manifest:
    """The part of the manifest that describes the input of an entry."""
    source = source_of(entry)
    files = [
        {"file": file.name, "bytes": file.stat().st_size, "sha256": sha256(file)}
        for file in _files(source, entry.path)
    ]
    origin = _origin(source, entry.path, "train")
    return {
        **asdict(entry),
        "path": str(entry.path) if origin["kind"] == "folder" else None,
        "from": origin,
        "files": files,
        "unread_files": unread_files(source, entry.path),
        "licence": source.CARD.licence,
        "obliges": source.CARD.obliges,
    }


@dataclass
class _Tally(Tally):
    """Counts of what happened to the rows of one entry."""

    # The number of kept rows by split of the output, then by label.
    labels: dict[str, Counter[str]] = field(
        default_factory=lambda: {split: Counter() for split in SPLITS}
    )


def _convert_entry(
    entry: Entry, rule: SplitRule, output: Output, guard: LeakGuard | None, watch: Watch
) -> RowCounts:
    """Writes the rows of one entry and returns their counts."""
    source, tally = source_of(entry), _Tally()
    begin = Progress(_what(entry, guard), 0, _expected_rows(source, entry.path))
    records = counted(_with_splits(source, entry.path, rule, tally), begin, watch)
    if guard:
        records = guard.without_leaks(records, source, tally.dropped)
    made = examples(records, source, entry.form, tally.dropped, merge=entry.system == "merge")
    made = _sampled(made, entry, rule, tally)
    if entry.weight != 1:
        made = _weighted(made, entry.weight, rule.seed, tally)
    name, form = entry.source, entry.form  # looked up once, for a fast loop
    write, count = output.write, tally.labels
    for split, record, messages in made:
        write(
            split,
            {"messages": messages, "guid": record["guid"], "source": name, "form": form},
            record,
        )
        if len(messages) > 2 and any("train" in turn for turn in messages):
            output.mark()
        count[split][record.get("label", "")] += 1
    kept = {split: counts.total() for split, counts in count.items()}
    labels = {
        split: {label: counts[label] for label in sorted(counts) if label}
        for split, counts in count.items()
    }
    return {
        "read": dict(tally.read),
        "kept": kept,
        "dropped": dict(tally.dropped),
        "not_read": dict(tally.not_read),
        "rewritten": dict(tally.rewritten),
        "labels": labels,
    }


def _what(entry: Entry, guard: LeakGuard | None) -> str:
    return Translatable(
        "{source}: conversion and leak check" if guard else "{source}: conversion",
        source=entry.source,
    )


def _expected_rows(source: Source, path: str | Path | None) -> int | None:
    """The number of rows of train and validation in the source's card. None for a folder, which may
    have other rows, and if the card has no numbers."""
    rows = [source.CARD.rows.get(split, 0) for split in SPLITS]
    return None if _kind(source, path) == "folder" or not any(rows) else sum(rows)


def _with_splits(
    source: Source, path: str | Path | None, rule: SplitRule, tally: _Tally
) -> Iterator[tuple[str, Record]]:
    """Yields every usable record with its split of the output. A train record is dropped if its
    group is in the validation split of any source."""
    source_splits = splits_of(source, path)
    split_of_group = split_chooser("validation" in source_splits, rule)
    for source_split in source_splits:
        last_group, split = None, source_split
        for record in usable_records(source.read(source_split, path), source_split, tally):
            # Rows of one group are mostly adjacent, so the last result is reused.
            if source_split == "train" and (group := source.group(record)) != last_group:
                last_group, split = group, split_of_group(group)
            if split:
                yield split, record
            else:
                tally.dropped["its group is in the validation part"] += 1


# The reasons, as keys of `dropped` in the manifest, for examples that are not sampled.
NOT_DRAWN = {"train": "not sampled", "validation": "not needed for validation"}


def _sampled(
    every: Iterable[Example], entry: Entry, rule: SplitRule, tally: _Tally
) -> Iterator[Example]:
    """Yields a random sample: entry.samples train examples (all if it is None), and at most
    rule.rows validation examples. Raises SizeError if there are too few train examples.

    The draw of an example is a random number that depends on the seed and its guid. The examples
    with the lowest draws are sampled. Sampled train examples are sorted by draw, so that a smaller
    sample is the beginning of a larger one. If all train examples are kept, they come first, in
    file order."""
    draw, limits = make_draw(rule.seed), {"train": entry.samples, "validation": rule.rows}
    # The first element of a heap has the highest draw. Of examples with equal draws, the first in
    # file order is kept.
    heaps: dict[str, list[tuple[float, int, Example]]] = {
        split: [] for split, rows in limits.items() if rows is not None
    }
    for number, example in enumerate(every):
        if (split := example[0]) not in heaps:  # usually train without `samples`
            yield example
            continue
        record, heap = example[1], heaps[split]
        if len(heap) < (limits[split] or 0):
            heapq.heappush(heap, (-draw(record["guid"]), -number, example))
        else:
            heapq.heappushpop(heap, (-draw(record["guid"]), -number, example))
            tally.dropped[NOT_DRAWN[split]] += 1
    if entry.samples is not None and len(heaps["train"]) < entry.samples:
        raise SizeError(entry.source, entry.samples, len(heaps["train"]))
    for split, heap in heaps.items():
        if split == "train":
            heap.sort(reverse=True)  # in the order of draws
        else:
            heap.sort(key=lambda entry: -entry[1])  # in file order
        yield from (example for _, _, example in heap)


def _weighted(
    every: Iterable[Example], weight: float, seed: int, tally: _Tally
) -> Iterator[Example]:
    """Repeats train examples `weight` times. Validation examples are not repeated.

    With a weight of 2.5, every example occurs twice, and a random half of the examples a third
    time. With a weight of 0.5, a random half of the examples is dropped."""
    draw = make_draw(seed)
    whole, share = divmod(weight, 1)
    for example in every:
        split, record, _ = example
        times = int(whole) + (draw(f"weight {record['guid']}") < share)
        if split != "train":
            times = 1
        elif not times:
            tally.dropped["weight"] += 1
        yield from [example] * times
