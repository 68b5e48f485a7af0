"""Calculates what a run cost: seconds, speed, memory, parameters, tokens and money. The numbers
come from the run's own records, and the price comes from the user."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal, NamedTuple

from kotune.compare.comparison import Comparison
from kotune.display.json_rows import JsonRow
from kotune.errors import RecipeError
from kotune.runs.finished import Finished
from kotune.runs.records import Event

Kind = Literal["loss", "eval_loss"]
LOSSES: tuple[Kind, ...] = ("loss", "eval_loss")


class Price(NamedTuple):
    """The price of an hour of the machine in won, and the exchange rate of a dollar in won.

    The rate is None if the user gave none. Costs are then not shown in dollars, because a built-in
    rate would soon be outdated."""

    won_per_hour: float
    won_per_dollar: float | None = None

    @classmethod
    def of(cls, won_per_hour: float | None, won_per_dollar: float | None) -> "Price | None":
        """The price, or None if `won_per_hour` is None. Raises RecipeError for a number that is not
        finite and above 0, and for an exchange rate without a price."""
        for name, value in (("--price", won_per_hour), ("--won-per-dollar", won_per_dollar)):
            if value is not None and not 0 < value < math.inf:
                raise RecipeError(f"{name} {value}: give a number of won above 0")
        if won_per_hour is None and won_per_dollar is not None:
            raise RecipeError(
                "--won-per-dollar: give what an hour of the machine costs; add --price WON"
            )
        return None if won_per_hour is None else cls(won_per_hour, won_per_dollar)


class Cost(NamedTuple):
    """A cost in won and in dollars, with the price from which it was calculated. `dollars` is None
    if there is no exchange rate."""

    won_per_hour: float
    won_per_dollar: float | None
    won: float
    dollars: float | None


class Loss(NamedTuple):
    """A logged training loss or validation loss. `tokens` and `seconds`: the tokens and the seconds
    of training up to the loss."""

    step: int
    tokens: int
    seconds: float
    kind: Kind
    value: float

    def row(self) -> JsonRow:
        """The loss as --json prints it. Its value has the key `loss` or `eval_loss`."""
        seen = {"step": self.step, "tokens": self.tokens, "seconds": self.seconds}
        return {**seen, self.kind: self.value}


@dataclass(frozen=True)
class Efficiency:
    """The cost of one run. None stands for a number that is unknown or has no meaning.

    - `trained`: False for a model or an adapter that was only scored
    - `seconds`: the seconds of each stage. If nothing was trained, only scoring and the report.
    - `tokens`: the tokens trained on, without padding. A token counts once in each epoch.
    - `samples`: the examples trained on. An example counts once in each epoch.
    - `tokens_per_second`, `samples_per_second`: the speed between the start of training and the
      last logged training loss
    - `padding`: as in padding()
    - `cost`: the cost of all stages. None if there is no price.
    - `points_per_...`: for each task, the percentage points that its primary metric gained by
      tuning, per unit. The unit is a minute of the training stage, a won that this stage cost, or
      a thousand `samples`. Only tasks whose primary metric is a share are included.
    - `losses`: as in losses()
    - `base_from`: the runs from which the base model's answers were copied
    """

    run: str
    trained: bool
    seconds: dict[str, float]
    steps: int
    tokens: int
    samples: int
    tokens_per_second: float | None
    samples_per_second: float | None
    padding: float | None
    tokens_per_character: float | None
    peak_memory_gib: float | None
    trainable_parameters: int | None
    cost: Cost | None
    points_per_minute: dict[str, float | None]
    points_per_won: dict[str, float | None]
    points_per_thousand_samples: dict[str, float | None]
    losses: list[Loss]
    base_from: list[str]

    def row(self) -> JsonRow:
        """The row that --json prints."""
        row: JsonRow = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            **row,
            "cost": self.cost._asdict() if self.cost else None,
            "losses": [loss.row() for loss in self.losses],
        }


def efficiency(
    run: Finished, comparisons: Sequence[Comparison], price: Price | None = None
) -> Efficiency:
    """The cost of a run. The gain by tuning is read from `comparisons`, which may include other
    runs. If there is no comparison of this run's base and tuned models, there are no gains."""
    is_trained = run.record.trained
    seconds = {
        name: stage.seconds
        for name, stage in run.record.stages.items()
        if is_trained or name in ("score", "report")
    }
    logs = run.logs
    spent = clock(logs)[-1] if logs else 0.0
    tokens = max((event.tokens for event in logs), default=0)
    samples = max((event.epoch for event in logs), default=0) * run.manifest.rows.train
    gained = {
        comparison.task: _points(comparison, run)
        for comparison in comparisons
        if is_trained and _is_tuning_of(comparison, run)
    }
    return Efficiency(
        run=run.name,
        trained=is_trained,
        seconds=seconds,
        steps=max((event.step for event in logs), default=0),
        tokens=tokens,
        samples=round(samples),
        tokens_per_second=round(tokens / spent, 1) if spent else None,
        samples_per_second=round(samples / spent, 2) if spent else None,
        padding=padding(logs),
        tokens_per_character=_tokens_per_character(run),
        peak_memory_gib=max((event.peak_memory_gib for event in logs), default=None),
        trainable_parameters=run.record.trainable_parameters if is_trained else None,
        cost=cost(sum(seconds.values()), price),
        points_per_minute=_per(gained, seconds.get("train", 0) / 60),
        points_per_won=_per(gained, _won(seconds.get("train", 0), price)) if price else {},
        points_per_thousand_samples=_per(gained, samples / 1000),
        losses=losses(logs),
        base_from=sorted({entry.base_from for entry in run.scores.values() if entry.base_from}),
    )


