"""Compares the memory predicted by `plan` with measurements. The bound is 15%.

On a GPU, both real architectures train a few steps with random weights through `./cli.py run`: LoRA
and QLoRA, packed and padded. The peak memory of each is compared with its plan. NOT RUN YET,
because there was no GPU. Without a GPU nothing is measured.

--tensors needs no GPU. It counts every tensor that torch would allocate in a training step of both
at full size, without allocating it. The formula for activations and logits was derived from these
tensors, not from a GPU's memory."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from benchmarks.table import Figure, show
from kotune.models import presets
from kotune.plan import memory, plan, shapes
from kotune.plan.memory import Method
from kotune.runs.events import read_metrics
from kotune.train.head import CHUNK
from kotune.worker.device import detect_device

ROOT = Path(__file__).parent.parent
RECIPE = ROOT / "recipes" / "quickstart_llama.yml"
# A real architecture, and the quickstart model whose tokenizer replaces its own. Random weights
# need no licence.
MODELS = {
    "llama-3.2-1b-instruct": ("quickstart-llama", "llama3"),
    "deepseek-r1-distill-qwen-1.5b": ("quickstart-deepseek", "deepseek_r1"),
}
STEPS = 12
BOUND = 0.15
# Examples, tokens per example, checkpointing, and trained tokens per example (of a label, or of an
# answer).
CASES_OF_TENSORS = [
    (16, 192, True, 3),
    (4, 1024, True, 3),
    (4, 1024, True, 300),
    (4, 256, False, 3),
    (4, 256, False, 200),
]
CASES = [(adapter, packing) for adapter in ("lora", "qlora") for packing in (False, True)]


def settings(folder: Path, template: str, adapter: str, packing: bool) -> tuple[str, ...]:
    """The --set options of one measured run."""
    return (
        f"model={folder}",
        f"template={template}",
        f"adapter={adapter}",
        f"axolotl.max_steps={STEPS}",
        "axolotl.micro_batch_size=4",
        f"axolotl.sample_packing={str(packing).lower()}",
        "axolotl.logging_steps=1",
    )


def build(name: str, folder: Path) -> None:
    """A model folder with the architecture of a preset, random 16-bit weights and a quickstart
    model's tokenizer."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    keys: dict[str, Any] = presets.ROWS[name].shape_keys()
    tokenizer = AutoTokenizer.from_pretrained(presets.find(MODELS[name][0], None).base)
    config = AutoConfig.for_model(
        keys.pop("model_type"), **keys, eos_token_id=tokenizer.eos_token_id
    )
    torch.manual_seed(1)
    AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def measured(sets: tuple[str, ...], runs: Path) -> float:
    """Peak GiB of torch's allocator in training, as recorded by the run."""
    words = [
        sys.executable,
        str(ROOT / "cli.py"),
        "run",
        str(RECIPE),
        "--until",
        "train",
        "--runs-dir",
        str(runs),
    ]
    done = subprocess.run(
        [*words, *(word for setting in sets for word in ("--set", setting))],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(words)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return peak_of(next(runs.iterdir()))


def peak_of(run: Path) -> float:
    """The largest peak_memory_gib of a run's metrics."""
    return max(event.peak_memory_gib for event in read_metrics(run / "metrics.jsonl"))


def compared(predicted: float, peak: float, name: str, most: float = BOUND) -> Figure:
    """The relative error of the prediction: |measured / predicted - 1|."""
    return Figure(
        f"{name}: predicted {predicted:,.2f} GiB, measured {peak:,.2f}",
        abs(peak / predicted - 1),
        most=most,
    )


def on_gpu() -> Iterator[Figure]:
    """Every case on this machine's GPU."""
    with tempfile.TemporaryDirectory() as scratch:
        for name, (_, template) in MODELS.items():
            folder = Path(scratch) / name
            build(name, folder)
            for adapter, packing in CASES:
                sets = settings(folder, template, adapter, packing)
                # Memory is the same on every GPU that holds it.
                (predicted,) = plan.make(RECIPE, sets, ("h200",)).gpu_plans
                peak = measured(sets, Path(scratch) / f"{name}-{adapter}-{packing}")
                title = f"{name}, {adapter}, {'packed' if packing else 'padded'}"
                yield compared(predicted.memory.training / plan.GIB, peak, title)


def by_tensors() -> Iterator[Figure]:
    """The prediction compared with all tensors of a step, at full size."""
    from pytest import MonkeyPatch

    from tests.tensors import of_step, on_meta

    for name in MODELS:
        shape, kind = shapes.find(name), "llama" if shapes.find(name).tied else "qwen2"
        for batch, length, checkpointing, trained in CASES_OF_TENSORS:
            method = Method(16, shape.trainable(16), 16, checkpointing)
            with MonkeyPatch.context() as patch:
                stored, added = of_step(
                    on_meta(shape, kind), batch, length, checkpointing, batch * trained, patch
                )
            parts = memory.peak(shape, method, batch * length, min(batch * trained, CHUNK), 0)
            predicted = parts.weights + parts.adapter + parts.activations + parts.logits
            title = (
                f"{name}, {batch} x {length}, {trained}"
                f" trained{', checkpointing' if checkpointing else ''}"
            )
            yield compared(predicted / plan.GIB, (stored + added) / plan.GIB, title, 0.02)


@click.command()
@click.option("--tensors", is_flag=True, help="Count the tensors of a step instead; needs no GPU.")
@click.option(
    "--json", "file", type=click.Path(path_type=Path), metavar="FILE", help="Keep the figures, too."
)
def main(tensors: bool, file: Path | None) -> None:
    """Compare the predictions of `plan` with measurements."""
    if not tensors and detect_device() == "cpu":
        click.echo("no GPU: nothing measured")
        return
    figures = list(by_tensors() if tensors else on_gpu())
    if file:
        file.write_text(
            json.dumps([figure._asdict() for figure in figures], indent=2), encoding="utf-8"
        )
    show(
        "Tensors of a step, by count" if tensors else f"Peak memory of {STEPS} steps on this GPU",
        figures,
    )


if __name__ == "__main__":
    main()
