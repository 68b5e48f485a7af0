"""CPU seconds of comparing two runs of 3,000 items, all resamples drawn, and of their report; size of the page, and how
soon Chromium has it.

    python -m benchmarks.compare
"""

import re
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path

from benchmarks.commands import cpu_seconds
from benchmarks.table import Figure, show
from tests.finished import Made, finished

ROUNDS = 3
A = Made(premises=1000, rates=(0.34, 0.60))
B = Made(model="quickstart-deepseek", premises=1000, rates=(0.34, 0.63))
TIMED = (
    "<script>addEventListener('load', () => document.documentElement.dataset.ms ="
    " performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd)</script>"
)
BROWSER = shutil.which("chromium") or shutil.which("chromium-headless-shell")


def opened(page: Path) -> list[Figure]:
    """Milliseconds until DOMContentLoaded; none where there is no Chromium."""
    if BROWSER is None:
        return []
    timed = page.with_name("timed.html")
    timed.write_text(page.read_text(encoding="utf-8") + TIMED, encoding="utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", timed.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r'data-ms="([\d.]+)"', shown)
    return [Figure("report.html, DOMContentLoaded", float(found[1]) if found else float("inf"), "ms", most=1000)]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        a, b = (finished(Path(scratch) / name, made) for name, made in (("a", A), ("b", B)))
        compared = statistics.median(cpu_seconds(["compare", str(a), str(b)]) for _ in range(ROUNDS))
        reported = statistics.median(cpu_seconds(["report", str(a)]) for _ in range(ROUNDS))
        figures = [
            Figure("./cli.py compare, two runs of 3,000 items", compared, "CPU s", most=5),
            Figure("./cli.py report", reported, "CPU s", most=5),
            Figure("report.html", (a / "report.html").stat().st_size / 1e6, "MB", most=5),
            *opened(a / "report.html"),
        ]
    show(f"Comparison and report, median of {ROUNDS}", figures)
