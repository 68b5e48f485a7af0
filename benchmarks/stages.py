"""Compares our train and score stages with the plain tools doing the same work, in one run on one
machine.

Train: the stage, and `axolotl train` with the same YAML but without our plugin and our padding.
Score: the stage (base and tuned, one model load), and two plain `lm_eval` runs, one of the base
model and one with the adapter. The measurements alternate, and the best time counts, because other
work on the machine can only slow them down. Ratios are in CPU seconds.

`--model FOLDER --data FOLDER` measures a real model on KLUE-NLI. Without them, the quickstart model
trains as in its recipe. Threads: as OMP_NUM_THREADS says."""

import json
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import click

from benchmarks.process_tree import Mark, Measured, measure
from benchmarks.rival_engines import copy_run
from benchmarks.table import Figure, show
from kotune.worker.device import detect_device
from kotune.worker.environment import environment

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
RECIPE = ROOT / "recipes" / "quickstart_llama.yml"
OURS = ("plugins", "pad_to_multiple_of")
BATCH = 4  # rows of a step of a real model
# At most these ratios of the train and of the score stage, by the name of the model's folder.
BOUNDS = {
    "quickstart": (1.0, 0.35),
    "smollm2-135m-instruct": (0.9, 0.3),
    "gemma-3-270m": (0.55, 0.15),
}


class Setting(NamedTuple):
    """The options of the command."""

    model: Path | None
    template: str
    data: Path | None
    steps: int
    limit: int

    @property
    def task(self) -> str:
        return "klue_nli_ko" if self.data else "nli_sample_ko"

    def options(self) -> list[str]:
        """The options of `kotune run` that replace the quickstart recipe's model and data."""
        if not self.model or not self.data:
            return []
        sets = (
            f"model={self.model}",
            f"template={self.template}",
            "data.0.source=klue_nli",
            f"data.0.path={self.data}",
            f"data.0.samples={self.steps * BATCH}",
            f"tasks=[{self.task}]",
            "validation_rows=30",
            f"axolotl.max_steps={self.steps}",
            f"axolotl.micro_batch_size={BATCH}",
            f"axolotl.batch_size={BATCH}",
        )
        return [f"--limit={self.limit}", *(word for text in sets for word in ("--set", text))]


def ours(setting: Setting, folder: Path) -> tuple[Path, dict[str, tuple[float, float]]]:
    """The run folder of a whole fresh run, and seconds and CPU seconds of each stage."""
    words = [str(ROOT / "cli.py"), "run", str(RECIPE), "--runs-dir", str(folder / "runs")]
    words += ["--fresh-base", *setting.options()]  # base answers could come from the user's cache

    def finished() -> list[str]:
        records = (folder / "runs").glob("*/run.json")
        return [name for file in records for name in json.loads(file.read_text())["stages"]]

    marks = [Mark("", 0, 0), *measure(words, folder, environment(), finished).marks]
    (run,) = (folder / "runs").iterdir()
    return run, {
        mark.what: (mark.seconds - before.seconds, mark.cpu - before.cpu)
        for before, mark in pairwise(marks)
    }


def plain_train(run: Path, folder: Path) -> Measured:
    """`axolotl train` on a copy of the run's config and data, without our own keys."""
    copy_run(run, folder, OURS)
    words = [str(BIN / "axolotl"), "train", "axolotl.yml", "--launcher", "python"]
    return measure(words, folder, environment())


def plain_score(setting: Setting, run: Path, folder: Path) -> list[Measured]:
    """Two `lm_eval` runs as in the harness's documentation, base and then adapter."""
    adapter = run / "model"
    base = json.loads((adapter / "adapter_config.json").read_text())["base_model_name_or_path"]
    words = [str(BIN / "lm_eval"), "run", "--model", "hf", "--tasks", setting.task]
    words += ["--apply_chat_template", "--include_path", str(ROOT / "tasks"), "--batch_size", "32"]
    words += ["--device", "cuda:0" if detect_device() == "cuda" else "cpu"]
    if setting.data:
        words += ["--limit", str(setting.limit)]
        words += ["--metadata", json.dumps({"data_path": str(setting.data)})]
    models = (f"pretrained={base}", f"pretrained={base},peft={adapter}")
    return [
        measure(
            [*words, "--model_args", f"{model},tokenizer={adapter},dtype=float32"],
            folder,
            environment(),
        )
        for model in models
    ]


def one_round(setting: Setting) -> dict[str, tuple[float, float]]:
    """Seconds and CPU seconds of our stages and of the plain tools on the same run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run, stages = ours(setting, folder)
        plain = folder / "plain"
        plain.mkdir()
        trained = plain_train(run, plain)
        scored = plain_score(setting, run, folder)
        costs = {
            "train": stages["train"],
            "plain_train": (trained.seconds, trained.cpu),
            "score": stages["score"],
            "plain_score": (sum(one.seconds for one in scored), sum(one.cpu for one in scored)),
        }
        click.echo(f"seconds, CPU seconds: {costs}", err=True)
        return costs


def figures(rounds: list[dict[str, tuple[float, float]]], model: str) -> list[Figure]:
    """The best of all rounds, with the ratios in CPU seconds."""
    best = {
        name: tuple(min(values) for values in zip(*(costs[name] for costs in rounds), strict=True))
        for name in rounds[0]
    }
    rows = []
    titles = (("train", "plain axolotl train"), ("score", "two plain lm_eval runs"))
    for (stage, plain), most in zip(titles, BOUNDS.get(model, (None, None)), strict=True):
        (seconds, cpu), (plain_seconds, plain_cpu) = best[stage], best[f"plain_{stage}"]
        rows += [
            Figure(f"{stage} stage", seconds, "s"),
            Figure(f"{stage} stage", cpu, "CPU s"),
            Figure(plain, plain_seconds, "s"),
            Figure(plain, plain_cpu, "CPU s"),
            Figure(f"{stage} stage / plain", seconds / plain_seconds, "in seconds"),
            Figure(f"{stage} stage / plain", cpu / plain_cpu, "in CPU seconds", most=most),
        ]
    return rows


@click.command()
@click.option("--model", type=click.Path(path_type=Path, exists=True), help="A model's folder.")
@click.option("--template", default="own", help="The model's template in a recipe: own or plain.")
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="KLUE-NLI's folder.")
@click.option("--steps", default=60, help=f"Steps of a real model, of {BATCH} rows each (60).")
@click.option("--limit", default=60, help="Items that a real model answers (60).")
@click.option("--rounds", default=2, help="Rounds (2).")
def main(
    model: Path | None, template: str, data: Path | None, steps: int, limit: int, rounds: int
) -> None:
    """Compare kotune's train and score stages with the plain tools."""
    if bool(model) != bool(data):
        raise click.UsageError("give --model and --data together")
    setting = Setting(model and model.resolve(), template, data and data.resolve(), steps, limit)
    measured = [one_round(setting) for _ in range(rounds)]
    name = model.name if model else "quickstart"
    show(f"Our stages beside the plain tools, {name}, best of {rounds}", figures(measured, name))


if __name__ == "__main__":
    main()
