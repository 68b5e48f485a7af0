"""The content of a report on one run, or on a comparison of several runs. It depends only on the
files in the run folders."""

from kotune.compare.answers import Changes, Confusion, Example, changes
from kotune.compare.calibration import Calibration, calibrations
from kotune.compare.efficiency import Loss
from kotune.compare.result import Result, title_of
from kotune.display.figures import level
from kotune.display.phrases import Phrases
from kotune.display.table import Table
from kotune.report import comparison_tables, cost_tables, run_tables
from kotune.report.lines import doubts
from kotune.report.scored_tables import health, scored
from kotune.runs.finished import Finished


class Report:
    """The content of the HTML page and of the Markdown, in one language. To add a table to both,
    add it to `metrics`, `baselines`, `kinds`, `differences`, `costs` or `origins`.

    - `has_several`: whether the report covers several runs
    - `numbers`: the number of each run in the list of runs, by the run's folder
    - `losses`: the logged losses of each run, in the order of the runs
    - `recipes`: the text of each run's recipe, in the order of the runs
    """

    def __init__(self, result: Result, phrases: Phrases) -> None:
        self.result, self.phrases = result, phrases
        self.has_several = len(result.runs) > 1
        self.numbers = {run.folder: number for number, run in enumerate(result.runs, 1)}
        self.changes: list[Changes] = list(changes(result.comparisons))
        self.calibrations: list[Calibration] = list(calibrations(result.runs))
        self.losses: list[list[Loss]] = [facts.losses for facts in result.efficiency()]
        self.recipes = run_tables.recipes(result.runs)

    @property
    def has_seeds(self) -> bool:
        """Whether any recipe has several seeds."""
        return any(
            comparison.a.others or comparison.b.others for comparison in self.result.comparisons
        )

    @property
    def title(self) -> str:
        """The name of the model if all runs are seeds of one recipe. Otherwise a title with the
        names of the compared models."""
        (first, *seeds), *models = self.result.groups
        if models:
            names = dict.fromkeys(self.result.models.values())
            return self.phrases("compare_title", names=" / ".join(names))
        return self.result.name_of((first, *seeds))

    def name(self, run: Finished) -> str:
        """The displayed name of a run."""
        return self.result.names[run.folder]

    def full_name(self, run: Finished) -> str:
        """The id or path of a run's model, with its adapter."""
        return title_of(run)

    def results(self) -> list[Table]:
        """All tables of results. Empty if nothing was scored."""
        return [*self.metrics(), *self.baselines(), *self.kinds()]

    def metrics(self) -> list[Table]:
        """Tables of comparisons by criterion, of gains, by label, and of seeds. Models without an
        adapter come first."""
        alone = list(scored(self.result, self.phrases))
        if not self.result.comparisons:
            return alone
        tables = comparison_tables
        return [
            *alone,
            *tables.criteria(self.result, self.phrases),
            *tables.gains(self.result, self.phrases),
            *tables.label_parts(self.result, self.phrases),
            *tables.seeds(self.result, self.phrases),
        ]

    def baselines(self) -> list[Table]:
        """Tables of baselines, of the health of generated answers, and of signals of natural
        Korean."""
        of_answers = list(health(self.result, self.phrases))
        if not self.result.comparisons:
            return of_answers
        return [
            comparison_tables.references(self.result, self.phrases),
            *of_answers,
            *comparison_tables.signals(self.result, self.phrases),
        ]

    def kinds(self) -> list[Table]:
        """Tables of comparisons over parts of the items."""
        return list(comparison_tables.breakdowns(self.result, self.phrases))

    def differences(self) -> list[Table]:
        """Tables of the differences between each later run and the first run, other than their
        models. Empty for a single run."""
        return list(comparison_tables.not_the_same(self.result, self.phrases))

    def costs(self) -> list[Table]:
        """A table with the cost of each run."""
        return [cost_tables.costs(self.result, self.phrases)]

    def origins(self) -> list[Table]:
        """Tables with the data of each run, its parity proof, and how to reproduce it. The last is
        the only one if nothing was trained."""
        result, phrases = self.result, self.phrases
        is_trained = any(run.record.trained for run in result.runs)
        return [
            *run_tables.data(result, phrases),
            *([run_tables.parity(result, phrases)] if is_trained else []),
            run_tables.reproduction(result, phrases),
        ]

    def prefix(self, run: Finished) -> str:
        """The number of a run and a space, as the beginning of a text about the run. Empty if there
        is a single run."""
        return f"{self.numbers[run.folder]} " if self.has_several else ""

    def sides(self, changes: Changes) -> str:
        """The task and the two compared models, for example `nli_sample_ko: 1 base → 1 tuned`."""
        comparison = changes.comparison
        sides = comparison_tables.sides(comparison, self.numbers, self.phrases)
        return f"{comparison.task}: {sides}"

    def confusion(self, confusion: Confusion) -> Table:
        """A table of a confusion matrix, with right answers in rows and given answers in
        columns."""
        variant = self.prefix(confusion.side.run) + self.phrases.word(
            "variants", confusion.side.variant
        )
        title = self.phrases("confusion", task=confusion.task, variant=variant)
        rows = [
            (name, *(f"{count:,}" for count in counts))
            for name, counts in zip(confusion.choices, confusion.counts, strict=True)
        ]
        return Table(title, (self.phrases("right_answer"), *confusion.choices), rows, 1)

    def change_summary(self, changes: Changes) -> str:
        """A sentence with the numbers of items won and lost by b. If no metric has a value for
        single items, the sentence has the number of different answers."""
        comparison, kind = changes.comparison, "tuning" if changes.is_tuning else "runs"
        places = {key: f"{getattr(changes, key):,}" for key in ("n", "won", "lost", "other")}
        names = {"a": self.name(comparison.a.run), "b": self.name(comparison.b.run)}
        word = "items" if changes.metric else "words"
        return self.phrases.phrase(
            f"changed_{kind}", word, task=comparison.task, metric=changes.metric, **places, **names
        )

    def outcome(self, changes: Changes, example: Example) -> str:
        """The heading of an example: its id, and whether b won or lost it."""
        kind = "tuning" if changes.is_tuning else "runs"
        names = {"a": self.name(changes.comparison.a.run), "b": self.name(changes.comparison.b.run)}
        return self.phrases.phrase(f"example_{kind}", example.outcome, guid=example.guid, **names)

    def names_of(self, changes: Changes) -> tuple[str, str]:
        """The names of models a and b in an example. If they are the base and the tuned model of
        one run, the names are "before" and "after". Otherwise they are the names of the runs."""
        if changes.is_tuning:
            return self.phrases("before"), self.phrases("after")
        return self.name(changes.comparison.a.run), self.name(changes.comparison.b.run)

    def correctness(self, is_right: bool | None) -> str:
        """The suffix ", right" or ", wrong". Empty if `is_right` is None, because the answer is
        neither right nor wrong."""
        return "" if is_right is None else f", {self.phrases('right' if is_right else 'wrong')}"

    def calibrated(self, calibration: Calibration) -> str:
        """The heading of a calibration plot, with the expected calibration errors before and after
        tuning."""
        errors = (calibration.error_base, calibration.error_tuned)
        base, tuned = (level(error, True) for error in errors)
        return self.phrases(
            "calibrated",
            task=f"{self.prefix(calibration.run)}{calibration.task}",
            base=base,
            tuned=tuned,
        )

    def loss_summary(self, run: Finished) -> str:
        """Sentences with the first and the last training loss of a run, its last validation loss,
        and the warnings about its training."""
        return " ".join(
            [
                self._first_and_last(run),
                *doubts(run.record.warnings, run.record.halvings, self.phrases),
            ]
        )

    def _first_and_last(self, run: Finished) -> str:
        """The sentences on losses. A run without a validation loss has no sentence on it."""
        losses = self.losses[self.numbers[run.folder] - 1]
        trained, validated = (
            [loss for loss in losses if loss.kind == kind] for kind in ("loss", "eval_loss")
        )
        last = (
            [self.phrases("validation_loss", last=f"{validated[-1].value:.4f}")]
            if validated
            else []
        )
        return " ".join([self._trained(trained), *last])

    def _trained(self, logged: list[Loss]) -> str:
        """The sentence on training losses. `logged`: the training losses in the order of steps."""
        if not logged:
            return self.phrases("no_loss")
        first, last = logged[0], logged[-1]
        places = {"first": f"{first.value:.4f}", "last": f"{last.value:.4f}"}
        return self.phrases(
            "losses" if len(logged) > 1 else "one_loss", at=first.step, end=last.step, **places
        )
