"""A report as Markdown, with the facts of its page in the page's order."""

from collections.abc import Iterator

from kodata.errors import visible
from kotune.compare.answers import AnswerPiece, Changes, Example
from kotune.display.table import escaped, markdown
from kotune.report.report import Report
from kotune.report.sentences import notes, verdicts


def in_markdown(report: Report) -> str:
    """The whole of it."""
    say, result = report.say, report.result
    parts = [
        f"# {escaped(report.title)}",
        "\n".join(_runs(report)),
        *(f"**{escaped(verdict.text)}**" for verdict in verdicts(result, say)),
        *map(escaped, notes(result, say)),
        *map(markdown, report.judged()),
        *([escaped(say("columns_note"))] if result.comparisons else []),
        *map(markdown, (*report.unlike(), *report.spent())),
        f"## {say('loss_title')}",
        "\n".join(
            f"{place}. {escaped(report.lost(run))}" for place, run in enumerate(result.runs, 1)
        ),
        *(_changes(report) if result.comparisons else ()),
        *_calibrations(report),
        *map(markdown, report.made()),
        *(_fenced(recipe) for recipe in report.recipes),
    ]
    return "\n\n".join(parts) + "\n"


def _runs(report: Report) -> Iterator[str]:
    for run in report.result.runs:
        yield f"{report.numbers[run.folder]}. {escaped(report.name(run))} ({escaped(run.name)})"


def _fenced(recipe: str) -> str:
    """A recipe as it is, whatever backticks stand in it."""
    fence = "```"
    while fence in recipe:
        fence += "`"
    return f"{fence}yaml\n{visible(recipe.rstrip())}\n{fence}"


def _changes(report: Report) -> Iterator[str]:
    yield f"## {report.say('changes_title')}"
    for found in report.changes:
        yield f"### {escaped(report.sides(found))}\n\n{escaped(report.changed(found))}"
        for confusion in found.confusions:
            yield f"##{markdown(report.confusion(confusion))}"
        for example in found.examples:
            yield _example(example, found, report)
    if report.has_seeds:
        yield escaped(report.say("first_seeds"))


def _calibrations(report: Report) -> Iterator[str]:
    if report.calibrations:
        yield f"## {report.say('calibration_title')}"
        yield "\n".join(f"- {escaped(report.calibrated(found))}" for found in report.calibrations)


def _example(example: Example, found: Changes, report: Report) -> str:
    who = (
        name + report.judgement(right)
        for name, right in zip(report.who(found), (example.right_a, example.right_b), strict=True)
    )
    said = zip(who, (example.a, example.b), strict=True)
    answers = [(report.say("right_answer"), [AnswerPiece(example.gold, False)]), *said]
    lines = [
        f"> {escaped(example.question)}",
        "",
        *(f"- {escaped(who)}: {_marked(said)}" for who, said in answers),
    ]
    return "\n".join([f"#### {escaped(report.outcome(found, example))}", "", *lines])


def _marked(pieces: list[AnswerPiece]) -> str:
    return " ".join(
        f"**{escaped(text)}**" if mark and text.strip() else escaped(text) for text, mark in pieces
    )
