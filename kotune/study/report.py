"""What a study found, in plain words: report.html, report.md and study.json, from the run folders of its cells alone."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kotune.compare import finite
from kotune.efficiency import Price
from kotune.finished import Finished
from kotune.phrases import Phrases
from kotune.run import write_json, write_text
from kotune.seeds import ENOUGH
from kotune.study import next_step, tables
from kotune.study.file import Cell, Study
from kotune.study.findings import Findings
from kotune.study.next_step import Step
from kotune.study.points import Tried, points, scores, tried
from kotune.study.sentences import Sentences, state
from kotune.table import Table, escaped, markdown
from kotune.verdict import Verdict
from tasks.card import CRITERIA, cards

Scored = Sequence[tuple[Cell, Finished]]
Failed = Sequence[tuple[Cell, str]]


class Report:
    """What page, Markdown and JSON say, in one language. `words`: what is said of each task that all runs were scored on;
    `command`: what writes the report again."""

    def __init__(
        self, study: Study, cells: tuple[Scored, Failed], say: Phrases, price: Price | None, command: str = ""
    ) -> None:
        self.study, self.say, self.price, self.command = study, say, price, command
        self.scored, self.failed = cells
        self.tried = tried(self.scored)
        self.points = points(self.tried)
        tasks = self._tasks() if self.points else []
        self.words = {task: Sentences(Findings(scores(task, self.points)), say, price) for task in tasks}
        self.steps: Sequence[Step] = ()

    def _tasks(self) -> list[str]:
        """By criterion."""
        shared = [task for task in self.scored[0][1].scores if all(task in run.scores for _, run in self.scored)]
        return sorted(shared, key=lambda task: CRITERIA.index(cards()[task].criterion))

    @property
    def target(self) -> Sentences | None:
        """Of the task that the study is about; None where not all runs were scored on it."""
        return self.words.get(self.study.target_task)

    @property
    def title(self) -> str:
        return self.say("study_title", name=self.study.name)

    @property
    def lead(self) -> str:
        return self.say("study_lead", cells=len(self.study.cells), scored=len(self.scored))

    def verdicts(self) -> list[Verdict]:
        """What was chosen, and what is found on the target task."""
        chosen = [Verdict("same", text) for text in tables.chosen(self.tried, self.say)]
        return [*chosen, *(self.target.verdicts() if self.target else ())]

    def notes(self) -> list[str]:
        """What the verdicts stand on."""
        few = any(len(one.runs) < ENOUGH for one in self.points)
        absent = [] if self.target else [self.say("study_no_target", task=self.study.target_task)]
        return [*absent, self.say("study_how_sure"), *([self.say("study_few_seeds")] if few else [])]

    def of_all(self) -> Iterator[Table]:
        """What is said of all tasks together."""
        more = [self.target.doubles(curve).text for curve in self.target.found.curves.values()] if self.target else []
        yield from tables.choices(self.tried, self.say)
        yield from tables.absent(self.failed, self.say)
        yield tables.next_steps(self.steps, self.price, self.say, more)
        yield tables.again(self.command, self.points, self.price, self.say)

    def as_json(self) -> dict[str, Any]:
        return {
            "study": self.study.name,
            "file": str(self.study.file),
            "target_task": self.study.target_task,
            "cells": [{"name": cell.name, "run": run.name} for cell, run in self.scored],
            "failed": [{"name": cell.name, "why": why} for cell, why in self.failed],
            "choices": [_tried_json(one) for one in self.tried],
            "tasks": {task: _task_json(words) for task, words in self.words.items()},
            "next": [
                {"source": step.card.name, "licence": step.card.licence, "rows": step.card.rows.get("train"), "leaks": step.leaks,
                 "added": {"tokens": step.tokens, "steps": step.training_steps, "seconds": step.seconds}}
                for step in self.steps
            ],
        }  # fmt: skip


def _tried_json(one: Tried) -> dict[str, Any]:
    losses = {str(seed): None if math.isnan(loss) else loss for seed, loss in one.losses.items()}
    told = {"arm": one.arm, "rows": one.rows, "choice": dict(one.choice), "validation_loss": losses}
    return {**told, "chosen": one.is_chosen}


def _task_json(words: Sentences) -> dict[str, Any]:
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
        {"arm": one.arm, "target": one.target.name, "value": one.target.value, **one.place._asdict(),
         "state": state(one.place), "fitted": one.is_fitted, "seconds": one.seconds}
        for one in found.passings
    ]  # fmt: skip
    pairs = [
        {"a": pair.a, "b": pair.b, "crossings": [place._asdict() for place in pair.crossings], "fitted": pair.is_fitted,
         "gained_more": finite(pair.more._asdict()) if pair.more else None,
         "sizes": [{"rows": rows, **one.row()} for rows, one in pair.sizes]}
        for pair in found.pairs
    ]  # fmt: skip
    laws = [
        {"arm": one.arm, "why_none": one.why or None, "flat": one.is_flat,
         "exponent": [None if math.isnan(end) else end for end in one.exponent], "doubling": finite(one.more._asdict())}
        for one in found.curves.values()
    ]  # fmt: skip
    return {
        "metric": found.scores.metric, "n": found.scores.n, "groups": found.scores.groups, "points": points,
        "base": {arm: finite(found.estimate(found.scores.base(arm))._asdict()) for arm in found.scores.arms},
        "references": found.lines, "targets": passings, "pairs": pairs, "laws": laws,
        "noise_floor": [finite(vars(one)) for one in found.floors],
    }  # fmt: skip


def write(report: Report, out: Path, gpu: str | None = None) -> list[Path]:
    """Write report.html, report.md and study.json into `out`; their paths. `gpu`: for which the next step is planned."""
    from kotune.study.page import page

    report.steps = next_step.steps(report.study, gpu, report.price)
    paths = [out / name for name in ("report.html", "report.md", "study.json")]
    write_text(paths[0], page(report))
    write_text(paths[1], in_markdown(report))
    write_json(paths[2], report.as_json())
    return paths


def in_markdown(report: Report) -> str:
    """The facts of the page in the page's order."""
    found = [table for words in report.words.values() for table in tables.of_task(words)]
    parts = [
        f"# {escaped(report.title)}",
        escaped(report.lead),
        *(f"**{escaped(verdict.text)}**" for verdict in report.verdicts()),
        *map(escaped, report.notes()),
        *map(markdown, (*found, *report.of_all())),
    ]
    return "\n\n".join(parts) + "\n"
