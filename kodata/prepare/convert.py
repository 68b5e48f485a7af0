"""Data sets become train.jsonl and validation.jsonl, with a manifest.json that says what went in
and what came out.

Guaranteed: the two sides share no group (premise), not even in another case or spacing; the same
seed gives the same bytes; rows stream, so memory grows by little more than three numbers a row;
each file appears whole, the manifest last, and nothing is written when an input is missing."""

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
    DataPlace,
    Entry,
    Scored,
    share_kept,
    source_at,
    source_of,
    splits_of,
)
from kodata.prepare.leak_guard import LeakGuard
from kodata.prepare.output import SIDES, Manifest, Output
from kodata.prepare.sound import Tally, sound
from kodata.prepare.split import VALIDATION_ROWS, Cut, cut_of, side_of
from kodata.prepare.unread import unread_files
from kodata.reading import hub
from kodata.reading.digests import digest
from kodata.reading.files import sha256
from kodata.records import drawer
from kodata.test_part import FEWEST


class Converted(TypedDict):
    """The part of the manifest about what came out of an entry: rows read by split, kept by side,
    dropped by reason, not read by key, rewritten by what was done, and kept by side and label."""

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
    """Writes the three files into out_dir and returns the manifest. Raises DataError. Without
    `scored`, no leak is looked for.

    A row is {"messages", "guid", "source", "form", "doc"}: the chat example, where it is from, and
    the record (doc_of). With `samples`, rows come in drawing order, and a smaller sample is the
    beginning of a larger one; the validation side does not depend on `samples`, so that runs with
    different numbers are measured on the same rows. It has `validation_rows` at most, each entry an
    equal part of them and at least one."""
    # All problems with files come before anything is written.
    inputs = [_inputs(entry) for entry in entries]
    guard = LeakGuard(scored.tasks, scored.leaks) if scored else None
    out_dir.mkdir(parents=True, exist_ok=True)
    with _no_search_for_circles(), Output(out_dir) as output:
        cut = cut_of(entries, seed, max(validation_rows // len(entries), 1), guard)
        parts = [_convert_entry(entry, cut, output, guard) for entry in entries]
        kept = {side: sum(part["kept"][side] for part in parts) for side in SIDES}
        if not all(kept.values()):
            raise DataError(_too_few(entries, parts, kept))
        described = [{**found, **part} for found, part in zip(inputs, parts, strict=True)]
        manifest: Manifest = {"seed": seed, "rows": kept, "entries": described}
        if scored and guard:
            manifest["scored"] = {
                task: {
                    **_origin(source_at(place), place.path, "test"),
                    "test_share": share_kept(place),
                    "left_out": dict(guard.tallies[task].dropped),
                    **guard.tallies[task].told(),
                }
                for task, place in scored.tasks.items()
            }
            manifest["not_scored"] = {
                task: {"groups": groups, "needed": FEWEST}
                for task, groups in scored.not_scored.items()
            }
            manifest["leaks"] = guard.verdict(entries)
        output.finish(manifest)
    return manifest


@contextmanager
def _no_search_for_circles() -> Iterator[None]:
    """Rows hold no circles, and CPython's search for some, among all that is there, costs an eighth
    of converting NSMC."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _too_few(entries: list[Entry], parts: list[Converted], kept: dict[str, int]) -> str:
    places = ", ".join(str(entry.path or entry.source) for entry in entries)
    dropped = sum((Counter(part["dropped"]) for part in parts), Counter[str]())
    why = f" (dropped: {dict(dropped)})" if dropped else ""
    mend = "give more data"
    if dropped["leak"]:  # as where one wording is used for all questions
        mend = (
            "what is a leak is much like what is scored: give rows that belong together one"
            " `group`, or a test part of your own, or say `leaks: keep`"
        )
    return f"{places}: too few rows to train and to validate on: {kept}{why}; {mend}"


def fingerprint(place: DataPlace, split: str | None = None) -> str:
    """The identity of what is trained on of a source, or of one split of it, without the network:
    the hub commit; or name and content of each file."""
    source, path = source_at(place), place.path
    if _kind(source, path) == "hub":
        return f"{source.CARD.hub_id}@{path or source.CARD.revision}"
    found = source.files(split, path) if split else _files(source, path)
    contents: list[object] = [(file.name, digest(file)) for file in found]
    if place.test_share is not None:
        contents.append(place.test_share)
    return hashlib.sha256(json.dumps(contents).encode()).hexdigest()


def _kind(source: Source, path: str | Path | None) -> str:
    if path is not None and not hub.is_commit(path):
        return "folder"
    return "hub" if source.CARD.hub_id else "shipped"


def _origin(source: Source, path: str | Path | None, split: str) -> Manifest:
    """Where a source is read: for the hub with the commit that was really fetched."""
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
    """The part of the manifest that says what goes in."""
    source = source_of(entry)
    read = [
        {"file": file.name, "bytes": file.stat().st_size, "sha256": sha256(file)}
        for file in _files(source, entry.path)
    ]
    origin = _origin(source, entry.path, "train")
    return {
        **asdict(entry),
        "path": str(entry.path) if origin["kind"] == "folder" else None,
        "from": origin,
        "files": read,
        "unread_files": unread_files(source, entry.path),
        "licence": source.CARD.licence,
        "obliges": source.CARD.obliges,
    }


@dataclass
class _Tally(Tally):
    """What happened to the rows of one entry."""

    # Of the kept.
    labels: dict[str, Counter[str]] = field(
        default_factory=lambda: {side: Counter() for side in SIDES}
    )


def _convert_entry(entry: Entry, cut: Cut, output: Output, guard: LeakGuard | None) -> Converted:
    """Writes the rows of one entry; returns the part of the manifest that says what came out."""
    source, tally = source_of(entry), _Tally()
    records = _sided(source, entry.path, cut, tally)
    if guard:
        records = guard.passed(records, source, tally.dropped)
    found = examples(records, source, entry.form, tally.dropped, merge=entry.system == "merge")
    found = _drawn(found, entry, cut, tally)
    if entry.weight != 1:
        found = _weighed(found, entry.weight, cut.seed, tally)
    name, form = entry.source, entry.form  # looked up once: this loop is the speed
    write, count = output.write, tally.labels
    for side, record, messages in found:
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


def _sided(
    source: Source, path: str | Path | None, cut: Cut, tally: _Tally
) -> Iterator[tuple[str, Record]]:
    """Every record with the side that it belongs to."""
    splits = splits_of(source, path)
    which_side = side_of("validation" in splits, cut)
    for split in splits:
        last, side = None, split
        for record in sound(source.read(split, path), split, tally):
            # Rows of one group mostly follow each other.
            if split == "train" and (group := source.group(record)) != last:
                last, side = group, which_side(group)
            if side:
                yield side, record
            else:
                tally.dropped["its group is in the validation part"] += 1


NOT_DRAWN = {"train": "not sampled", "validation": "not needed for validation"}


def _drawn(found: Iterable[Example], entry: Entry, cut: Cut, tally: _Tally) -> Iterator[Example]:
    """As many examples of train as entry.samples says and of validation as the cut has place for:
    those of the lowest draws, last. Those of train come in the order of their draws, so that a
    smaller sample is the beginning of a larger one."""
    draw, most = drawer(cut.seed), {"train": entry.samples, "validation": cut.rows}
    # The highest draw on top; the number keeps equal draws in file order.
    heaps: dict[str, list[tuple[float, int, Example]]] = {
        side: [] for side, rows in most.items() if rows is not None
    }
    for number, example in enumerate(found):
        if (side := example[0]) not in heaps:  # of train, most often
            yield example
            continue
        record, heap = example[1], heaps[side]
        if len(heap) < (most[side] or 0):
            heapq.heappush(heap, (-draw(record["guid"]), -number, example))
        else:
            heapq.heappushpop(heap, (-draw(record["guid"]), -number, example))
            tally.dropped[NOT_DRAWN[side]] += 1
    if entry.samples is not None and len(heaps["train"]) < entry.samples:
        raise SizeError(entry.source, entry.samples, len(heaps["train"]))
    for side, heap in heaps.items():
        ranked = (
            sorted(heap, reverse=True)
            if side == "train"
            else sorted(heap, key=lambda held: -held[1])
        )
        yield from (example for _, _, example in ranked)


def _weighed(
    found: Iterable[Example], weight: float, seed: int, tally: _Tally
) -> Iterator[Example]:
    """Train examples as often as the weight says, whole times for all and the rest of it for a
    share of them."""
    draw = drawer(seed)
    whole, share = divmod(weight, 1)
    for example in found:
        side, record, _ = example
        times = int(whole) + (draw(f"weight {record['guid']}") < share)
        if side != "train":
            times = 1
        elif not times:
            tally.dropped["weight"] += 1
        yield from [example] * times
