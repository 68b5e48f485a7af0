"""Whether training needs gradient checkpointing on the GPU at hand, which computes activations anew
to keep fewer of them."""

from dataclasses import replace

from kotune.errors import KotuneError
from kotune.layout import PARITY
from kotune.plan import memory, shapes
from kotune.plan.counting import Counted
from kotune.plan.plan import schedule_of, way_of
from kotune.runs.folder import read_model
from kotune.runs.job import Job
from kotune.runs.proof import Parity
from kotune.train import config as axolotl_config
from kotune.train.head import CHUNK
from kotune.worker import driver


def is_lean(job: Job) -> bool:
    """Whether the longest examples of a run, whose lengths are proven by now, fit without it on
    each GPU that trains. False where the recipe says how it is to be, and where nobody can tell."""
    found = driver.look() if job.device == "cuda" and axolotl_config.is_auto(job.recipe) else None
    if not found or not found.memories:
        return False
    # The commit that is trained is in the cache: the hub is not asked.
    revision = job.run.record().model_revision
    config = axolotl_config.config(job.recipe, "cuda", revision, is_old=job.is_old_gpu)
    try:
        shape = shapes.find(job.recipe.model, revision)
    except KotuneError:  # a kind of model whose arithmetic is not known
        return False
    longest = read_model(job.run.path(PARITY), Parity).lengths.longest
    schedule = schedule_of(config, Counted(1, 1, [longest], exact=True))
    tokens = int(config["micro_batch_size"]) * schedule.row(longest)
    method = way_of(job.recipe, shape, config).method
    told = memory.peak(shape, replace(method, checkpointing=False), tokens, min(tokens, CHUNK), 0)
    return told.training <= min(found.memories) * memory.LEAN
