"""Comparisons in plain words: a sentence for each claim, and notes on the limits of the claims."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from kotune.compare.comparison import Comparison
from kotune.compare.gains import GainComparison
from kotune.compare.labels import LabelPart
from kotune.compare.paired import FEWEST_CLUSTERS
from kotune.compare.result import Result
from kotune.compare.seeds import ENOUGH, groups
from kotune.compare.verdict import claim, doubted_by, is_no_better, outcome
from kotune.display.figures import change, interval
from kotune.display.phrases import Phrases
from kotune.display.words import amount
from kotune.models.presets import row_of
from kotune.report.lines import not_scored
from kotune.report.wording import CLAIMED, Wording, equals
from kotune.runs.finished import Finished
from kotune.runs.proof import NOT_PROVEN
from kotune_tasks.card import cards

Compared = TypeVar("Compared", bound=Comparison)


@dataclass(frozen=True)
class Verdict:
    """A claim and its sentence. `outcome`: a result of kotune.compare.verdict.claim(). Sentences on
    two models name the winner, so their outcome is `better` also if it is a."""

    outcome: str
    text: str


class Caution(NamedTuple):
    """What limits the verdicts, as a sentence. `label`: its kind in a few words."""

    label: str
    text: str


def verdicts(result: Result, phrases: Phrases) -> list[Verdict]:
    """All verdicts: on two models, on the tuning of each model, on gains, and on each model
    compared with its baselines."""
    return [
        *between(result, phrases),
        *tunings(result, phrases),
        *gain_verdicts(result, phrases),
        *_baseline_verdicts(result, phrases),
    ]


def between(result: Result, phrases: Phrases) -> list[Verdict]:
    """A verdict on each comparison of two models by a primary metric."""
    made = [each for each in by_criterion(result.comparisons) if not each.is_tuning]
    return [_verdict(each, Wording(result, phrases)) for each in made]


def tunings(result: Result, phrases: Phrases) -> list[Verdict]:
    """A verdict on each comparison of a tuned model with its base model by a primary metric."""
    made = [each for each in by_criterion(result.comparisons) if each.is_tuning]
    return [_verdict(each, Wording(result, phrases)) for each in made]


def by_criterion(comparisons: Sequence[Compared]) -> list[Compared]:
    """The comparisons by primary metrics, sorted by criterion and task."""
    tasks = [*dict.fromkeys(each.task for each in comparisons)]
    return sorted(
        (each for each in comparisons if each.is_primary),
        key=lambda each: (cards()[each.task].criterion_order, tasks.index(each.task)),
    )


def cautions(result: Result, phrases: Phrases) -> list[Caution]:
    """What limits the verdicts, at most one caution of each kind, in this order:

    - `missing`: tasks that were not scored
    - `unlike`: differences between the runs other than their models
    - `not_proven`: tasks for which the parity proof failed
    - `at_baseline`: tuned models that are no better than a baseline
    - `poor_answers`: poor answers after tuning (kotune.compare.health)
    - `scope`: the scope of the claims, if it is adapters and not models
    - `seeds_known`: runs that are not compared, but show the variation of seeds
    - `toys`: models that kotune ships, which are made for trials
    """
    is_limited = result.comparisons and not _has_enough_seeds(result)
    not_beaten = list(_not_beaten(result))
    found = {
        "missing": _missing(result, phrases),
        "unlike": _unlike_runs(result, phrases),
        "not_proven": _not_proven(result, phrases),
        "at_baseline": _at_baseline(not_beaten, Wording(result, phrases)),
        "poor_answers": _poor_answers(result, phrases),
        "scope": [_scope(result, phrases)] if is_limited else [],
        "seeds_known": _known_seeds(result, phrases),
        "toys": _toys(result, phrases) if result.comparisons else [],
    }
    texts = {kind: " ".join(sentences) for kind, sentences in found.items()}
    models = dict.fromkeys(result.models[lines[0].b.run.folder] for lines in not_beaten)
    places = {"models": ", ".join(models)}
    return [
        Caution(phrases.phrase("caution_kinds", kind, **places), text)
        for kind, text in texts.items()
        if text
    ]


def notes(result: Result, phrases: Phrases) -> list[str]:
    """All notes on the verdicts: the cautions, and those of more_notes()."""
    return [*(each.text for each in cautions(result, phrases)), *more_notes(result, phrases)]


def more_notes(result: Result, phrases: Phrases) -> list[str]:
    """The notes that are no cautions: what a gain means, the scope of the claims if it is models,
    and how p-values were adjusted."""
    is_of_models = result.comparisons and _has_enough_seeds(result)
    scope = [_scope(result, phrases)] if is_of_models else []
    gained = [phrases("gains_scope")] if result.gains else []
    tests = phrases("how_sure", tests=_tests(result, phrases))
    of_tests = [tests] if result.comparisons else []
    return [*gained, *scope, *of_tests]


def _has_enough_seeds(result: Result) -> bool:
    """Whether every recipe that tuned a model has at least ENOUGH seeds. True if none did."""
    return all(len(group) >= ENOUGH for group in groups(_tuned(result)))


def _tuned(result: Result) -> list[Finished]:
    return [run for run in result.runs if run.is_tuned]


def _tests(result: Result, phrases: Phrases) -> str:
    """The number of p-values that Holm's method adjusted together, as text. Comparisons with
    baselines are adjusted separately, so they are counted separately."""
    models, baselines = (
        sum(
            comparison.p_holm is not None and math.isfinite(comparison.p_holm)
            for comparison in family
        )
        for family in ([*result.comparisons, *result.gains], result.baselines)
    )
    return phrases("two_families" if baselines else "one_family", n=models, baselines=baselines)


def _toys(result: Result, phrases: Phrases) -> Iterator[str]:
    """A sentence on the models that are shipped with kotune."""
    rows = {run.recipe.model: row_of(run.recipe.model) for run in result.runs}
    toys = [model for model, row in rows.items() if row and row.is_shipped]
    if toys:
        yield phrases("toys", models=", ".join(toys))


def _missing(result: Result, phrases: Phrases) -> Iterable[str]:
    """A sentence for each task that was not scored."""
    return dict.fromkeys(line for run in result.runs for line in not_scored(run.manifest, phrases))


def _unlike_runs(result: Result, phrases: Phrases) -> Iterator[str]:
    """A sentence for each number of differences from the first run. It names the runs that differ
    from it in this number of settings, data or versions."""
    by_number: dict[int, list[str]] = {}
    for folder, rows in result.differences.items():
        by_number.setdefault(len(rows), []).append(result.names[folder])
    first = result.names[result.runs[0].folder]
    for number, names in by_number.items():
        if number:
            yield phrases("unlike", a=first, b=", ".join(names), n=number)


def _not_proven(result: Result, phrases: Phrases) -> Iterator[str]:
    """A sentence on the runs with NOT_PROVEN tasks. For these, no task scores the prompts on which
    the model was trained."""
    runs: dict[str, list[str]] = {}
    for run in result.runs:
        tasks = [task for task, entry in run.scores.items() if entry.proven == NOT_PROVEN]
        if tasks:
            runs.setdefault(", ".join(tasks), []).append(result.names[run.folder])
    if runs:
        found = (
            phrases("unproven", tasks=tasks, runs=", ".join(names)) for tasks, names in runs.items()
        )
        yield phrases("not_proven", found="; ".join(found))


def _at_baseline(not_beaten: Sequence[list[Comparison]], wording: Wording) -> Iterator[str]:
    """A sentence for each tuned model and task that is not significantly better than a baseline.
    `not_beaten`: what _not_beaten() returns."""
    for lines in not_beaten:
        model, named = wording.name(lines[0].b), _named(lines, wording.phrases)
        yield wording.phrases("no_better", model=model, task=lines[0].task, lines=named)


def _not_beaten(result: Result) -> Iterator[list[Comparison]]:
    """For each tuned model and task, the comparisons with baselines than which the model is not
    significantly better. Texts that people wrote are no such baseline."""
    for comparisons in _with_baselines(result):
        human = cards()[comparisons[0].task].lines
        lines = [each for each in comparisons if is_no_better(each) and each.a.variant not in human]
        if lines:
            yield lines


def _poor_answers(result: Result, phrases: Phrases) -> Iterator[str]:
    """A sentence on the tuned models and tasks with poor answers."""
    found = []
    for each in result.healths:
        if each.is_poor:
            shares = each.health._asdict()
            faults = ", ".join(
                phrases.phrase("faults", name, share=f"{shares[name]:.1%}")
                for name in each.health.poor()
            )
            model = Wording(result, phrases).name(each.side)
            found.append(phrases("poor_answer", task=each.task, model=model, faults=faults))
    if found:
        yield phrases("poor_answers", found="; ".join(found))


def _scope(result: Result, phrases: Phrases) -> str:
    """A sentence on the scope of the claims. They are about models if every recipe has at least
    ENOUGH seeds. Otherwise some or all of them are only about these adapters."""
    grouped = groups(_tuned(result))
    if not grouped:
        return phrases("nothing_tuned")
    enough = [group for group in grouped if len(group) >= ENOUGH]
    if _has_enough_seeds(result):
        return phrases("seeds_enough")
    if not enough:
        return phrases("one_seed" if len(_tuned(result)) == 1 else "one_seed_each")
    return phrases("seeds_some", some="; ".join(result.name_of(group) for group in enough))


def _known_seeds(result: Result, phrases: Phrases) -> Iterator[str]:
    """A sentence on the runs that are not compared, but show the variation of seeds. Yields nothing
    if there are no such runs."""
    runs = dict.fromkeys(
        run.name
        for comparison in result.comparisons
        if comparison.includes_seeds and not comparison.is_tuning
        for side in (comparison.a, comparison.b)
        for run in side.known
        if len(side.runs) < ENOUGH
    )
    if runs:
        yield phrases("seeds_known", runs=", ".join(runs))


def _verdict(comparison: Comparison, wording: Wording) -> Verdict:
    """The verdict on a comparison of models. Sentences on doubts, on labels and on naturalness
    follow in the same text."""
    phrases, claimed = wording.phrases, claim(comparison)
    kind = "tuning" if comparison.is_tuning else "runs"
    more = [
        *_doubt(comparison, phrases),
        *(
            _opposite(part, wording)
            for part in wording.result.label_parts
            if part.whole is comparison and part.is_opposite
        ),
    ]
    if cards()[comparison.task].criterion == "naturalness":
        more.append(phrases("not_judged_by_people"))
    text = phrases.phrase(f"verdict_{kind}", claimed, **wording.places(comparison))
    result = claimed if comparison.is_tuning else _of_winner(claimed)
    return Verdict(result, " ".join([text, *more]))


def _of_winner(claimed: str) -> str:
    """The outcome of a sentence that names the winner of two models."""
    return "better" if claimed == "worse" else claimed


def _opposite(each: LabelPart, wording: Wording) -> str:
    """A sentence on a part of a task in which the other model has the higher value. If the
    variation between seeds is unknown, the sentence names the model's adapter instead."""
    part, phrases = each.part, wording.phrases
    ahead = part.b if part.paired.difference > 0 else part.a
    of_runs = "run" if part.includes_seeds else "adapter"
    kind = ahead.variant if part.is_tuning else of_runs
    low, high = sorted(map(abs, (part.paired.ci_low, part.paired.ci_high)))
    return phrases.phrase(
        "opposite",
        part.metric,
        labels=phrases("and").join(each.labels),
        ahead=phrases.phrase("ahead", kind, name=wording.name(ahead)),
        by=change(abs(part.paired.difference), True, phrases, low, sign=""),
        low=amount(low, True, low),
        high=amount(high, True, low),
        p=equals(part.p_holm),
    )


