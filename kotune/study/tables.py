"""Presents the findings of a study as tables, in the reader's language."""

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import mean

from kotune.compare.comparison import Comparison
from kotune.compare.efficiency import Price, cost
from kotune.display.figures import NOTHING, change, interval, level, number
from kotune.display.phrases import Phrases
from kotune.display.table import Row, Table
from kotune.display.words import p_text
from kotune.report.run_tables import FACTS
from kotune.study.curves import AHEAD
from kotune.study.findings import Estimate, Findings
from kotune.study.next_step import Step
from kotune.study.points import Point, Tried
from kotune.study.running import FailedCell
from kotune.study.sentences import Sentences, rounded, state

# The facts about the runs that again() lists, by their keys in run_tables.FACTS.
MADE_WITH = ("device", "precision", "limit", "versions")


def of_task(words: Sentences) -> list[Table]:
    """The tables about one task; tables without rows are omitted."""
    made = (curve(words), targets(words), pairs(words), seed_variation(words), laws(words))
    return [table for table in made if table.rows]


def curve(words: Sentences) -> Table:
    """A table with a row for each arm and size. A size is a number of training rows.

    A row has the mean score over the seeds, its confidence interval, the score of the untuned
    model, and the time and cost of training. The notes list the baselines, for example the chance
    level."""
    findings, say = words.findings, words.say
    rows = []
    for index, point in enumerate(findings.scores.points):
        estimate = findings.estimate(index)
        base = findings.estimate(findings.scores.base(point.arm))
        seeds = ", ".join(str(run.record.seed) for run in point.runs)
        values = (words.level(estimate.value), _ends(estimate, words), words.level(base.value))
        rows.append((point.arm, seeds, f"{point.rows:,}", *values, *_spent(point, words.price)))
    items = {"n": f"{findings.scores.n:,}", "groups": f"{findings.scores.groups:,}"}
    notes = [say("study_curve_note", **items)]
    if baselines := named_baselines(findings, say):
        notes.append(say("study_lines_note", lines=in_words(baselines, words)))
    head = (
        "study_arm",
        "seed",
        "rows",
        "mean",
        "interval",
        "study_untuned",
        "study_minutes_head",
        "cost_won",
    )
    return Table(say("study_curve", **words.of), tuple(map(say, head)), rows, 2, notes)


def named_baselines(findings: Findings, say: Phrases) -> dict[str, float]:
    """The values of the baselines, by their names in the reader's language."""
    return {
        say("chance") if name == "chance" else say.word("lines", name): value
        for name, value in findings.baselines.items()
    }


def in_words(baselines: Mapping[str, float], words: Sentences) -> str:
    """Baselines with their values, as one line of text."""
    return "; ".join(f"{name} {words.level(value)}" for name, value in baselines.items())


def _spent(point: Point, price: Price | None) -> Row:
    """The minutes and the cost in won of training, as two table cells."""
    spent = cost(point.seconds, price)
    return number(point.seconds / 60, ",.1f"), number(spent.won if spent else None, ",.0f")


def targets(words: Sentences) -> Table:
    """A table with a row for each arm and target. A row has the range of sizes in which the arm
    reaches the target. A size is a number of training rows."""
    say, rows = words.say, []
    for passing in words.findings.passings:
        how = say.word("study_how", "law" if passing.is_fitted else "sizes")
        ends = (rounded(end) or NOTHING for end in passing.place[:2])
        target, kind = passing.target, say.word("study_state", state(passing.place))
        named = (words.named(target), passing.arm, kind, how)
        rows.append((*named, words.level(target.value), *ends, words.spent(passing) or NOTHING))
    head = ("target", "arm", "result", "from", "value", "more_than", "at_most", "spent")
    return Table(
        say("study_targets", **words.of), _head(say, *head), rows, 4, [say("study_targets_note")]
    )


