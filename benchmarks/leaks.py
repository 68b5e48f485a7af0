"""Measures time and memory of the leak check: 150,000 training texts against 50,000 test texts and
the 900 premise-hypothesis pairs of the NLI sample, on 2 cores.

The texts are NSMC's if ../shared/data has it, otherwise generated. They are matched as in
convert(): all kinds of kodata.prepare.leaks.KINDS."""

import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.convert import REAL, in_own_process, measured
from benchmarks.table import Figure, show
from kodata import nsmc
from kodata.prepare.entries import DataLocation
from kodata.prepare.leak_guard import LeakGuard

SIZES = {"train": 150_000, "test": 50_000}


def check(folder: Path) -> dict[str, float]:
    """One check of a folder: CPU and wall seconds, peak memory in MB, and the number of training
    rows that occur in test text."""
    begun, dropped = time.monotonic(), Counter[str]()

    def work() -> None:
        tasks = {
            "nsmc_ko": DataLocation("nsmc", folder),
            "nli_sample_ko": DataLocation("nli_sample"),
        }
        guard = LeakGuard(tasks, "drop")
        for _ in guard.without_leaks(
            (("train", row) for row in nsmc.read("train", folder) if isinstance(row, dict)),
            nsmc,
            dropped,
        ):
            pass

    return {**measured(work), "wall": time.monotonic() - begun, "leaks": dropped["leak"]}


def written(folder: Path) -> Path:
    """NSMC's files with generated reviews, as long as the real ones (35 characters). A tenth of the
    reviews are repetitions."""
    draws = random.Random(0)
    # As many as make up most of Korean text.
    syllables = [chr(0xAC00 + draws.randrange(11_172)) for _ in range(600)]

    def review() -> str:
        return " ".join(
            "".join(draws.choices(syllables, k=draws.randint(1, 5)))
            for _ in range(draws.randint(3, 15))
        )

    earlier: list[str] = []

    def lines(size: int) -> Iterator[str]:
        yield "id\tdocument\tlabel\n"
        for number in range(size):
            text = draws.choice(earlier) if earlier and not number % 10 else review()
            earlier.append(text)
            yield f"{number}\t{text}\t{number % 2}\n"

    for split, size in SIZES.items():
        with (folder / f"ratings_{split}.txt").open("w", encoding="utf-8") as file:
            file.writelines(lines(size))
    return folder


if __name__ == "__main__":
    if arguments := sys.argv[1:]:  # one measurement, for in_own_process
        print(json.dumps(check(Path(arguments[0]))))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            real = REAL / "nsmc"
            result = in_own_process(
                "benchmarks.leaks", real if real.is_dir() else written(Path(scratch))
            )
        show(
            "Leak check, {train:,} training texts against {test:,} test texts".format(**SIZES),
            [
                Figure("wall time", result["wall"], "s", most=60),
                Figure("CPU time", result["cpu"], "s"),
                Figure("peak memory", result["rss"], "MB", most=2_000),
                Figure("training rows found in test text", result["leaks"], least=1),
            ],
        )
