"""Measures memory and time of training, scoring and generation on a GPU that is available for a few
minutes. NOT RUN ON A GPU YET.

    python benchmarks/on_a_gpu.py                    # about eight minutes; measured_on_gpu.json
    python benchmarks/on_a_gpu.py --tiny tiny.json   # a trial at toy size on a CPU

The figures of --tiny mean nothing. The script needs torch, transformers and peft, but no network,
no weights (they are random), no Axolotl and no installed kotune. The most important measurements
come first. None starts once the budget is spent, and a failure does not end the others."""

import argparse
import gc
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

PRESETS = Path(__file__).parent.parent / "kotune" / "models" / "presets.yml"
MODELS = ("llama-3.2-1b-instruct", "deepseek-r1-distill-qwen-1.5b")
TOY = {
    "vocab_size": 512,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
}
METHOD = (
    "random weights; LoRA of rank 16 on all linear maps, in float32; sdpa, no padding; training:"
    " AdamW under autocast to bfloat16, gradients clipped; writing: greedy, transformers' generate"
)
SEED, IGNORED, GIB = 1, -100, 2**30
# Tolerances of the loss (nats) and of the gradient norm (relative), by precision. In bf16 the
# products of 48 rows and of all rows may be summed in another order, and a logit between 2 and 4 is
# rounded to 1/64.
CLOSE = {"bfloat16": (0.02, 0.05), "float32": (1e-5, 1e-4)}
# Added to the logits of the choices: 0, as random weights give them, and enough to make them
# likely.
LIFTS = (0.0, 12.0)
Figures = dict[str, float | None]  # None: not measured here
Setting = dict[str, str | int | float | bool]


@dataclass(frozen=True)
class Scale:
    """The size of the measurements. A training step has `batch` rows of `length` tokens, of which
    the last `trained` have a label. `items` rows of logits are scored. `written` tokens are
    generated after `prompt` tokens. `shape` replaces keys of a model's config.json."""

    batch: int = 16
    length: int = 192
    trained: int = 3
    items: int = 6144
    prompt: int = 128
    written: int = 32
    batches: tuple[int, ...] = (1, 32, 128)
    warmups: int = 3
    runs: int = 7
    dtype: str = "bfloat16"
    shape: dict[str, int] = field(default_factory=dict)


TINY = Scale(
    batch=4, length=24, items=64, prompt=8, written=4, batches=(1, 3), warmups=1, runs=2, shape=TOY
)


@dataclass(frozen=True)
class Row:
    """One measurement: its figures, with units in their names, or a note why there are none."""

    name: str
    setting: Setting
    figures: Figures = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Budget:
    """A budget of seconds, counted from `begun` on the clock `now`."""

    seconds: float
    now: Callable[[], float] = time.monotonic
    begun: float = field(default_factory=time.monotonic)

    def spent(self) -> float:
        return self.now() - self.begun

    def is_spent(self) -> bool:
        return self.spent() >= self.seconds


class Bench:
    """The device, with one model at a time."""

    def __init__(self, device: str, scale: Scale, budget: Budget) -> None:
        self.device, self.scale, self.budget = device, scale, budget
        self._name, self._model = "", None

    def model(self, name: str) -> Any:
        """The model of this name with an adapter. The previous model is freed."""
        if name != self._name:
            self._model = None
            self.forget()
            self._name, self._model = name, adapted(name, self.device, self.scale)
        return self._model

    def forget(self) -> None:
        """Free the allocator's memory, so that each measurement reserves its own."""
        gc.collect()
        if self.on_gpu:
            import torch

            torch.cuda.empty_cache()

    @property
    def on_gpu(self) -> bool:
        return self.device == "cuda"

    def median(self, work: Callable[[], object], warmups: int, runs: int) -> float:
        """Median seconds of `work`. Memory peaks are counted after the warm-up."""
        for _ in range(warmups):
            work()
        if self.on_gpu:
            import torch

            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        seconds: list[float] = []
        while not seconds or (len(seconds) < runs and not self.budget.is_spent()):
            seconds.append(self._seconds(work))
        return statistics.median(seconds)

    def _seconds(self, work: Callable[[], object]) -> float:
        import torch

        wait = torch.cuda.synchronize if self.on_gpu else (lambda: None)
        wait()
        begun = time.perf_counter()
        work()
        wait()
        return time.perf_counter() - begun

    def peaks(self) -> Figures:
        """Peak GiB since the last warm-up: of all tensors, and of the memory that torch's allocator
        reserved."""
        import torch

        counters = (torch.cuda.max_memory_allocated, torch.cuda.max_memory_reserved)
        peak = [counter() / GIB if self.on_gpu else None for counter in counters]
        return dict(zip(("allocated_gib", "reserved_gib"), peak, strict=True))

    def held(self) -> float | None:
        """GiB of the current tensors."""
        import torch

        return torch.cuda.memory_allocated() / GIB if self.on_gpu else None


