"""Computes standard errors for our tasks after a run of lm_eval without kotune. The run must have
the option --log_samples. Usage:

    python -m kotune_tasks.stderr samples_klue_nli_ko_*.jsonl

lm_eval computes no standard errors for metrics that are not means. For means, it assumes that all
items are independent, but the items of a premise are not. This module resamples whole clusters,
such as premises. kotune does the same for the file scores.json of a run."""

import json
import sys
from pathlib import Path
from typing import Any

from kodata.metrics.metrics import MEAN, METRICS
from kodata.metrics.resampling import stderr, value
from kotune_tasks.card import TaskCard, cards


def table(path: Path) -> dict[str, tuple[float, float]]:
    """Returns (value, standard error) of each metric in a samples file. Raises ValueError if its
    name is not that of one of our tasks, or if it has no samples or invalid ones. Raises OSError if
    it cannot be read."""
    card = _card(path)
    by_metric: dict[str, tuple[list[Any], list[str]]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            sample = json.loads(line)
            for name in sample["metrics"]:
                items, clusters = by_metric.setdefault(name, ([], []))
                items.append(sample[name])
                clusters.append(str(sample["doc"][card.cluster]))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path}: line {number}: not a sample as --log_samples writes it ({error!r}); run"
                " lm_eval with --log_samples again"
            ) from None
    if not by_metric:
        raise ValueError(f"{path}: no samples in it; run lm_eval with --log_samples")
    results = {}
    for name, (items, clusters) in by_metric.items():
        metric = METRICS.get(name, MEAN)
        results[name] = value(metric, items, clusters), stderr(metric, items, clusters)
    return results


def _card(path: Path) -> TaskCard:
    """The card of the task of a samples file. The file has lm_eval's name for it,
    samples_<task>_<date>.jsonl. Raises ValueError for any other name."""
    matches = [name for name in cards() if path.name.startswith(f"samples_{name}_")]
    if not matches:
        raise ValueError(
            f"{path}: the name is not samples_<task>_<date>.jsonl with one of our tasks"
            f" ({', '.join(cards())}); keep the name that lm_eval gave the file"
        )
    return cards()[max(matches, key=len)]


def main(paths: list[str]) -> int:
    """Print the value and the standard error of each metric in each file. Returns the exit code: 2
    without a file, 1 if a file cannot be used, else 0."""
    if not paths:
        print("usage: python -m kotune_tasks.stderr SAMPLES.jsonl ...", file=sys.stderr)
        return 2
    try:
        for path in paths:
            for name, (mean, error) in table(Path(path)).items():
                print(f"{path}: {name} {mean:.4f} ± {error:.4f}")
    except (OSError, ValueError) as error:
        print(f"kotune_tasks.stderr: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
