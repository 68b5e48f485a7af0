"""What a report says of one run or of several that are compared, in plain words, from the files of
the run folders alone: report.html and report.md of a run, and the page and the Markdown of a
comparison."""

from kotune.compare.answers import Changes, Confusion, Example, changes
from kotune.compare.calibration import Calibration, calibrations
from kotune.compare.efficiency import Loss
from kotune.compare.result import Result
from kotune.display.phrases import Phrases
from kotune.display.table import Table
from kotune.report import comparison_tables, cost_tables, run_tables
from kotune.report.lines import doubts
from kotune.runs.finished import Finished


class Report:
    """What page and Markdown say, in one language. A table more is a line in `judged`, `unlike`,
    `spent` or `made`."""

    def __init__(self, result: Result, say: Phrases) -> None:
        self.result, self.say = result, say
        self.several = len(result.runs) > 1
        self.numbers = {run.folder: place for place, run in enumerate(result.runs, 1)}
        self.changes: list[Changes] = list(changes(result.comparisons))
        self.calibrations: list[Calibration] = list(calibrations(result.runs))
        self.losses: list[list[Loss]] = [facts.losses for facts in result.efficiency()]
        self.recipes = run_tables.recipes(result.runs)

    @property
    def has_seeds(self) -> bool:
        """Whether runs of one recipe stand for it together."""
        return any(one.a.others or one.b.others for one in self.result.comparisons)

    @property
    def title(self) -> str:
        return self.say("compare_title") if self.several else self.name(self.result.runs[0])

    def name(self, run: Finished) -> str:
        return self.result.names[run.folder]

    def judged(self) -> list[Table]:
        """What was found, criterion by criterion, what it is to be held against, and what it is by
        kinds of items; nothing where nothing was scored."""
        if not self.result.comparisons:
            return []
        criteria = comparison_tables.criteria(self.result, self.say)
        kinds = comparison_tables.breakdowns(self.result, self.say)
        seeds = comparison_tables.seeds(self.result, self.say)
        signals = comparison_tables.signals(self.result, self.say)
        return [
            *criteria,
            *seeds,
            comparison_tables.references(self.result, self.say),
            *signals,
            *kinds,
        ]

    def unlike(self) -> list[Table]:
        """What is not the same between the runs, beside their models."""
        return list(comparison_tables.not_the_same(self.result, self.say))

    def spent(self) -> list[Table]:
        """What it cost."""
        return [cost_tables.costs(self.result, self.say)]

    def made(self) -> list[Table]:
        """What the runs were made from, and how."""
        made = (run_tables.parity, run_tables.machine)
        return [
            *run_tables.data(self.result, self.say),
            *(table(self.result, self.say) for table in made),
        ]

    def whose(self, run: Finished) -> str:
        """A run's place in the list of runs, before what is told of it; nothing where there is one
        only."""
        return f"{self.numbers[run.folder]} " if self.several else ""

    def sides(self, changes: Changes) -> str:
        """What is compared with what, as in `nli_sample_ko: 1 base → 1 tuned`."""
        comparison = changes.comparison
        sides = comparison_tables.sides(comparison, self.numbers, self.say)
        return f"{comparison.task}: {sides}"

    def confusion(self, found: Confusion) -> Table:
        """Right answers in rows, given answers in columns."""
        variant = self.whose(found.side.run) + self.say.word("variants", found.side.variant)
        title = self.say("confusion", task=found.task, variant=variant)
        rows = [
            (name, *(f"{count:,}" for count in counts))
            for name, counts in zip(found.choices, found.counts, strict=True)
        ]
        return Table(title, (self.say("right_answer"), *found.choices), rows, 1)

    def changed(self, found: Changes) -> str:
        """How many items of a task are better and worse with b than with a."""
        one, kind = found.comparison, "tuning" if found.is_tuning else "runs"
        places = {key: f"{getattr(found, key):,}" for key in ("n", "won", "lost", "other")}
        names = {"a": self.name(one.a.run), "b": self.name(one.b.run)}
        word = "items" if found.metric else "words"
        return self.say.told(
            f"changed_{kind}", word, task=one.task, metric=found.metric, **places, **names
        )

    def outcome(self, found: Changes, example: Example) -> str:
        """The heading of an example."""
        kind = "tuning" if found.is_tuning else "runs"
        names = {"a": self.name(found.comparison.a.run), "b": self.name(found.comparison.b.run)}
        return self.say.told(f"example_{kind}", example.outcome, guid=example.guid, **names)

    def who(self, found: Changes) -> tuple[str, str]:
        """Whose the two answers of an example are."""
        if found.is_tuning:
            return self.say("before"), self.say("after")
        return self.name(found.comparison.a.run), self.name(found.comparison.b.run)

    def judgement(self, is_right: bool | None) -> str:
        """What stands behind whose answer it is; nothing where an answer is neither right nor
        wrong."""
        return "" if is_right is None else f", {self.say('right' if is_right else 'wrong')}"

    def calibrated(self, found: Calibration) -> str:
        """The heading of a calibration plot."""
        errors = (found.error_base, found.error_tuned)
        base, tuned = map(comparison_tables.number, errors)
        return self.say(
            "calibrated", task=f"{self.whose(found.run)}{found.task}", base=base, tuned=tuned
        )

    def lost(self, run: Finished) -> str:
        """The first and last training loss of a run, the last of validation, and what its training
        is doubted for."""
        return " ".join(
            [self._ends(run), *doubts(run.record.warnings, run.record.halvings, self.say)]
        )

    def _ends(self, run: Finished) -> str:
        losses = self.losses[self.numbers[run.folder] - 1]
        trained, validated = (
            [loss for loss in losses if loss.kind == kind] for kind in ("loss", "eval_loss")
        )
        last = [self.say("validation_loss", last=f"{validated[-1].value:.4f}")] if validated else []
        return " ".join([self._trained(trained), *last])

    def _trained(self, logged: list[Loss]) -> str:
        if not logged:
            return self.say("no_loss")
        first, last = logged[0], logged[-1]
        places = {"first": f"{first.value:.4f}", "last": f"{last.value:.4f}"}
        return self.say(
            "losses" if len(logged) > 1 else "one_loss",
            at=first.step,
            end=last.step,
            **places,
        )
