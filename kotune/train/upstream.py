"""Everything that kotune patches or works around in other projects, one function a fault.

Each docstring says which version has the fault, what goes wrong without the function, and where it
is applied. tests/train/test_upstream.py shows every fault in the installed version: where such a
test fails, its function can go.

Two more workarounds stand in kotune.worker, which may not import this package:
AXOLOTL_DATASET_NUM_PROC in its
environment, and in its startup/sitecustomize.py that nothing can import `kernels`.
    Seen in: transformers 5.16.1 (integrations/hub_kernels.py), which takes `attn_implementation` of
    a model's config.json for
    the name of a hub repository and runs its code, with HF_HUB_OFFLINE out of the cache unasked;
    bitsandbytes 0.50.2
    (backends/cpu/ops.py), which on a CPU with AVX512-BF16 asks for a kernel, by version and not by
    commit, when it is imported;
    both through kernels 0.16.2, with HF_TOKEN. Its telemetry off, bitsandbytes asks all the same;
    USE_HUB_KERNELS=NO stops
    neither of them.
    Without it: code that nobody chose runs in every child. (In Axolotl, bitsandbytes is imported
    before our plugin is.)
Nothing heavy is imported before a function needs it.
"""

import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from kotune.recipe.axolotl_keys import AxolotlConfig