def adapted(name: str, device: str, scale: Scale) -> Any:
    """A preset's architecture with random weights and a LoRA adapter of rank 16 on all linear maps,
    whose B is not zero."""
    import torch
    import yaml
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

    keys = yaml.safe_load(PRESETS.read_text(encoding="utf-8"))["models"][name]["shape"]
    config = AutoConfig.for_model(
        **keys | {key: scale.shape[key] for key in scale.shape if key in keys}
    )
    torch.manual_seed(SEED)
    with torch.device(device):
        base = AutoModelForCausalLM.from_config(
            config, dtype=getattr(torch, scale.dtype), attn_implementation="sdpa"
        )
        # Without a token that ends an answer.
        base.generation_config = GenerationConfig(do_sample=False, pad_token_id=0)
        lora = LoraConfig(
            r=16,
            lora_alpha=32,
            lora_dropout=0.0,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        )
        model = get_peft_model(base, lora)
    for weight in trainable(model):
        torch.nn.init.normal_(weight, std=0.02)
    return model


def trainable(model: Any) -> list[Any]:
    return [weight for weight in model.parameters() if weight.requires_grad]


def tokens(model: Any, rows: int, length: int) -> Any:
    """Random ids (rows, length), the same for every call of this size."""
    import torch

    made = torch.randint(
        0, model.config.vocab_size, (rows, length), generator=torch.Generator().manual_seed(SEED)
    )
    return made.to(model.device)


def loss_on_all(model: Any, ids: Any, labels: Any) -> Any:
    """transformers' own loss, with logits at every position."""
    return model(input_ids=ids, labels=labels, use_cache=False).loss


def loss_on_trained(model: Any, ids: Any, labels: Any) -> Any:
    """The same loss, with logits only at positions whose next token has a label."""
    import torch

    base = model.get_base_model()
    hidden = base.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
    is_labelled = labels[:, 1:] != IGNORED
    return torch.nn.functional.cross_entropy(
        base.lm_head(hidden[is_labelled]).float(), labels[:, 1:][is_labelled]
    )


LOSSES = {"all positions": loss_on_all, "trained positions": loss_on_trained}


class Training:
    """AdamW steps on one batch as in transformers' trainer: under autocast, with gradients clipped
    at 1."""

    def __init__(self, bench: Bench, name: str, head: str, checkpointing: bool) -> None:
        import torch

        scale, self.model, self.loss_of = bench.scale, bench.model(name).train(), LOSSES[head]
        checkpoint(self.model, checkpointing)
        self.ids = tokens(self.model, scale.batch, scale.length)
        self.labels = torch.full_like(self.ids, IGNORED)
        self.labels[:, -scale.trained :] = self.ids[:, -scale.trained :]
        self.optimizer = torch.optim.AdamW(trainable(self.model), lr=2e-4, weight_decay=0.0)
        mixed = scale.dtype != "float32"
        self.cast = (
            partial(torch.autocast, bench.device, dtype=torch.bfloat16) if mixed else nullcontext
        )

    def step(self) -> tuple[float, float]:
        """Make one step. Returns its loss and the gradient norm before clipping."""
        import torch

        self.optimizer.zero_grad(set_to_none=True)
        with self.cast():
            loss = self.loss_of(self.model, self.ids, self.labels)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(trainable(self.model), 1.0)
        self.optimizer.step()
        return float(loss.detach()), float(norm)


def checkpoint(model: Any, is_on: bool) -> None:
    """Switch gradient checkpointing on as in Axolotl (re-entrant), or off."""
    if is_on:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": True})
        model.enable_input_require_grads()
    elif model.is_gradient_checkpointing:
        model.gradient_checkpointing_disable()
        model.disable_input_require_grads()


def train(bench: Bench, name: str, head: str, checkpointing: bool) -> Figures:
    """Seconds and memory of a step, and loss and gradient norm of the first step. Every case starts
    from the same adapter."""
    import torch

    bench.forget()
    scale, before = (
        bench.scale,
        [weight.detach().cpu().clone() for weight in trainable(bench.model(name))],
    )
    training = Training(bench, name, head, checkpointing)
    try:
        loss, norm = training.step()
        seconds = bench.median(training.step, scale.warmups, scale.runs)
        training.optimizer.zero_grad(set_to_none=True)
        figures: Figures = {"seconds": seconds, **bench.peaks(), "held_gib": bench.held()}
        return {
            **figures,
            "tokens_per_second": scale.batch * scale.length / seconds,
            "loss": loss,
            "gradient_norm": norm,
        }
    finally:
        with torch.no_grad():
            for weight, value in zip(trainable(training.model), before, strict=True):
                weight.copy_(value)
                weight.grad = None
        checkpoint(training.model, False)


