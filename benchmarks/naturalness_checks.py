"""How often each check of a fault is right: precision and recall on both halves of our texts."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from benchmarks.naturalness_signals import accuracy
from benchmarks.naturalness_texts import (
    EARLIER,
    Damage,
    cut_off,
    damage_all,
    faults,
    looped,
    read_pairs,
    read_rows,
    wrong_josa,
)
from kodata.metrics.naturalness import scripts
from kodata.metrics.naturalness.faults import is_looping, is_unended
from kodata.metrics.naturalness.josa import broken_josa


class Check(NamedTuple):
    """Texts with a fault and texts without it, and the check that should tell them apart."""

    name: str
    is_faulty: Callable[[str], bool]
    faulty: list[str]
    fine: list[str]


def checks(held_out: bool) -> list[Check]:
    """Every check of a fault, on one half of the texts. The natural texts of the pairs are fine;
    a program puts the fault into them."""
    lines = [
        row
        for row in read_rows("scripts")
        if row["held_out"] == held_out and not row["guid"].startswith(EARLIER)
    ]
    natural = [text for text, _ in read_pairs(held_out)]
    others = [
        unnatural
        for fault in faults()
        if fault != "josa"
        for _, unnatural in read_pairs(held_out, fault)
    ]
    josa = [unnatural for _, unnatural in read_pairs(held_out, "josa")]

    def made(damage: Damage) -> list[str]:
        return [text for text in damage_all(damage, natural) if text not in natural]

    return [
        Check(
            "foreign_answers",
            lambda text: bool(scripts.foreign_words(text)),
            [row["text"] for row in lines if row["fault"]],
            [row["text"] for row in lines if not row["fault"]],
        ),
        Check(
            "broken_josa_answers",
            lambda text: bool(broken_josa(text)),
            josa + made(wrong_josa),
            natural + others,
        ),
        Check("unended_answers", is_unended, made(cut_off), natural + others),
        Check(
            "looping_answers",
            lambda text: is_looping(scripts.words(text)),
            made(looped),
            natural + others,
        ),
    ]


def check_table() -> Iterator[str]:
    """Precision and recall of every check of a fault, on both halves."""
    yield "| check | half | faulty texts | fine texts | precision | recall |"
    yield "|---|---|---|---|---|---|"
    for half in (False, True):
        for check in checks(half):
            right = sum(map(check.is_faulty, check.faulty))
            wrong = sum(map(check.is_faulty, check.fine))
            yield (
                f"| {check.name} | {'held out' if half else 'development'} | {len(check.faulty)} |"
                f" {len(check.fine)} | {accuracy(right, right + wrong)} |"
                f" {accuracy(right, len(check.faulty))} |"
            )


def script_kinds() -> Iterator[str]:
    """The script check by kind of line: how many of each it flags, on both halves."""
    yield "| kind of line | is a fault | development: flagged | held out: flagged |"
    yield "|---|---|---|---|"
    rows = [row for row in read_rows("scripts") if not row["guid"].startswith(EARLIER)]
    for kind, fault in dict.fromkeys((row["kind"], row["fault"]) for row in rows):
        cells = []
        for half in (False, True):
            ours = [row for row in rows if row["kind"] == kind and row["held_out"] == half]
            flagged = sum(bool(scripts.foreign_words(row["text"])) for row in ours)
            cells.append(f"{flagged} of {len(ours)}")
        yield f"| {kind} | {'yes' if fault else 'no'} | {' | '.join(cells)} |"