def pairs(words: Sentences) -> Table:
    """A table of the comparisons of two arms. There is a row for each pair of arms and each size
    that both arms have. A size is a number of training rows."""
    findings, say = words.findings, words.say
    rows = [
        (f"{pair.a} → {pair.b}", f"{rows:,}", *_difference(comparison, say))
        for pair in findings.pairs
        for rows, comparison in pair.sizes
    ]
    notes = [
        f"{pair.a} → {pair.b}: {sentence}"
        for pair in findings.pairs
        if (sentence := words.crosses(pair))
    ]
    head = tuple(
        map(say, ("compared", "rows", "from", "to", "difference", "interval", "p", "p_holm", "n"))
    )
    return Table(say("study_pairs", **words.of), head, rows, 1, [*notes, say("study_pairs_note")])


def _difference(comparison: Comparison, say: Phrases) -> Row:
    """The table cells of one comparison: both scores, their difference and its interval, p-value,
    adjusted p-value (Holm), and the numbers of items and groups."""
    paired, share = comparison.paired, comparison.is_share
    return (
        level(paired.value_a, share),
        level(paired.value_b, share),
        change(paired.difference, share, say),
        interval(paired.ci_low, paired.ci_high, share),
        p_text(paired.p_value),
        p_text(comparison.p_holm),
        f"{paired.n:,} / {paired.groups:,}",
    )


def seed_variation(words: Sentences) -> Table:
    """A table of each arm's variation between seeds: degrees of freedom, standard deviation, and
    the difference below which two runs with different seeds are in 95% of cases."""
    say = words.say
    rows = [
        (
            floor.arm,
            f"{floor.degrees}",
            change(floor.deviation, words.is_share, say, sign=""),
            change(floor.difference, words.is_share, say, sign=""),
        )
        for floor in words.findings.floors
    ]
    head = tuple(map(say, ("study_arm", "study_degrees", "deviation", "study_stays_under")))
    return Table(say("study_floor", **words.of), head, rows, 1, [say("study_floor_note")])


def laws(words: Sentences) -> Table:
    """A table of each arm's fitted power law, or the reason why there is none. A row has the
    interval of the exponent, the predicted score at AHEAD times the largest size, and the interval
    of the gain from doubling the data."""
    findings, say, rows = words.findings, words.say, []
    for fitted in findings.curves.values():
        exponent = predicted = gain = NOTHING
        if not fitted.why:
            gain = interval(fitted.more.low, fitted.more.high, words.is_share)
        if not fitted.why and not fitted.is_flat:
            exponent = f"{fitted.exponent[0]:.2f} ~ {fitted.exponent[1]:.2f}"
            size = AHEAD * findings.scores.sizes(fitted.arm)[-1]
            predicted = words.level(fitted.at([size])[0].value)
        result = (
            say.word("study_why", fitted.why)
            if fitted.why
            else say("study_flat" if fitted.is_flat else "study_fitted")
        )
        rows.append((fitted.arm, result, exponent, predicted, gain))
    head = _head(say, "arm", "state_head", "exponent", "twice", "doubling")
    return Table(say("study_laws", **words.of), head, rows, 2, [say("study_laws_note")])


def choices(tried: Sequence[Tried], say: Phrases) -> Iterator[Table]:
    """Yields a table of all choices for each arm and size, with their validation losses. A choice
    is one value for each key that the study chooses (file.CHOICE_KEY), for example the learning
    rate. The table marks the best choices.

    Yields nothing if the study chooses no keys."""
    rows = [
        (
            each.arm,
            _choice(each),
            ", ".join(f"{seed}: {number(loss, '.4f')}" for seed, loss in each.losses.items()),
            say("study_chosen") if each.is_chosen else "",
            f"{each.rows:,}",
            number(mean(each.losses.values()), ".4f"),
        )
        for each in tried
        if each.choice
    ]
    head = tuple(
        map(say, ("study_arm", "study_choice", "each_seed", "study_is_chosen", "rows", "mean"))
    )
    if rows:
        yield Table(say("study_choices"), head, rows, 4, [say("study_choices_note")])


