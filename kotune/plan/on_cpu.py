"""Whether a run without a GPU would take hours: predicted before anything is written, with the
plan's arithmetic."""

import os

from kodata.errors import DataError
from kotune.errors import RecipeError, StageError
from kotune.plan import assumptions, clock, counting, shapes, work
from kotune.plan.clock import Speed
from kotune.plan.memory import Method
from kotune.plan.plan import schedule_of
from kotune.runs.job import Job
from kotune.score.scoring import VARIANTS
from kotune.shipped import PROGRAM
from kotune.train import config as axolotl_config
from kotune.train.gpu import is_to_come

MOST = 2 * 3600.0  # seconds that a run may take without being asked whether the CPU is meant


def require(job: Job, until: str) -> None:
    """StageError where a run on the CPU is predicted to take more than MOST from here on. One that
    cannot be predicted passes."""
    if (taken := seconds(job, until)) <= MOST:
        return
    told = f"{taken / 3600:,.0f} hours" if taken < 2 * 86400 else f"{taken / 86400:,.0f} days"
    raise StageError(
        f"no GPU is here to be used, and with {job.recipe.model} this run would take about {told}"
        f" on the CPU (a prediction for {cores()} cores, docs/plan.md); run it on a GPU, for which"
        f" `{PROGRAM} plan` predicts time and memory, or go on with the CPU all the same:"
        " --device cpu"
    )


def seconds(job: Job, until: str) -> float:
    """The training and reading that are to come up to the stage `until`; 0 where nothing is, or
    nobody can tell. What tasks write is left out: when an answer ends is not known."""
    trains, scores = (is_to_come(job, stage, until) for stage in ("train", "score"))
    if not trains and not scores:
        return 0.0
    try:
        shape = shapes.near(job.recipe.model)
        counted = counting.estimated(job.recipe, "")
        works = work.of_recipe(job.recipe, counted) if scores else []
    except (RecipeError, DataError):  # of what is wrong here, the stages tell
        return 0.0
    config = axolotl_config.config(job.recipe, job.device, rows=counted.rows)
    method, micro = (
        Method(32, 0, 0, bool(config.get("gradient_checkpointing"))),
        int(config["micro_batch_size"]),
    )
    speed = Speed(assumptions.CORE * cores(), 0, waits=False)
    training = clock.training(shape, speed, method, schedule_of(config, counted), counted, micro)
    read = [work.limited(one, job.limit) for one in works]
    return trains * training + sum(
        clock.likelihood(shape, speed, read, variant) for variant in VARIANTS
    )


def cores() -> int:
    """The CPU's cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
