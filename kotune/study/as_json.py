"""A study's report for a machine: what study.json holds."""

import math

from kotune.compare.comparison import JsonRow, finite
from kotune.study.points import Tried
from kotune.study.sentences import Sentences, state


def _tried_json(one: Tried) -> JsonRow:
    losses = {str(seed): None if math.isnan(loss) else loss for seed, loss in one.losses.items()}
    told = {"arm": one.arm, "rows": one.rows, "choice": dict(one.choice), "validation_loss": losses}
    return {**told, "chosen": one.is_chosen}


def _task_json(words: Sentences) -> JsonRow:
    found = words.found
    points = [
        {
            "arm": one.arm,
            "rows": one.rows,
            "runs": [run.name for run in one.runs],
            **finite(found.estimate(at)._asdict()),
        }
        for at, one in enumerate(found.scores.points)
    ]
    passings = [
        {
            "arm": one.arm,
            "target": one.target.name,
            "value": one.target.value,
            **one.place._asdict(),
            "state": state(one.place),
            "fitted": one.is_fitted,
            "seconds": one.seconds,
        }
        for one in found.passings
    ]
    pairs = [
        {
            "a": pair.a,
            "b": pair.b,
            "crossings": [place._asdict() for place in pair.crossings],
            "fitted": pair.is_fitted,
            "gained_more": finite(pair.more._asdict()) if pair.more else None,
            "sizes": [{"rows": rows, **one.row()} for rows, one in pair.sizes],
        }
        for pair in found.pairs
    ]
    laws = [
        {
            "arm": one.arm,
            "why_none": one.why or None,
            "flat": one.is_flat,
            "exponent": [None if math.isnan(end) else end for end in one.exponent],
            "doubling": finite(one.more._asdict()),
        }
        for one in found.curves.values()
    ]
    return {
        "metric": found.scores.metric,
        "n": found.scores.n,
        "groups": found.scores.groups,
        "points": points,
        "base": {
            arm: finite(found.estimate(found.scores.base(arm))._asdict())
            for arm in found.scores.arms
        },
        "references": found.lines,
        "targets": passings,
        "pairs": pairs,
        "laws": laws,
        "noise_floor": [finite(vars(one)) for one in found.floors],
    }
