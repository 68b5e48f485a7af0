"""Measures the quickstart recipes (two models, LoRA and QLoRA) with three seeds each: seconds per
stage, and the gain of tuning over the base model and over a classifier on the hypothesis alone. The
95% interval of a seed is a bootstrap over premises. --finished FOLDER measures the finished LoRA
runs in a folder of runs instead."""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.table import Figure, show
from kodata import nli_sample
from kodata.control_text import records_of
from kodata.metrics.classifiers import Classifier

ROOT = Path(__file__).parent.parent
RESAMPLES = 10_000
SEEDS, ORDER = 3, (42, 1, 2)  # the seeds of `run --seeds 3`, in its order
MODELS = ("llama", "deepseek")


def hypothesis_only() -> dict[str, bool]:
    """For each guid of the test part, whether the classifier on the hypothesis alone is right."""
    test = list(records_of(nli_sample.read("test")))
    labels = Classifier(records_of(nli_sample.read("train")), "hypothesis_only").predict(test)
    return {row["guid"]: label == row["label"] for row, label in zip(test, labels, strict=True)}


def gain_interval(tuned: dict[str, bool], other: dict[str, bool]) -> tuple[float, float]:
    """95% percentile interval of tuned minus other accuracy, from resampled premises. Each premise
    has the same number of items."""
    premises: dict[str, list[int]] = {}
    for row in records_of(nli_sample.read("test")):
        premises.setdefault(row["premise"], []).append(
            int(tuned[row["guid"]]) - int(other[row["guid"]])
        )
    means = np.array([np.mean(values) for values in premises.values()])
    draws = np.random.default_rng(0).integers(0, len(means), (RESAMPLES, len(means)))
    low, high = np.percentile(means[draws].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def measure(model: str, adapter: str, runs: Path) -> list[Figure]:
    """Run a quickstart recipe with all SEEDS, and return the figures."""
    words = [
        "./cli.py",
        "run",
        f"recipes/quickstart_{model}.yml",
        "--seeds",
        str(SEEDS),
        "--set",
        f"adapter={adapter}",
        "--runs-dir",
        str(runs),
        "--fresh-base",  # or the base model's answers may come from the user's cache
    ]
    subprocess.run(words, check=True, cwd=ROOT, stdout=sys.stderr)
    found = [path for path in runs.iterdir() if path.name.startswith(f"quickstart_{model}-")]
    return figures(f"{model} {adapter}", found)


def figures(name: str, runs: Sequence[Path]) -> list[Figure]:
    """The figures of one recipe's runs, one run for each seed. The bounds hold for every seed."""
    only = hypothesis_only()
    line = float(np.mean(list(only.values())))
    seeds = [(path, json.loads((path / "run.json").read_text())) for path in runs]
    made = [Figure(f"{name}: hypothesis-only accuracy", line, most=0.40)]
    for run, record in sorted(seeds, key=lambda each: ORDER.index(each[1]["seed"])):
        made += _of_seed(f"{name}, seed {record['seed']}", run, record, only)
    accuracies = [each.value for each in made if each.name.endswith("tuned accuracy")]
    return [
        *made,
        Figure(f"{name}: mean tuned accuracy", float(np.mean(accuracies))),
        Figure(f"{name}: its standard deviation over seeds", float(np.std(accuracies, ddof=1))),
    ]


def _of_seed(
    name: str, run: Path, record: dict[str, Any], only: dict[str, bool]
) -> Iterator[Figure]:
    """The figures of one run. `only`: as hypothesis_only() returns it."""
    scores = json.loads((run / "scores.json").read_text())["nli_sample_ko"]
    lines = (run / "samples" / "tuned" / "nli_sample_ko.jsonl").read_text().splitlines()
    tuned = {item["guid"]: item["prediction"] == item["gold"] for item in map(json.loads, lines)}
    base, acc = (scores[variant]["acc"]["value"] for variant in ("base", "tuned"))
    seconds = {stage: entry["seconds"] for stage, entry in record["stages"].items()}
    for stage, value in seconds.items():
        yield Figure(f"{name}: {stage}", value, "s")
    yield Figure(f"{name}: whole run", sum(seconds.values()), "s", most=150)
    yield Figure(f"{name}: base accuracy", base, most=0.50)
    yield Figure(f"{name}: tuned accuracy", acc)
    yield Figure(f"{name}: tuned - base", acc - base, least=0.25)
    above = acc - float(np.mean(list(only.values())))
    yield Figure(f"{name}: tuned - hypothesis-only", above, least=0.15)
    low, _ = gain_interval(tuned, only)
    yield Figure(f"{name}: lower end of its 95% interval", low, least=1e-9)


def main(finished: Path | None) -> None:
    """Measure all recipes, or the finished LoRA runs in the folder `finished`."""
    measured: list[Figure] = []
    for model in MODELS:
        if finished:
            measured += figures(f"{model} lora", [*finished.glob(f"quickstart_{model}-*")])
            continue
        for adapter in ("lora", "qlora"):
            with tempfile.TemporaryDirectory() as folder:
                measured += measure(model, adapter, Path(folder))
    show("Quickstart, each seed a whole run", measured)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--finished", type=Path, metavar="FOLDER")
    main(options.parse_args().finished)
