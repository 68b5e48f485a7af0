"""The part of a user's own data that is kept for scoring, where the user gave none.

It follows from the names of the groups and from the share alone: neither a recipe's seed nor its
`samples` move it, so that all seeds and sizes are scored on the same rows, and trained on none of
them."""

from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

from kodata.card import Card, Source, SourceItem
from kodata.errors import DataError, NoTestError
from kodata.records import make_draw

FEWEST = 60  # groups; a tenth of fewer says nothing about a model, and would be missed in training


_drawer = cache(make_draw)


def draw(group: str) -> float:
    """The hash of a group's name, in [0, 1)."""
    return _drawer("test")(group)


def share_of(card: Card, asked: float | None) -> float:
    """The share that is kept: the one that is asked for, else the card's."""
    return (card.test_share or 0.0) if asked is None else asked


def kept_draws(draws: Collection[float], share: float, lacks: str, mend: str) -> frozenset[float]:
    """The lowest of different draws, whose groups are kept: of all of them the share, and at least
    one. NoTestError where there are too few, which says what data lack a test part (`lacks`) and
    what to do (`mend`)."""
    if not share:
        raise NoTestError(f"{lacks}, and test_share is 0, so nothing is kept for scoring; {mend}")
    if len(draws) < FEWEST:
        few = f"{len(draws):,} groups are too few to keep a part of them ({FEWEST} are enough)"
        raise NoTestError(f"{lacks}, and {few}; {mend}", len(draws))
    return frozenset(sorted(draws)[: max(round(share * len(draws)), 1)])


def with_test_share(source: Source, share: float) -> Source:
    """The source with another share of its groups kept for scoring. DataError for one that cuts no
    test part."""
    if source.CARD.test_share is None:
        raise DataError(
            f"{source.CARD.name}: test_share: it has a test part of its own; leave it out"
        )
    return cast(Source, _Shared(source, share))


class _Shared:
    def __init__(self, source: Any, share: float) -> None:
        self._source, self._share = source, share

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def files(self, split: str, path: str | Path | None = None) -> list[Path]:
        found: list[Path] = self._source.files(split, path, self._share)
        return found

    def read(self, split: str, path: str | Path | None = None) -> Iterator[SourceItem]:
        found: Iterator[SourceItem] = self._source.read(split, path, self._share)
        return found
