"""Converts the findings of a study to JSON values for study.json."""

import math

from kotune.display.json_rows import JsonRow, finite
from kotune.study.findings import Curve, Findings, Pair, Passing
from kotune.study.points import Tried
from kotune.study.sentences import Sentences, state


def tried_json(tried: Tried) -> JsonRow:
    """A choice with its validation losses by seed."""
    losses = {str(seed): None if math.isnan(loss) else loss for seed, loss in tried.losses.items()}
    return {
        "arm": tried.arm,
        "rows": tried.rows,
        "choice": dict(tried.choice),
        "validation_loss": losses,
        "chosen": tried.is_chosen,
    }


def task_json(words: Sentences) -> JsonRow:
    """All findings on a task."""
    findings = words.findings
    scores = findings.scores
    return {
        "metric": scores.metric,
        "n": scores.n,
        "groups": scores.groups,
        "points": [_point(findings, index) for index in range(len(scores.points))],
        "base": {arm: _estimate(findings, scores.base(arm)) for arm in scores.arms},
        "references": findings.baselines,
        "targets": [_passing(passing) for passing in findings.passings],
        "pairs": [_pair(pair) for pair in findings.pairs],
        "laws": [_law(curve) for curve in findings.curves.values()],
        "noise_floor": [finite(vars(floor)) for floor in findings.floors],
    }


def _estimate(findings: Findings, index: int) -> JsonRow:
    return finite(findings.estimate(index)._asdict())


def _point(findings: Findings, index: int) -> JsonRow:
    point = findings.scores.points[index]
    runs = [run.name for run in point.runs]
    return {"arm": point.arm, "rows": point.rows, "runs": runs, **_estimate(findings, index)}


def _passing(passing: Passing) -> JsonRow:
    return {
        "arm": passing.arm,
        "target": passing.target.name,
        "value": passing.target.value,
        **passing.place._asdict(),
        "state": state(passing.place),
        "fitted": passing.is_fitted,
        "seconds": passing.seconds,
    }


def _pair(pair: Pair) -> JsonRow:
    return {
        "a": pair.a,
        "b": pair.b,
        "crossings": [place._asdict() for place in pair.crossings],
        "fitted": pair.is_fitted,
        "gained_more": finite(pair.more._asdict()) if pair.more else None,
        "sizes": [{"rows": rows, **comparison.row()} for rows, comparison in pair.sizes],
    }


def _law(curve: Curve) -> JsonRow:
    return {
        "arm": curve.arm,
        "why_none": curve.why or None,
        "flat": curve.is_flat,
        "exponent": [None if math.isnan(end) else end for end in curve.exponent],
        "doubling": finite(curve.more._asdict()),
    }
