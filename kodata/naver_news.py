"""Naver news with summaries: 27,400 Korean articles, as records and chat examples.

This is the one place where the text of a question exists: training examples and the lm-eval task
both take it here. The set brings its own validation split."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from kodata.card import Card, Message, Record, SourceItem
from kodata.reading import files as data_files
from kodata.reading.folder import FileFinder
from kodata.reading.keys import known
from kodata.records import as_chat, describe_non_text, parse_rows, with_numbered_guids
from kodata.text import clean

SPLITS: tuple[str, ...] = ("train", "validation", "test")
FORMS: tuple[str, ...] = ("summary",)

# Card: https://huggingface.co/datasets/daekeun-ml/naver-news-summarization-ko
CARD = Card(
    name="naver_news",
    title="Naver news summarization (ko)",
    task="naver_news_ko",
    origin="https://huggingface.co/datasets/daekeun-ml/naver-news-summarization-ko",
    licence="Apache-2.0 as the hub's card says",
    obliges=(
        "Read the hub's card first. The articles belong to their publishers: do not share them."
    ),
    hub_id="daekeun-ml/naver-news-summarization-ko",
    hub_config=None,
    # January 2023; the files are of August 2022
    revision="fa6ec90a7beb96d182372f09b04b96797ea6588a",
    rows={"train": 22_194, "validation": 2_466, "test": 2_740},
    forms=FORMS,
    defects=(
        "Summaries often repeat the first sentences, so a score means little without lead-3 beside"
        " it. The real files were not at hand: columns and row counts are as others report them,"
        " and it was not checked whether an article occurs in two splits."
    ),
)

_FIELDS = ("link", "date", "category", "press", "title", "document", "summary")
_NEEDED = ("guid", "document", "summary")
_NAMES = {"train": ("train",), "validation": ("validation", "valid"), "test": ("test",)}
_FINDER = FileFinder(
    CARD,
    hub={split: f"{split}.csv" for split in SPLITS},
    patterns={
        split: (
            *(f"{name}.csv{packed}" for name in names for packed in ("", ".gz")),
            f"{split}-*.parquet",
            f"{split}/data-*.arrow",
        )
        for split, names in _NAMES.items()
    },
)


def question(record: Record, form: str = "summary") -> str:
    """What the user asks: the gist of an article."""
    return f"기사: {record['document']}\n이 기사의 핵심 내용을 두세 문장으로 요약하세요."


def answer(record: Record, form: str = "summary") -> str:
    """What the assistant says: the summary."""
    return str(record["summary"])


def messages(record: Record, form: str) -> list[Message]:
    """The record as a user's turn and the assistant's answer."""
    return as_chat(question(record, form), answer(record, form))


def group(record: Record) -> str:
    """The article."""
    return str(record["document"])


def texts(record: Record) -> tuple[str, ...]:
    """The article."""
    return (record["document"],)


def read(split: str, path: str | Path | None = None) -> Iterator[SourceItem]:
    """The records of a split: guid (the article's link; LINK#2 for one that comes again), date,
    category, press, title, document, summary; NFC, stripped.

    From the hub, or from a folder with the same CSV files or a copy as parquet or arrow. Raises
    DataError."""
    every = (
        parse_rows(file, data_files.rows(file), record, _diagnosis, known(*_FIELDS))
        for file in files(split, path)
    )
    yield from with_numbered_guids(chain.from_iterable(every))


def files(split: str, path: str | Path | None = None) -> list[Path]:
    """The files of a split: found in the folder `path` or one level below it, else brought from the
    hub."""
    return _FINDER.files(split, path)


def record(row: data_files.Row) -> Record:
    """A row as a record. KeyError or TypeError on a bad row; read() says what is wrong.

    An empty date, category, press or title is left out: it is no reason for convert() to drop the
    article."""
    made = {"guid" if field == "link" else field: clean(row[field]) for field in _FIELDS}
    return {field: text for field, text in made.items() if text or field in _NEEDED}


def _diagnosis(row: data_files.Row) -> str:
    """Which field of a bad row is wrong, its value, and what to do."""
    return describe_non_text(row, *_FIELDS)
