"""How fast KLUE-NLI and NSMC become chat examples, and in how much memory: `python -m
benchmarks.convert`.

Four measurements a source, in CPU seconds, each in its own process and the best of several, since
other work on the machine can only slow them down:

    file          kodata from the official file to JSON Lines: read, check, clean, split, write,
      manifest
    loaded        the same from rows in memory, which is where datasets.map begins
    map           datasets.map from the same rows to the same examples (in an Arrow file, where map
      puts them)
    map_batched   the same with batched=True

The ratio to datasets.map compares `loaded` with `map`, which neither splits nor looks for repeated
rows. Rows come from the real train file where ../shared/data has it (else they are written here),
again and again with another id and text. The leak check is not in these figures:
benchmarks/leaks.py measures it."""

import gc
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import kodata
from benchmarks.table import Figure, show
from kodata.card import Source
from kodata.prepare.convert import convert
from kodata.prepare.entries import Entry
from kodata.reading.files import rows

REAL = Path(__file__).parent.parent.parent / "shared" / "data"
SMALL, LARGE = 25_000, 200_000
# That `file` converts; the others take the small number, a row costs the same.
ROWS = {"klue_nli": SMALL, "nsmc": LARGE}
# What is another one in a row that is repeated.
IDENTITY = {"klue_nli": ("guid", "premise"), "nsmc": ("id", "document")}
ROUNDS = 4

Row = dict[str, Any]


def measured(work: Callable[[], object]) -> dict[str, float]:
    """CPU seconds of the work, children's included, and this process's peak memory in MB."""
    gc.freeze()  # what is in memory beforehand is no part of the work
    before = _cpu()
    work()
    return {"cpu": _cpu() - before, "rss": peak()}