def split_batch(keys: AxolotlConfig) -> AxolotlConfig:
    """An Axolotl configuration with `batch_size` (examples a step on one GPU) as
    `gradient_accumulation_steps`.

    Seen in: Axolotl 0.19, whose gradient_accumulation_steps has a default.
    Without it: `batch_size` is ignored, and a step has only micro_batch_size examples.
    Applied in: kotune.train.config.
    """
    if "batch_size" not in keys:
        return keys
    kept = {key: value for key, value in keys.items() if key != "batch_size"}
    return {**kept, "gradient_accumulation_steps": keys["batch_size"] // keys["micro_batch_size"]}


def train_together_on_cpu(cfg: Any) -> None:
    """Let several processes without a GPU train one model. Changes Axolotl's `cfg` and this
    process's environment.

    Seen in: Axolotl 0.19, which takes a process's rank for the number of a GPU, and accelerate
    1.13, which connects processes without a GPU only where ACCELERATE_USE_CPU is set. Without it:
    the model is loaded onto a GPU that does not exist, and each process would train alone. Applied
    in: kotune.train.plugin `load_datasets`, the hook before Axolotl settles the model's device."""
    if cfg.world_size != 1 and cfg.device == "cpu":
        cfg.device_map = {"": "cpu"}
        os.environ["ACCELERATE_USE_CPU"] = "true"


def restore_on_cpu(cfg: Any) -> None:
    """Let several processes without a GPU go on from a checkpoint. Stays so in this process.

    Seen in: accelerate 1.13, which numbers such a process's CPU, with transformers 5.16, which
    restores the optimizer to that device, and torch 2.13, which knows none that is called `cpu:0`.
    Without it: a training of several processes on a CPU that was stopped never goes on. Applied in:
    kotune.train.plugin `load_datasets`."""
    if cfg.world_size != 1 and cfg.device == "cpu":
        import torch

        torch.serialization.register_package(
            100,
            lambda _: None,
            lambda storage, place: storage if place.startswith("cpu:") else None,
        )


def seed_adapter(cfg: Any) -> None:
    """Seed the adapter's initial weights with the `seed` of Axolotl's `cfg`.

    Seen in: Axolotl 0.19 (and up to 0.20), which seeds only when it makes the trainer, after the
    adapter. Without it: two runs with one seed differ in every tensor of the adapter. Applied in:
    kotune.train.plugin `pre_model_load`."""
    from transformers import set_seed

    set_seed(cfg.seed)


def log_every_loss() -> AxolotlConfig:
    """Training arguments with which a loss that is NaN or infinite is logged as such.

    Seen in: transformers 5.16, which replaces it by the mean of the losses before it; Axolotl 0.19
    has no key for that. Without it: a training whose weights are all NaN logs a number, and goes on
    to the end. Applied in: kotune.train.plugin `get_training_args`."""
    return {"logging_nan_inf_filter": False}


def start_with_training() -> AxolotlConfig:
    """Training arguments without an evaluation before the first step.

    Seen in: Axolotl 0.19, which asks for one wherever eval_steps or eval_strategy is set, `"no"`
    included. Without it: the untrained model reads all validation rows, for minutes, and nobody
    looks at what it finds. Applied in: kotune.train.plugin `get_training_args`."""
    return {"eval_on_start": False}


def evaluate_at_the_end(cfg: Any, state: Any, control: Any) -> None:
    """After the last step, evaluate, unless `eval_strategy` is "no". An epoch's end does so by
    itself.

    Seen in: Axolotl 0.19, which makes of one evaluation an epoch and one epoch none at all.
    Without it: a training has no validation loss.
    Applied in: kotune.train.plugin `Evaluation`.
    """
    if state.global_step >= state.max_steps and cfg.eval_strategy not in ("no", False, "epoch"):
        control.should_evaluate = True


def name_trackio_project(cfg: Any) -> AxolotlConfig:
    """Training arguments with the `trackio_project_name` of Axolotl's `cfg`, empty where it has
    none.

    Seen in: Axolotl 0.19, which only puts the name into an environment variable that nobody reads.
    Without it: every run's metrics are kept under trackio's project `huggingface`.
    Applied in: kotune.train.plugin `get_training_args`.
    """
    return {"project": cfg.trackio_project_name} if cfg.trackio_project_name else {}


def drop_bucket_id() -> None:
    """Make `trackio.init` accept, and ignore, the argument `bucket_id`. It stays so in this
    process.

    Seen in: transformers 5.16, which names a bucket, with trackio 0.19, which Axolotl 0.19 pins and
    which takes none. Without it: training with `use_trackio` ends with a TypeError before its first
    step. Applied in: kotune.train.plugin `pre_model_load`, where a recipe asks for trackio."""
    import trackio

    plain = trackio.init
    if "bucket_id" not in inspect.signature(plain).parameters:
        trackio.init = lambda bucket_id=None, **named: plain(**named)


def hold_kernels(model: Any) -> None:
    """Keep 4-bit layers on one kernel, in training and in evaluation alike.

    Seen in: bitsandbytes 0.50, on a CPU with AVX512-BF16. It repacks a 4-bit layer at its first
    evaluation, and never back. Without it: every later training step runs a kernel without gradient
    (or fails, where the layer has a bias), and rounds to bfloat16. Applied in: kotune.train.plugin
    `post_model_load` and kotune.score, on every model that is loaded."""
    for layer in model.modules():
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            layer.support_avx512bf16_for_cpu = False


def exact_softmax() -> AxolotlConfig:
    """Arguments of lm_eval's HF model with which log-likelihoods are computed in float32, whatever
    the model's own precision.

    Seen in: lm_eval 0.4.11, whose log-probabilities have the precision of the logits. Without it:
    those of a bfloat16 model have three digits, so that choices tie, and a tie goes to the first
    one. Applied in: kotune.score.model."""
    return {"softmax_dtype": "float32"}


def stop_at_max_steps(trainer: Any) -> None:
    """End a training that resumes from its last checkpoint at once: it has nothing left to do.

    Seen in: transformers 5.16, which asks only after a step whether it was the last one. Without
    it: such a training makes one step more than `max_steps`, where that lies in the middle of an
    epoch. Applied in: kotune.train.plugin `add_callbacks_post_trainer`. (The method has no public
    name.)"""
    run_epoch = trainer._run_epoch

    def unless_done(**words: Any) -> None:
        if trainer.state.global_step < trainer.state.max_steps:
            run_epoch(**words)
        else:
            trainer.control.should_training_stop = True

    trainer._run_epoch = unless_done


@contextmanager
def another_day() -> Iterator[None]:
    """Chat templates see a clock that is 400 days ahead, as when an adapter is scored long after
    training.

    Seen in: transformers 5.16, whose `strftime_now` in a chat template reads the machine's clock.
    Without it: a template that writes the date into the prompt passes the proof of parity, on the
    day of the training. Applied in: kotune.parity.proof, around lm-eval's requests."""
    from transformers.utils import chat_template_utils

    class Later:
        @staticmethod
        def now() -> datetime:
            return datetime.now() + timedelta(days=400)

    plain = chat_template_utils.datetime
    chat_template_utils.datetime = Later
    try:
        yield
    finally:
        chat_template_utils.datetime = plain
