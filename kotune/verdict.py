"""What comparisons say in plain words. A difference is claimed only where Holm's adjusted p and the interval both carry it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kotune.breakdowns import Breakdown, breakdowns
from kotune.compare import Comparison, Side, against, comparisons, differences
from kotune.efficiency import Price, efficiency
from kotune.finished import Finished
from kotune.paired import Paired
from kotune.phrases import Phrases
from kotune.seeds import ENOUGH, SEEDED, groups
from tasks.card import cards

ALPHA = 0.05
ADAPTERS = {"lora": "LoRA", "qlora": "QLoRA"}


@dataclass(frozen=True)
class Verdict:
    """`outcome`: b against a is `better`, `worse`, `same` (no difference found), `undefined` (no interval), or `void` where a
    value itself is: answers that say nothing have no signals."""

    outcome: str
    text: str


@dataclass(frozen=True)
class Result:
    """Runs and all that was found between them. `names`: how a person calls each run, by its folder; `differences`: what is
    not the same between the first run and each other one, by the other's folder; `lines`: tuned models against reference
    lines; `broken_down`: what was found, by kinds of items."""

    runs: Sequence[Finished]
    found: Sequence[Comparison]
    names: dict[Path, str]
    differences: dict[Path, list[dict[str, Any]]]
    price: Price | None = None
    lines: Sequence[Comparison] = ()
    broken_down: Sequence[Breakdown] = ()

    @classmethod
    def of(cls, runs: Sequence[Finished], price: Price | None = None) -> "Result":
        """Compare the runs."""
        grouped = groups(runs)
        unlike = {run.folder: _unlike(grouped, run) for run in runs[1:]}
        found = comparisons(runs)
        return cls(runs, found, titles(runs), unlike, price, against(runs), list(breakdowns(found)))

    def verdicts(self, say: Phrases) -> list[Verdict]:
        """A sentence for each comparison of a task's primary metric, then one a run and task on its reference lines."""
        held: dict[tuple[Path, str], list[Comparison]] = {}
        for line in self.lines:
            held.setdefault((line.b.run.folder, line.task), []).append(line)
        found = [_verdict(one, self.names, say) for one in self.found if one.p_holm is not None]
        return [*found, *(_against(lines, self.names, say) for lines in held.values())]

    def notes(self, say: Phrases) -> list[str]:
        """What the verdicts stand on; that one seed speaks of adapters and never of models; what else is not alike."""
        primaries = sum(one.p_holm is not None for one in self.found)
        first = self.names[self.runs[0].folder]
        unlike = [
            say("unlike", a=first, b=self.names[folder], n=len(rows))
            for folder, rows in self.differences.items()
            if rows
        ]
        return [*unlike, self._speaks_of(say), say("how_sure", n=primaries)]

    def _speaks_of(self, say: Phrases) -> str:
        """Whether what is found speaks of models or of adapters, which the number of seeds tells."""
        grouped = groups(self.runs)
        enough = [group for group in grouped if len(group) >= ENOUGH]
        if not enough:
            return say("one_seed" if len(self.runs) == 1 else "one_seed_each")
        if len(enough) == len(grouped):
            return say("seeds_enough")
        return say(
            "seeds_some", some="; ".join(called(Side(group[0], "tuned", group[1:]), self.names) for group in enough)
        )

    def efficiency(self) -> list[dict[str, Any]]:
        return [efficiency(run, self.found, self.price) for run in self.runs]

    def as_json(self) -> dict[str, Any]:
        """What --json prints. `value_a` and `value_b` of a difference are what the two runs have."""
        unlike = [
            {"a": self.runs[0].name, "b": run.name, "what": row["what"], "value_a": row["a"], "value_b": row["b"]}
            for run in self.runs[1:]
            for row in self.differences[run.folder]
        ]
        return {
            "comparisons": [one.row() for one in self.found],
            "references": [one.row() for one in self.lines],
            "breakdowns": [one.row() for one in self.broken_down],
            "efficiency": self.efficiency(),
            "differences": unlike,
        }


def outcome(found: Comparison) -> str:
    """What may be claimed of a primary metric."""
    told = found.found
    if not (math.isfinite(told.value_a) and math.isfinite(told.value_b)):
        return "void"
    if found.p_holm is None or not all(map(math.isfinite, (told.difference, told.ci_low, told.ci_high, found.p_holm))):
        return "undefined"
    carried = told.ci_low > 0 < told.difference or told.ci_high < 0 > told.difference
    if found.p_holm > ALPHA or not carried:
        return "same"
    return "better" if (told.difference > 0) != found.is_lower_better else "worse"


def doubted_by(found: Comparison) -> str | None:
    """Where interval and p do not agree, so that nothing is claimed, which of them does not carry it: Holm's `adjustment`, the
    `test` itself, or the `interval`. Over few groups a bootstrap's interval comes out too narrow; the test is exact there."""
    told = found.found
    if found.p_holm is None or not all(map(math.isfinite, (told.ci_low, told.ci_high, found.p_holm))):
        return None
    leaves_out_zero = told.ci_low > 0 or told.ci_high < 0
    if leaves_out_zero == (found.p_holm <= ALPHA):
        return None
    return "interval" if not leaves_out_zero else "adjustment" if told.p_value <= ALPHA else "test"