def peak() -> float:
    """Peak memory in MB since this program began. (Linux hands getrusage's ru_maxrss down from the
    starting process.)"""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _cpu() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def in_own_process(module: str, *words: object) -> dict[str, float]:
    """What `python -m MODULE WORDS` prints last, as JSON."""
    command = [sys.executable, "-m", module, *map(str, words)]
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def of_file(name: str, folder: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as out:
        return measured(lambda: convert([Entry(name, path=folder)], Path(out), seed=42))


def of_loaded(name: str, folder: Path) -> dict[str, float]:
    source, loaded = _source(name), list(_rows(name, folder))
    here = SimpleNamespace(**vars(source))  # the source, but its rows are here already
    here.read = lambda *_: map(source.record, loaded)
    kodata.SOURCES["loaded"] = cast(Source, here)
    with tempfile.TemporaryDirectory() as out:
        return measured(lambda: convert([Entry("loaded", path=folder)], Path(out), seed=42))


def of_map(name: str, folder: Path, batched: bool = False) -> dict[str, float]:
    """datasets.map making the same examples from the same rows, which are loaded beforehand: it
    reads no text file."""
    import datasets

    source = _source(name)

    def example(row: Row) -> Row:
        record = source.record(row)
        messages = source.messages(record, "label")
        return {
            "messages": messages,
            "source": name,
            "form": "label",
            "guid": record["guid"],
            "doc": json.dumps(record),
        }

    def examples(batch: dict[str, list[object]]) -> dict[str, list[object]]:
        made = [
            example(dict(zip(batch, values, strict=True)))
            for values in zip(*batch.values(), strict=True)
        ]
        return {key: [row[key] for row in made] for key in made[0]}

    with tempfile.TemporaryDirectory() as cache:
        datasets.Dataset.from_list(list(_rows(name, folder))).save_to_disk(cache)
        loaded = datasets.load_from_disk(cache)  # memory-mapped, as load_dataset has it
        function = examples if batched else example
        return measured(
            lambda: loaded.map(function, batched=batched, remove_columns=loaded.column_names)
        )


MEASURES: dict[str, Callable[[str, Path], dict[str, float]]] = {
    "file": of_file,
    "loaded": of_loaded,
    "map": of_map,
    "map_batched": lambda name, folder: of_map(name, folder, batched=True),
}


def _source(name: str) -> Any:
    return kodata.source(name)


def _rows(name: str, folder: Path) -> Iterator[Row]:
    return (row for file in _source(name).files("train", folder) for row in rows(file))


def written(name: str, size: int, scratch: Path) -> Path:
    """A folder with a train file of so many rows in the source's official form."""
    folder = scratch / f"{name}_{size}"
    folder.mkdir()
    WRITERS[name](folder, islice(_endless(name), size))
    return folder


def _write_klue(folder: Path, found: Iterable[Row]) -> None:
    with (folder / "klue-nli-v1.1_train.json").open("w", encoding="utf-8") as file:
        for number, row in enumerate(found):
            text = json.dumps(row, ensure_ascii=False, indent=4).replace("\n", "\n    ")
            file.write((",\n    " if number else "[\n    ") + text)
        file.write("\n]\n")


def _write_nsmc(folder: Path, found: Iterable[Row]) -> None:
    with (folder / "ratings_train.txt").open("w", encoding="utf-8", newline="") as file:
        file.write("id\tdocument\tlabel\n")
        file.writelines(f"{row['id']}\t{row['document']}\t{row['label']}\n" for row in found)


WRITERS = {"klue_nli": _write_klue, "nsmc": _write_nsmc}


def _endless(name: str) -> Iterator[Row]:
    real = REAL / name.replace("_", "-")
    basis = list(_rows(name, real)) if real.is_dir() else INVENTED[name]()
    identity, text = IDENTITY[name]
    for turn in count():
        for row in basis:
            yield {
                **row,
                identity: f"{row[identity]}{turn:02}",
                text: f"{row[text]} {turn}" if turn else row[text],
            }


def _invented_klue() -> list[Row]:
    """Rows as long as the real ones, with their keys."""
    keys = ("gold_label", "author", "label2", "label3", "label4", "label5")
    return [
        {
            "guid": f"bench_{number:05}",
            "genre": "bench",
            "premise": (
                f"{number // 3}번 버스는 시청 앞에서 출발해 도서관과 시장을 지나 바닷가까지 갑니다."
            ),
            "hypothesis": "버스는 도서관 앞을 지나갑니다.",
            **dict.fromkeys(keys, tuple(_source("klue_nli").LABELS)[number % 3]),
        }
        for number in range(24_999)
    ]


def _invented_nsmc() -> list[Row]:
    """Rows as long as the real ones, with their keys."""
    said = "번째로 다시 보았는데 배우의 연기와 음악이 처음 볼 때보다"
    words = ("지루했다", "좋았다")
    return [
        {"id": f"{n}", "document": f"{n}{said} {words[n % 2]}", "label": str(n % 2)}
        for n in range(150_000)
    ]


INVENTED = {"klue_nli": _invented_klue, "nsmc": _invented_nsmc}


def figures(name: str, scratch: Path) -> list[Figure]:
    """One source's speed and memory."""
    folders = {size: written(name, size, scratch) for size in (SMALL, LARGE)}
    sizes = {what: ROWS[name] if what == "file" else SMALL for what in MEASURES}
    best = dict.fromkeys(MEASURES, float("inf"))  # CPU microseconds a row
    for _ in range(ROUNDS):  # in turns, so that other work on the machine troubles all alike
        for what, size in sizes.items():
            seconds = in_own_process("benchmarks.convert", what, name, folders[size])["cpu"]
            best[what] = min(best[what], seconds / size * 1e6)
    memory = [
        in_own_process("benchmarks.convert", "file", name, folders[size])["rss"]
        for size in (LARGE, SMALL)
    ]
    return [
        *(
            Figure(f"{name}: {what}, {sizes[what]:,} rows", cost, "CPU us a row")
            for what, cost in best.items()
        ),
        Figure(
            f"{name}: {ROWS[name]:,} rows converted",
            1e6 / best["file"],
            "rows a CPU s",
            least=50_000,
        ),
        Figure(
            f"{name}: times datasets.map on the same rows", best["map"] / best["loaded"], least=10
        ),
        Figure(
            f"{name}: peak memory at {LARGE:,} rows above {SMALL:,}",
            memory[0] - memory[1],
            "MB",
            most=64,
        ),
    ]


if __name__ == "__main__":
    if asked := sys.argv[1:]:  # one measurement, for in_own_process
        what, name, folder = asked
        print(json.dumps(MEASURES[what](name, Path(folder))))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            found = [figure for name in ROWS for figure in figures(name, Path(scratch))]
        show(f"Conversion, best of {ROUNDS}", found)
