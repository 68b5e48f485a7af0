"""The answer of a comparison in a few lines, for the first screen of a page and for the terminal:
who is ahead, each model before and after tuning, gains, costs, and the next step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kotune.compare.comparison import Comparison
from kotune.compare.result import Result
from kotune.compare.verdict import claim
from kotune.display.phrases import Phrases
from kotune.report.sentences import Verdict, display_name, verdicts
from kotune_tasks.card import CRITERIA, cards

# The certainty of a cell, by the claim about the tuned model compared with its base model.
CERTAINTY = {"better": "up", "worse": "down", "same": "same", "void": "none"}
UNCERTAIN = "open"  # the certainty of all other claims


@dataclass(frozen=True)
class Cell:
    """A model's result on a criterion.

    - `value`: the value after tuning, for example `72.3%`
    - `change`: the value after tuning minus the value before, for example `+13.4 %p`
    - `certainty`: `up` or `down` for a significant change for the better or the worse, `same` if no
      change was found, `open` if there is no verdict, `none` if there is no value
    - `text`: the certainty in words, with the confidence interval
    """

    value: str
    change: str
    certainty: str
    text: str


@dataclass(frozen=True)
class Standing:
    """A row of the scoreboard: a model, and its cell for each criterion. None if the criterion was
    not measured."""

    name: str
    cells: dict[str, Cell | None]


@dataclass(frozen=True)
class Summary:
    """The lines of a summary.

    - `headlines`: a verdict for each criterion. It compares the tuned models, or the base model
      with the tuned model if there is only one model.
    - `models`: for each model, a line with its values before and after tuning
    - `gains`: verdicts on which model gained more by tuning
    - `costs`: for each model, a line with its time and cost
    - `scoreboard`: a row for each model. `criteria`: the keys of its columns, in order. A key is a
      criterion's name in CRITERIA, or a heading if a criterion has several tasks.
    - `next`: the next step, with one command
    """

    headlines: list[Verdict]
    models: list[str]
    gains: list[Verdict]
    costs: list[str]
    scoreboard: list[Standing]
    criteria: list[str]
    next: str


def summary(result: Result, phrases: Phrases) -> Summary:
    """The summary of a result."""
    primary = [each for each in result.comparisons if each.is_primary]
    between = [each for each in primary if not each.is_tuning]
    texts = verdicts(result, phrases)
    of_primary, of_gains = texts[: len(primary)], texts[len(primary) :]
    chosen = [
        verdict
        for verdict, each in zip(of_primary, primary, strict=True)
        if not between or not each.is_tuning
    ]
    scoreboard = list(_standings(primary, result, phrases))
    return Summary(
        headlines=chosen,
        models=[_line(standing, phrases) for standing in scoreboard],
        gains=of_gains[: sum(gain.is_primary for gain in result.gains)],
        costs=[
            f"{run.name}: {sum(s.seconds for s in run.record.stages.values()) / 60:.1f} min"
            for run in result.runs
        ],
        scoreboard=scoreboard,
        criteria=list(CRITERIA),
        next="next: ./cli.py compare",
    )


def _standings(
    primary: Sequence[Comparison], result: Result, phrases: Phrases
) -> Iterator[Standing]:
    cells: dict[str, dict[str, Cell | None]] = {}
    for each in primary:
        if each.is_tuning:
            row = cells.setdefault(display_name(each.b, result.names), dict.fromkeys(CRITERIA))
            row[cards()[each.task].criterion] = _cell(each, phrases)
    for name, row in cells.items():
        yield Standing(name, row)


def _cell(comparison: Comparison, phrases: Phrases) -> Cell:
    paired, claimed = comparison.paired, claim(comparison)
    return Cell(
        f"{paired.value_b:.1%}",
        phrases("points", n=f"{100 * paired.difference:+.1f}"),
        CERTAINTY.get(claimed, UNCERTAIN),
        f"{claimed}, 95% CI {100 * paired.ci_low:.1f} to {100 * paired.ci_high:.1f}",
    )


def _line(standing: Standing, phrases: Phrases) -> str:
    cells = (
        f"{phrases.word('criteria', name)} {cell.value} ({cell.change})"
        for name, cell in standing.cells.items()
        if cell
    )
    return f"{standing.name}: {', '.join(cells)}"
