"""Splits train rows into train and validation. Whole groups of rows are assigned at random, by the
seed, so that a group is never in both."""

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

VALIDATION_SHARE = 0.05  # at most this share of the groups of a train split becomes validation
# The default maximum of validation rows per recipe. It is enough to distinguish losses, and quick
# to evaluate.
VALIDATION_ROWS = 250
# A size in bytes. If the train files of an entry are at most this large in total, they are read
# once more, to count the groups that become examples.
SMALL = 1_000_000


@dataclass(frozen=True)
class SplitRule:
    """The rule that assigns groups to train or validation. All sources of a recipe have the same
    rule. So a group that occurs in two sources is in one split only.

    Each group gets a random number in [0, 1) from the seed and its name (its draw). Validation gets
    the groups with a draw below `share`, and the groups in `named`. Groups in `taken` are dropped
    from train, because they are in a source's own validation split. `rows` is the maximum number of
    validation rows of an entry."""

    seed: int
    share: float
    rows: int
    named: frozenset[str] = frozenset()
    taken: frozenset[str] = frozenset()


def split_chooser(has_validation: bool, rule: SplitRule) -> Callable[[str], str]:
    """A function that maps a group of a source's train split to its split of the output; "" for a
    group in `rule.taken`.

    `has_validation`: the source has its own validation split, so no train group becomes
    validation."""
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
    """The rule for the entries of a recipe. Raises DataError if an entry's data cannot be read.

    Each entry without its own validation split gives about `rows` rows to validation: at most
    VALIDATION_SHARE of its groups and, if its files are small, at least one group. convert() drops
    validation rows beyond `rows`."""
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
    return filter(is_complete, records_of(source_of(entry).read("train", entry.path)))


def _groups_of_examples(entry: Entry, guard: LeakGuard | None) -> Iterator[str]:
    """The group of every train row that becomes an example."""
    source = source_of(entry)
    records = (
        ("train", record)
        for record in _complete_records(entry)
        if not (guard and guard.drops(source, record))
    )
    made = examples(records, source, entry.form, Counter(), merge=entry.system == "merge")
    return (unspaced(source.group(record)) for _, record, _ in made)