def titles(runs: Sequence[Finished]) -> dict[Path, str]:
    """How a person calls each run, by its folder: model and adapter, its seed where others of the recipe are there, and the
    run's name where that is not enough."""
    grouped = groups(runs)
    every = [_title(group[0]) for group in grouped]
    named = {}
    for title, group in zip(every, grouped, strict=True):
        for run in group:
            seed = f"{title} (seed={run.record['seed']})" if len(group) > 1 else title
            named[run.folder] = f"{title} ({run.name})" if every.count(title) > 1 else seed
    return {run.folder: named[run.folder] for run in runs}


def called(side: Side, names: dict[Path, str]) -> str:
    """How a person calls the runs of a side together."""
    run, title = side.run, _title(side.run)
    if not side.others:
        return names[run.folder]
    place = f"{run.name}, " if names[run.folder] == f"{title} ({run.name})" else ""
    return f"{title} ({place}seed={', '.join(str(run.record['seed']) for run in side.runs)})"


def amount(value: float, scale: int, nearest: float = math.inf) -> str:
    """A difference as text, in points where `scale` is 100. `nearest`: the end of its interval that is nearest to 0, for
    which enough digits are shown to see that it is not 0."""
    digits = 1 if scale == 100 else 3
    while digits < 9 and not round(abs(scale * nearest), digits):
        digits += 1
    return f"{round(scale * value, digits) + 0:.{digits}f}"


def p_text(p_value: float | None) -> str:
    """A p-value as journals print it: .004, or < .001."""
    if p_value is None or math.isnan(p_value):
        return "-"
    return "< .001" if p_value < 0.001 else f"{p_value:.3f}".removeprefix("0")


def _title(run: Finished) -> str:
    return f"{run.recipe['model']}, {ADAPTERS.get(run.recipe['adapter'], run.recipe['adapter'])}"


def _unlike(grouped: Sequence[tuple[Finished, ...]], run: Finished) -> list[dict[str, Any]]:
    """What is not the same between the first run and this one, beside their seeds where both were run with the same ones."""
    first, own = grouped[0], next(group for group in grouped if run in group)
    seeds = [{one.record["seed"] for one in group} for group in (first, own)]
    expected = SEEDED if own is first else SEEDED[:2] if len(own) > 1 and seeds[0] == seeds[1] else ()
    return [row for row in differences(first[0], run) if row["what"] not in expected]


def _verdict(one: Comparison, names: dict[Path, str], say: Phrases) -> Verdict:
    kind, result = "tuning" if one.a.run is one.b.run else "runs", outcome(one)
    text = say.word(f"verdict_{kind}", result).format(**_places(one, names, say), **_figures(one, result, say))
    return Verdict(result, text)


def _places(one: Comparison, names: dict[Path, str], say: Phrases) -> dict[str, str]:
    """What a sentence is about."""
    return {
        "a": called(one.a, names), "b": called(one.b, names), "task": one.task, "metric": one.metric,
        "criterion": say.word("criteria", cards()[one.task].criterion), "n": f"{one.found.n:,}",
    }  # fmt: skip


def _against(lines: Sequence[Comparison], names: dict[Path, str], say: Phrases) -> Verdict:
    """How a tuned model stands to the reference lines of one task. It is as good as the line that it does worst against."""
    by_outcome: dict[str, list[Comparison]] = {}
    for line in lines:
        by_outcome.setdefault(outcome(line), []).append(line)
    found = [result for result in say.words("verdict_line") if result in by_outcome]
    told = (say.word("verdict_line", result).format(lines=_named(by_outcome[result], say)) for result in found)
    places = _places(lines[0], names, say)
    return Verdict(found[-1], say("verdict_lines", **places, told="; ".join(told)))


def _named(lines: Sequence[Comparison], say: Phrases) -> str:
    """Reference lines with what the tuned model has more, in points where the metric has them."""
    return ", ".join(
        f"{say.word('lines', line.a.variant)} ({line.found.difference * line.scale:+.{1 if line.scale == 100 else 3}f})"
        for line in lines
    )


def _figures(one: Comparison, result: str, say: Phrases) -> dict[str, str]:
    """The numbers of a sentence: how much better or worse, between what, and how sure. Where something is claimed all are
    above 0."""
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
        "low": amount(low, scale, nearest), "high": amount(high, scale, nearest),
        "p": _equals(one.p_holm), "seen": _doubt(one, say) + _seen(told, scale, say),
    }  # fmt: skip


def _equals(p_value: float | None) -> str:
    text = p_text(p_value)
    return text if text.startswith("<") else f"= {text}"


def _doubt(one: Comparison, say: Phrases) -> str:
    doubt = doubted_by(one)
    return (
        say.word("doubted_by", doubt).format(p=_equals(one.found.p_value), groups=f"{one.found.groups:,}")
        if doubt
        else ""
    )


def _seen(told: Paired, scale: int, say: Phrases) -> str:
    if not math.isfinite(told.detectable) or told.detectable <= 0:
        return say("would_have_seen_unknown", groups=f"{told.groups:,}")
    number = amount(told.detectable, scale)
    return say("would_have_seen", n=say("points", n=number) if scale == 100 else number)
