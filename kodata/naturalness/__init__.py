"""Everyday prompts in Korean. The answers to them are measured for how natural their Korean is. The
prompts are used for scoring only.

A record has the fields guid, kind, level and prompt. `kind` is the kind of text that the prompt
requests. `level` is the requested speech level, or `any`. The measures are in
kodata/metrics/naturalness. For their reliability, see tasks/ko_naturalness/README.md."""

from collections.abc import Iterator
from pathlib import Path

from kodata.card import Card, Message, Parts, Record, Refused, SourceItem
from kodata.errors import DataError, did_you_mean
from kodata.reading import files as data_files
from kodata.reading.keys import known
from kodata.reading.links import refuse_stray_link
from kodata.records import describe_non_text, parse_rows, with_unique_guids
from kodata.text import clean

SPLITS: tuple[str, ...] = ("test",)
FORMS: tuple[str, ...] = ()
LEVELS = ("haeyo", "hapsyo", "haera", "any")  # speech levels
SHIPPED = Path(__file__).parent / "prompts.jsonl"

CARD = Card(
    name="naturalness",
    title="Everyday prompts in Korean",
    task="ko_naturalness",
    origin="written for this project: kodata/naturalness/prompts.jsonl",
    licence="CC0-1.0",
    obliges="",
    hub_id=None,
    hub_config=None,
    revision=None,
    rows={"test": 120},
    forms=FORMS,
    defects="Written by one author; no answers to compare with.",
)


def question(record: Record) -> str:
    """The prompt."""
    return str(record["prompt"])


def answer(record: Record) -> str:
    """Empty: there is no right answer."""
    return ""


def messages(record: Record, form: str) -> list[Message] | Refused:
    """Refused: this source is not for training."""
    return Refused("for scoring only")


def group(record: Record) -> str:
    """The guid, since prompts are independent of each other."""
    return str(record["guid"])


def texts(record: Record) -> tuple[str, ...]:
    """The prompt, to check for leaks."""
    return (record["prompt"],)


def parts(record: Record) -> Parts:
    """The prompt."""
    return Parts((record["prompt"],))


def files(split: str, path: str | Path | None = None) -> list[Path]:
    """The file of the prompts: prompts.jsonl in the folder `path`, or the shipped file if `path` is
    None. Raises DataError if `split` is not test or the file is missing."""
    if split not in SPLITS:
        raise DataError(
            f"{CARD.name}: no split {split!r}: it is for scoring only{did_you_mean(split, SPLITS)}"
        )
    file = SHIPPED if path is None else Path(path) / SHIPPED.name
    if not file.is_file():
        raise DataError(
            f"{CARD.name}: {file}: no such file; path must name a folder with {SHIPPED.name}"
        )
    return [refuse_stray_link(file, file.parent)]


def read(split: str, path: str | Path | None = None) -> Iterator[SourceItem]:
    """Yields the prompts in file order, as in Source.read(). In the shipped file, the kinds
    alternate, so that --limit selects all kinds. Raises DataError for a missing file, a bad row,
    and a guid that occurs twice."""
    yield from with_unique_guids(files(split, path), _records)


def _records(file: Path) -> Iterator[SourceItem]:
    return parse_rows(
        file, data_files.rows(file), _record, _diagnosis, known("guid", "kind", "level", "prompt")
    )


def _record(row: data_files.Row) -> Record:
    """A row as a record. Raises KeyError or TypeError for a bad row."""
    level = row.get("level", "any")
    if level not in LEVELS:
        raise KeyError(level)
    return {key: clean(row[key]) for key in ("guid", "kind")} | {
        "level": level,
        "prompt": clean(row["prompt"]),
    }


def _diagnosis(row: data_files.Row) -> str:
    """An error message for a bad row: the wrong field, its value, and what to do."""
    if wrong := describe_non_text(row, "guid", "kind", "prompt"):
        return wrong
    return f"level is {row['level']!r:.80}, not one of {', '.join(LEVELS)}; mend it or leave it out"
