"""Checks this machine's GPUs before a run downloads anything. The results are notes for the user,
and an error if training would fail."""

from kodata.errors import Translatable
from kotune.errors import StageError
from kotune.runs.folder import STAGES
from kotune.runs.job import Job
from kotune.train import config, training
from kotune.worker import compiler, driver
from kotune.worker.device import visible

TRITON = (  # keys that need kernels compiled by Triton
    "lora_mlp_kernel",
    "lora_qkv_kernel",
    "lora_o_kernel",
    "lora_embedding_kernel",
    "torch_compile",
)


def notes(job: Job) -> list[str]:
    """The notes for the user about a run: that it leaves visible GPUs unused, or that its GPU has
    no native bf16. Empty if neither is true."""
    gpus = visible()
    lines: list[str] = []
    if len(gpus) > 1 and training.is_one_process(job.launcher):
        lines = [
            Translatable(
                "{number} GPUs are visible, and this run uses the first ({first}); to train on"
                " all: --launcher torchrun -- --nproc_per_node={number}",
                number=len(gpus),
                first=gpus[0],
            )
        ]
    if "bf16" not in job.recipe.axolotl and job.is_old_gpu:
        lines.append(
            Translatable(
                "this GPU has no native bf16: training and scoring use fp16, or float32 if the"
                " model would overflow in fp16"
            )
        )
    return lines


def require(job: Job, until: str) -> None:
    """Raise StageError if a run up to the stage `until` would train on a GPU but cannot.

    Either the installed torch cannot use the GPU driver, or the compiler that Triton needs is
    missing."""
    if job.device == "cpu" or not is_pending(job, "train", until):
        return
    if trouble := driver.problem():
        raise StageError(trouble.message)
    if not (missing := compiler.missing()):
        return
    keys = config.config(job.recipe, job.device, is_old=job.is_old_gpu)
    if used := [key for key in TRITON if keys.get(key)]:
        off = " ".join(f"--set axolotl.{key}=false" for key in used)
        raise StageError(
            Translatable(
                "{missing}, which Triton needs to compile the training kernels; {install}; or"
                " train without them, more slowly: {off}",
                missing=missing,
                install=compiler.INSTALL,
                off=off,
            )
        )


def is_pending(job: Job, stage: str, until: str) -> bool:
    """Whether a run up to the stage `until` includes `stage`, and `stage` is not recorded as
    finished."""
    return STAGES.index(until) >= STAGES.index(stage) and stage not in job.run.record().stages
