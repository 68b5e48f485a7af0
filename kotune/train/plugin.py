"""Our Axolotl plugin: applies our patches and writes training metrics to `metrics.jsonl`.

The patches are in kotune.train.upstream, with the faults that they work around. metrics.jsonl has
one JSON object per line:

- `{"event": "start", ...}`: the settings of the training
- `{"event": "log", ...}` for each logging step: loss, learning rate, speed, padding, memory
- `{"event": "end", "step": N, "max_steps": N}`

If a loss of NaN or infinity is logged, training ends at that step. On SIGTERM or Ctrl-C, a
checkpoint is saved and training ends (kotune.train.stopping)."""

import json
import math
import os
import resource
import time
from collections.abc import Sized
from importlib import import_module
from pathlib import Path
from typing import Any

from axolotl.integrations.base import BasePlugin
from transformers import TrainerCallback

from kodata import drafts
from kotune.layout import METRICS
from kotune.recipe.axolotl_keys import AxolotlConfig
from kotune.train import head, upstream
from kotune.train.precision import base_precision, compute_dtype
from kotune.train.stopping import Stopper

# The values that are copied from the trainer's log.
LOGGED = ("loss", "learning_rate", "grad_norm", "eval_loss", "epoch")


class KotunePlugin(BasePlugin):  # type: ignore[misc]
    """The plugin that `plugins:` in the rendered config names. Axolotl registers its plugins before
    requesting any file from the hub."""

    def __init__(self) -> None:
        super().__init__()
        # These modules do not affect the trained weights. They are imported by name, so that they
        # are not part of the code digest, and an edit of them causes no new training.
        import_module("kodata.reading.guard").install()
        import_module("kotune.worker.bounds").bound_templates()
        self.padding = Padding()
        self.head = "all"
        # A launcher started this process. If the launcher is killed, this process must end too.
        if "LOCAL_RANK" in os.environ:
            import_module("kotune.worker.tether").tie(os.getppid())

    def load_datasets(self, cfg: Any, preprocess: bool = False) -> None:
        """Apply patches that are needed before Axolotl chooses the model's device. Loads no data
        set: Axolotl calls this hook early enough."""
        upstream.train_together_on_cpu(cfg)
        upstream.restore_on_cpu(cfg)

    def pre_model_load(self, cfg: Any) -> None:
        upstream.seed_adapter(cfg)
        upstream.keep_embeddings()
        if cfg.use_trackio:
            upstream.drop_bucket_id()

    def post_model_load(self, cfg: Any, model: Any) -> None:
        upstream.hold_kernels(model)
        self.head = "trained" if head.only_where_trained(model) else "all"

    def get_training_args(self, cfg: Any) -> AxolotlConfig:
        # Count the tokens of batches, padding excluded.
        counted = {"include_num_input_tokens_seen": "non_padding"}
        started = upstream.start_with_training()
        return {
            **counted,
            **started,
            **upstream.log_every_loss(),
            **upstream.name_trackio_project(cfg),
        }

    def add_callbacks_pre_trainer(self, cfg: Any, model: Any) -> list[TrainerCallback]:
        return [MetricsWriter(model, self.padding, self.head), Evaluation(cfg)]

    def add_callbacks_post_trainer(self, cfg: Any, trainer: Any) -> list[TrainerCallback]:
        upstream.stop_at_max_steps(trainer)
        self.padding.watch(trainer)
        return [Stopper(trainer)]


class Padding:
    """Measures the ratio of computed tokens to real tokens in this process. The computed tokens are
    the real tokens and the padding."""

    def __init__(self) -> None:
        self._computed, self._real = 0, 0

    def watch(self, trainer: Any) -> None:
        """Patch a trainer so that the tokens of every training batch are counted."""
        step = trainer.training_step

        def counted(model: Any, inputs: Any, *more: Any, **named: Any) -> Any:
            self._computed += inputs["input_ids"].numel()
            mask = inputs.get("attention_mask")  # flattened batches have no padding and no mask
            # The sum stays a tensor, because converting it to a number would wait for the GPU.
            self._real += inputs["input_ids"].numel() if mask is None else mask.sum()
            return step(model, inputs, *more, **named)

        trainer.training_step = counted

    def since_last(self) -> float:
        """The ratio over all batches since the last call; 0 if there was no batch."""
        computed, real = self._computed, int(self._real)
        self._computed, self._real = 0, 0
        return round(computed / real, 3) if real else 0.0


