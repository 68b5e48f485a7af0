"""Standard errors for a plain `lm_eval --log_samples` run: python -m kotune_tasks.stderr
samples_klue_nli_ko_*.jsonl

lm_eval has none for metrics that are no mean, and its own take the items of a premise as
independent. Here whole clusters are resampled, as in a run's scores.json."""

import json
import sys
from pathlib import Path
from typing import Any

from kodata.metrics.metrics import MEAN, METRICS
from kodata.metrics.resampling import stderr, value
from kotune_tasks.card import TaskCard, cards


def table(path: Path) -> dict[str, tuple[float, float]]:
    """Each metric's value and standard error. ValueError where the file is no samples file of a
    task of ours."""
    card = _card(path)
    found: dict[str, tuple[list[Any], list[str]]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            sample = json.loads(line)
            for name in sample["metrics"]:
                items, clusters = found.setdefault(name, ([], []))
                items.append(sample[name])
                clusters.append(str(sample["doc"][card.cluster]))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path}: line {number}: not a sample as --log_samples writes it ({error!r})"
            ) from None
    if not found:
        raise ValueError(f"{path}: no samples in it; run lm_eval with --log_samples")
    metrics = {name: METRICS.get(name, MEAN) for name in found}
    return {
        name: (value(metrics[name], *found[name]), stderr(metrics[name], *found[name]))
        for name in found
    }


def _card(path: Path) -> TaskCard:
    """lm_eval calls the file samples_<task>_<date>.jsonl."""
    fitting = [name for name in cards() if path.name.startswith(f"samples_{name}_")]
    if not fitting:
        raise ValueError(
            f"{path}: not called samples_<task>_<date>.jsonl after a task of ours:"
            f" {', '.join(cards())}"
        )
    return cards()[max(fitting, key=len)]


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
