"""Writes the three splits of the sample: train.json, validation.json and test.json. They have the
format of KLUE-NLI's own files. Every run writes the same bytes.

Each premise occurs in one split only. It has three consecutive rows, one for each label, in random
order. A hypothesis is drawn again, at most TRIES times, if it is a premise of the sample, or if it
is in validation or test and also in train. The sample has few words, so some such hypotheses
remain. Text and code were written for this project (CC0).

    python -m kodata.nli_sample.generate
"""

from __future__ import annotations

import json
import random
from pathlib import Path

from kodata.nli_sample.scenes import LABELS, TYPES, Scene

SEED = 20261130
TRIES = 50  # maximum draws of a hypothesis
# The number of premises of each split.
PREMISES = {"train": 804, "validation": 102, "test": 300}


def scenes(count: int) -> list[Scene]:
    """`count` random scenes with different premises. The types take turns."""
    rng = random.Random(SEED)
    by_premise: dict[str, Scene] = {}
    while len(by_premise) < count:
        scene = TYPES[len(by_premise) % len(TYPES)](rng)
        by_premise.setdefault(scene.premise, scene)
    return list(by_premise.values())


def parts() -> dict[str, list[dict[str, str]]]:
    """The rows of each split."""
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
    """The three rows of a scene's premise, with empty guids. `avoided`: texts that should not be
    hypotheses."""
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
    """A random hypothesis with this label. It is in `avoided` only if TRIES draws all were."""
    for _ in range(TRIES):
        if (hypothesis := scene.hypothesis(label)) not in avoided:
            break
    return hypothesis


def rendered(rows: list[dict[str, str]]) -> str:
    """The rows as a JSON array, with one row on each line."""
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return f"[\n{lines}\n]\n"


def main() -> None:
    """Write the three files into the folder of this module."""
    for part, rows in parts().items():
        Path(__file__).with_name(f"{part}.json").write_text(rendered(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
