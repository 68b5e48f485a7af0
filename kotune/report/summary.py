"""The answer of a comparison in a few lines, for the first screen of a page and for the terminal:
which model is ahead, each model before and after tuning, gains, costs, and the next step."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from kotune.compare.comparison import Comparison
from kotune.compare.efficiency import Efficiency
from kotune.compare.result import Result
from kotune.compare.seeds import Runs
from kotune.compare.verdict import claim
from kotune.display.figures import change, level
from kotune.display.phrases import Phrases
from kotune.display.words import ADAPTERS, amount
from kotune.report.next_step import NextStep, next_step
from kotune.report.sentences import (
    Caution,
    Verdict,
    between,
    by_criterion,
    cautions,
    gain_verdicts,
    tunings,
)
from kotune.report.wording import Wording
from kotune.runs.finished import Finished
from kotune_tasks.card import CRITERIA, cards

# The certainty of a cell, by the claim about the tuned model compared with its base model.
CERTAINTY = {"better": "up", "worse": "down", "same": "same", "void": "none"}
UNDECIDED = "open"  # the certainty for all other claims


@dataclass(frozen=True)
class BoardCell:
    """A model's result on a criterion.

    - `value`: the value after tuning, for example `72.3%`. Empty if there is none.
    - `change`: the value after tuning minus the value before, for example `+13.4 %p`. Empty if one
      of them is missing.
    - `certainty`: `up` or `down` for a significant change for the better or the worse, `same` if no
      change was found, `open` if there is no verdict, `none` if there is no value, or no tuning
    - `word`: the certainty in words
    - `interval`: the confidence interval of the change. Empty if there is none.
    """

    value: str
    change: str
    certainty: str
    word: str
    interval: str = ""

    @property
    def text(self) -> str:
        """The certainty in words, with the confidence interval."""
        return f"{self.word}, {self.interval}" if self.interval else self.word


@dataclass(frozen=True)
class Standing:
    """A row of the scoreboard: a model, and its cell for each column. None if the model was not
    scored on the column's task."""

    name: str
    cells: dict[str, BoardCell | None]


@dataclass(frozen=True)
class Summary:
    """The lines of a summary.

    - `headlines`: a verdict for each task. It compares the tuned models. If there is only one
      model, it compares the tuned with the base model.
    - `models`: for each model, a line with its values before and after tuning
    - `gains`: verdicts on which model gained more by tuning
    - `costs`: for each model, a line with the time and cost of all its seeds. Without a price, a
      line tells how to give one.
    - `scoreboard`: a row for each model. The best model by the first measured column comes first.
    - `criteria`: the keys of the columns, in order. A key is the name of a criterion. If several
      tasks have this criterion, their keys are headings with the name of the task.
    - `cautions`: what limits the verdicts
    - `step`: the next step
    """

    headlines: list[Verdict]
    models: list[str]
    gains: list[Verdict]
    costs: list[str]
    scoreboard: list[Standing]
    criteria: list[str]
    cautions: list[Caution]
    step: NextStep

    @property
    def unmeasured(self) -> list[str]:
        """The criteria on which no model was scored."""
        rows = [standing.cells for standing in self.scoreboard]
        return [key for key in self.criteria if not any(cells.get(key) for cells in rows)]

    @property
    def next(self) -> str:
        """The next step in one line."""
        return str(self.step)


def summary(result: Result, phrases: Phrases) -> Summary:
    """The summary of a result."""
    wording = Wording(result, phrases)
    ranked = _ranked(result)
    columns = _columns(wording)
    return Summary(
        headlines=between(result, phrases) or tunings(result, phrases),
        models=[_model(group, wording) for group in ranked],
        gains=gain_verdicts(result, phrases),
        costs=[
            *(_cost(group, wording) for group in ranked),
            *([] if result.price else [phrases("no_price")]),
        ],
        scoreboard=[_standing(group, columns, wording) for group in ranked],
        criteria=list(columns),
        cautions=cautions(result, phrases),
        step=next_step(result, phrases),
    )


def _ranked(result: Result) -> list[Runs]:
    """The runs of each model. The models are sorted by their values on the first task after tuning,
    the best first. Models without a value come last."""

    def key(group: Runs) -> tuple[bool, float]:
        values = [
            (each.paired.value_b, each.is_lower_better) for each in _tunings(result, group)
        ] or [(score.value, score.is_lower_better) for score in _scores(group[0])]
        value, is_lower_better = values[0] if values else (math.nan, False)
        if math.isnan(value):
            return True, 0.0
        return False, value if is_lower_better else -value

    return sorted(result.groups, key=key)


def _tunings(result: Result, group: Runs) -> list[Comparison]:
    """The comparisons of a model's tuned with its base variant by primary metrics, sorted by
    criterion."""
    made = by_criterion(result.comparisons)
    return [each for each in made if each.is_tuning and each.b.run is group[0]]


class _Score(NamedTuple):
    """The primary metric's value of a model without an adapter."""

    task: str
    metric: str
    value: float
    is_share: bool
    is_lower_better: bool


def _scores(run: Finished) -> list[_Score]:
    """The scores of a model without an adapter, sorted by criterion. Empty for a tuned model."""
    scores = []
    for task, entry in run.scores.items() if not run.is_tuned else ():
        card = cards()[task]
        value = entry.base[card.primary].value
        lower = card.primary in card.lower_is_better
        scores.append(
            _Score(task, card.primary, math.nan if value is None else value, card.is_share, lower)
        )
    return sorted(scores, key=lambda each: cards()[each.task].criterion_order)


