"""Standard errors for a plain `lm_eval --log_samples` run: python -m kotune_tasks.stderr
samples_klue_nli_ko_*.jsonl

lm_eval computes no standard errors for metrics that are not means. For means, it assumes that the
items of a premise are independent. This module resamples whole clusters, as kotune does for a run's
scores.json."""

import json
import sys
from pathlib import Path
from typing import Any

from kodata.metrics.metrics import MEAN, METRICS
from kodata.metrics.resampling import stderr, value
from kotune_tasks.card import TaskCard, cards


def table(path: Path) -> dict[str, tuple[float, float]]:
    """The value and the standard error of each metric. Raises ValueError if the file has no
    samples, or if they are not of one of our tasks."""
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
                f"{path}: line {number}: not a sample as --log_samples writes it ({error!r})"
            ) from None
    if not by_metric:
        raise ValueError(f"{path}: no samples in it; run lm_eval with --log_samples")
    results = {}
    for name, (items, clusters) in by_metric.items():
        metric = METRICS.get(name, MEAN)
        results[name] = value(metric, items, clusters), stderr(metric, items, clusters)
    return results


def _card(path: Path) -> TaskCard:
    """The task of a samples file, which lm_eval calls samples_<task>_<date>.jsonl."""
    matches = [name for name in cards() if path.name.startswith(f"samples_{name}_")]
    if not matches:
        raise ValueError(
            f"{path}: the name is not samples_<task>_<date>.jsonl with one of our tasks:"
            f" {', '.join(cards())}"
        )
    return cards()[max(matches, key=len)]


def main(paths: list[str]) -> int:
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
