"""All patches of other projects and workarounds for their faults. There is one function per fault.

Each docstring names the version that has the fault, what goes wrong without the function, and where
the function is called. tests/train/test_upstream.py demonstrates every fault in the installed
version. If the test of a fault fails, the fault is fixed and its function can be removed.

Two more workarounds are in kotune.worker, which is not allowed to import this package. One sets
AXOLOTL_DATASET_NUM_PROC in the environment. The other, in startup/sitecustomize.py, blocks the
import of the package `kernels`:

    Seen in: transformers 5.16.1 (integrations/hub_kernels.py), which uses `attn_implementation` in
    a model's config.json as the name of a hub repository and runs the code in it. With
    HF_HUB_OFFLINE it runs the code from the cache, without confirmation. Also bitsandbytes 0.50.2
    (backends/cpu/ops.py): on a CPU with AVX512-BF16 its import requests a kernel by version, not by
    commit. Both use kernels 0.16.2 with HF_TOKEN. Disabling telemetry does not stop bitsandbytes
    from requesting the kernel. USE_HUB_KERNELS=NO stops neither transformers nor bitsandbytes.
    Without it: every child process runs code that the user did not choose. (Axolotl imports
    bitsandbytes before our plugin.)

No heavy module is imported before a function needs it.
"""

import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from kotune.recipe.axolotl_keys import AxolotlConfig


