"""Predicts whether training without gradient checkpointing fits into the memory of this machine's
GPUs. Checkpointing saves memory, but takes time to recompute activations."""

from dataclasses import replace

from kotune.errors import KotuneError
from kotune.layout import PARITY
from kotune.plan import memory, shapes
from kotune.plan.counting import Counted
from kotune.plan.plan import mode_of, schedule_of
from kotune.runs.folder import read_model
from kotune.runs.job import Job
from kotune.runs.proof import Parity
from kotune.train import config as axolotl_config
from kotune.train.head import CHUNK
from kotune.worker import driver


def is_lean(job: Job) -> bool:
    """Whether training without gradient checkpointing is predicted to fit on every visible GPU. The
    prediction is for a micro-batch of the run's longest examples, whose length is in parity.json.

    False on a CPU. Also False if the recipe does not leave the choice to kotune
    (axolotl_config.is_auto), or if the memory cannot be predicted."""
    is_auto = job.device == "cuda" and axolotl_config.is_auto(job.recipe)
    gpus = driver.look() if is_auto else None
    if not gpus or not gpus.memories:
        return False
    # The commit to be trained is already in the cache, so the hub is not contacted.
    revision = job.run.record().model_revision
    config = axolotl_config.config(job.recipe, "cuda", revision, is_old=job.is_old_gpu)
    try:
        shape = shapes.find(job.recipe.model, revision)
    except KotuneError:  # a model type whose memory cannot be computed
        return False
    longest = read_model(job.run.path(PARITY), Parity).lengths.longest
    # Only the length is used, so the numbers of rows do not matter.
    schedule = schedule_of(config, Counted(1, 1, [longest], exact=True))
    tokens = int(config["micro_batch_size"]) * schedule.row(longest)
    method = mode_of(job.recipe, shape, config).method
    lean = replace(method, checkpointing=False)
    predicted = memory.peak(shape, lean, tokens, min(tokens, CHUNK), 0)
    return predicted.training <= min(gpus.memories) * memory.LEAN