def gain_verdicts(result: Result, phrases: Phrases) -> list[Verdict]:
    """A verdict on each comparison of gains by a primary metric. There is none without a value or a
    test, because the verdicts on the two models say what is missing."""
    wording = Wording(result, phrases)
    return [
        _gain_verdict(gain, wording)
        for gain in by_criterion(result.gains)
        if claim(gain) not in ("undefined", "void")
    ]


def _gain_verdict(gain: GainComparison, wording: Wording) -> Verdict:
    claimed, phrases = claim(gain), wording.phrases
    text = phrases.phrase("verdict_gains", claimed, **wording.of_gains(gain))
    also = _unlike(gain, wording.result.gains, phrases) if claimed in CLAIMED else []
    return Verdict(_of_winner(claimed), " ".join([text, *_doubt(gain, phrases), *also]))


def _unlike(
    gain: GainComparison, gains: Sequence[GainComparison], phrases: Phrases
) -> Iterator[str]:
    """Sentences on the other metrics of the same items by which the model that gained more did not
    gain more. Their differences have the sign that is positive for this model."""
    sign = 1 if gain.paired.difference > 0 else -1
    metrics: dict[str, list[str]] = {}
    for other in gains:
        same = (other.task, other.a, other.b) == (gain.task, gain.a, gain.b)
        paired, share = other.paired, other.is_share
        low, high = sorted((sign * paired.ci_low, sign * paired.ci_high))
        if same and paired.n == gain.paired.n and not other.is_primary and low <= 0:
            by = change(sign * paired.difference, share, phrases)
            shown = f"{other.metric} {by} ({interval(low, high, share)})"
            metrics.setdefault("opposite" if high < 0 else "same", []).append(shown)
    for kind, of_kind in metrics.items():
        yield phrases.phrase("gains_unlike", kind, metrics=", ".join(of_kind))


