"""Comparisons in plain words: a sentence for each claim, and notes on the limits of the claims."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kotune.compare.comparison import Comparison, Side
from kotune.compare.gains import GainComparison
from kotune.compare.labels import LabelPart
from kotune.compare.paired import FEWEST_CLUSTERS, Paired
from kotune.compare.result import Result, title_of
from kotune.compare.seeds import ENOUGH, groups
from kotune.compare.verdict import claim, doubted_by, outcome
from kotune.display.phrases import Phrases
from kotune.display.words import amount, p_text
from kotune.report.lines import not_scored
from kotune.runs.proof import NOT_PROVEN
from kotune_tasks.card import cards

# The claims of verdict.claim() that name no difference between two models.
UNCLAIMED = ("same", "adapters_same", "few", "alike")


@dataclass(frozen=True)
class Verdict:
    """A claim and its sentence. `outcome`: a result of kotune.compare.verdict.claim(), for example
    `better` if b is better than a."""

    outcome: str
    text: str


def verdicts(result: Result, phrases: Phrases) -> list[Verdict]:
    """A verdict on each comparison of models by a primary metric, and on each comparison of gains
    by it. Then follows a verdict for each run and task, which compares the tuned model with all its
    baselines."""
    by_task: dict[tuple[Path, str], list[Comparison]] = {}
    for comparison in result.baselines:
        by_task.setdefault((comparison.b.run.folder, comparison.task), []).append(comparison)
    tuned = [
        _verdict(comparison, result, phrases)
        for comparison in result.comparisons
        if comparison.is_primary
    ]
    return [
        *tuned,
        *_gain_verdicts(result, phrases),
        *(
            _baseline_verdict(comparisons, result.names, phrases)
            for comparisons in by_task.values()
        ),
    ]


def notes(result: Result, phrases: Phrases) -> list[str]:
    """Notes on the limits of the verdicts, in this order:

    - tasks that were not scored
    - differences between the runs other than their models
    - tasks for which the parity proof failed
    - poor answers after tuning (kotune.compare.health)
    - whether the claims hold for models, or only for these adapters
    - runs that are not compared, but show the variation of seeds
    - the number of p-values that were adjusted together

    The last three are left out if there is no comparison."""
    first = result.names[result.runs[0].folder]
    differences = [
        phrases("unlike", a=first, b=result.names[folder], n=len(rows))
        for folder, rows in result.differences.items()
        if rows
    ]
    missing = dict.fromkeys(
        line for run in result.runs for line in not_scored(run.manifest, phrases)
    )
    scope = (
        [
            _scope(result, phrases),
            *_known_seeds(result, phrases),
            phrases("how_sure", tests=_tests(result, phrases)),
        ]
        if result.comparisons
        else []
    )
    gained = [phrases("gains_scope")] if result.gains else []
    doubts = [*_not_proven(result, phrases), *_poor_answers(result, phrases)]
    return [*missing, *differences, *doubts, *gained, *scope]


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


def _not_proven(result: Result, phrases: Phrases) -> Iterator[str]:
    """A sentence for each run with NOT_PROVEN tasks. For these, no task scores the prompts on which
    the model was trained."""
    for run in result.runs:
        tasks = [task for task, entry in run.scores.items() if entry.proven == NOT_PROVEN]
        if tasks:
            yield phrases("not_proven", run=result.names[run.folder], tasks=", ".join(tasks))


def _poor_answers(result: Result, phrases: Phrases) -> Iterator[str]:
    """A sentence for each tuned model and task with poor answers."""
    for each in result.healths:
        if each.is_poor:
            shares = each.health._asdict()
            faults = ", ".join(
                phrases.phrase("faults", name, share=f"{shares[name]:.1%}")
                for name in each.health.poor()
            )
            model = display_name(each.side, result.names)
            yield phrases("poor_answers", task=each.task, model=model, faults=faults)


def _scope(result: Result, phrases: Phrases) -> str:
    """A sentence on the scope of the claims. They are about models if every recipe has at least
    ENOUGH seeds. Otherwise some or all of them are only about these adapters."""
    grouped = groups([run for run in result.runs if run.is_tuned])
    if not grouped:
        return phrases("nothing_tuned")
    enough = [group for group in grouped if len(group) >= ENOUGH]
    if not enough:
        return phrases("one_seed" if len(grouped) == 1 else "one_seed_each")
    if len(enough) == len(grouped):
        return phrases("seeds_enough")
    names_of = "; ".join(
        display_name(Side(group[0], "tuned", group[1:]), result.names) for group in enough
    )
    return phrases("seeds_some", some=names_of)


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


def display_name(side: Side, names: dict[Path, str]) -> str:
    """The name of a side's model in a sentence. If the side has several seeds, the name lists them.
    `names`: the displayed name of each run, by the run's folder."""
    run, title = side.run, title_of(side.run)
    if not side.others:
        return names[run.folder]
    folder = f"{run.name}, " if names[run.folder] == f"{title} ({run.name})" else ""
    return f"{title} ({folder}seed={', '.join(str(run.record.seed) for run in side.runs)})"


