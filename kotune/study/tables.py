"""A study's findings as tables in a reader's language."""

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import mean

from kotune.compare.comparison import Comparison
from kotune.compare.efficiency import Price, cost
from kotune.display.phrases import Phrases
from kotune.display.table import Row, Table
from kotune.display.words import amount, p_text
from kotune.report.comparison_tables import NOTHING, number
from kotune.report.run_tables import FACTS
from kotune.study.curves import AHEAD
from kotune.study.findings import Estimate, Findings
from kotune.study.next_step import Step
from kotune.study.points import Point, Tried
from kotune.study.running import FailedCell
from kotune.study.sentences import Sentences, rounded, state

MADE_WITH = ("device", "precision", "limit", "versions")  # of run_tables.FACTS


def of_task(words: Sentences) -> list[Table]:
    """What is said of one task."""
    made = (curve(words), targets(words), pairs(words), floors(words), laws(words))
    return [table for table in made if table.rows]


def curve(words: Sentences) -> Table:
    """Every point beside its arm's base; what it is held against in the notes."""
    found, say = words.found, words.say
    rows = []
    for at, point in enumerate(found.scores.points):
        told, base = found.estimate(at), found.estimate(found.scores.base(point.arm))
        seeds = ", ".join(str(run.record.seed) for run in point.runs)
        figures = (number(told.value), _interval(told, ".3f"), number(base.value))
        rows.append((point.arm, seeds, f"{point.rows:,}", *figures, *_spent(point, words.price)))
    notes = [say("study_curve_note", n=f"{found.scores.n:,}", groups=f"{found.scores.groups:,}")]
    if held := lines(found, say):
        notes.append(say("study_lines_note", lines=in_words(held)))
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


def lines(found: Findings, say: Phrases) -> dict[str, float]:
    """What a curve is held against, by its name on the page."""
    return {
        say("chance") if name == "chance" else say.word("lines", name): at
        for name, at in found.lines.items()
    }


def in_words(lines: Mapping[str, float]) -> str:
    """Lines with their values in one line of text."""
    return "; ".join(f"{name} {number(value)}" for name, value in lines.items())


def _spent(point: Point, price: Price | None) -> Row:
    spent = cost(point.seconds, price)
    return number(point.seconds / 60, ",.1f"), number(spent.won if spent else None, ",.0f")


def targets(words: Sentences) -> Table:
    """Where each arm passes each target."""
    say, rows = words.say, []
    for one in words.found.passings:
        how = say.word("study_how", "law" if one.is_fitted else "sizes")
        ends = (rounded(end) or NOTHING for end in one.place[:2])
        named = (words.named(one.target), one.arm, say.word("study_state", state(one.place)), how)
        rows.append((*named, number(one.target.value), *ends, words.spent(one) or NOTHING))
    head = ("target", "arm", "result", "from", "value", "more_than", "at_most", "spent")
    return Table(
        say("study_targets", **words.of), _head(say, *head), rows, 4, [say("study_targets_note")]
    )


def pairs(words: Sentences) -> Table:
    """Every two arms at every size that both have."""
    found, say = words.found, words.say
    rows = [
        (f"{pair.a} → {pair.b}", f"{rows:,}", *_difference(one))
        for pair in found.pairs
        for rows, one in pair.sizes
    ]
    notes = [
        f"{pair.a} → {pair.b}: {told}" for pair in found.pairs if (told := words.crosses(pair))
    ]
    head = tuple(
        map(say, ("compared", "rows", "from", "to", "difference", "interval", "p", "p_holm", "n"))
    )
    return Table(say("study_pairs", **words.of), head, rows, 1, [*notes, say("study_pairs_note")])


def _difference(one: Comparison) -> Row:
    told = one.paired
    return (
        number(told.value_a),
        number(told.value_b),
        number(told.difference, "+.3f"),
        _interval(Estimate(told.difference, told.ci_low, told.ci_high), "+.3f"),
        p_text(told.p_value),
        p_text(one.p_holm),
        f"{told.n:,} / {told.groups:,}",
    )


def floors(words: Sentences) -> Table:
    """How far seeds alone bring runs apart."""
    say, told = words.say, words.found.floors
    rows = [
        (f.arm, f"{f.degrees}", *(amount(x, words.is_share) for x in (f.deviation, f.difference)))
        for f in told
    ]
    head = tuple(map(say, ("study_arm", "study_degrees", "deviation", "study_stays_under")))
    return Table(say("study_floor", **words.of), head, rows, 1, [say("study_floor_note")])


