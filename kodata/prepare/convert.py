"""Converts data sets to train.jsonl and validation.jsonl, with a manifest.json that describes
inputs and results.

Guarantees:
- Train and validation share no group (such as a premise), even with other case or spacing.
- The same seed gives the same bytes.
- Rows are streamed: memory grows by little more than three numbers a row.
- Each file appears only when complete, the manifest last. Nothing is written if an input is
  missing."""

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
from kodata.errors import DataError, SizeError
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
from kodata.prepare.output import SIDES, Manifest, Output
from kodata.prepare.split import VALIDATION_ROWS, Cut, cut_of, side_of
from kodata.prepare.unread import unread_files
from kodata.prepare.usable import Tally, usable_records
from kodata.reading import hub
from kodata.reading.digests import digest
from kodata.reading.files import sha256
from kodata.records import make_draw
from kodata.test_part import FEWEST


class Converted(TypedDict):
    """The part of the manifest about the rows of an entry: read by split, kept by side, dropped by
    reason, not_read by key, rewritten by change, and labels by side and label."""

    read: dict[str, int]
    kept: dict[str, int]
    dropped: dict[str, int]
    not_read: dict[str, int]
    rewritten: dict[str, int]
    labels: dict[str, dict[str, int]]


def convert(
    entries: list[Entry],
    out_dir: Path,
    seed: int,
    scored: Scored | None = None,
    validation_rows: int = VALIDATION_ROWS,
) -> Manifest:
    """Writes the three files into out_dir and returns the manifest. Leaks are only checked if
    `scored` is given. Raises DataError.

    A row is {"messages", "guid", "source", "form", "doc"}: the chat example, its origin, and the
    record (see doc_of). With `samples`, rows are in the order of their draws, and a smaller sample
    is the beginning of a larger one. Validation does not depend on `samples`, so that runs with
    different sizes are measured on the same rows. It has at most `validation_rows` rows, divided
    equally between the entries, and at least one row for each entry."""
    inputs = [_inputs(entry) for entry in entries]  # file errors are raised before any write
    guard = LeakGuard(scored.tasks, scored.leaks) if scored else None
    out_dir.mkdir(parents=True, exist_ok=True)
    with _without_garbage_collection(), Output(out_dir) as output:
        cut = cut_of(entries, seed, max(validation_rows // len(entries), 1), guard)
        parts = [_convert_entry(entry, cut, output, guard) for entry in entries]
        kept = {side: sum(part["kept"][side] for part in parts) for side in SIDES}
        if not all(kept.values()):
            raise DataError(_too_few(entries, parts, kept))
        described = [{**read, **part} for read, part in zip(inputs, parts, strict=True)]
        manifest: Manifest = {"seed": seed, "rows": kept, "entries": described}
        if scored and guard:
            manifest |= _scoring(scored, guard, entries)
        output.finish(manifest)
    return manifest


def _scoring(scored: Scored, guard: LeakGuard, entries: list[Entry]) -> Manifest:
    """The part of the manifest about test data: what is scored, what is not, and leaks."""
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


def _too_few(entries: list[Entry], parts: list[Converted], kept: dict[str, int]) -> str:
    sources = ", ".join(str(entry.path or entry.source) for entry in entries)
    dropped = sum((Counter(part["dropped"]) for part in parts), Counter[str]())
    why = f" (dropped: {dict(dropped)})" if dropped else ""
    mend = "give more data"
    if dropped["leak"]:  # for example if all questions have the same wording
        mend = (
            "rows that are very similar to test rows are leaks: give related rows one `group`, add"
            " your own test data, or set `leaks: keep`"
        )
    return f"{sources}: too few rows to train and to validate on: {kept}{why}; {mend}"


def fingerprint(location: DataLocation, split: str | None = None) -> str:
    """Identifies the data of a source that a run trains on, or of one split, without the network:
    the hub commit, or a hash over the name and content of each file."""
    source, path = source_at(location), location.path
    if _kind(source, path) == "hub":
        return f"{source.CARD.hub_id}@{path or source.CARD.revision}"
    files = source.files(split, path) if split else _files(source, path)
    contents: list[object] = [(file.name, digest(file)) for file in files]
    if location.test_share is not None:
        contents.append(location.test_share)
    return hashlib.sha256(json.dumps(contents).encode()).hexdigest()


def _kind(source: Source, path: str | Path | None) -> str:
    if path is not None and not hub.is_commit(path):
        return "folder"
    return "hub" if source.CARD.hub_id else "shipped"


def _origin(source: Source, path: str | Path | None, split: str) -> Manifest:
    """Where a source is read from. For the hub, this has the commit that was really fetched."""
    kind = _kind(source, path)
    if kind != "hub":
        return {"kind": kind}
    return {
        "kind": kind,
        "hub_id": source.CARD.hub_id,
        "revision": hub.commit(source.files(split, path)[0]),
    }


def _files(source: Source, path: str | Path | None) -> list[Path]:
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

    # The labels of kept rows, by side.
    labels: dict[str, Counter[str]] = field(
        default_factory=lambda: {side: Counter() for side in SIDES}
    )


def _convert_entry(entry: Entry, cut: Cut, output: Output, guard: LeakGuard | None) -> Converted:
    """Writes the rows of one entry. Returns the part of the manifest that describes them."""
    source, tally = source_of(entry), _Tally()
    records = _with_sides(source, entry.path, cut, tally)
    if guard:
        records = guard.passed(records, source, tally.dropped)
    made = examples(records, source, entry.form, tally.dropped, merge=entry.system == "merge")
    made = _sampled(made, entry, cut, tally)
    if entry.weight != 1:
        made = _weighted(made, entry.weight, cut.seed, tally)
    name, form = entry.source, entry.form  # attributes are looked up once: this loop must be fast
    write, count = output.write, tally.labels
    for side, record, messages in made:
        write(
            side,
            {"messages": messages, "guid": record["guid"], "source": name, "form": form},
            record,
        )
        if len(messages) > 2 and any("train" in turn for turn in messages):
            output.mark()
        count[side][record.get("label", "")] += 1
    kept = {side: counts.total() for side, counts in count.items()}
    labels = {
        side: {label: counts[label] for label in sorted(counts) if label}
        for side, counts in count.items()
    }
    return {
        "read": dict(tally.read),
        "kept": kept,
        "dropped": dict(tally.dropped),
        "not_read": dict(tally.not_read),
        "rewritten": dict(tally.rewritten),
        "labels": labels,
    }


def _with_sides(
    source: Source, path: str | Path | None, cut: Cut, tally: _Tally
) -> Iterator[tuple[str, Record]]:
    """Every usable record with its side. A train record is dropped if its group is in the
    validation split of a source."""
    splits = splits_of(source, path)
    which_side = side_of("validation" in splits, cut)
    for split in splits:
        last, side = None, split
        for record in usable_records(source.read(split, path), split, tally):
            # Rows of one group are mostly adjacent, so the last side is reused.
            if split == "train" and (group := source.group(record)) != last:
                last, side = group, which_side(group)
            if side:
                yield side, record
            else:
                tally.dropped["its group is in the validation part"] += 1


NOT_DRAWN = {"train": "not sampled", "validation": "not needed for validation"}


def _sampled(every: Iterable[Example], entry: Entry, cut: Cut, tally: _Tally) -> Iterator[Example]:
    """At most entry.samples train examples and cut.rows validation examples: those with the lowest
    draws. Raises SizeError if train has fewer than entry.samples.

    Sampled train examples are in the order of their draws, so that a smaller sample is the
    beginning of a larger one. Examples of an unlimited side come first, in file order."""
    draw, limits = make_draw(cut.seed), {"train": entry.samples, "validation": cut.rows}
    # The highest draw is on top. The number keeps equal draws in file order.
    heaps: dict[str, list[tuple[float, int, Example]]] = {
        side: [] for side, rows in limits.items() if rows is not None
    }
    for number, example in enumerate(every):
        if (side := example[0]) not in heaps:  # usually train without `samples`
            yield example
            continue
        record, heap = example[1], heaps[side]
        if len(heap) < (limits[side] or 0):
            heapq.heappush(heap, (-draw(record["guid"]), -number, example))
        else:
            heapq.heappushpop(heap, (-draw(record["guid"]), -number, example))
            tally.dropped[NOT_DRAWN[side]] += 1
    if entry.samples is not None and len(heaps["train"]) < entry.samples:
        raise SizeError(entry.source, entry.samples, len(heaps["train"]))
    for side, heap in heaps.items():
        if side == "train":
            heap.sort(reverse=True)  # in the order of draws
        else:
            heap.sort(key=lambda entry: -entry[1])  # in file order
        yield from (example for _, _, example in heap)


def _weighted(
    every: Iterable[Example], weight: float, seed: int, tally: _Tally
) -> Iterator[Example]:
    """Repeats train examples `weight` times. The integer part applies to all examples, the
    fractional part to a share of them, drawn by the seed."""
    draw = make_draw(seed)
    whole, share = divmod(weight, 1)
    for example in every:
        side, record, _ = example
        times = int(whole) + (draw(f"weight {record['guid']}") < share)
        if side != "train":
            times = 1
        elif not times:
            tally.dropped["weight"] += 1
        yield from [example] * times