class MetricsWriter(TrainerCallback):  # type: ignore[misc]
    """Appends one JSON line per event to metrics.jsonl. Each line is written in a single write, so
    a reader never sees half a line.

    Raises FloatingPointError, which ends training, after writing a loss of NaN or infinity. Raises
    RuntimeError at the start if the started processes do not train together."""

    def __init__(self, model: Any, padding: Padding, head: str) -> None:
        """`head`: the tokens for which the head is computed, `trained` or `all`."""
        self.model = model
        self.head = head
        self.padding = padding
        self.last = (0.0, 0)  # the time in seconds and the number of tokens at the last loss

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if (started := int(os.environ.get("WORLD_SIZE", "1"))) != args.world_size:
            raise RuntimeError(f"{started} processes were started, but they do not train together")
        trainable, total = self.model.get_nb_trainable_parameters()
        self.last = (time.perf_counter(), state.num_input_tokens_seen)
        _write(
            state,
            event="start",
            step=state.global_step,
            max_steps=state.max_steps,
            trainable_parameters=trainable,
            total_parameters=total,
            base_precision=base_precision(self.model),
            compute_dtype=compute_dtype(self.model),
            device=str(self.model.device),
            processes=args.world_size,
            gradient_checkpointing=bool(args.gradient_checkpointing),
            head=self.head,
            examples_a_step=args.per_device_train_batch_size
            * args.gradient_accumulation_steps
            * args.world_size,
        )

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
        now, tokens = time.perf_counter(), int(state.num_input_tokens_seen)
        kept: dict[str, float] = {k: logs[k] for k in LOGGED if k in logs}
        if "loss" in logs:
            elapsed, seen = now - self.last[0], tokens - self.last[1]
            self.last = (now, tokens)
            kept["tokens_per_second"] = round(seen / elapsed, 1) if elapsed > 0 else 0.0
            kept["padding"] = self.padding.since_last()
        _write(
            state,
            event="log",
            step=state.global_step,
            **kept,
            tokens=tokens,
            peak_memory_gib=peak_memory_gib(),
        )
        if not math.isfinite(logs.get("loss", 0.0)):
            raise FloatingPointError(f"the loss is {logs['loss']} at step {state.global_step}")

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        _write(state, event="end", step=state.global_step, max_steps=state.max_steps)


class Evaluation(TrainerCallback):  # type: ignore[misc]
    """Evaluates after the last step, so that even a short training has a validation loss. Also
    counts the validation rows while they are evaluated."""

    def __init__(self, cfg: Any) -> None:
        self.cfg = cfg
        # Imported by name, so that the module is not part of the code digest.
        self.meter = import_module("kotune.worker.meter").Meter(Path())
        self.is_begun = False

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        upstream.evaluate_at_the_end(self.cfg, state, control)

    def on_prediction_step(
        self, args: Any, state: Any, control: Any, eval_dataloader: Any = None, **_: Any
    ) -> None:
        rows = getattr(eval_dataloader, "dataset", None)
        if not state.is_world_process_zero or not isinstance(rows, Sized):
            return
        if not self.is_begun:
            self.is_begun = True
            self.meter.begin(f"{state.global_step:,}", len(rows), "rows")
            self.meter.expect(len(eval_dataloader))
        self.meter.add(1)

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.is_begun = False


def peak_memory_gib() -> float:
    """The peak memory in GiB: of the GPU if there is one, otherwise of this process."""
    import torch

    if torch.cuda.is_available():
        return round(float(torch.cuda.max_memory_reserved()) / 2**30, 3)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 3)


def _write(state: Any, **event: Any) -> None:
    if not state.is_world_process_zero:  # only the first of several processes writes
        return
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
    with os.fdopen(os.open(METRICS, flags, drafts.PRIVATE), "a", encoding="utf-8") as file:
        file.write(json.dumps(event) + "\n")
