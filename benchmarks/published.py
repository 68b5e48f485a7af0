"""What `plan` predicts beside what others published of GPUs (published.yml): needs no GPU, measures
nothing.

It prints the tables of docs/plan.md, which tests hold to what is calculated here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import click

from kotune.plan import clock, gpus, memory, shapes
from kotune.plan.gpus import Gpu
from kotune.plan.memory import Method
from kotune.recipe import strict_yaml
from kotune.score import batches

FILE = Path(__file__).with_suffix(".yml")
GB = 1e9
METHODS = {16: "LoRA", 8: "LoRA, 8 bits", 4: "QLoRA"}
ANSWER = 2048  # tokens of the published answers


@dataclass(frozen=True)
class Pair:
    """A published figure, what is predicted for it, and what the latter over the former was when it
    was last looked at."""

    published: float
    predicted: float
    was: float

    @property
    def ratio(self) -> float:
        return self.predicted / self.published


@dataclass(frozen=True)
class Trained:
    """A published training run. `time`: seconds of a step; `held`: GB at the peak; None where
    nothing was published."""

    source: str
    model: str
    gpu: str
    method: str
    tokens: str
    is_fitted: bool
    time: Pair | None
    held: Pair | None


@dataclass(frozen=True)
class Written:
    """A published generation. `time`: milliseconds of a token."""

    source: str
    model: str
    gpu: str
    time: Pair


@cache
def table() -> dict[str, Any]:
    """All of published.yml."""
    return strict_yaml.load(FILE)


def _gpu(name: str) -> Gpu:
    own = table()["gpus"]
    return gpus.of(name, own[name]) if name in own else gpus.known()[name]


def _shape(name: str) -> shapes.Shape:
    return shapes.of(table()["shapes"][name], name)


def training() -> Iterator[Trained]:
    """Every published training run."""
    for row in table()["training"]:
        shape, gpu, tokens = _shape(row["model"]), _gpu(row["gpu"]), row["batch"] * row["length"]
        method = Method(row["bits"], shape.trainable(row["r"]), row["r"], checkpointing=True)
        step = row["accumulation"] * clock.micro_step(
            shape, clock.speed_of(gpu, False), method, tokens, tokens
        )
        seconds = row.get("seconds") or row["accumulation"] * tokens / row.get(
            "tokens_per_second", float("inf")
        )
        held = memory.peak(shape, method, tokens, tokens, 0).training / GB
        yield Trained(
            row["of"],
            row["model"],
            row["gpu"],
            METHODS[row["bits"]],
            f"{row['accumulation']} x {row['batch']} x {row['length']:,}",
            bool(row.get("fitted")),
            Pair(seconds, step, row["time"]) if seconds else None,
            Pair(row["memory"], held, row["held"]) if "memory" in row else None,
        )


def generation() -> Iterator[Written]:
    """Every published generation."""
    for row in table()["generation"]:
        shape, gpu = _shape(row["model"]), _gpu(row["gpu"])
        read = memory.weights(shape, 16) + batches.cached(memory.sizes_of(shape), ANSWER / 2)
        token = clock.token(shape, clock.speed_of(gpu, False), read, 1, "base")
        yield Written(
            row["of"],
            row["model"],
            row["gpu"],
            Pair(1e3 / row["tokens_per_second"], 1e3 * token, row["time"]),
        )


def markdown(fitted: str, tested: str) -> Iterator[str]:
    """The rows of both tables in docs/plan.md. `fitted`, `tested`: a page's words for them."""
    for row in training():
        told = fitted if row.is_fitted else tested if row.time else "-"
        yield (
            f"| {row.model} | {row.gpu} | {row.method} | {row.tokens} | {_cells(row.time)} | {told}"
            f" | {_cells(row.held)} |"
        )
    for line in generation():
        yield f"| {line.model} | {line.gpu} | {_cells(line.time)} |"


def _cells(pair: Pair | None) -> str:
    if pair is None:
        return "- | - | -"
    return f"{pair.published:,.3g} | {pair.predicted:,.3g} | {pair.ratio:.2f}"


@click.command()
def main() -> None:
    """Print what `plan` predicts beside what was published."""
    click.echo("\n".join(markdown("fitted", "tested")))


if __name__ == "__main__":
    main()
