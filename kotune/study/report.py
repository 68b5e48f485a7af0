"""What a study found, in plain words: report.html, report.md and study.json, from the run folders of its cells alone."""

import math
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kotune.compare import Comparison, finite
from kotune.comparison_tables import NOTHING, number
from kotune.efficiency import Price, cost
from kotune.finished import Finished
from kotune.phrases import Phrases
from kotune.run import write_json, write_text
from kotune.study import next_step
from kotune.study.curves import AHEAD, Place
from kotune.study.file import Cell, Study
from kotune.study.findings import LINE, Curve, Estimate, Findings, Pair, Passing, Target
from kotune.study.next_step import Step
from kotune.study.points import Point, points, scores, tried
from kotune.table import Row, Table, escaped, markdown
from kotune.verdict import Verdict, amount, outcome, p_text
from tasks.card import CRITERIA, cards

Scored = Sequence[tuple[Cell, Finished]]
Failed = Sequence[tuple[Cell, str]]


class StudyReport:
    """What page, Markdown and JSON say, in one language."""

    def __init__(
        self, study: Study, cells: tuple[Scored, Failed], say: Phrases, price: Price | None, steps: Sequence[Step]
    ) -> None:
        self.study, self.say, self.price, self.steps = study, say, price, steps
        self.scored, self.failed = cells
        self.tried = tried(self.scored)
        self.points = points(self.tried)
        self.findings = {task: Findings(scores(task, self.points)) for task in self._tasks()}

    def _tasks(self) -> list[str]:
        """Those that all runs were scored on, by criterion."""
        shared = [task for task in self.scored[0][1].scores if all(task in run.scores for _, run in self.scored)]
        return sorted(shared, key=lambda task: CRITERIA.index(cards()[task].criterion))

    @property
    def target(self) -> Findings | None:
        return self.findings.get(self.study.target_task)

    @property
    def title(self) -> str:
        return self.say("study_title", name=self.study.name)

    @property
    def lead(self) -> str:
        return self.say("study_lead", cells=len(self.study.cells), scored=len(self.scored), failed=len(self.failed))

    def verdicts(self) -> list[Verdict]:
        """Of the target task: which arm learns more, whether little data suffices, whether adapters differ, what more data buys."""
        found = self.target
        if found is None:
            return []
        told = [self._learns(pair, found) for pair in found.pairs]
        told += [verdict for pair in found.pairs for verdict in self._differs(pair, found)]
        told += [Verdict("same", self._passes(passing, found)) for passing in found.passings]
        return [*told, *(self._doubles(curve, found) for curve in found.curves.values())]

    def notes(self) -> list[str]:
        keys = ["study_how_sure"] + ([] if all(len(one.runs) > 2 for one in self.points) else ["study_few_seeds"])
        return [
            *map(self.say, keys),
            *([] if self.target else [self.say("study_no_target", task=self.study.target_task)]),
        ]

    def told(self, value: float, scale: int) -> str:
        """A difference with its unit."""
        shown = amount(value, scale)
        return self.say("points", n=shown) if scale == 100 else shown

    def _learns(self, pair: Pair, found: Findings) -> Verdict:
        rows, scale = pair.sizes[-1][0], _scale(found)
        result = _result(pair.more)
        text = self.say.word("study_learns", result).format(
            **self._of(found), a=pair.a, b=pair.b, rows=f"{rows:,}", by=self.told(abs(pair.more.value), scale),
            low=amount(pair.more.low, scale), high=amount(pair.more.high, scale),
        )  # fmt: skip
        return Verdict(result, text)

    def _differs(self, pair: Pair, found: Findings) -> Iterator[Verdict]:
        """At which sizes b is better or worse than a, and where that turns."""
        results = {rows: outcome(one) for rows, one in pair.sizes}
        parts = [
            self.say.word("study_differs", kind).format(rows=", ".join(f"{n:,}" for n in at))
            for kind in ("better", "worse", "same", "undefined", "void")
            if (at := [rows for rows, result in results.items() if result == kind])
        ]
        text = self.say("study_pair", **self._of(found), a=pair.a, b=pair.b, told="; ".join(parts))
        kinds = {*results.values()}
        yield Verdict(next(iter(kinds)) if len(kinds) == 1 else "same", f"{text} {self.crosses(pair)}".strip())

    def crosses(self, pair: Pair) -> str:
        """Where two curves cross, as a sentence."""
        place = pair.place
        if place.sign:
            return self.say("study_no_crossing")
        return self.say("study_crossing", where=self.where(place)) if place.is_told else self.say("study_crossing_open")

    def _passes(self, passing: Passing, found: Findings) -> str:
        value, what = number(passing.target.value), self.named(passing.target)
        place, of = passing.place, {**self._of(found), "arm": passing.arm, "target": what, "value": value}
        if place.sign or not place.is_told:
            kind = {1: "always", -1: "never", 0: "open"}[place.sign]
            most = found.scores.sizes(passing.arm)[-1] * (AHEAD if passing.is_fitted else 1)
            least = found.scores.sizes(passing.arm)[0]
            return self.say.word("study_passes", kind).format(**of, least=f"{least:,}", most=f"{most:,}")
        spent = self.spent(passing)
        return self.say.word("study_passes", "between").format(
            **of, where=self.where(place), spent=f" ({spent})" if spent else ""
        )

    def spent(self, passing: Passing) -> str:
        """Minutes and won of training at both ends."""
        ends = [seconds for seconds in passing.seconds if seconds is not None]
        if not ends:
            return ""
        minutes = self.say("study_minutes", n=" ~ ".join(dict.fromkeys(f"{seconds / 60:,.1f}" for seconds in ends)))
        prices = [spent["won"] or 0.0 for seconds in ends if (spent := cost(seconds, self.price))]
        won = self.say("study_won", n=" ~ ".join(dict.fromkeys(f"{one:,.0f}" for one in prices))) if prices else ""
        return ", ".join(filter(None, (minutes, won)))

    def where(self, place: Place) -> str:
        """Between which sizes."""
        low, high = (rounded(end) if end is not None else "" for end in (place.low, place.high))
        kind = "between" if low and high else "above" if low else "below"
        return self.say.word("study_where", kind).format(low=low, high=high)

    def named(self, target: Target) -> str:
        return self.say.word("lines", LINE) if target.name == LINE else self.say("study_share", n=target.name)

    def _doubles(self, curve: Curve, found: Findings) -> Verdict:
        most, of = found.scores.sizes(curve.arm)[-1], {**self._of(found), "arm": curve.arm}
        if curve.why:
            why = self.say.word("study_why", curve.why)
            return Verdict("undefined", self.say("study_no_law", **of, why=why))
        scale, more = _scale(found), curve.more
        kind = "flat" if curve.is_flat else "told"
        text = self.say.word("study_doubles", kind).format(
            **of, rows=f"{most:,}", twice=f"{AHEAD * most:,}", by=self.told(more.value, scale),
            low=amount(more.low, scale), high=amount(more.high, scale),
        )  # fmt: skip
        return Verdict(_result(Estimate(*(found.scores.better * end for end in sorted_ends(more, found)))), text)

    def _of(self, found: Findings) -> dict[str, str]:
        task = found.scores.task
        return {
            "criterion": self.say.word("criteria", cards()[task].criterion), "task": task, "metric": found.scores.metric,
            "n": f"{found.scores.n:,}",
        }  # fmt: skip

    def of_task(self, found: Findings) -> list[Table]:
        """What is said of one task."""
        made = (self._curve(found), self._targets(found), self._pairs(found), self._floors(found), self._laws(found))
        return [table for table in made if table]

    def of_all(self) -> list[Table]:
        """What is said of all tasks together."""
        return [table for table in (self._choices(), self._absent(), self._next(), self._again()) if table]

    def _titled(self, key: str, found: Findings) -> str:
        return self.say(key, **self._of(found))

    def _head(self, *keys: str) -> Row:
        return tuple(map(self.say, keys))

    def _curve(self, found: Findings) -> Table:
        """Every point beside its arm's base, then the lines."""
        rows = []
        for at, point in enumerate(found.scores.points):
            base = found.estimate(found.scores.base(point.arm)).value
            told = found.estimate(at)
            seeds = ", ".join(str(run.record["seed"]) for run in point.runs)
            rows.append(
                (
                    point.arm,
                    f"{point.rows:,}",
                    seeds,
                    number(told.value),
                    interval(told),
                    number(base),
                    *self._cost(point),
                )
            )
        held = "; ".join(f"{name} {number(value)}" for name, value in self.lines(found).items())
        notes = [self.say("study_curve_note", n=f"{found.scores.n:,}", groups=f"{found.scores.groups:,}")]
        notes += [self.say("study_lines_note", lines=held)] if held else []
        head = self._head(
            "study_arm", "rows", "seed", "mean", "interval", "study_untuned", "study_minutes_head", "cost_won"
        )
        return Table(self._titled("study_curve", found), (*head[:1], head[1], *head[2:]), rows, 1, notes)

    def _cost(self, point: Point) -> Row:
        spent = cost(point.seconds, self.price)
        return number(point.seconds / 60, ",.1f"), number(spent["won"] if spent else None, ",.0f")

    def lines(self, found: Findings) -> dict[str, float]:
        """What a curve is held against: chance and the lines of the items."""
        chance = cards()[found.scores.task].chance.get(found.scores.metric)
        told = {self.say("chance"): chance} if chance is not None else {}
        means = found.scores.measured.means
        return told | {
            self.say.word("lines", name): float(means[found.scores.line(name)]) for name in found.scores.lines
        }

    def _targets(self, found: Findings) -> Table | None:
        rows = []
        for one in found.passings:
            ends = [rounded(end) if end is not None else NOTHING for end in (one.place.low, one.place.high)]
            state = (
                "crosses" if one.place.low or one.place.high else {1: "always", -1: "never", 0: "open"}[one.place.sign]
            )
            how = self.say.word("study_how", "law" if one.is_fitted else "sizes")
            rows.append((
                self.named(one.target), one.arm, self.say.word("study_state", state), how, number(one.target.value), *ends,
                self.spent(one) or NOTHING,
            ))  # fmt: skip
        head = self._head(
            "study_target",
            "study_arm",
            "study_result",
            "study_from",
            "value",
            "study_more_than",
            "study_at_most",
            "study_spent",
        )
        return (
            Table(self._titled("study_targets", found), head, rows, 4, [self.say("study_targets_note")])
            if rows
            else None
        )

    def _pairs(self, found: Findings) -> Table | None:
        rows = [
            (f"{pair.a} → {pair.b}", f"{size:,}", *_difference(one)) for pair in found.pairs for size, one in pair.sizes
        ]
        head = self._head("compared", "rows", "from", "to", "difference", "interval", "p", "p_holm", "n")
        notes = [f"{pair.a} → {pair.b}: {self.crosses(pair)}" for pair in found.pairs]
        return (
            Table(self._titled("study_pairs", found), head, rows, 1, [*notes, self.say("study_pairs_note")])
            if rows
            else None
        )

    def _floors(self, found: Findings) -> Table | None:
        scale = _scale(found)
        rows = [
            (one.arm, f"{one.degrees}", amount(one.deviation, scale), amount(one.difference, scale))
            for one in found.floors
        ]
        head = self._head("study_arm", "study_degrees", "deviation", "study_stays_under")
        return (
            Table(self._titled("study_floor", found), head, rows, 1, [self.say("study_floor_note")]) if rows else None
        )

    def _laws(self, found: Findings) -> Table:
        rows, scale = [], _scale(found)
        for curve in found.curves.values():
            state = (
                self.say.word("study_why", curve.why)
                if curve.why
                else self.say("study_flat" if curve.is_flat else "study_fitted")
            )
            exponent = NOTHING if curve.why or curve.is_flat else f"{curve.exponent[0]:.2f} ~ {curve.exponent[1]:.2f}"
            twice = number(curve.at([AHEAD * found.scores.sizes(curve.arm)[-1]])[0].value) if not curve.why else NOTHING
            more = interval(curve.more, scale) if not curve.why else NOTHING
            rows.append((curve.arm, state, exponent, NOTHING if curve.is_flat else twice, more))
        head = self._head("study_arm", "study_state_head", "study_exponent", "study_twice", "study_doubling")
        return Table(self._titled("study_laws", found), head, rows, 2, [self.say("study_laws_note")])

    def _choices(self) -> Table | None:
        """Validation losses of every choice, where there was one to make."""
        if not any(one.choice for one in self.tried):
            return None
        rows = []
        for one in self.tried:
            each = ", ".join(f"{seed}: {number(loss, '.4f')}" for seed, loss in one.losses.items())
            worth = number(sum(one.losses.values()) / len(one.losses), ".4f")
            named = ", ".join(f"{key}={value}" for key, value in one.choice)
            rows.append(
                (one.arm, named, each, self.say("study_chosen") if one.is_chosen else "", f"{one.rows:,}", worth)
            )
        head = self._head("study_arm", "study_choice", "each_seed", "study_is_chosen", "rows", "mean")
        return Table(self.say("study_choices"), head, rows, 4, [self.say("study_choices_note")])

    def _absent(self) -> Table | None:
        rows = [(cell.name, why) for cell, why in self.failed]
        return (
            Table(self.say("study_absent"), self._head("study_cell", "reason"), rows, 2, alert=True) if rows else None
        )

    def _next(self) -> Table:
        rows = [self._step(step) for step in self.steps]
        head = self._head(
            "source", "licence", "study_leaks", "rows", "study_tokens", "steps", "study_minutes_head", "cost_won"
        )
        notes = [self.say("study_next_note")]
        notes += [verdict.text for verdict in map(self._more, self.target.curves.values())] if self.target else []
        return Table(self.say("study_next"), head, rows, 3, notes)

    def _more(self, curve: Curve) -> Verdict:
        assert self.target
        return self._doubles(curve, self.target)

    def _step(self, step: Step) -> Row:
        rows, made = step.card.rows.get("train"), step.plan
        leaks = step.card.defects if step.leaks is None else ", ".join(
            self.say("study_leaked", task=task, n=f"{n:,}") for task, n in step.leaks.items()
        )  # fmt: skip
        planned = [number(made.counted.tokens, ",.0f"), number(made.schedule.steps, ",.0f")] if made else [NOTHING] * 2
        on = made.on[0] if made and len(made.on) == 1 else None
        spent = cost(on.total, self.price) if on else None
        money = [number(on.total / 60 if on else None, ",.1f"), number(spent["won"] if spent else None, ",.0f")]
        whose = f"{rows:,}" if rows else self.say("study_your_own")
        return (step.card.title, step.card.licence, leaks, whose, planned[0], planned[1], money[0], money[1])

    def _again(self) -> Table:
        command = shlex.join(["./cli.py", "study", str(self.study.file)])
        rows = [
            (point.arm, f"{point.rows:,}", run.name, str(run.record["code_revision"] or NOTHING))
            for point in self.points
            for run in point.runs
        ]
        notes = [
            self.say("study_again", command=command),
            self.say("study_price", won=f"{self.price.won_per_hour:g}") if self.price else self.say("no_price"),
        ]
        return Table(self.say("study_again_title"), self._head("study_arm", "rows", "run", "code"), rows, 4, notes)

    def as_json(self) -> dict[str, Any]:
        return {
            "study": self.study.name,
            "target_task": self.study.target_task,
            "cells": [{"name": cell.name, "run": run.name} for cell, run in self.scored],
            "failed": [{"name": cell.name, "why": why} for cell, why in self.failed],
            "choices": [self._tried_json(at) for at in range(len(self.tried))],
            "tasks": {task: self._task_json(found) for task, found in self.findings.items()},
            "next": [
                finite(
                    {
                        "source": s.card.name,
                        "licence": s.card.licence,
                        "rows": s.card.rows.get("train"),
                        "leaks": s.leaks,
                    }
                )
                for s in self.steps
            ],
        }

    def _tried_json(self, at: int) -> dict[str, Any]:
        one = self.tried[at]
        losses = {str(seed): None if math.isnan(loss) else loss for seed, loss in one.losses.items()}
        return {
            "arm": one.arm,
            "rows": one.rows,
            "choice": dict(one.choice),
            "validation_loss": losses,
            "chosen": one.is_chosen,
        }

    def _task_json(self, found: Findings) -> dict[str, Any]:
        return {
            "metric": found.scores.metric,
            "n": found.scores.n,
            "points": [
                {"arm": one.arm, "rows": one.rows, "runs": [run.name for run in one.runs], **finite(found.estimate(at)._asdict())}
                for at, one in enumerate(found.scores.points)
            ],
            "base": {arm: finite(found.estimate(found.scores.base(arm))._asdict()) for arm in found.scores.arms},
            "references": self.lines(found),
            "targets": [
                {"arm": one.arm, "target": one.target.name, "value": one.target.value, **one.place._asdict(), "fitted": one.is_fitted, "seconds": one.seconds}
                for one in found.passings
            ],
            "pairs": [
                {"a": pair.a, "b": pair.b, "crossing": pair.place._asdict(), "fitted": pair.is_fitted, "gained_more": finite(pair.more._asdict()),
                 "sizes": [{"rows": rows, **one.row()} for rows, one in pair.sizes]}
                for pair in found.pairs
            ],
            "noise_floor": [finite(vars(one)) for one in found.floors],
            "laws": [
                finite({"arm": curve.arm, "why_none": curve.why or None, "flat": curve.is_flat, "exponent_low": curve.exponent[0],
                        "exponent_high": curve.exponent[1], **{f"doubling_{key}": value for key, value in curve.more._asdict().items()}})
                for curve in found.curves.values()
            ],
        }  # fmt: skip


