"""Chooses the next step after a comparison. The first condition in STEPS that holds decides."""

import math
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from kodata import SOURCES
from kotune.compare.comparison import Comparison
from kotune.compare.result import Result
from kotune.compare.seeds import ENOUGH
from kotune.compare.verdict import claim, is_no_better
from kotune.display.figures import change
from kotune.display.phrases import Phrases
from kotune.runs.again import UNKNOWN, again, recipe_of, runs_dir_of
from kotune.runs.finished import Finished
from kotune.runs.folder import RUNS, command
from kotune.shipped import PROGRAM, RECIPES, typed
from kotune_tasks.card import CRITERIA, cards

# Baselines that use only a part of an item. A model that is no better has not learned the task.
SIMPLE = ("majority", "hypothesis_only", "lead3")
MOST = 10  # a difference that needs more times as many items and seeds is too small to show
# The parts of recipe names that differ between the shipped recipes for the two models.
MODELS = ("llama", "deepseek")
STUDY = Path("few_data")  # a shipped study of how many training rows are enough


class NextStep(NamedTuple):
    """A next step: a sentence, and the commands to enter one after another."""

    text: str
    commands: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.text} {' && '.join(self.commands)}"


@dataclass(frozen=True)
class Known:
    """What is known about a comparison."""

    result: Result
    phrases: Phrases

    def name(self, run: Finished) -> str:
        return self.result.models[run.folder]

    @property
    def between(self) -> list[Comparison]:
        """The comparisons of two models by primary metrics."""
        return [each for each in self.result.comparisons if each.is_primary and not each.is_tuning]

    def step(self, kind: str, *commands: str, **places: str) -> NextStep:
        return NextStep(
            self.phrases.phrase("next_step", kind, **places), tuple(dict.fromkeys(commands))
        )

    def compare(self, *words: str) -> str:
        """The command that compares the same models again: by their recipes, or by the folders of
        their runs if the recipes are not known or not different."""
        recipes = [typed(recipe_of(group[0].record.as_json())) for group in self.result.groups]
        is_clear = str(UNKNOWN) not in recipes and len({*recipes}) == len(recipes)
        folders = [str(run.folder) for run in self.result.runs]
        runs_dir = runs_dir_of(self.result.runs[0].record.as_json())
        where = ["--runs-dir", str(runs_dir)] if is_clear and runs_dir != RUNS else []
        return shlex.join([PROGRAM, "compare", *(recipes if is_clear else folders), *words, *where])


def next_step(result: Result, phrases: Phrases) -> NextStep:
    """The next step."""
    known = Known(result, phrases)
    return next(step for condition in STEPS for step in condition(known))


def _nothing_scored(known: Known) -> Iterator[NextStep]:
    """No task was scored."""
    alone = any(run.scores and not run.is_tuned for run in known.result.runs)
    if not known.result.comparisons and not alone:
        yield known.step("nothing_scored", f"{PROGRAM} tasks")


def _limited(known: Known) -> Iterator[NextStep]:
    """Only some items were scored."""
    limited = [run for run in known.result.runs if run.record.limit]
    if limited:
        commands = (again({**run.record.as_json(), "limit": None}) for run in limited)
        yield known.step("limited", *commands)


def _at_baseline(known: Known) -> Iterator[NextStep]:
    """A tuned model is no better than a simple baseline, or than its base model."""
    for each in (*known.result.baselines, *known.result.comparisons):
        is_simple = each.is_primary and each.is_tuning and each.a.variant in (*SIMPLE, "base")
        if is_simple and is_no_better(each):
            run = each.b.run
            kind, changed = _more_training(run)
            facts = run.record.as_json()
            command_line = again(facts, [changed], ENOUGH if each.b.others else None)
            baseline = known.phrases.word("next_baselines", each.a.variant)
            yield known.step(kind, command_line, name=known.name(run), baseline=baseline)


def _more_training(run: Finished) -> tuple[str, str]:
    """How to train a run better, as a key of the phrases and a change of its recipe: on all rows,
    else in the form `write`, else for twice as many epochs."""
    for number, entry in enumerate(run.manifest.entries):
        if entry.samples is not None:
            return "more_data", f"data.{number}.samples=null"
    for number, entry in enumerate(run.manifest.entries):
        source = SOURCES.get(entry.source)
        if source and entry.form != "write" and "write" in source.FORMS:
            return "write_form", f"data.{number}.form=write"
    epochs = run.config.get("num_epochs")
    doubled = 2 * epochs if isinstance(epochs, int | float) else 4
    return "more_epochs", f"axolotl.num_epochs={doubled:g}"


def _few_seeds(known: Known) -> Iterator[NextStep]:
    """A model has too few seeds for claims about the model."""
    trained = [group for group in known.result.groups if group[0].record.trained]
    few = [group[0] for group in trained if len(group) < ENOUGH]
    if few:
        commands = (again(run.record.as_json(), seeds=ENOUGH) for run in few)
        yield known.step("seeds" if len(known.result.groups) > 1 else "seeds_alone", *commands)


def _alone(known: Known) -> Iterator[NextStep]:
    """There is only one model, so there is nothing to compare it with."""
    if len(known.result.groups) > 1:
        return
    run = known.result.runs[0]
    facts = run.record.as_json()
    recipe, runs_dir = recipe_of(facts), runs_dir_of(facts)
    if not run.record.trained:
        compare = shlex.join([PROGRAM, "compare", str(run.folder), "RUN"])
        yield known.step("other_run", compare)
        return
    for a, b in (MODELS, MODELS[::-1]):
        if a not in recipe.name:
            continue
        other = recipe.with_name(recipe.name.replace(a, b))
        if (RECIPES / f"{other.stem}.yml").is_file():
            compare = command(recipe, typed(other), runs_dir=runs_dir, verb="compare")
            seeds = ("--seeds", f"{len(known.result.groups[0])}")
            yield known.step("other_model", command(other, *seeds, runs_dir=runs_dir), compare)
    compare = command(recipe, str(UNKNOWN), runs_dir=runs_dir, verb="compare")
    yield known.step("other_recipe", compare)


def _tie(known: Known) -> Iterator[NextStep]:
    """No difference between models was found."""
    claims = [claim(each) for each in known.between]
    if "same" not in claims or {"better", "worse"} & {*claims}:
        return
    tie = known.between[claims.index("same")]
    difference = tie.paired.difference
    factor = (tie.paired.detectable / difference) ** 2 if difference else math.inf
    if factor > MOST:
        yield known.step("too_close", known.compare("--all"))
        return
    sides = sorted((tie.a, tie.b), key=lambda side: len(side.runs))
    commands = (
        again(side.run.record.as_json(), seeds=math.ceil(factor * len(side.runs))) for side in sides
    )
    by = change(abs(difference), tie.is_share, known.phrases, sign="")
    yield known.step("tie", *commands, by=by, factor=f"{factor:.1f}")


def _not_measured(known: Known) -> Iterator[NextStep]:
    """No task measures some of the criteria."""
    measured = {cards()[each.task].criterion for each in known.result.comparisons}
    absent = [known.phrases.word("criteria", name) for name in CRITERIA if name not in measured]
    if absent:
        yield known.step("not_measured", f"{PROGRAM} tasks", criteria=", ".join(absent))


def _decided(known: Known) -> Iterator[NextStep]:
    """No question is open."""
    yield known.step("decided", command(STUDY, verb="study"))


STEPS: tuple[Callable[[Known], Iterator[NextStep]], ...] = (
    _nothing_scored,
    _limited,
    _at_baseline,
    _few_seeds,
    _alone,
    _tie,
    _not_measured,
    _decided,
)