def _baseline_verdicts(result: Result, phrases: Phrases) -> list[Verdict]:
    """A verdict for each run and task, which compares the tuned model with all its baselines."""
    wording = Wording(result, phrases)
    return [_baseline_verdict(comparisons, wording) for comparisons in _with_baselines(result)]


def _with_baselines(result: Result) -> Iterable[list[Comparison]]:
    """The comparisons of each tuned model with its baselines, for each task."""
    by_task: dict[tuple[Path, str], list[Comparison]] = {}
    for comparison in result.baselines:
        by_task.setdefault((comparison.b.run.folder, comparison.task), []).append(comparison)
    return by_task.values()


def _baseline_verdict(comparisons: Sequence[Comparison], wording: Wording) -> Verdict:
    """The verdict on a tuned model compared with all baselines of one task. Its outcome is that of
    the comparison whose outcome is last in the phrases `verdict_line`."""
    phrases = wording.phrases
    by_outcome: dict[str, list[Comparison]] = {}
    for comparison in comparisons:
        by_outcome.setdefault(outcome(comparison), []).append(comparison)
    outcomes = [result for result in phrases.words("verdict_line") if result in by_outcome]
    sentences = (
        phrases.phrase(
            "verdict_line",
            result,
            lines=_named(by_outcome[result], phrases),
            fewest=FEWEST_CLUSTERS,
        )
        for result in outcomes
    )
    places = wording.places(comparisons[0])
    return Verdict(outcomes[-1], phrases("verdict_lines", **places, told="; ".join(sentences)))


def _named(comparisons: Sequence[Comparison], phrases: Phrases) -> str:
    """A list of baselines. After each, the tuned model's value minus the baseline's is in
    brackets."""
    return ", ".join(
        f"{phrases.word('lines', each.a.variant)}"
        f" ({change(each.paired.difference, each.is_share, phrases)})"
        for each in comparisons
    )


def _doubt(comparison: Comparison, phrases: Phrases) -> list[str]:
    """A sentence on why no difference is claimed, if interval and p-value disagree."""
    doubt = doubted_by(comparison)
    p = equals(comparison.paired.p_value)
    return [phrases.phrase("doubted_by", doubt, p=p)] if doubt else []
