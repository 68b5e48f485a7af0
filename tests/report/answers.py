"""Results of made runs, for the tests of short answers."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kotune.compare.comparison import Comparison
from kotune.compare.result import Result
from kotune.runs.finished import load
from tests.finished import Made, finished

SEEDS = (42, 7, 8)


def result_of(
    folder: Path,
    models: Sequence[str],
    seeds: Sequence[int] = SEEDS,
    made: Made = Made(),  # noqa: B008  (frozen)
    recipe: str = "made",
) -> Result:
    """The result of runs of these models. The first model is the best."""
    folders = []
    for number, model in enumerate(models):
        for seed in seeds:
            of_run = replace(
                made,
                model=model,
                seed=seed,
                rates=(made.rates[0], made.rates[1] - 0.2 * number),
                record={
                    "seed": seed,
                    "command": f"./cli.py run recipes/{recipe}_{number}.yml --set seed={seed}",
                    "overrides": [f"seed={seed}"],
                    **made.record,
                },
            )
            folders.append(finished(folder / f"{recipe}-{number}-{seed}", of_run))
    return Result.of(load(folders))


def judged(each: Comparison, **figures: Any) -> Comparison:
    """A comparison of models whose seeds are known, with some figures changed."""
    p_holm = figures.pop("p_holm", each.p_holm)
    paired = each.paired._replace(**figures)
    return replace(each, paired=paired, p_holm=p_holm, includes_seeds=True)


def in_task(result: Result, task: str) -> Result:
    """The result with each primary comparison of the first task made again for another task."""
    first = result.comparisons[0].task
    of_first = [each for each in result.comparisons if each.is_primary and each.task == first]
    more = [replace(each, task=task) for each in of_first]
    return replace(result, comparisons=[*result.comparisons, *more])