def _verdict(comparison: Comparison, result: Result, phrases: Phrases) -> Verdict:
    """The verdict on a comparison of models, which is one of `result`."""
    kind, claimed = "tuning" if comparison.is_tuning else "runs", claim(comparison)
    text = phrases.phrase(
        f"verdict_{kind}",
        claimed,
        **_phrase_values(comparison, result.names, phrases),
        **_figures(comparison, claimed, phrases),
    )
    opposite = [
        _opposite(each, result.names, phrases)
        for each in result.label_parts
        if each.whole is comparison and each.is_opposite
    ]
    text = " ".join([text, *opposite])
    if cards()[comparison.task].criterion == "naturalness":
        text = f"{text} {phrases('not_judged_by_people')}"
    return Verdict(claimed, text)


def _opposite(each: LabelPart, names: dict[Path, str], phrases: Phrases) -> str:
    """A sentence on a part of a task in which the other model has the higher value."""
    part = each.part
    ahead = part.b if part.paired.difference > 0 else part.a
    kind = ahead.variant if part.is_tuning else "run"
    return phrases.phrase(
        "opposite",
        part.metric,
        labels=phrases("and").join(each.labels),
        ahead=phrases.phrase("ahead", kind, name=display_name(ahead, names)),
        **_figures(part, outcome(part), phrases),
    )


def _gain_verdicts(result: Result, phrases: Phrases) -> Iterator[Verdict]:
    """A sentence for each comparison of gains by a primary metric. There is none without a value or
    a test, because the verdicts on the two models say what is missing."""
    for gain in result.gains:
        claimed = claim(gain) if gain.is_primary else "undefined"
        if claimed not in ("undefined", "void"):
            text = phrases.phrase(
                "verdict_gains",
                claimed,
                **_phrase_values(gain, result.names, phrases),
                **_figures(gain, claimed, phrases),
                **_gain_figures(gain, phrases),
            )
            also = [] if claimed in UNCLAIMED else _unlike(gain, result.gains, phrases)
            yield Verdict(claimed, " ".join([text, *also]))


def _gain_figures(gain: GainComparison, phrases: Phrases) -> dict[str, str]:
    """The value before tuning and the gain, of a and of b."""
    figures = {}
    values = zip("ab", gain.bases, (gain.paired.value_a, gain.paired.value_b), strict=True)
    for name, base, gained in values:
        shown = amount(gained, gain.is_share)
        figures[f"base_{name}"] = f"{base:.1%}" if gain.is_share else f"{base:.3f}"
        figures[f"gain_{name}"] = phrases("points", n=shown) if gain.is_share else shown
    return figures


def _unlike(
    gain: GainComparison, gains: Sequence[GainComparison], phrases: Phrases
) -> Iterator[str]:
    """Sentences on the other metrics of the same items by which the model that gained more did not
    gain more. Their differences have the sign that is positive for this model."""
    sign = 1 if gain.paired.difference > 0 else -1
    metrics: dict[str, list[str]] = {}
    for other in gains:
        same = (other.task, other.a, other.b) == (gain.task, gain.a, gain.b)
        paired = other.paired
        low, high = sorted((sign * paired.ci_low, sign * paired.ci_high))
        if same and paired.n == gain.paired.n and not other.is_primary and low <= 0:
            shown = f"{other.metric} {sign * paired.difference:+.3f} ({low:+.3f} ~ {high:+.3f})"
            metrics.setdefault("opposite" if high < 0 else "same", []).append(shown)
    for kind, of_kind in metrics.items():
        yield phrases.phrase("gains_unlike", kind, metrics=", ".join(of_kind))


