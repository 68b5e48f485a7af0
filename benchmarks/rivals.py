"""Compares training with kotune with plain Axolotl, LLaMA-Factory and TRL: the same model, rows,
token ids, order, rank, batch, steps and float32, without evaluation and checkpointing.

Each engine has its own environment, which is installed below build/rivals if it is missing. The
rounds alternate between the engines, and the median counts. Ratios are in CPU seconds, because
other work on the machine changes wall time. A step's time leaves out start-up and the first step.

`--model FOLDER --data FOLDER` trains a real model on KLUE-NLI. Without them, the quickstart model
trains on the sample. Threads: as OMP_NUM_THREADS says."""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click

from benchmarks.process_tree import Measured, measure
from benchmarks.rival_case import Setting, environment, prepare
from benchmarks.rival_engines import ACCUMULATION, ENGINES, MICRO_BATCH, RANK, ROOT, Case
from benchmarks.table import Figure, show

ENVIRONMENTS = ROOT / "build" / "rivals"
PACKAGES = ("torch", "transformers", "peft", "trl", "accelerate")
# As transformers' trainer prints the loss of a step. All engines use it.
LOSS = re.compile(rb"'loss': '?([-+.\deE]+|nan|inf)")
SAME = 1e-3  # relative difference of losses; the engines print four digits
# At most these multiples of a rival's CPU seconds per step.
BOUNDS = {"Axolotl 0.19.0": 1.0, "LLaMA-Factory 0.9.5": 1.0, "TRL 1.9.0": 1.05}


def score_plainly(setting: Setting, case: Case, adapter: Path, folder: Path) -> Measured:
    """Score one adapter with plain lm_eval."""
    model = f"pretrained={case.model},peft={adapter},tokenizer={case.ids.parent / 'tokenizer'}"
    words = ["lm_eval", "run", "--model", "hf", "--model_args", f"{model},dtype=float32"]
    words += ["--tasks", setting.task, "--limit", str(setting.limit), "--batch_size", "32"]
    words += ["--include_path", str(ROOT / "tasks"), "--apply_chat_template", "--device", "cpu"]
    if setting.data:
        words += ["--metadata", json.dumps({"data_path": str(setting.data)})]
    own = ENGINES[0].programs(ENVIRONMENTS)
    return measure([str(own / words[0]), *words[1:]], folder, environment())


def versions(programs: Path) -> str:
    """The versions of PACKAGES in an environment."""
    code = "import sys; from importlib.metadata import version as v\n"
    code += "for name in sys.argv[1:]: print(name, v(name))"
    words = [str(programs / "python"), "-c", code, *PACKAGES]
    done = subprocess.run(words, check=True, capture_output=True, text=True, env=environment())
    return ", ".join(done.stdout.splitlines())


class Round(NamedTuple):
    """One round: the training of each engine by name, and the scoring of one rival's adapter."""

    trained: dict[str, Measured]
    scored: Measured


def one_round(setting: Setting, case: Case, folder: Path, number: int) -> Round:
    """Train with each engine. Then plain lm_eval scores the adapter of one rival, each round of
    another."""
    trained = {}
    for engine in ENGINES:
        own = folder / engine.name
        own.mkdir(parents=True)
        words = engine.start(case, own, engine.programs(ENVIRONMENTS))
        log = partial(losses_of, own, engine.log)
        trained[engine.name] = measure(words, own, environment(), log)
        losses = [mark.what for mark in trained[engine.name].marks]
        if len(losses) != setting.steps:
            sys.exit(f"{engine.name}: {len(losses)} losses in its log, not {setting.steps}")
        rounded = [round(value, 2) for value in costs(trained[engine.name])]
        click.echo(f"round {number}, {engine.name}: {rounded}, losses {losses}", err=True)
    rival = ENGINES[1 + number % (len(ENGINES) - 1)]
    (adapter,) = (folder / rival.name).glob(rival.adapter)
    return Round(trained, score_plainly(setting, case, adapter, folder))


def figures(rounds: list[Round]) -> list[Figure]:
    """The medians of all rounds, and kotune's ratios."""
    scored = statistics.median(found.scored.seconds for found in rounds)
    ours, *_ = (engine.name for engine in ENGINES)
    rows, ratios = list[Figure](), list[Figure]()
    for name in (engine.name for engine in ENGINES):
        seconds, cpu, whole, peak = (
            statistics.median(values)
            for values in zip(*(costs(found.trained[name]) for found in rounds), strict=True)
        )
        rows += [
            Figure(f"{name}: a step", seconds, "s"),
            Figure(f"{name}: a step", cpu, "CPU s"),
            Figure(f"{name}: to a scored adapter", whole + (name != ours) * scored, "s"),
            Figure(f"{name}: peak memory", peak, "GiB"),
        ]
        if name == ours:
            own = cpu
        else:
            ratios.append(Figure(f"a step, kotune / {name}, CPU", own / cpu, most=BOUNDS[name]))
            first, later = losses_apart(rounds, ours, name)
            ratios.append(Figure(f"losses apart from {name}: first step", first, most=SAME))
            ratios.append(Figure(f"losses apart from {name}: all steps", later))
    return rows + ratios


def costs(trained: Measured) -> tuple[float, float, float, float]:
    """Seconds and CPU seconds per step, seconds of the whole command, and peak GiB. The steps are
    those after the first."""
    first, *_, last = trained.marks
    later = len(trained.marks) - 1
    step, cpu = (last.seconds - first.seconds) / later, (last.cpu - first.cpu) / later
    return step, cpu, trained.seconds, trained.peak_gib


def losses_of(folder: Path, log: str) -> list[float]:
    """All losses in a log so far; empty if there is no log yet. `log`: a glob pattern."""
    file = next(folder.glob(log), None)
    return [float(loss) for loss in LOSS.findall(file.read_bytes())] if file else []


def losses_apart(rounds: list[Round], one: str, other: str) -> tuple[float, float]:
    """The largest relative differences between the losses of two engines at the same step: of the
    first step, where all adapters are still zero, and of all steps."""
    apart = [
        [
            abs(a.what / b.what - 1)
            for a, b in zip(found.trained[one].marks, found.trained[other].marks, strict=True)
        ]
        for found in rounds
    ]
    return max(steps[0] for steps in apart), max(map(max, apart))


@click.command()
@click.option("--model", type=click.Path(path_type=Path, exists=True), help="A model's folder.")
@click.option("--template", default="own", help="The model's template in a recipe: own or plain.")
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="KLUE-NLI's folder.")
@click.option("--rows", default=512, help="Training rows (512).")
@click.option("--steps", default=32, help="Steps of 16 rows (32: all rows once).")
@click.option("--limit", default=60, help="Items to score (60).")
@click.option("--rounds", default=3, help="Rounds (3).")
def main(rounds: int, **options: Any) -> None:
    """Compare kotune's training with that of other projects."""
    options |= {key: options[key] and options[key].resolve() for key in ("model", "data")}
    setting = Setting(**options)
    with tempfile.TemporaryDirectory() as scratch:
        for engine in ENGINES:
            click.echo(f"{engine.name}: {versions(engine.programs(ENVIRONMENTS))}")
        case = prepare(setting, Path(scratch))
        found = [one_round(setting, case, Path(scratch, str(i)), i) for i in range(rounds)]
    show(
        f"{setting.steps} steps of {MICRO_BATCH} x {ACCUMULATION} rows, rank {RANK}, float32,"
        f" {os.environ.get('OMP_NUM_THREADS', 'all')} threads; medians of {rounds}",
        figures(found),
    )


if __name__ == "__main__":
    main()