def differences(rows: list[Row], dtype: str) -> list[str]:
    """A message for each training whose first step has another loss or gradient norm than the first
    training of the same model."""
    loss, norm = CLOSE[dtype]
    first: dict[Any, Row] = {}
    messages = []
    for row in (row for row in rows if row.name == "train" and row.figures):
        other = first.setdefault(row.setting["model"], row)
        by_loss, by_norm = (abs(of(row, key) - of(other, key)) for key in ("loss", "gradient_norm"))
        # NaN is not equal either.
        if not (by_loss <= loss and by_norm <= norm * of(other, "gradient_norm")):
            messages.append(
                f"{shown(row.setting)}; {shown(other.setting)}: losses {by_loss:.2g} apart,"
                f" gradients {by_norm:.2g}"
            )
    return messages


def of(row: Row, key: str) -> float:
    return float(row.figures[key] or 0)


def logits_of(bench: Bench, name: str, lift: float) -> tuple[Any, Any]:
    """Logits (items, vocabulary) of the model's head for random hidden states, and three choices
    (items, 3) per item."""
    import torch

    base, items = bench.model(name).get_base_model(), bench.scale.items
    torch.manual_seed(SEED)
    with torch.no_grad(), torch.device(bench.device):
        logits = base.lm_head(torch.randn(items, base.config.hidden_size, dtype=base.dtype))
        half = (
            base.config.vocab_size - 1
        ) // 2  # of two such steps, none leads back to where it began
        steps = torch.randint(1, half, (items, 3))
        choices = steps.cumsum(1) % base.config.vocab_size
        return (
            logits.scatter_add_(1, choices, torch.full(choices.shape, lift, dtype=logits.dtype)),
            choices,
        )


def answers(logits: Any, choices: Any, dtype: str | None) -> tuple[int, list[int]]:
    """The number of items with a tie between best choices, and the answer to each item: the first
    of the best choices, as in lm-eval."""
    import torch

    as_type = getattr(torch, dtype) if dtype else None
    rows = torch.log_softmax(logits, -1, dtype=as_type).gather(1, choices).float().tolist()
    return sum(row.count(max(row)) > 1 for row in rows), [row.index(max(row)) for row in rows]


def score(bench: Bench, name: str, lift: float) -> Figures:
    """Compare a softmax in the logits' own precision, lm-eval's default, with one in float32, as in
    kotune."""
    import torch

    bench.forget()
    logits, choices = logits_of(bench, name, lift)
    (ties, own), (exact_ties, exact) = (
        answers(logits, choices, dtype) for dtype in (None, "float32")
    )
    changed = sum(a != b for a, b in zip(own, exact, strict=True))
    figures: Figures = {
        "items": len(own),
        "ties_own": ties,
        "ties_float32": exact_ties,
        "changed_answers": changed,
    }
    for title, dtype in (("own", None), ("float32", torch.float32)):
        held = bench.held()
        figures[f"ms_{title}"] = 1000 * bench.median(
            partial(torch.log_softmax, logits, -1, dtype), 2, bench.scale.runs
        )
        peak = bench.peaks()["allocated_gib"]
        figures[f"added_gib_{title}"] = None if peak is None or held is None else peak - held
    return figures


def write(bench: Bench, name: str, batch: int, adapter: bool) -> Figures:
    """Milliseconds per generated token for the whole batch, greedy and with a cache of keys and
    values. The time of the prompt is not included."""
    import torch

    bench.forget()
    model, scale = bench.model(name).eval(), bench.scale
    ids = tokens(model, batch, scale.prompt)

    def generate(new: int) -> None:
        made = model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=new, use_cache=True
        )
        if made.shape[1] != scale.prompt + new:
            raise RuntimeError(f"{made.shape[1] - scale.prompt} tokens generated instead of {new}")

    with torch.no_grad(), nullcontext() if adapter else model.disable_adapter():
        short, long = (bench.median(partial(generate, new), 1, 3) for new in (1, 1 + scale.written))
        ms = 1000 * (long - short) / scale.written
    return {
        "ms_a_step": ms,
        "tokens_per_second": 1000 * batch / ms,
        "prompt_ms": 1000 * short,
        **bench.peaks(),
    }


Measurement = tuple[str, Setting, Callable[[Bench], Figures]]


