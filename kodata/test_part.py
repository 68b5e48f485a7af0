"""Selects the groups of a user's own data that are kept for scoring if the data have no test part.

The selection depends only on the names of the groups and on the share to keep. It does not depend
on a recipe's seed or `samples`. So runs of all seeds and sizes are scored on the same rows and
never train on them."""

from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

from kodata.card import Card, Source, SourceItem
from kodata.errors import DataError, NoTestError
from kodata.records import make_draw

# The minimum number of groups. If there are fewer, none is kept: a tenth of them would be too small
# to measure a model.
FEWEST = 60

_drawer = cache(make_draw)


def draw(group: str) -> float:
    """The draw of a group: the hash of its name as a number in [0, 1)."""
    return _drawer("test")(group)


def share_of(card: Card, test_share: float | None) -> float:
    """The share of groups that is kept for scoring: `test_share`, or the card's share if
    `test_share` is None. 0 if the card has none."""
    return (card.test_share or 0.0) if test_share is None else test_share


def kept_draws(draws: Collection[float], share: float, lacks: str, mend: str) -> frozenset[float]:
    """Returns the draws of the groups that are kept for scoring: the lowest numbers of `draws`,
    which has one number per group. Their count is `share` times the number of groups, and at least
    one.

    Raises NoTestError if there are fewer than FEWEST groups, or if the share is 0. The message says
    what is missing (`lacks`), why nothing is kept, and what to do (`mend`)."""
    if not share:
        raise NoTestError(f"{lacks}, and test_share is 0, so nothing is kept for scoring; {mend}")
    if len(draws) < FEWEST:
        few = f"{len(draws):,} groups are too few to keep a part of them ({FEWEST} are enough)"
        raise NoTestError(f"{lacks}, and {few}; {mend}", len(draws))
    return frozenset(sorted(draws)[: max(round(share * len(draws)), 1)])


def with_test_share(source: Source, share: float) -> Source:
    """A source like `source` that keeps `share` of its groups for scoring, instead of its card's
    share. Raises DataError for a source with its own test split."""
    if source.CARD.test_share is None:
        raise DataError(
            f"{source.CARD.name}: test_share: the source has its own test part; leave it out"
        )
    return cast(Source, _Shared(source, share))


class _Shared:
    """Passes `share` to the files() and read() of a source. All else is the source's own."""

    def __init__(self, source: Any, share: float) -> None:
        self._source, self._share = source, share

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def files(self, split: str, path: str | Path | None = None) -> list[Path]:
        files: list[Path] = self._source.files(split, path, self._share)
        return files

    def read(self, split: str, path: str | Path | None = None) -> Iterator[SourceItem]:
        items: Iterator[SourceItem] = self._source.read(split, path, self._share)
        return items
