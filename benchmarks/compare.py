"""Measures the comparison and the report of two runs of 3,000 items, with all resamples: CPU
seconds, size of the pages, and their loading time in Chromium.

    python -m benchmarks.compare
"""

import statistics
import tempfile
from pathlib import Path

from benchmarks.commands import cpu_seconds
from benchmarks.table import Figure, show
from tests.browser import BROWSER, Browser
from tests.finished import Made, finished

ROUNDS = 3
# With everything that a run on KLUE-NLI has: baselines, kinds of items, calibration.
LINES = ("majority", "hypothesis_only", "overlap")
A = Made(premises=1000, rates=(0.34, 0.60), lines=LINES, kinds=True, sure=True)
B = Made(
    model="quickstart-deepseek",
    premises=1000,
    rates=(0.34, 0.63),
    lines=LINES,
    kinds=True,
    sure=True,
)


def opened(page: Path) -> list[Figure]:
    """Milliseconds until DOMContentLoaded; an empty list without Chromium."""
    if BROWSER is None:
        return []
    with Browser() as browser:
        browser.open(page)
        milliseconds = browser.value(
            "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
        )
    return [Figure(f"{page.name}, DOMContentLoaded", float(milliseconds), "ms", most=1000)]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        a, b = (finished(Path(scratch) / name, made) for name, made in (("a", A), ("b", B)))
        compared = statistics.median(
            cpu_seconds(["compare", str(a), str(b)]) for _ in range(ROUNDS)
        )
        page = Path(scratch) / "comparison.html"
        kept = statistics.median(
            cpu_seconds(["compare", str(a), str(b), "--html", str(page)]) for _ in range(ROUNDS)
        )
        reported = statistics.median(cpu_seconds(["report", str(a)]) for _ in range(ROUNDS))
        figures = [
            Figure("./cli.py compare, two runs of 3,000 items", compared, "CPU s", most=5),
            Figure("./cli.py report", reported, "CPU s", most=5),
            Figure("report.html", (a / "report.html").stat().st_size / 1e6, "MB", most=1),
            *opened(a / "report.html"),
            Figure("./cli.py compare --html", kept, "CPU s", most=7),
            Figure("comparison.html", page.stat().st_size / 1e6, "MB", most=1),
            *opened(page),
        ]
    show(f"Comparison and report, median of {ROUNDS}", figures)