def _columns(wording: Wording) -> dict[str, str | None]:
    """The task of each column of the scoreboard, by the column's key. None for a criterion without
    a task."""
    result = wording.result
    tasks = {each.task: None for each in result.comparisons if each.is_primary and each.is_tuning}
    tasks |= {score.task: None for run in result.runs for score in _scores(run)}
    columns: dict[str, str | None] = {}
    for criterion in CRITERIA:
        own = [task for task in tasks if cards()[task].criterion == criterion]
        word = wording.phrases.word("criteria", criterion)
        if len(own) > 1:
            columns |= {wording.phrases("about", criterion=word, more=task): task for task in own}
        else:
            columns[criterion] = own[0] if own else None
    return columns


def _standing(group: Runs, columns: dict[str, str | None], wording: Wording) -> Standing:
    phrases = wording.phrases
    made = {each.task: _cell(each, phrases) for each in _tunings(wording.result, group)}
    for task, _, value, share, _ in _scores(group[0]):
        made[task] = BoardCell(level(value, share), "", "none", phrases("summary_untuned"))
    cells = {key: made.get(task) if task else None for key, task in columns.items()}
    return Standing(wording.result.models[group[0].folder], cells)


def _cell(comparison: Comparison, phrases: Phrases) -> BoardCell:
    paired, share = comparison.paired, comparison.is_share
    has_value, has_change, has_interval = (
        not math.isnan(each) for each in (paired.value_b, paired.difference, paired.ci_low)
    )
    certainty = CERTAINTY.get(claim(comparison), UNDECIDED)
    if has_value and not has_change:  # the value before tuning is missing
        certainty = UNDECIDED
    low, high = (amount(end, share) for end in (paired.ci_low, paired.ci_high))
    return BoardCell(
        value=level(paired.value_b, share) if has_value else "",
        change=change(paired.difference, share, phrases) if has_change else "",
        certainty=certainty,
        word=phrases.word("certainty", certainty),
        interval=phrases("interval_of", low=low, high=high) if has_interval else "",
    )


def _model(group: Runs, wording: Wording) -> str:
    """A model's name, adapter and seeds, and its values before and after tuning."""
    run, phrases = group[0], wording.phrases
    if not run.is_tuned:
        scored = (
            phrases("summary_value", task=task, metric=metric, value=level(value, share))
            for task, metric, value, share, _ in _scores(run)
        )
        name, values = wording.result.models[run.folder], "; ".join(scored)
        return phrases.phrase("summary_model", "untuned", name=name, values=values)
    seeds = ", ".join(str(each.record.seed) for each in group)
    values = "; ".join(_values(each, phrases) for each in _tunings(wording.result, group))
    return phrases.phrase(
        "summary_model",
        "several" if len(group) > 1 else "one",
        name=wording.result.models[run.folder],
        adapter=ADAPTERS.get(run.recipe.adapter, run.recipe.adapter),
        seeds=seeds,
        values=values or phrases("summary_not_scored"),
    )


def _values(comparison: Comparison, phrases: Phrases) -> str:
    """The values of a task's primary metric before and after tuning, with the difference."""
    cell = _cell(comparison, phrases)
    return phrases(
        "summary_values",
        task=comparison.task,
        metric=comparison.metric + (" ↓" if comparison.is_lower_better else ""),
        before=level(comparison.paired.value_a, comparison.is_share),
        after=cell.value or level(math.nan, comparison.is_share),
        told=", ".join(filter(None, (cell.change, cell.text))),
    )


def _cost(group: Runs, wording: Wording) -> str:
    """The time and cost of a model's runs, and the points that it gained for each minute of
    training."""
    phrases, result = wording.phrases, wording.result
    pairs = zip(result.runs, result.efficiency(), strict=True)
    facts = [each for run, each in pairs if run in group]
    minutes, trained = sum(sum(each.seconds.values()) for each in facts) / 60, _trained(facts)
    kind = ("several" if len(group) > 1 else "one") if trained else "scored"
    shown = {"n": f"{minutes:,.1f}", "trained": f"{trained:,.1f}", "seeds": len(group)}
    parts = [phrases.phrase("summary_minutes", kind, **shown)]
    if won := [each.cost.won for each in facts if each.cost]:
        parts.append(phrases("summary_won", n=f"{sum(won):,.0f}"))
    parts += _pace(facts, _tunings(result, group), phrases)
    return phrases(
        "summary_cost", name=wording.result.models[group[0].folder], parts=", ".join(parts)
    )


def _trained(facts: list[Efficiency]) -> float:
    """The minutes of training of a seed, on average. 0 for a model that was only scored."""
    return fmean(each.seconds.get("train", 0.0) for each in facts) / 60


def _pace(facts: list[Efficiency], made: list[Comparison], phrases: Phrases) -> Iterator[str]:
    """The points gained for each minute of training, by the first task whose primary metric is a
    share. Yields nothing for a model that was only scored."""
    minutes = _trained(facts)
    shares = [each for each in made if each.is_share and math.isfinite(each.paired.difference)]
    for each in shares[:1] if minutes else ():
        gained = (-1 if each.is_lower_better else 1) * each.paired.difference
        pace = change(gained / minutes, True, phrases)
        yield phrases("summary_pace", pace=pace, about=each.task)
