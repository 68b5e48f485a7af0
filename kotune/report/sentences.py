"""What comparisons say in plain words: a sentence for each claim, and what they stand on."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kotune.compare.comparison import Comparison, Side
from kotune.compare.paired import Paired
from kotune.compare.result import Result, title_of
from kotune.compare.seeds import ENOUGH, groups
from kotune.compare.verdict import doubted_by, outcome
from kotune.display.phrases import Phrases
from kotune.display.words import amount, p_text
from kotune.report.lines import not_scored
from kotune.runs.records import NOT_PROVEN
from kotune_tasks.card import cards


@dataclass(frozen=True)
class Verdict:
    """`outcome`: b against a is `better`, `worse`, `same` (no difference found), `undefined` (no
    interval), or `void` where a value itself is: answers that say nothing have no signals."""

    outcome: str
    text: str


def verdicts(result: Result, say: Phrases) -> list[Verdict]:
    """A sentence for each comparison of a task's primary metric, then one a run and task on its
    reference lines."""
    held: dict[tuple[Path, str], list[Comparison]] = {}
    for line in result.lines:
        held.setdefault((line.b.run.folder, line.task), []).append(line)
    found = [_verdict(one, result.names, say) for one in result.found if one.p_holm is not None]
    return [*found, *(_against(lines, result.names, say) for lines in held.values())]


def notes(result: Result, say: Phrases) -> list[str]:
    """What the verdicts stand on; that one seed speaks of adapters and never of models; what else
    is not alike."""
    primaries = sum(one.p_holm is not None for one in result.found)
    first = result.names[result.runs[0].folder]
    unlike = [
        say("unlike", a=first, b=result.names[folder], n=len(rows))
        for folder, rows in result.differences.items()
        if rows
    ]
    missing = dict.fromkeys(line for run in result.runs for line in not_scored(run.manifest, say))
    stand = [_speaks_of(result, say), say("how_sure", n=primaries)] if result.found else []
    return [*missing, *unlike, *_not_proven(result, say), *stand]


def _not_proven(result: Result, say: Phrases) -> Iterator[str]:
    """A sentence for each run some of whose tasks ask what it was trained on in another way."""
    for run in result.runs:
        tasks = [task for task, entry in run.scores.items() if entry.get("proven") == NOT_PROVEN]
        if tasks:
            yield say("not_proven", run=result.names[run.folder], tasks=", ".join(tasks))


def _speaks_of(result: Result, say: Phrases) -> str:
    """Whether what is found speaks of models or of adapters, which the number of seeds tells."""
    grouped = groups(result.runs)
    enough = [group for group in grouped if len(group) >= ENOUGH]
    if not enough:
        return say("one_seed" if len(result.runs) == 1 else "one_seed_each")
    if len(enough) == len(grouped):
        return say("seeds_enough")
    some = "; ".join(called(Side(group[0], "tuned", group[1:]), result.names) for group in enough)
    return say("seeds_some", some=some)


def called(side: Side, names: dict[Path, str]) -> str:
    """How a person calls the runs of a side together."""
    run, title = side.run, title_of(side.run)
    if not side.others:
        return names[run.folder]
    place = f"{run.name}, " if names[run.folder] == f"{title} ({run.name})" else ""
    return f"{title} ({place}seed={', '.join(str(run.record['seed']) for run in side.runs)})"


def _verdict(one: Comparison, names: dict[Path, str], say: Phrases) -> Verdict:
    kind, result = "tuning" if one.a.run is one.b.run else "runs", outcome(one)
    text = say.told(
        f"verdict_{kind}", result, **_places(one, names, say), **_figures(one, result, say)
    )
    if cards()[one.task].criterion == "naturalness":
        text = f"{text} {say('not_judged_by_people')}"
    return Verdict(result, text)


def _places(one: Comparison, names: dict[Path, str], say: Phrases) -> dict[str, str]:
    """What a sentence is about."""
    return {
        "a": called(one.a, names),
        "b": called(one.b, names),
        "task": one.task,
        "metric": one.metric,
        "criterion": say.word("criteria", cards()[one.task].criterion),
        "n": f"{one.found.n:,}",
    }


def _against(lines: Sequence[Comparison], names: dict[Path, str], say: Phrases) -> Verdict:
    """How a tuned model stands to the reference lines of one task. It is as good as the line that
    it does worst against."""
    by_outcome: dict[str, list[Comparison]] = {}
    for line in lines:
        by_outcome.setdefault(outcome(line), []).append(line)
    found = [result for result in say.words("verdict_line") if result in by_outcome]
    told = (
        say.told("verdict_line", result, lines=_named(by_outcome[result], say)) for result in found
    )
    places = _places(lines[0], names, say)
    return Verdict(found[-1], say("verdict_lines", **places, told="; ".join(told)))


def _named(lines: Sequence[Comparison], say: Phrases) -> str:
    """Reference lines with what the tuned model has more, in points where the metric has them."""
    return ", ".join(
        f"{say.word('lines', line.a.variant)}"
        f" ({line.found.difference * line.scale:+.{1 if line.scale == 100 else 3}f})"
        for line in lines
    )


def _figures(one: Comparison, result: str, say: Phrases) -> dict[str, str]:
    """The numbers of a sentence: how much better or worse, between what, and how sure. Where
    something is claimed all are above 0."""
    told, scale = one.found, one.scale
    if result in ("undefined", "void"):
        return {}
    by, low, high = told.difference, told.ci_low, told.ci_high
    if result in ("better", "worse") and by < 0:
        by, low, high = -by, -high, -low
    nearest = low if result != "same" else math.inf
    shown = amount(by, scale, nearest)
    return {
        "by": say("points", n=shown) if scale == 100 else shown,
        "low": amount(low, scale, nearest),
        "high": amount(high, scale, nearest),
        "p": _equals(one.p_holm),
        "seen": _doubt(one, say) + _seen(told, scale, say),
    }


def _equals(p_value: float | None) -> str:
    text = p_text(p_value)
    return text if text.startswith("<") else f"= {text}"


def _doubt(one: Comparison, say: Phrases) -> str:
    doubt = doubted_by(one)
    return (
        say.told("doubted_by", doubt, p=_equals(one.found.p_value), groups=f"{one.found.groups:,}")
        if doubt
        else ""
    )


def _seen(told: Paired, scale: int, say: Phrases) -> str:
    if not math.isfinite(told.detectable) or told.detectable <= 0:
        return say("would_have_seen_unknown", groups=f"{told.groups:,}")
    number = amount(told.detectable, scale)
    return say("would_have_seen", n=say("points", n=number) if scale == 100 else number)
