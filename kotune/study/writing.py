"""Writes the report of a study as HTML, Markdown and JSON."""

from pathlib import Path

from kotune.display.table import escaped, markdown
from kotune.layout import REPORT_MARKDOWN, REPORT_PAGE
from kotune.runs.folder import publish, write_json
from kotune.study import next_step, tables
from kotune.study.report import StudyReport


def write(report: StudyReport, out: Path, gpu: str | None = None) -> list[Path]:
    """Write report.html, report.md and study.json into `out`, and return their paths. `gpu`: the
    GPU for which the cost of further data sets is predicted."""
    from kotune.study.page import page

    report.steps = next_step.steps(report.study, gpu, report.price)
    paths = [out / name for name in (REPORT_PAGE, REPORT_MARKDOWN, "study.json")]
    publish(paths[0], page(report))
    publish(paths[1], in_markdown(report))
    write_json(paths[2], report.as_json())
    return paths


def in_markdown(report: StudyReport) -> str:
    """The report as Markdown. It has the same facts as the page, in the same order."""
    of_tasks = [table for words in report.words.values() for table in tables.of_task(words)]
    parts = [
        f"# {escaped(report.title)}",
        escaped(report.lead),
        *(f"**{escaped(verdict.text)}**" for verdict in report.verdicts()),
        *map(escaped, report.notes()),
        *map(markdown, (*of_tasks, *report.of_all())),
    ]
    return "\n\n".join(parts) + "\n"
