"""Writes the sample: train.json, validation.json and test.json, in the shape of KLUE-NLI's own
files.

Every run writes the same bytes. Every premise has three hypotheses, one per label, side by side in
a shuffled order; no premise occurs twice, in one part or across parts.
As far as the few words allow, no hypothesis is a premise of any part, and hypotheses of validation
and test are not those of training. Text and code are ours (CC0).

    python -m kodata.nli_sample.generate
"""

from __future__ import annotations

import json
import random
from pathlib import Path

from kodata.nli_sample.scenes import LABELS, TYPES, Scene

SEED = 20261130
TRIES = 50  # draws of a hypothesis
PREMISES = {"train": 804, "validation": 102, "test": 300}


def scenes(count: int) -> list[Scene]:
    """That many scenes with different premises, equally many of each type, in a shuffled order."""
    rng = random.Random(SEED)
    found: dict[str, Scene] = {}
    while len(found) < count:
        scene = TYPES[len(found) % len(TYPES)](rng)
        found.setdefault(scene.premise, scene)
    return list(found.values())


def parts() -> dict[str, list[dict[str, str]]]:
    """The three parts, each a list of rows."""
    rng = random.Random(SEED)
    remaining = scenes(sum(PREMISES.values()))
    rows: dict[str, list[dict[str, str]]] = {}
    avoided = {scene.premise for scene in remaining}
    for part, count in PREMISES.items():
        chosen, remaining = remaining[:count], remaining[count:]
        rng.shuffle(chosen)
        rows[part] = [row for scene in chosen for row in rows_of(scene, rng, avoided)]
        if part == "train":
            avoided.update(row["hypothesis"] for row in rows[part])
        for number, row in enumerate(rows[part]):
            row["guid"] = f"nli-sample-v2_{part}_{number:05}"
    return rows


def rows_of(scene: Scene, rng: random.Random, avoided: set[str]) -> list[dict[str, str]]:
    """The three rows of a premise, without their guid. A hypothesis is not in `avoided`, unless
    TRIES draws find no other."""
    return [
        {
            "guid": "",
            "source": scene.source,
            "premise": scene.premise,
            "hypothesis": _hypothesis(scene, label, avoided),
            "gold_label": label,
        }
        for label in rng.sample(LABELS, len(LABELS))
    ]


def _hypothesis(scene: Scene, label: str, avoided: set[str]) -> str:
    for _ in range(TRIES):
        if (hypothesis := scene.hypothesis(label)) not in avoided:
            break
    return hypothesis


def rendered(rows: list[dict[str, str]]) -> str:
    """One JSON array, one row a line."""
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return f"[\n{lines}\n]\n"


def main() -> None:
    """Write the three files beside this one."""
    for part, rows in parts().items():
        Path(__file__).with_name(f"{part}.json").write_text(rendered(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
