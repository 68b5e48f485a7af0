"""Splits train rows into train and validation. Whole groups of rows are assigned, so that a group
is never in both. The seed determines which groups."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from kodata.card import Record
from kodata.control_text import is_complete, records_of
from kodata.prepare.cleaning import examples
from kodata.prepare.entries import Entry, source_of, splits_of
from kodata.prepare.leak_guard import LeakGuard
from kodata.records import make_draw
from kodata.text import unspaced

VALIDATION_SHARE = 0.05  # the maximum share of the groups of a train split for validation
# The default maximum number of validation rows of an entry. So many rows are enough to distinguish
# losses, and quick to evaluate.
VALIDATION_ROWS = 250
# Bytes. If the train files of an entry have at most this size in total, they are read once more to
# find the groups that become examples.
SMALL = 1_000_000


@dataclass(frozen=True)
class SplitRule:
    """The rule that assigns groups to train or validation. A recipe has one rule for all its
    sources. So a group that occurs in two sources is in one split only.

    The draw of a group is a number in [0, 1) that depends on `seed` and the group's name. The
    groups with a draw below `share` become validation.

    - `rows`: the maximum number of validation rows of an entry
    - `named`: groups that become validation whatever their draw is
    - `taken`: groups in a source's own validation split. They are dropped from train."""

    seed: int
    share: float
    rows: int
    named: frozenset[str] = frozenset()
    taken: frozenset[str] = frozenset()


def split_chooser(has_validation: bool, rule: SplitRule) -> Callable[[str], str]:
    """Returns a function that maps a group of a source's train split to train or validation. It
    returns "" for a group in `rule.taken`.

    `has_validation`: the source has its own validation split. No group of its train split becomes
    validation then."""
    draw, share, named, taken = make_draw(rule.seed), rule.share, rule.named, rule.taken

    def split_of_group(group: str) -> str:
        name = unspaced(group)
        if name in taken:
            return ""
        if has_validation:
            return "train"
        return "validation" if draw(name) < share or name in named else "train"

    return split_of_group


def split_rule(
    entries: Sequence[Entry], seed: int, rows: int, guard: LeakGuard | None
) -> SplitRule:
    """The rule for the entries of a recipe. `rows` is the maximum number of validation rows of an
    entry. Groups of records that `guard` drops are not counted. Raises DataError if an entry's data
    cannot be read.

    The share is at most VALIDATION_SHARE. It is lower if the largest entry would otherwise give
    more than about `rows` rows. If the files of an entry are small (SMALL), at least one of its
    groups becomes validation. convert() drops validation rows beyond `rows`."""
    draw, shares, lowest = make_draw(seed), [VALIDATION_SHARE], []
    taken: set[str] = set()
    for entry in entries:
        source = source_of(entry)
        if "validation" in splits_of(source, entry.path):
            records = records_of(source.read("validation", entry.path))
            taken.update(unspaced(source.group(record)) for record in records)
            continue
        if sum(file.stat().st_size for file in source.files("train", entry.path)) <= SMALL:
            count, first = 0, (1.0, "")
            for group in _groups_of_examples(entry, guard):
                count, first = count + 1, min(first, (draw(group), group))
            lowest.append(first)
        else:
            count = source.CARD.rows.get("train") or sum(1 for _ in _complete_records(entry))
        shares.append(rows / max(count, 1))
    share = min(shares)
    named = frozenset(group for number, group in lowest if number >= share)
    return SplitRule(seed, share, rows, named, frozenset(taken))


def _complete_records(entry: Entry) -> Iterator[Record]:
    """Yields the train records of an entry that have no empty field."""
    return filter(is_complete, records_of(source_of(entry).read("train", entry.path)))


def _groups_of_examples(entry: Entry, guard: LeakGuard | None) -> Iterator[str]:
    """Yields the group of every train record of an entry that becomes an example."""
    source = source_of(entry)
    records = (
        ("train", record)
        for record in _complete_records(entry)
        if not (guard and guard.drops(source, record))
    )
    made = examples(records, source, entry.form, Counter(), merge=entry.system == "merge")
    return (unspaced(source.group(record)) for _, record, _ in made)
