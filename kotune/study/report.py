"""The report of a study, for report.html, report.md and study.json. It is made only from the run
folders of the study's cells."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from kotune.compare.efficiency import Price
from kotune.compare.seeds import ENOUGH
from kotune.display.json_rows import JsonRow
from kotune.display.phrases import Phrases
from kotune.display.short import BLANK, Paragraph
from kotune.display.table import Table
from kotune.report.screen import STYLES
from kotune.report.sentences import Verdict
from kotune.runs.folder import command
from kotune.study import tables
from kotune.study.as_json import task_json, tried_json
from kotune.study.file import Study
from kotune.study.findings import Findings
from kotune.study.next_step import Step
from kotune.study.points import points, scores, tried
from kotune.study.running import FailedCell, ScoredCell
from kotune.study.sentences import Sentences
from kotune_tasks.card import CRITERIA, cards

Scored = Sequence[ScoredCell]
Failed = Sequence[FailedCell]


class StudyReport:
    """The content of the report in one language.

    - `cells`: the scored cells with their runs, and the other cells with the reason
    - `price`: the price of a GPU hour; None if no costs are shown
    - `command`: the command that runs and reports the study again
    - `words`: for each task that all runs were scored on, the sentences about it; empty if there
      are no points
    - `steps`: the further data sets, which kotune.study.writing adds
    """

    def __init__(
        self,
        study: Study,
        cells: tuple[Scored, Failed],
        say: Phrases,
        price: Price | None,
        command: str = "",
    ) -> None:
        self.study, self.say, self.price, self.command = study, say, price, command
        self.scored, self.failed = cells
        self.tried = tried(self.scored)
        self.points = points(self.tried)
        tasks = self._tasks() if self.points else []
        self.words = {
            task: Sentences(Findings(scores(task, self.points)), say, price) for task in tasks
        }
        self.steps: Sequence[Step] = ()

    def _tasks(self) -> list[str]:
        """The tasks that all runs were scored on, sorted by criterion."""
        shared = [
            task
            for task in self.scored[0][1].scores
            if all(task in run.scores for _, run in self.scored)
        ]
        return sorted(shared, key=lambda task: CRITERIA.index(cards()[task].criterion))

    @property
    def target(self) -> Sentences | None:
        """The sentences about the target task. None unless all runs were scored on that task."""
        return self.words.get(self.study.target_task)

    @property
    def title(self) -> str:
        return self.say("study_title", name=self.study.name)

    @property
    def lead(self) -> str:
        return self.say("study_lead", cells=len(self.study.cells), scored=len(self.scored))

    def verdicts(self) -> list[Verdict]:
        """The sentences about the choices that were made, then the verdicts on the target task."""
        chosen = [Verdict("same", text) for text in tables.chosen(self.tried, self.say)]
        return [*chosen, *(self.target.verdicts() if self.target else ())]

    def notes(self) -> list[str]:
        """Notes about the limits of the verdicts."""
        return [*self.limits(), self.say("study_how_sure")]

    def limits(self) -> list[str]:
        """Notes on a missing target task, on points with few seeds, and on arms with few seeds."""
        has_few_seeds = any(len(point.runs) < ENOUGH for point in self.points)
        absent = [] if self.target else [self.say("study_no_target", task=self.study.target_task)]
        few = [self.say("study_few_seeds")] if has_few_seeds else []
        return [*absent, *few, *self._of_adapters()]

    def _of_adapters(self) -> Iterator[str]:
        """A note that names the arms whose results hold only for their adapters, because they have
        too few seeds. Yields nothing if there are none."""
        scores = [words.findings.scores for words in self.words.values()][:1]
        if few := [arm for each in scores for arm in each.arms if not each.has_seeds(arm)]:
            yield self.say("study_adapters", arms="; ".join(few))

    def of_all(self) -> Iterator[Table]:
        """The tables that do not belong to a single task."""
        more = (
            [self.target.doubles(curve).text for curve in self.target.findings.curves.values()]
            if self.target
            else []
        )
        yield from tables.choices(self.tried, self.say)
        yield from tables.absent(self.failed, self.say)
        yield tables.next_steps(self.steps, self.price, self.say, more)
        yield tables.again(self.command, self.points, self.price, self.say)

    def as_json(self) -> JsonRow:
        return {
            "study": self.study.name,
            "file": str(self.study.file),
            "target_task": self.study.target_task,
            "cells": [{"name": cell.name, "run": run.name} for cell, run in self.scored],
            "failed": [{"name": cell.name, "why": why} for cell, why in self.failed],
            "choices": [tried_json(each) for each in self.tried],
            "tasks": {task: task_json(words) for task, words in self.words.items()},
            "next": [
                {
                    "source": step.card.name,
                    "licence": step.card.licence,
                    "rows": step.card.rows.get("train"),
                    "leaks": step.leaks,
                    "added": {
                        "tokens": step.tokens,
                        "steps": step.training_steps,
                        "seconds": step.seconds,
                    },
                }
                for step in self.steps
            ],
        }


def answer(report: StudyReport, page: Path) -> Iterator[Paragraph]:
    """The short answer of a study: its sentences, their limits, and the command that opens its
    page."""
    yield Paragraph(report.lead)
    yield BLANK
    for verdict in report.verdicts():
        yield Paragraph(verdict.text, 2, STYLES.get(verdict.outcome, ""))
    yield from (Paragraph(text, 1) for text in report.limits())
    yield BLANK
    yield Paragraph(report.say("summary_page", path=page))
    yield Paragraph(report.say("study_open"))
    yield Paragraph(command(page.parent, verb="open"), is_command=True)