def measurements(scale: Scale) -> Iterator[Measurement]:
    """All measurements, the most important first."""
    size = {"rows": scale.batch, "tokens": scale.length, "trained": scale.trained}
    for name in MODELS:
        for checkpointing in (True, False):
            for head in LOSSES:
                work = partial(train, name=name, head=head, checkpointing=checkpointing)
                yield (
                    "train",
                    {"model": name, "head": head, "checkpointing": checkpointing, **size},
                    work,
                )
    for name in MODELS:
        for lift in LIFTS:
            yield (
                "score",
                {"model": name, "choices": 3, "lift": lift},
                partial(score, name=name, lift=lift),
            )
    for batch in scale.batches:
        for name in MODELS:
            for adapter in (False, True):
                size = {"prompt": scale.prompt, "written": scale.written}
                work = partial(write, name=name, batch=batch, adapter=adapter)
                yield "write", {"model": name, "batch": batch, "adapter": adapter, **size}, work


def measured(bench: Bench, measurement: Measurement) -> Row:
    """One row. A failure becomes a note, so that the other measurements go on."""
    import torch

    name, setting, work = measurement
    if bench.budget.is_spent():
        return Row(
            name, setting, note=f"skipped: the budget of {bench.budget.seconds:g} s is spent"
        )
    try:
        return Row(name, setting, work(bench))
    except torch.OutOfMemoryError:
        note = "failed: out of memory"
    except Exception as error:
        note = f"failed: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
    bench.forget()
    return Row(name, setting, note=note)


def shown(setting: Setting) -> str:
    return ", ".join(f"{key} {value}" for key, value in setting.items())


def line(row: Row) -> str:
    """A row as one line of the table."""
    figures = ", ".join(
        f"{key} {'not measured' if value is None else f'{value:,.4g}'}"
        for key, value in row.figures.items()
    )
    return f"{row.name:<6} {shown(row.setting):<110} {row.note or figures}"


def machine(device: str) -> dict[str, str]:
    """The machine and the versions."""
    import peft
    import torch
    import transformers

    versions = {module.__name__: str(module.__version__) for module in (torch, transformers, peft)}
    properties = {
        "device": device,
        "python": platform.python_version(),
        **versions,
        "cuda": str(torch.version.cuda),
    }
    if device == "cuda":
        gpu = torch.cuda.get_device_properties(0)
        properties |= {
            "gpu": gpu.name,
            "capability": f"{gpu.major}.{gpu.minor}",
            "memory_gib": f"{gpu.total_memory / GIB:.1f}",
        }
    return properties


def keep(file: Path, bench: Bench, rows: list[Row]) -> None:
    """Write all rows so far, in one rename."""
    content = {
        "machine": machine(bench.device),
        "method": METHOD,
        "scale": asdict(bench.scale),
        "seconds": bench.budget.spent(),
    }
    content |= {
        "unequal": differences(rows, bench.scale.dtype),
        "rows": [asdict(row) for row in rows],
    }
    draft = file.with_name(f".{file.name}.draft")
    draft.write_text(json.dumps(content, indent=1), encoding="utf-8")
    draft.replace(file)


def measure_all(bench: Bench, file: Path) -> int:
    """Measure, print and save. Returns the exit code: 1 if a measurement failed or the losses of
    both heads differ."""
    rows: list[Row] = []
    print(
        f"{shown(dict(machine(bench.device)))}\n{METHOD}; weights in {bench.scale.dtype}",
        flush=True,
    )
    for measurement in measurements(bench.scale):
        rows.append(measured(bench, measurement))
        print(line(rows[-1]), flush=True)
        keep(file, bench, rows)
    for unequal in differences(rows, bench.scale.dtype):
        print(f"UNEQUAL {unequal}")
    print(f"{file}: {len(rows)} rows in {bench.budget.spent():.0f} s")
    return int(
        any(row.note.startswith("failed") for row in rows)
        or bool(differences(rows, bench.scale.dtype))
    )


def main(words: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Measure memory and time of training, scoring and writing on a GPU."
    )
    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        default=Path("measured_on_gpu.json"),
        help="write the figures to this JSON file",
    )
    parser.add_argument("--tiny", action="store_true", help="try the script at toy size on the CPU")
    parser.add_argument(
        "--budget",
        type=float,
        default=450,
        help="start no measurement after this many seconds (450)",
    )
    options = parser.parse_args(words)
    budget = Budget(options.budget)
    import torch

    if not options.tiny and not torch.cuda.is_available():
        print("no GPU: nothing measured; --tiny tries this script on the CPU", file=sys.stderr)
        return 2
    if options.tiny:
        torch.set_num_threads(1)  # toy models are too small for several threads
    return measure_all(
        Bench("cpu" if options.tiny else "cuda", TINY if options.tiny else Scale(), budget),
        options.file,
    )


if __name__ == "__main__":
    sys.exit(main())
