"""What a run cost: seconds, speed, memory, parameters, tokens and money, from its own records and a
stated price."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from kotune.compare.comparison import Comparison
from kotune.errors import RecipeError
from kotune.runs.finished import Finished

Event = dict[str, Any]
LOSSES = ("loss", "eval_loss")


class Price(NamedTuple):
    """What an hour of the machine costs in won. What a dollar costs in won is told too, or nothing
    is told in dollars: a rate that is written down here would be wrong tomorrow."""

    won_per_hour: float
    won_per_dollar: float | None = None

    @classmethod
    def of(cls, won_per_hour: float | None, won_per_dollar: float | None) -> "Price | None":
        """None where there is no price; RecipeError for one that is no price."""
        for name, value in (("--price", won_per_hour), ("--won-per-dollar", won_per_dollar)):
            if value is not None and not 0 < value < math.inf:
                raise RecipeError(f"{name} {value}: give a number of won above 0")
        if won_per_hour is None and won_per_dollar is not None:
            raise RecipeError(
                "--won-per-dollar: give what an hour of the machine costs too, as --price WON"
            )
        return None if won_per_hour is None else cls(won_per_hour, won_per_dollar)


def efficiency(
    run: Finished, found: Sequence[Comparison], price: Price | None = None
) -> dict[str, Any]:
    """The facts as --json prints them. Speeds are over the logging intervals, which leave out
    start-up and saving.

    `cost`: of the seconds of all stages, None without a price. `points_per_...`: what each task's
    primary metric gained by tuning, in points, by minutes of the training stage, by the won that
    these cost, and by thousands of examples that were trained on, each as often as it was.
    `losses`: with the tokens and the seconds of training behind each. `base_from`: the runs that
    were asked for the base model's answers, where this one was not."""
    seconds = {name: stage["seconds"] for name, stage in run.record["stages"].items()}
    logs = run.logs
    spent = clock(logs)[-1] if logs else 0.0
    tokens, epochs = (
        max((event.get(key, 0) for event in logs), default=0) for key in ("tokens", "epoch")
    )
    samples = epochs * run.manifest["rows"]["train"]
    gained = {one.task: _points(one, run) for one in found if _is_tuning_of(one, run)}
    return {
        "run": run.name,
        "seconds": seconds,
        "steps": max((event["step"] for event in logs), default=0),
        "tokens": tokens,
        "samples": round(samples),
        "tokens_per_second": round(tokens / spent, 1) if spent else None,
        "samples_per_second": round(samples / spent, 2) if spent else None,
        "padding": padding(logs),
        "tokens_per_character": _tokens_per_character(run),
        "peak_memory_gib": max((event.get("peak_memory_gib", 0.0) for event in logs), default=None),
        "trainable_parameters": run.record["trainable_parameters"],
        "cost": cost(sum(seconds.values()), price),
        "points_per_minute": _per(gained, seconds["train"] / 60),
        "points_per_won": _per(gained, _won(seconds["train"], price)) if price else {},
        "points_per_thousand_samples": _per(gained, samples / 1000),
        "losses": losses(logs),
        "base_from": sorted(
            {entry["base_from"] for entry in run.scores.values() if entry.get("base_from")}
        ),
    }


def losses(logs: list[Event]) -> list[Event]:
    """The losses of training (loss) and of validation (eval_loss) that are numbers."""
    return [
        {"step": event["step"], "tokens": event["tokens"], "seconds": round(at, 2), key: event[key]}
        for event, at in zip(logs, clock(logs), strict=True)
        for key in LOSSES
        if math.isfinite(event.get(key, math.nan))
    ]


def clock(logs: list[Event]) -> list[float]:
    """Seconds of training behind each event: a logging interval's tokens by its speed, evaluations
    included."""
    spent, counted, passed = 0.0, 0, []
    for event in logs:
        if event.get("tokens_per_second"):
            spent += max(event["tokens"] - counted, 0) / event["tokens_per_second"]
            counted = event["tokens"]
        passed.append(spent)
    return passed


def padding(logs: list[Event]) -> float | None:
    """Tokens that training computed for each that was none of padding; None for a run that did not
    count them."""
    computed, counted, real = 0.0, 0, 0
    for event in logs:
        if event.get("padding"):
            seen = max(event["tokens"] - counted, 0)
            computed, real = computed + seen * event["padding"], real + seen
            counted = event["tokens"]
    return round(computed / real, 3) if real else None


def _tokens_per_character(run: Finished) -> float | None:
    """Of what is said in the examples (lengths.of_contents); None for a run that did not count
    it."""
    counted = run.parity.get("content", {"characters": 0})
    return round(counted["tokens"] / counted["characters"], 4) if counted["characters"] else None


def cost(seconds: float, price: Price | None) -> dict[str, float | None] | None:
    """What so many seconds of the machine cost, in won and dollars; None without a price."""
    if price is None:
        return None
    won, rate = _won(seconds, price), price.won_per_dollar
    return {
        **price._asdict(),
        "won": round(won, 2),
        "dollars": round(won / rate, 4) if rate else None,
    }


def _won(seconds: float, price: Price | None) -> float:
    return seconds / 3600 * price.won_per_hour if price else 0.0


def _is_tuning_of(one: Comparison, run: Finished) -> bool:
    return one.p_holm is not None and run in one.a.runs and run in one.b.runs and one.scale == 100


def _points(one: Comparison, run: Finished) -> float:
    """What this run gained, one of several seeds or the only one."""
    at = one.b.runs.index(run)
    return (-1 if one.is_lower_better else 1) * (one.values[1][at] - one.values[0][at]) * 100


def _per(gained: dict[str, float], units: float) -> dict[str, float | None]:
    """Points by units of what was spent, to four digits; None where nothing was."""
    return {
        task: float(f"{points / units:.4g}") if units else None for task, points in gained.items()
    }
