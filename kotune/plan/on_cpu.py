"""Refuses a run that is predicted to take hours because there is no GPU. The prediction is made
before the run writes anything."""

import os

from kodata.errors import DataError, Translatable
from kotune.errors import RecipeError, StageError
from kotune.plan import assumptions, clock, counting, shapes, work
from kotune.plan.clock import Speed
from kotune.plan.memory import Method
from kotune.plan.plan import schedule_of
from kotune.runs.job import Job
from kotune.score.scoring import VARIANTS
from kotune.shipped import PROGRAM
from kotune.train import config as axolotl_config
from kotune.train.gpu import is_pending

# Maximum predicted seconds of a run on the CPU. With --device cpu, the user accepts any time.
MOST = 2 * 3600.0


def require(job: Job, until: str) -> None:
    """Raise StageError if the pending stages of a run, up to the stage `until`, are predicted to
    take more than MOST seconds on the CPU. A run whose time cannot be predicted is accepted."""
    if (predicted := seconds(job, until)) <= MOST:
        return
    hours = predicted / 3600
    duration = (
        Translatable("{hours:,.0f} hours", hours=hours)
        if hours < 48
        else Translatable("{days:,.0f} days", days=hours / 24)
    )
    raise StageError(
        Translatable(
            "there is no usable GPU, and with {model} this run would take about {duration}"
            " on the CPU (predicted for {cores} cores, docs/plan.md); run it on a GPU, for"
            " which `{program} plan` predicts time and memory, or use the CPU anyway:"
            " --device cpu",
            model=job.recipe.model,
            duration=duration,
            cores=cores(),
            program=PROGRAM,
        )
    )


def seconds(job: Job, until: str) -> float:
    """The predicted seconds on the CPU of training, and of reading the prompts of all tasks for
    base and tuned. Only stages up to `until` that are not finished count. The time of generating
    answers is left out, because their lengths are not known.

    0 if nothing is pending or the time cannot be predicted."""
    trains, scores = (is_pending(job, stage, until) for stage in ("train", "score"))
    if not trains and not scores:
        return 0.0
    try:
        shape = shapes.near(job.recipe.model)
        counted = counting.estimate(job.recipe, "")
        works = work.of_recipe(job.recipe, counted) if scores else []
    except (RecipeError, DataError):  # the run goes on, and one of its stages reports the problem
        return 0.0
    config = axolotl_config.config(job.recipe, job.device, rows=counted.rows)
    method = Method(32, 0, 0, bool(config.get("gradient_checkpointing")))
    micro = int(config["micro_batch_size"])
    speed = Speed(assumptions.CORE * cores(), 0, waits=False)
    training = clock.training(shape, speed, method, schedule_of(config, counted), counted, micro)
    limited = [work.limited(task, job.limit) for task in works]
    return trains * training + sum(
        clock.likelihood(shape, speed, limited, variant) for variant in VARIANTS
    )


def cores() -> int:
    """The number of CPU cores that this process is allowed to use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