def laws(words: Sentences) -> Table:
    """Each arm's fitted law, or why there is none."""
    found, say, rows = words.found, words.say, []
    for one in found.curves.values():
        exponent = twice = more = NOTHING
        if not one.why:
            more = _interval(one.more, "+.3f")
        if not one.why and not one.is_flat:
            exponent = f"{one.exponent[0]:.2f} ~ {one.exponent[1]:.2f}"
            twice = number(one.at([AHEAD * found.scores.sizes(one.arm)[-1]])[0].value)
        told = (
            say.word("study_why", one.why)
            if one.why
            else say("study_flat" if one.is_flat else "study_fitted")
        )
        rows.append((one.arm, told, exponent, twice, more))
    head = _head(say, "arm", "state_head", "exponent", "twice", "doubling")
    return Table(say("study_laws", **words.of), head, rows, 2, [say("study_laws_note")])


def choices(found: Sequence[Tried], say: Phrases) -> Iterator[Table]:
    """Validation losses of every choice, where there was one to make."""
    rows = [
        (
            one.arm,
            _choice(one),
            ", ".join(f"{seed}: {number(loss, '.4f')}" for seed, loss in one.losses.items()),
            say("study_chosen") if one.is_chosen else "",
            f"{one.rows:,}",
            number(mean(one.losses.values()), ".4f"),
        )
        for one in found
        if one.choice
    ]
    head = tuple(
        map(say, ("study_arm", "study_choice", "each_seed", "study_is_chosen", "rows", "mean"))
    )
    if rows:
        yield Table(say("study_choices"), head, rows, 4, [say("study_choices_note")])


def chosen(found: Sequence[Tried], say: Phrases) -> Iterator[str]:
    """What was chosen for each arm, a sentence for each choice; and the sizes at which none could
    be."""
    for arm in dict.fromkeys(one.arm for one in found):
        of = [one for one in found if one.arm == arm and one.choice]
        made: dict[str, list[int]] = {}
        for one in of:
            if one.is_chosen:
                made.setdefault(_choice(one), []).append(one.rows)
        for choice, rows in made.items():
            yield say(
                "study_chose", arm=arm, choice=choice, rows=", ".join(f"{at:,}" for at in rows)
            )
        if left := sorted({one.rows for one in of} - {at for rows in made.values() for at in rows}):
            yield say("study_chose_none", arm=arm, rows=", ".join(f"{at:,}" for at in left))


def _choice(one: Tried) -> str:
    return ", ".join(f"{key}={value}" for key, value in one.choice)


def absent(failed: Sequence[FailedCell], say: Phrases) -> Iterator[Table]:
    """The cells that have no score, and why."""
    if failed:
        rows = [(cell.name, why) for cell, why in failed]
        yield Table(say("study_absent"), (say("study_cell"), say("reason")), rows, 2, alert=True)


def next_steps(
    steps: Sequence[Step], price: Price | None, say: Phrases, more: Sequence[str]
) -> Table:
    """Further data sets; `more`: what more of the same data would buy."""
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
    return Table(say("study_next"), tuple(map(say, head)), rows, 3, [say("study_next_note"), *more])


def _step(step: Step, price: Price | None, say: Phrases) -> Row:
    card = step.card
    found = (say("study_leaked", task=task, n=f"{n:,}") for task, n in (step.leaks or {}).items())
    leaks = say.word("card", card.defects) if step.leaks is None else ", ".join(found)
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
    """The runs that were reported and what they were made with; `command`: what makes and reports
    them again."""
    runs = [(point, run) for point in points for run in point.runs]
    rows = [
        (p.arm, f"{p.rows:,}", run.name, str(run.record.code_revision or NOTHING))
        for p, run in runs
    ]
    notes = [say("study_again", command=command)]
    for key in MADE_WITH:
        told = dict.fromkeys(str(FACTS[key](run, say)) for _, run in runs)
        notes.append(f"{say(key)}: {' / '.join(told)}")
    notes.append(say("study_price", won=f"{price.won_per_hour:,g}") if price else say("no_price"))
    return Table(
        say("study_again_title"),
        tuple(map(say, ("study_arm", "rows", "run", "code"))),
        rows,
        4,
        notes,
    )


def _head(say: Phrases, *keys: str) -> Row:
    return tuple(say(key if key == "value" else f"study_{key}") for key in keys)


def _interval(told: Estimate, form: str) -> str:
    return NOTHING if math.isnan(told.low) else f"{told.low:{form}} ~ {told.high:{form}}"