def split_batch(keys: AxolotlConfig) -> AxolotlConfig:
    """An Axolotl configuration in which `gradient_accumulation_steps` replaces `batch_size`, the
    number of examples per step on one GPU.

    Seen in: Axolotl 0.19, which has a default for gradient_accumulation_steps.
    Without it: `batch_size` is ignored, and a step has only micro_batch_size examples.
    Applied in: kotune.train.config.
    """
    if "batch_size" not in keys:
        return keys
    kept = {key: value for key, value in keys.items() if key != "batch_size"}
    return {**kept, "gradient_accumulation_steps": keys["batch_size"] // keys["micro_batch_size"]}


def train_together_on_cpu(cfg: Any) -> None:
    """Allow several processes without a GPU to train one model. Changes Axolotl's `cfg` and this
    process's environment.

    Seen in: Axolotl 0.19, which uses a process's rank as the number of a GPU, and accelerate 1.13,
    which connects processes without a GPU only if ACCELERATE_USE_CPU is set.
    Without it: the model is loaded onto a GPU that does not exist, and each process would train
    alone.
    Applied in: kotune.train.plugin `load_datasets`, the hook before Axolotl chooses the device.
    """
    if cfg.world_size != 1 and cfg.device == "cpu":
        cfg.device_map = {"": "cpu"}
        os.environ["ACCELERATE_USE_CPU"] = "true"


def restore_on_cpu(cfg: Any) -> None:
    """Allow several processes without a GPU to resume from a checkpoint. The patch lasts as long as
    this process.

    Seen in: three projects together. accelerate 1.13 numbers the device of such a process
    (`cpu:0`). transformers 5.16 restores the optimizer to that device, but torch 2.13 has no such
    device.
    Without it: an interrupted training of several processes on a CPU cannot resume.
    Applied in: kotune.train.plugin `load_datasets`.
    """
    if cfg.world_size != 1 and cfg.device == "cpu":
        import torch

        torch.serialization.register_package(
            100,
            lambda _: None,
            lambda storage, location: storage if location.startswith("cpu:") else None,
        )


def seed_adapter(cfg: Any) -> None:
    """Seed the adapter's initial weights with the `seed` of Axolotl's `cfg`.

    Seen in: Axolotl 0.19 (and up to 0.20), which sets the seed only when it builds the trainer. The
    adapter is created before that.
    Without it: two runs with the same seed differ in every tensor of the adapter.
    Applied in: kotune.train.plugin `pre_model_load`.
    """
    from transformers import set_seed

    set_seed(cfg.seed)


def keep_embeddings() -> None:
    """Keep the number of a model's embeddings. The patch lasts as long as this process.

    Seen in: Axolotl 0.19, which adds random embeddings if the tokenizer has more tokens. Gemma 3's
    text models have one such token, for images, which no training text contains.
    Without it: the adapter is saved with the larger embedding, and does not fit the base model.
    Applied in: kotune.train.plugin `pre_model_load`. kotune.score.scoring refuses other tokens
    without embeddings before.
    """
    from axolotl.loaders.model import ModelLoader

    ModelLoader._resize_token_embeddings = lambda loader: loader.model.tie_weights()


def log_every_loss() -> AxolotlConfig:
    """The training argument with which a loss of NaN or infinity is logged as it is.

    Seen in: transformers 5.16, which logs the mean of the previous losses instead. Axolotl 0.19
    has no key for this.
    Without it: a training whose weights are all NaN logs a finite loss and continues to the end.
    Applied in: kotune.train.plugin `get_training_args`.
    """
    return {"logging_nan_inf_filter": False}


def start_with_training() -> AxolotlConfig:
    """The training argument that switches off the evaluation before the first step.

    Seen in: Axolotl 0.19, which evaluates first if eval_steps or eval_strategy is set, even to
    `"no"`.
    Without it: the untrained model is evaluated on all validation rows, for minutes, and the result
    is not used.
    Applied in: kotune.train.plugin `get_training_args`.
    """
    return {"eval_on_start": False}


def evaluate_at_the_end(cfg: Any, state: Any, control: Any) -> None:
    """Evaluate after the last step. Do nothing if `eval_strategy` is "no", or if it is "epoch",
    which already evaluates after the last step.

    Seen in: Axolotl 0.19, which never evaluates if there is one evaluation per epoch and one epoch.
    Without it: a training with one evaluation per epoch and one epoch has no validation loss.
    Applied in: kotune.train.plugin `Evaluation`.
    """
    if state.global_step >= state.max_steps and cfg.eval_strategy not in ("no", False, "epoch"):
        control.should_evaluate = True


def name_trackio_project(cfg: Any) -> AxolotlConfig:
    """The training argument that names trackio's project; empty if Axolotl's `cfg` has no
    `trackio_project_name`.

    Seen in: Axolotl 0.19, which only sets an environment variable that no code reads.
    Without it: all metrics go to trackio's project `huggingface`.
    Applied in: kotune.train.plugin `get_training_args`.
    """
    return {"project": cfg.trackio_project_name} if cfg.trackio_project_name else {}


def drop_bucket_id() -> None:
    """Make `trackio.init` accept and ignore the argument `bucket_id`. The patch lasts as long as
    this process.

    Seen in: transformers 5.16, which passes a bucket to trackio. trackio 0.19, which Axolotl 0.19
    pins, has no such argument.
    Without it: training with `use_trackio` ends with a TypeError before its first step.
    Applied in: kotune.train.plugin `pre_model_load`, if a recipe uses trackio.
    """
    import trackio

    plain = trackio.init
    if "bucket_id" not in inspect.signature(plain).parameters:
        trackio.init = lambda bucket_id=None, **named: plain(**named)


def hold_kernels(model: Any) -> None:
    """Make a model's 4-bit layers use the same kernel in training and in evaluation.

    Seen in: bitsandbytes 0.50, on a CPU with AVX512-BF16. It repacks a 4-bit layer at the first
    evaluation and never unpacks it.
    Without it: every later training step uses a kernel that has no gradient and rounds to bfloat16.
    If the layer has a bias, the step fails.
    Applied in: kotune.train.plugin `post_model_load` and kotune.score, on every loaded model.
    """
    for layer in model.modules():
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            layer.support_avx512bf16_for_cpu = False


def float32_softmax_arguments() -> AxolotlConfig:
    """Arguments of lm_eval's HF model that compute log-likelihoods in float32 for every precision
    of the model.

    Seen in: lm_eval 0.4.11, whose log-probabilities have the precision of the logits.
    Without it: log-probabilities of a bfloat16 model have only three digits. Several choices may
    then have the same value, and the first of them is chosen.
    Applied in: kotune.score.model.
    """
    return {"softmax_dtype": "float32"}


def stop_at_max_steps(trainer: Any) -> None:
    """End a training at once if it resumes after its last step.

    Seen in: transformers 5.16, which checks only after a step whether it was the last one.
    Without it: if `max_steps` is in the middle of an epoch, a training resumed after its last step
    makes one step more than `max_steps`.
    Applied in: kotune.train.plugin `add_callbacks_post_trainer`. The patch replaces the private
    method `_run_epoch`, because there is no public one.
    """
    run_epoch = trainer._run_epoch

    def unless_done(**words: Any) -> None:
        if trainer.state.global_step < trainer.state.max_steps:
            run_epoch(**words)
        else:
            trainer.control.should_training_stop = True

    trainer._run_epoch = unless_done


@contextmanager
def another_day() -> Iterator[None]:
    """Set the clock of chat templates 400 days ahead, to simulate scoring long after training.

    Seen in: transformers 5.16, whose `strftime_now` in a chat template reads the machine's clock.
    Without it: a template that writes the date into the prompt passes the parity proof on the day
    of training.
    Applied in: kotune.parity.asked, around lm-eval's requests.
    """
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