def _phrase_values(
    comparison: Comparison, names: dict[Path, str], phrases: Phrases
) -> dict[str, str]:
    """The values in a verdict's phrase that do not depend on its outcome: names, task, metric,
    criterion, number of items, and the value of each side."""
    paired, both = comparison.paired, (comparison.a, comparison.b)
    kind = "two" if not any(side.others for side in both) else "more"
    if not all(side.run.is_tuned for side in both):
        kind = "model"
    return {
        "a": display_name(comparison.a, names),
        "b": display_name(comparison.b, names),
        "task": comparison.task,
        "metric": comparison.metric,
        "criterion": phrases.word("criteria", cards()[comparison.task].criterion),
        "n": f"{paired.n:,}",
        "adapters": phrases.word("adapters", kind),
        "value_a": f"{paired.value_a:.3f}",
        "value_b": f"{paired.value_b:.3f}",
    }


def _baseline_verdict(
    comparisons: Sequence[Comparison], names: dict[Path, str], phrases: Phrases
) -> Verdict:
    """The verdict on a tuned model compared with all baselines of one task. Its outcome is that of
    the comparison whose outcome is last in the phrases `verdict_line`."""
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
    values = _phrase_values(comparisons[0], names, phrases)
    return Verdict(outcomes[-1], phrases("verdict_lines", **values, told="; ".join(sentences)))


def _named(comparisons: Sequence[Comparison], phrases: Phrases) -> str:
    """A list of baselines. After each, the tuned model's value minus the baseline's is in
    brackets."""
    return ", ".join(
        f"{phrases.word('lines', comparison.a.variant)} ({_signed(comparison)})"
        for comparison in comparisons
    )


def _signed(comparison: Comparison) -> str:
    """A difference with its sign. It is in percentage points if the metric is a share."""
    difference = comparison.paired.difference
    return f"{100 * difference:+.1f}" if comparison.is_share else f"{difference:+.3f}"


def _figures(comparison: Comparison, result: str, phrases: Phrases) -> dict[str, str]:
    """The values in a verdict's phrase that depend on its outcome `result`: difference, confidence
    interval, p-value, minimum detectable difference and clusters. Empty for `undefined` and `void`.

    The phrases of `better`, `worse` and `adapters_differ` say which value is higher. So for these,
    a negative difference and its interval are negated. The phrase of `alike` has no interval."""
    paired = comparison.paired
    if result in ("undefined", "void"):
        return {}
    by, low, high = paired.difference, paired.ci_low, paired.ci_high
    is_claimed = result in ("better", "worse", "adapters_differ")
    if is_claimed and by < 0:
        by, low, high = -by, -high, -low
    nearest = low if is_claimed else math.inf
    shown = amount(by, comparison.is_share, nearest)
    return {
        "by": phrases("points", n=shown) if comparison.is_share else shown,
        "low": amount(low, comparison.is_share, nearest),
        "high": amount(high, comparison.is_share, nearest),
        "p": _equals(comparison.p_holm),
        "seen": _doubt(comparison, phrases) + _detectable(paired, comparison.is_share, phrases),
        "groups": f"{paired.groups:,}",
        "fewest": f"{FEWEST_CLUSTERS}",
    }


def _equals(p_value: float | None) -> str:
    """A p-value as the end of a formula: `= .004` or `< .001`."""
    text = p_text(p_value)
    return text if text.startswith("<") else f"= {text}"


def _doubt(comparison: Comparison, phrases: Phrases) -> str:
    """The reason why no difference is claimed, if interval and p-value disagree. Else empty."""
    doubt = doubted_by(comparison)
    return (
        phrases.phrase(
            "doubted_by",
            doubt,
            p=_equals(comparison.paired.p_value),
        )
        if doubt
        else ""
    )


def _detectable(paired: Paired, is_share: bool, phrases: Phrases) -> str:
    """A clause with the minimum detectable difference."""
    number = amount(paired.detectable, is_share)
    return phrases("would_have_seen", n=phrases("points", n=number) if is_share else number)