def rounded(size: float) -> str:
    """A number of rows: to two digits where it was computed and not measured."""
    return f"{size:,}" if isinstance(size, int) else f"{float(f'{size:.2g}'):,.0f}"


def interval(told: Estimate, scale: int = 1) -> str:
    form = ".3f" if scale == 1 else "+.1f"
    return NOTHING if math.isnan(told.low) else f"{scale * told.low:{form}} ~ {scale * told.high:{form}}"


def sorted_ends(more: Estimate, found: Findings) -> Estimate:
    """The ends so that they rise when lower is better too."""
    return more if found.scores.better > 0 else Estimate(more.value, more.high, more.low)


def _result(told: Estimate) -> str:
    """b against a, or twice against once."""
    if math.isnan(told.low):
        return "undefined"
    return {1: "better", -1: "worse", 0: "same"}[told.sign]


def _scale(found: Findings) -> int:
    return cards()[found.scores.task].scale


def _difference(one: Comparison) -> Row:
    told = one.found
    ends = NOTHING if math.isnan(told.ci_low) else f"{told.ci_low:+.3f} ~ {told.ci_high:+.3f}"
    return (
        number(told.value_a), number(told.value_b), number(told.difference, "+.3f"), ends, p_text(told.p_value),
        p_text(one.p_holm), f"{told.n:,} / {told.groups:,}",
    )  # fmt: skip


def write(
    study: Study, scored: Scored, failed: Failed, say: Phrases, price: Price | None, out: Path, gpu: str | None = None
) -> list[Path]:
    """Write report.html, report.md and study.json into `out`; their paths. `gpu`: for which the next step is planned."""
    from kotune.study.page import page

    report = StudyReport(study, (scored, failed), say, price, next_step.steps(study, gpu, price))
    paths = [out / name for name in ("report.html", "report.md", "study.json")]
    write_text(paths[0], page(report))
    write_text(paths[1], in_markdown(report))
    write_json(paths[2], report.as_json())
    return paths


def in_markdown(report: StudyReport) -> str:
    parts = [
        f"# {escaped(report.title)}",
        escaped(report.lead),
        *(f"**{escaped(verdict.text)}**" for verdict in report.verdicts()),
        *map(escaped, report.notes()),
        *(markdown(table) for found in report.findings.values() for table in report.of_task(found)),
        *map(markdown, report.of_all()),
    ]
    return "\n\n".join(parts) + "\n"
