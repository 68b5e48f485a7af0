"""How long the leak check takes, and in how much memory: 150,000 training texts against 50,000 test
texts, on 2 cores.

The texts are NSMC's where ../shared/data has it, else written here; looked up as convert() does:
equal, folded and near."""

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
    """CPU and wall seconds, peak memory in MB, and how many training rows stand in test text, of
    one check of a folder."""
    begun, dropped = time.monotonic(), Counter[str]()

    def work() -> None:
        guard = LeakGuard({"nsmc_ko": DataLocation("nsmc", folder)}, "drop")
        for _ in guard.passed(
            (("train", row) for row in nsmc.read("train", folder) if isinstance(row, dict)),
            nsmc,
            dropped,
        ):
            pass

    return {**measured(work), "wall": time.monotonic() - begun, "leaks": dropped["leak"]}


def written(folder: Path) -> Path:
    """NSMC's files with invented reviews: as long as the real ones (35 characters), a tenth of them
    told again."""
    draws = random.Random(0)
    # As many as make up most of Korean text.
    syllables = [chr(0xAC00 + draws.randrange(11_172)) for _ in range(600)]

    def review() -> str:
        return " ".join(
            "".join(draws.choices(syllables, k=draws.randint(1, 5)))
            for _ in range(draws.randint(3, 15))
        )

    told: list[str] = []

    def lines(size: int) -> Iterator[str]:
        yield "id\tdocument\tlabel\n"
        for number in range(size):
            text = draws.choice(told) if told and not number % 10 else review()
            told.append(text)
            yield f"{number}\t{text}\t{number % 2}\n"

    for split, size in SIZES.items():
        with (folder / f"ratings_{split}.txt").open("w", encoding="utf-8") as file:
            file.writelines(lines(size))
    return folder


if __name__ == "__main__":
    if asked := sys.argv[1:]:  # one measurement, for in_own_process
        print(json.dumps(check(Path(asked[0]))))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            real = REAL / "nsmc"
            found = in_own_process(
                "benchmarks.leaks", real if real.is_dir() else written(Path(scratch))
            )
        show(
            "Leak check, {train:,} training texts against {test:,} test texts".format(**SIZES),
            [
                Figure("wall time", found["wall"], "s", most=60),
                Figure("CPU time", found["cpu"], "s"),
                Figure("peak memory", found["rss"], "MB", most=2_000),
                Figure("training rows found in test text", found["leaks"], least=1),
            ],
        )
