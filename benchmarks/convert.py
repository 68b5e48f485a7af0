"""How fast KLUE-NLI becomes chat examples, and in how much memory. Run from the project's root:

    python benchmarks/convert.py

Our figure is the CPU time of kodata's whole conversion: read the official JSON, check, split, write JSON Lines and the
manifest. Against it stands datasets.map alone, on the same rows already loaded. Every measurement has its own process,
rows come from the real train file where ../shared/data has it (else they are written here), repeated with fresh guids
and premises. Speed is the best of
three, since other work on the machine can only slow it down.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
REAL = ROOT.parent / "shared" / "data" / "klue-nli"
SIZES = (25_000, 200_000)
ROUNDS = 3

sys.path.insert(0, str(ROOT))
from kodata import klue_nli  # noqa: E402
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
    speed = dict.fromkeys(MEASURES, 0.0)
    for _ in range(ROUNDS):  # in turns, so that other work on the machine troubles all alike
        for what, size in {"convert": large, "map": small, "map_batched": small}.items():
            speed[what] = max(speed[what], size / _run(what, folders[size])["cpu"])
    for what, rate in speed.items():
        print(f"{what:<12} {rate:>10,.0f} rows a CPU second; kodata is {speed['convert'] / rate:.1f} times as fast")
    grown = _run("convert", folders[large])["rss"] - _run("convert", folders[small])["rss"]
    figures = [
        (f"conversion of {large:,} rows, rows a CPU second", speed["convert"], ">=", 50_000),
        ("times datasets.map", speed["convert"] / speed["map"], ">=", 10),
        (f"peak memory at {large:,} rows above {small:,}, MB", grown, "<=", 64),
    ]
    held = [value >= limit if sign == ">=" else value <= limit for _, value, sign, limit in figures]
    for (name, value, sign, limit), ok in zip(figures, held, strict=True):
        print(f"{'PASS' if ok else 'FAIL'}  {name:<52} {value:>10,.1f}  ({sign} {limit:,})")
    return 0 if all(held) else 1


def _run(what: str, folder: Path) -> dict[str, float]:
    """Measures in a fresh process: cpu in seconds, rss in MB."""
    command = [sys.executable, __file__, "--measure", what, str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _measured(work: Callable[[], object]) -> dict[str, float]:
    before = _cpu()
    work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cpu": _cpu() - before, "rss": peak}


def _cpu() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _measure_convert(folder: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as out:
        return _measured(lambda: convert([Entry("klue_nli", path=folder)], Path(out), seed=42))


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
        read = [row for file in klue_nli.files("train", folder) for _, row in rows(file)]
        datasets.Dataset.from_list(read).save_to_disk(cache)
        loaded = datasets.load_from_disk(cache)  # memory-mapped, as load_dataset has it
        function = _examples if batched else _example
        return _measured(lambda: loaded.map(function, batched=batched, remove_columns=loaded.column_names))


MEASURES: dict[str, Callable[[Path], dict[str, float]]] = {
    "convert": _measure_convert,
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
            yield from (row for _, row in rows(file))
        return
    for number in range(3_000):
        premise = f"{number // 3}번 버스는 시청 앞에서 출발해 도서관과 시장을 지나 바닷가까지 갑니다."
        label = tuple(klue_nli.LABELS)[number % 3]
        votes = dict.fromkeys(("gold_label", "author", "label2", "label3", "label4", "label5"), label)
        yield {"genre": "bench", "premise": premise, "hypothesis": "버스는 도서관 앞을 지나갑니다.", **votes}


if __name__ == "__main__":
    sys.exit(main())
