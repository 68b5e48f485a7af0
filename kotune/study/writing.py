"""Writes the report of a study as HTML, Markdown and JSON."""

from pathlib import Path

from kotune.display.table import escaped, markdown
from kotune.layout import REPORT_MARKDOWN, REPORT_PAGE
from kotune.runs.folder import publish, write_json
from kotune.study import next_step, tables
from kotune.study.report import StudyReport


def write(report: StudyReport, out: Path, gpu: str | None = None) -> list[Path]:
    """Write report.html, report.md and study.json into the folder `out`, and return their paths.

    `gpu`: the name of the GPU for which the cost of further data sets is predicted; None for no
    prediction of time and cost. The further data sets are added to `report`."""
    from kotune.study.page import page

    report.steps = next_step.steps(report.study, gpu, report.price)
    paths = [out / name for name in (REPORT_PAGE, REPORT_MARKDOWN, "study.json")]
    publish(paths[0], page(report))
    publish(paths[1], in_markdown(report))
    write_json(paths[2], report.as_json())
    return paths


def in_markdown(report: StudyReport) -> str:
    """The report as Markdown, with the same facts as the HTML page, in the same order."""
    of_tasks = [table for words in report.words.values() for table in tables.of_task(words)]
    parts = [
        f"# {escaped(report.title)}",
        escaped(report.lead),
        *(f"**{escaped(verdict.text)}**" for verdict in report.verdicts()),
        *map(escaped, report.notes()),
        *map(markdown, (*of_tasks, *report.of_all())),
    ]
    return "\n\n".join(parts) + "\n"