def chosen(tried: Sequence[Tried], say: Phrases) -> Iterator[str]:
    """Yields sentences for each arm: one for each choice that was the best at some sizes, and one
    for the sizes at which no choice could be made, if there are any."""
    for arm in dict.fromkeys(each.arm for each in tried):
        of_arm = [each for each in tried if each.arm == arm and each.choice]
        made: dict[str, list[int]] = {}
        for each in of_arm:
            if each.is_chosen:
                made.setdefault(_choice(each), []).append(each.rows)
        for choice, rows in made.items():
            yield say(
                "study_chose", arm=arm, choice=choice, rows=", ".join(f"{size:,}" for size in rows)
            )
        decided = {size for rows in made.values() for size in rows}
        if undecided := sorted({each.rows for each in of_arm} - decided):
            sizes = ", ".join(f"{size:,}" for size in undecided)
            yield say("study_chose_none", arm=arm, rows=sizes)


def _choice(tried: Tried) -> str:
    """A choice as text: KEY=VALUE for each setting."""
    return ", ".join(f"{key}={value}" for key, value in tried.choice)


def absent(failed: Sequence[FailedCell], say: Phrases) -> Iterator[Table]:
    """Yields a table of the cells without a score, with the reason. Yields nothing if there are
    none."""
    if failed:
        rows = [(cell.name, why) for cell, why in failed]
        yield Table(say("study_absent"), (say("study_cell"), say("reason")), rows, 2, alert=True)


def next_steps(
    steps: Sequence[Step], price: Price | None, say: Phrases, notes: Sequence[str]
) -> Table:
    """A table of the data sets that the study does not use. `notes`: further notes for the table,
    about the gain from more of the study's own data."""
    rows = [_step(step, price, say) for step in steps]
    head = (
        "source",
        "licence",
        "study_leaks",
        "rows",
        "study_tokens",
        "steps",
        "study_minutes_head",
        "cost_won",
    )
    return Table(
        say("study_next"), tuple(map(say, head)), rows, 3, [say("study_next_note"), *notes]
    )


def _step(step: Step, price: Price | None, say: Phrases) -> Row:
    """The table cells of one data set."""
    card = step.card
    leaked = (say("study_leaked", task=task, n=f"{n:,}") for task, n in (step.leaks or {}).items())
    leaks = say.word("card", card.defects) if step.leaks is None else ", ".join(leaked)
    rows = f"{card.rows['train']:,}" if "train" in card.rows else say("study_your_own")
    minutes = step.seconds / 60 if step.seconds is not None else None
    spent = cost(step.seconds, price) if step.seconds is not None else None
    return (
        say.word("card", card.title),
        say.word("card", card.licence),
        leaks,
        rows,
        number(step.tokens, ",.0f"),
        number(step.training_steps, ",.0f"),
        number(minutes, ",.1f"),
        number(spent.won if spent else None, ",.0f"),
    )


def again(command: str, points: Sequence[Point], price: Price | None, say: Phrases) -> Table:
    """A table of the reported runs, with notes on how they were made. `command`: the command that
    runs and reports the study again."""
    runs = [(point, run) for point in points for run in point.runs]
    rows = [
        (p.arm, f"{p.rows:,}", run.name, str(run.record.code_revision or NOTHING))
        for p, run in runs
    ]
    notes = [say("study_again", command=command)]
    for key in MADE_WITH:
        values = dict.fromkeys(str(FACTS[key](run, say)) for _, run in runs)
        notes.append(f"{say(key)}: {' / '.join(values)}")
    notes.append(say("study_price", won=f"{price.won_per_hour:,g}") if price else say("no_price"))
    return Table(
        say("study_again_title"),
        tuple(map(say, ("study_arm", "rows", "run", "code"))),
        rows,
        4,
        notes,
    )


def _head(say: Phrases, *keys: str) -> Row:
    """Column heads from phrases whose keys are `study_` and the given keys."""
    return tuple(say(key if key == "value" else f"study_{key}") for key in keys)


def _ends(estimate: Estimate, words: Sentences) -> str:
    """Both ends of a value's interval; NOTHING if the interval is unknown."""
    if math.isnan(estimate.low):
        return NOTHING
    return f"{words.level(estimate.low)} ~ {words.level(estimate.high)}"
