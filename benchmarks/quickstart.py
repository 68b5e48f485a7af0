"""Measures the four quickstart runs (two models, LoRA and QLoRA): seconds per stage, and the gain
of tuning over the base model and over a classifier on the hypothesis alone. The 95% interval is a
bootstrap over premises."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.table import Figure, show
from kodata import nli_sample
from kodata.control_text import records_of
from kodata.metrics.classifiers import Classifier

ROOT = Path(__file__).parent.parent
RESAMPLES = 10_000


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
    """One quickstart run and its figures."""
    words = [
        "./cli.py",
        "run",
        f"recipes/quickstart_{model}.yml",
        "--set",
        f"adapter={adapter}",
        "--runs-dir",
        str(runs),
        "--fresh-base",  # or the base model's answers may come from the user's cache
    ]
    subprocess.run(words, check=True, cwd=ROOT, stdout=sys.stderr)
    run = next(path for path in runs.iterdir() if path.name.startswith(f"quickstart_{model}-"))
    record = json.loads((run / "run.json").read_text())
    scores = json.loads((run / "scores.json").read_text())["nli_sample_ko"]
    lines = (run / "samples" / "tuned" / "nli_sample_ko.jsonl").read_text().splitlines()
    tuned = {item["guid"]: item["prediction"] == item["gold"] for item in map(json.loads, lines)}
    only = hypothesis_only()
    base, acc, line = (
        scores["base"]["acc"]["value"],
        scores["tuned"]["acc"]["value"],
        np.mean(list(only.values())),
    )
    name = f"{model} {adapter}"
    seconds = {stage: entry["seconds"] for stage, entry in record["stages"].items()}
    return [
        *(Figure(f"{name}: {stage}", value, "s") for stage, value in seconds.items()),
        Figure(f"{name}: whole run", sum(seconds.values()), "s", most=150),
        Figure(f"{name}: base accuracy", base, most=0.50),
        Figure(f"{name}: tuned accuracy", acc),
        Figure(f"{name}: tuned - base", acc - base, least=0.25),
        Figure(f"{name}: hypothesis-only accuracy", float(line), most=0.40),
        Figure(f"{name}: tuned - hypothesis-only", acc - float(line), least=0.15),
        Figure(f"{name}: lower end of its 95% interval", gain_interval(tuned, only)[0], least=1e-9),
    ]


if __name__ == "__main__":
    figures = []
    for model in ("llama", "deepseek"):
        for adapter in ("lora", "qlora"):
            with tempfile.TemporaryDirectory() as folder:
                figures += measure(model, adapter, Path(folder))
    show("Quickstart, each a whole run on this machine", figures)
