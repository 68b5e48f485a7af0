"""A report as Markdown. Content and order are those of the HTML page."""

from collections.abc import Iterator

from kodata.errors import visible
from kotune.compare.answers import AnswerPiece, Changes, Example
from kotune.display.table import escaped, markdown
from kotune.report.next_step import next_step
from kotune.report.report import Report
from kotune.report.sentences import notes, verdicts


def in_markdown(report: Report) -> str:
    """The complete report as Markdown."""
    phrases, result = report.phrases, report.result
    parts = [
        f"# {escaped(report.title)}",
        "\n".join(_runs(report)),
        *(f"**{escaped(verdict.text)}**" for verdict in verdicts(result, phrases)),
        *map(escaped, notes(result, phrases)),
        escaped(str(next_step(result, phrases))),
        *map(markdown, report.results()),
        *([escaped(phrases("columns_note"))] if result.comparisons else []),
        *map(markdown, (*report.differences(), *report.costs())),
        f"## {phrases('loss_title')}",
        "\n".join(
            f"{number}. {escaped(report.loss_summary(run))}"
            for number, run in enumerate(result.runs, 1)
        ),
        *(_changes(report) if result.comparisons else ()),
        *_calibrations(report),
        *map(markdown, report.origins()),
        *(_fenced(recipe) for recipe in report.recipes),
    ]
    return "\n\n".join(parts) + "\n"


def _runs(report: Report) -> Iterator[str]:
    """A numbered list of the runs."""
    for run in report.result.runs:
        named = f"{report.name(run)}: {report.full_name(run)} ({run.name})"
        yield f"{report.numbers[run.folder]}. {escaped(named)}"


def _fenced(recipe: str) -> str:
    """A recipe in a code fence. The fence has more backticks than any sequence of backticks in the
    recipe, so the recipe cannot end it."""
    fence = "```"
    while fence in recipe:
        fence += "`"
    return f"{fence}yaml\n{visible(recipe.rstrip())}\n{fence}"


def _changes(report: Report) -> Iterator[str]:
    """The section on changed answers. For each primary comparison, it has a summary, confusion
    matrices and examples."""
    yield f"## {report.phrases('changes_title')}"
    for changes in report.changes:
        yield f"### {escaped(report.sides(changes))}\n\n{escaped(report.change_summary(changes))}"
        for confusion in changes.confusions:
            yield f"##{markdown(report.confusion(confusion))}"
        for example in changes.examples:
            yield _example(example, changes, report)
    if report.has_seeds:
        yield escaped(report.phrases("first_seeds"))


def _calibrations(report: Report) -> Iterator[str]:
    """The section on calibration errors. Yields nothing if no task has one."""
    if report.calibrations:
        yield f"## {report.phrases('calibration_title')}"
        yield "\n".join(
            f"- {escaped(report.calibrated(calibration))}" for calibration in report.calibrations
        )


def _example(example: Example, changes: Changes, report: Report) -> str:
    """An example: heading, question, right answer, and the answers of both models."""
    names = (
        name + report.correctness(right)
        for name, right in zip(
            report.names_of(changes), (example.right_a, example.right_b), strict=True
        )
    )
    named = zip(names, (example.a, example.b), strict=True)
    answers = [(report.phrases("right_answer"), [AnswerPiece(example.gold, False)]), *named]
    lines = [
        f"> {escaped(example.question)}",
        "",
        *(f"- {escaped(name)}: {_marked(pieces)}" for name, pieces in answers),
    ]
    return "\n".join([f"#### {escaped(report.outcome(changes, example))}", "", *lines])


def _marked(pieces: list[AnswerPiece]) -> str:
    """An answer with its marked pieces in bold."""
    return " ".join(
        f"**{escaped(text)}**" if is_marked and text.strip() else escaped(text)
        for text, is_marked in pieces
    )