def losses(logs: Sequence[Event]) -> list[Loss]:
    """The training and validation losses in the order of logging. Losses that are NaN or infinite
    are left out."""
    return [
        Loss(event.step, event.tokens, round(seconds, 2), kind, value)
        for event, seconds in zip(logs, clock(logs), strict=True)
        for kind in LOSSES
        if (value := getattr(event, kind)) is not None and math.isfinite(value)
    ]


def clock(logs: Sequence[Event]) -> list[float]:
    """For each event, the seconds from the start of training to the latest training loss. A loss in
    the event itself counts. The seconds of evaluations between training losses are included.

    An event with a training loss records the speed since the previous training loss. The seconds
    between the two are the number of tokens divided by this speed."""
    spent, counted, seconds = 0.0, 0, []
    for event in logs:
        if event.tokens_per_second:
            spent += max(event.tokens - counted, 0) / event.tokens_per_second
            counted = event.tokens
        seconds.append(spent)
    return seconds


def padding(logs: Sequence[Event]) -> float | None:
    """The number of computed tokens, padding included, divided by the number of tokens that are not
    padding. None if the run did not count padding."""
    computed, counted, real = 0.0, 0, 0
    for event in logs:
        if event.padding:
            seen = max(event.tokens - counted, 0)
            computed, real = computed + seen * event.padding, real + seen
            counted = event.tokens
    return round(computed / real, 3) if real else None


def _tokens_per_character(run: Finished) -> float | None:
    """The number of tokens per character in the messages, without the chat template. None if the
    messages have no characters."""
    content = run.parity.content
    return round(content.tokens / content.characters, 4) if content.characters else None


def cost(seconds: float, price: Price | None) -> Cost | None:
    """The cost of this many seconds of the machine. None if `price` is None."""
    if price is None:
        return None
    won, rate = _won(seconds, price), price.won_per_dollar
    return Cost(*price, round(won, 2), round(won / rate, 4) if rate else None)


def _won(seconds: float, price: Price | None) -> float:
    return seconds / 3600 * price.won_per_hour if price else 0.0


def _is_tuning_of(comparison: Comparison, run: Finished) -> bool:
    """Whether the comparison compares this run's tuned model with its base model, and the primary
    metric is a share. If runs of several seeds are compared, this run must be one of them."""
    return (
        comparison.is_primary
        and comparison.is_share
        and run in comparison.a.runs
        and run in comparison.b.runs
    )


def _points(comparison: Comparison, run: Finished) -> float:
    """The percentage points that this run gained by tuning. They are negative if tuning made the
    metric worse. With several seeds, the run's own values are used."""
    seed = comparison.b.runs.index(run)
    return (
        (-1 if comparison.is_lower_better else 1)
        * (comparison.values[1][seed] - comparison.values[0][seed])
        * 100
    )


def _per(gained: dict[str, float], units: float) -> dict[str, float | None]:
    """Each task's gain divided by `units`, rounded to four significant digits. None if `units` is
    0."""
    return {
        task: float(f"{points / units:.4g}") if units else None for task, points in gained.items()
    }
