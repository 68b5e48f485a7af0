"""How often the sign-flip test finds a difference between two equal means, by simulation: the
number of clusters below which nothing is claimed."""

from collections.abc import Callable
from typing import Any

import pytest

from kodata.metrics.metrics import MEAN
from kotune.compare import paired

np = pytest.importorskip("numpy")
WORLDS, RESAMPLES = 5_000, 999
CLUSTERS = (8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80)
MOST = 0.07  # of worlds without a difference, the share in which one may be found
World = Callable[[Any, tuple[int, int]], Any]


def right_or_wrong(together: bool) -> World:
    """Two models that are right in 60 of 100 items, three to a cluster. `together`: whether a
    cluster is right or wrong as one."""

    def differences(prng: Any, shape: tuple[int, int]) -> Any:
        a, b = (prng.random((*shape, 1 if together else 3)) < 0.6 for _ in range(2))
        return b.mean(axis=-1) - a.mean(axis=-1)

    return differences


def lost_whole(one_in: int) -> World:
    """In one of so many clusters b loses all three items. In three of so many it wins one."""

    def differences(prng: Any, shape: tuple[int, int]) -> Any:
        kind = prng.random(shape) * one_in
        return np.where(kind < 1, -1.0, np.where(kind < 4, 1 / 3, 0.0))

    return differences


def beta(a: float, b: float) -> World:
    return lambda prng, shape: prng.beta(a, b, shape) - a / (a + b)


def cut_exponential(prng: Any, shape: tuple[int, int]) -> Any:
    """Exponential up to 5."""
    return np.minimum(prng.exponential(size=shape), 5) - (1 - np.exp(-5))


NOT_SKEWED: dict[str, World] = {
    "independent items": right_or_wrong(False),
    "items of a cluster together": right_or_wrong(True),
}
SKEWED: dict[str, World] = {
    "1 in 5 lost": lost_whole(5),
    "1 in 10 lost": lost_whole(10),
    "1 in 15 lost": lost_whole(15),
    "beta(.5, 2)": beta(0.5, 2),
    "beta(.5, 3)": beta(0.5, 3),
    "cut exponential": cut_exponential,
}


def found(world: World, clusters: int, worlds: int = WORLDS) -> float:
    """The share of worlds in which the test finds a difference at .05."""
    differences = world(np.random.default_rng(clusters), (worlds, clusters))
    # The sums of a cluster and its size, as MEAN has them.
    sums = np.stack([differences, np.ones_like(differences)], axis=-1)
    none = np.stack([np.zeros(clusters), np.ones(clusters)], axis=-1)
    return float(np.mean([paired.sign_flip(MEAN, none, b, RESAMPLES) <= 0.05 for b in sums]))


@pytest.mark.slow
def test_below_the_fewest_clusters_some_bounded_world_rejects_too_often_and_from_there_none() -> (
    None
):
    """In percent, with skewed differences: 8 to 12 at 8 clusters, 9 at 20, 7.5 at 40, at most 6
    from 50 on. Without skew at most 5 anywhere."""
    for world in NOT_SKEWED.values():
        assert all(found(world, clusters) <= 0.05 for clusters in CLUSTERS)
    worst = {n: max(found(world, n) for world in SKEWED.values()) for n in CLUSTERS}
    enough = [n for n in CLUSTERS if all(worst[more] <= MOST for more in CLUSTERS if more >= n)]
    assert enough[0] == paired.FEWEST_CLUSTERS, worst
    assert worst[8] > 0.1 and worst[20] > 0.08, worst


def test_a_skewed_world_of_20_clusters_rejects_too_often_and_one_of_50_does_not() -> None:
    """The quick form of the simulation above."""
    few, enough = (found(lost_whole(10), n, worlds=1_500) for n in (20, paired.FEWEST_CLUSTERS))
    assert few > MOST > enough
