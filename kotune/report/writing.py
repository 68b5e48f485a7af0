"""Writes a report as a page, as Markdown, or both."""

from collections.abc import Callable, Sequence
from pathlib import Path

from kotune.compare.efficiency import Price
from kotune.compare.result import Result
from kotune.display.phrases import Phrases
from kotune.layout import REPORT_MARKDOWN, REPORT_PAGE
from kotune.report.report import Report
from kotune.runs.finished import explain_malformed, load
from kotune.runs.folder import publish, write_text


def write(
    folder: Path, phrases: Phrases, price: Price | None = None, others: Sequence[Path] = ()
) -> list[Path]:
    """Write report.html and report.md of a run into its folder, and return their paths.

    `price`: the price for the costs, or None. `others`: the folders of runs with other seeds, which
    the report covers, too. Raises KotuneError if a run is not scored, or if its files are damaged
    or changed."""
    with explain_malformed(folder, *others):
        report = Report(Result.of(load([folder, *others]), price), phrases)
        return write_as(report, folder / REPORT_PAGE, folder / REPORT_MARKDOWN, write_text)


def write_as(
    report: Report, html: Path | None, md: Path | None, write: Callable[[Path, str], None] = publish
) -> list[Path]:
    """Write a report as an HTML page, as Markdown, or both, and return the written paths.

    A format whose path is None is not written. `write`: the function that writes a text to a path.
    It is publish(), or write_text() for files in a run folder."""
    from kotune.report.markdown import in_markdown
    from kotune.report.page import page

    outputs = [(path, form) for path, form in ((html, page), (md, in_markdown)) if path]
    for path, form in outputs:
        write(path, form(report))
    return [path for path, _ in outputs]
