"""The GPUs of this machine before a run begins: what is said of them, and what stops the run before
anything is downloaded."""

from kotune.errors import StageError
from kotune.runs.folder import STAGES
from kotune.runs.job import Job
from kotune.train import config, training
from kotune.worker import compiler, driver
from kotune.worker.device import visible

# Keys of what it makes.
TRITON = (
    "lora_mlp_kernel",
    "lora_qkv_kernel",
    "lora_o_kernel",
    "lora_embedding_kernel",
    "torch_compile",
)


def notes(job: Job) -> list[str]:
    """What is said where a run leaves GPUs alone, or trains otherwise on an old one."""
    gpus, told = visible(), []
    if len(gpus) > 1 and training.is_one_process(job.launcher):
        told = [
            f"{len(gpus)} GPUs are visible, and this run uses the first ({gpus[0]}); to train on"
            f" all: --launcher torchrun -- --nproc_per_node={len(gpus)}"
        ]
    if "bf16" not in job.recipe.axolotl and job.is_old_gpu:
        told.append(
            "this GPU has no bf16 of its own: trained and scored in fp16, or in float32 where a"
            " model is too large for that"
        )
    return told


def require(job: Job, until: str) -> None:
    """StageError where training on a GPU is to come, and its driver gives none to this torch or
    there is nothing to make Triton's kernels with."""
    if job.device == "cpu" or not is_to_come(job, "train", until):
        return
    if told := driver.problem():
        raise StageError(str(told))
    if not (missing := compiler.missing()):
        return
    asked = config.config(job.recipe, job.device, is_old=job.is_old_gpu)
    if used := [key for key in TRITON if asked.get(key)]:
        off = " ".join(f"--set axolotl.{key}=false" for key in used)
        raise StageError(
            f"{missing}, with which Triton makes the kernels that train on a GPU;"
            f" {compiler.INSTALL}; or train without them, more slowly: {off}"
        )


def is_to_come(job: Job, stage: str, until: str) -> bool:
    """Whether a run up to `until` comes to a stage that it has no record of."""
    return STAGES.index(until) >= STAGES.index(stage) and stage not in job.run.record().stages
