"""How fast KLUE-NLI becomes chat examples, and in how much memory. Run from the project's root:

    python benchmarks/convert.py

Four measurements, in CPU seconds, each in its own process and the best of several, since other work on the machine can
only slow them down:

    file          kodata from the official JSON file to JSON Lines: read, check, split, write, manifest
    loaded        the same from rows in memory, which is where datasets.map begins
    map           datasets.map from the same rows to the same examples (in an Arrow file, where map puts them)
    map_batched   the same with batched=True

The ratio to datasets.map compares `loaded` with `map`; the others are printed beside it. Rows come from the real train
file where ../shared/data has it (else they are written here), repeated with fresh guids and premises.
"""

import argparse
import gc
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

ROOT = Path(__file__).resolve().parent.parent
REAL = ROOT.parent / "shared" / "data" / "klue-nli"
SIZES = (25_000, 200_000)
ROUNDS = 4

sys.path.insert(0, str(ROOT))
import kodata  # noqa: E402
from kodata import klue_nli  # noqa: E402
from kodata.card import Source  # noqa: E402
from kodata.convert import Entry, convert  # noqa: E402
from kodata.files import rows  # noqa: E402

Row = dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures kodata's conversion against datasets.map.")
    parser.add_argument("--measure", nargs=2, metavar=("WHAT", "FOLDER"), help=argparse.SUPPRESS)
    if measure := parser.parse_args().measure:
        print(json.dumps(MEASURES[measure[0]](Path(measure[1]))))
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        folders = {size: _data(Path(scratch) / str(size), size) for size in SIZES}
        return _report(folders)


def _report(folders: dict[int, Path]) -> int:
    small, large = SIZES
    best = dict.fromkeys(MEASURES, float("inf"))  # CPU microseconds a row
    for _ in range(ROUNDS):  # in turns, so that other work on the machine troubles all alike
        for what in MEASURES:
            size = large if what == "file" else small
            best[what] = min(best[what], _run(what, folders[size])["cpu"] / size * 1e6)
    print(f"{'':<12}{'CPU us a row':>14}{'rows a CPU s':>14}{'of file':>9}{'of loaded':>11}")
    for what, cost in best.items():
        ratios = f"{cost / best['file']:>9.1f}{cost / best['loaded']:>11.1f}"
        print(f"{what:<12}{cost:>14.1f}{1e6 / cost:>14,.0f}{ratios}")
    grown = _run("file", folders[large])["rss"] - _run("file", folders[small])["rss"]
    figures = [
        (f"conversion of {large:,} rows, rows a CPU second", 1e6 / best["file"], ">=", 50_000),
        ("times datasets.map on the same rows", best["map"] / best["loaded"], ">=", 10),
        (f"peak memory at {large:,} rows above {small:,}, MB", grown, "<=", 64),
    ]
    held = [value >= limit if sign == ">=" else value <= limit for _, value, sign, limit in figures]
    for (name, value, sign, limit), ok in zip(figures, held, strict=True):
        print(f"{'PASS' if ok else 'FAIL'}  {name:<52}{value:>10,.1f}  ({sign} {limit:,})")
    return 0 if all(held) else 1


def _run(what: str, folder: Path) -> dict[str, float]:
    """Measures in a fresh process: cpu in seconds, rss in MB."""
    command = [sys.executable, __file__, "--measure", what, str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _measured(work: Callable[[], object]) -> dict[str, float]:
    gc.freeze()  # what is in memory beforehand is no part of the work
    before = _cpu()
    work()
    return {"cpu": _cpu() - before, "rss": _peak()}


def _peak() -> float:
    """Peak memory in MB since this program began. (Linux hands getrusage's ru_maxrss down from the starting process.)"""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _cpu() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _measure_file(folder: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as out:
        return _measured(lambda: convert([Entry("klue_nli", path=folder)], Path(out), seed=42))


def _measure_loaded(folder: Path) -> dict[str, float]:
    loaded = _rows(folder)
    source = SimpleNamespace(**vars(klue_nli))  # KLUE-NLI, but its rows are here already
    source.files = lambda *_: []
    source.read = lambda *_: map(klue_nli.record, loaded)
    kodata.SOURCES["loaded"] = cast(Source, source)
    with tempfile.TemporaryDirectory() as out:
        return _measured(lambda: convert([Entry("loaded")], Path(out), seed=42))


def _rows(folder: Path) -> list[Row]:
    return [row for file in klue_nli.files("train", folder) for row in rows(file)]


def _example(row: Row) -> Row:
    record = klue_nli.record(row)
    messages = klue_nli.messages(record, "label")
    return {"messages": messages, "source": "klue_nli", "form": "label", "guid": record["guid"], "doc": record}


def _examples(batch: dict[str, list[object]]) -> dict[str, list[object]]:
    made = [_example(dict(zip(batch, values, strict=True))) for values in zip(*batch.values(), strict=True)]
    return {key: [row[key] for row in made] for key in made[0]}


def _measure_map(folder: Path, batched: bool = False) -> dict[str, float]:
    """datasets.map making the same examples from the same rows, which are loaded beforehand: it reads no JSON."""
    import datasets

    with tempfile.TemporaryDirectory() as cache:
        datasets.Dataset.from_list(_rows(folder)).save_to_disk(cache)
        loaded = datasets.load_from_disk(cache)  # memory-mapped, as load_dataset has it
        function = _examples if batched else _example
        return _measured(lambda: loaded.map(function, batched=batched, remove_columns=loaded.column_names))


MEASURES: dict[str, Callable[[Path], dict[str, float]]] = {
    "file": _measure_file,
    "loaded": _measure_loaded,
    "map": _measure_map,
    "map_batched": lambda folder: _measure_map(folder, batched=True),
}


def _data(folder: Path, size: int) -> Path:
    """A folder with a train file of so many rows in the official shape and layout."""
    folder.mkdir()
    with (folder / "klue-nli-v1.1_train.json").open("w", encoding="utf-8") as file:
        file.write("[\n    ")
        for number, row in enumerate(islice(_endless(), size)):
            text = json.dumps(row, ensure_ascii=False, indent=4).replace("\n", "\n    ")
            file.write((",\n    " if number else "") + text)
        file.write("\n]\n")
    return folder


def _endless() -> Iterator[Row]:
    basis = list(_basis())
    for turn in count():
        for number, row in enumerate(basis):
            yield {**row, "guid": f"row_{turn}_{number:06}", "premise": f"{row['premise']} {turn}"}


def _basis() -> Iterator[Row]:
    """The real train rows, or rows of the same length and keys."""
    if REAL.is_dir():
        for file in klue_nli.files("train", REAL):
            yield from rows(file)
        return
    for number in range(3_000):
        premise = f"{number // 3}번 버스는 시청 앞에서 출발해 도서관과 시장을 지나 바닷가까지 갑니다."
        label = tuple(klue_nli.LABELS)[number % 3]
        votes = dict.fromkeys(("gold_label", "author", "label2", "label3", "label4", "label5"), label)
        yield {"genre": "bench", "premise": premise, "hypothesis": "버스는 도서관 앞을 지나갑니다.", **votes}


if __name__ == "__main__":
    sys.exit(main())
