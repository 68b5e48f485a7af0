"""Naver news with summaries: 27,400 Korean articles as records and chat examples.

Training examples and the lm-eval task use the same prompt. The data set has its own validation
split."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from kodata.card import Card, Parts, Record, SourceItem
from kodata.reading import files as data_files
from kodata.reading.folder import FileFinder
from kodata.reading.keys import known
from kodata.records import describe_non_text, parse_rows, single_turn, with_numbered_guids
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
    # The commit was made in January 2023. Its files were last changed in August 2022.
    revision="fa6ec90a7beb96d182372f09b04b96797ea6588a",
    rows={"train": 22_194, "validation": 2_466, "test": 2_740},
    forms=FORMS,
    defects=(
        "Summaries often repeat the first sentences, so a score means little without the lead-3"
        " baseline. The real files were not available: columns and row counts are as others report"
        " them, and it was not checked whether an article occurs in two splits."
    ),
)

_FIELDS = ("link", "date", "category", "press", "title", "document", "summary")
_REQUIRED = ("guid", "document", "summary")
# The names that each split's CSV file may have.
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
    """The prompt: a request to summarize an article."""
    return f"기사: {record['document']}\n이 기사의 핵심 내용을 두세 문장으로 요약하세요."


def answer(record: Record, form: str = "summary") -> str:
    """The expected answer: the summary."""
    return str(record["summary"])


files = _FINDER.files
messages = single_turn(question, answer)


def group(record: Record) -> str:
    """The text of the article. Rows with the same article go into the same split."""
    return str(record["document"])


def texts(record: Record) -> tuple[str, ...]:
    """The text of the article, to check for leaks."""
    return (record["document"],)


def parts(record: Record) -> Parts:
    """The article and its summary. The article alone is what is asked."""
    return Parts((record["document"], record["summary"]))


def read(split: str, path: str | Path | None = None) -> Iterator[SourceItem]:
    """Yields the records of a split, as in Source.read(). A record has the fields guid, document
    and summary, and those of date, category, press and title that are not empty. All are normalized
    by clean(). The guid is the article's link. If a link repeats, #2, #3 and so on are added.

    The data are on the hub or in the folder `path`. The folder has the hub's CSV files, or a copy
    of them as parquet or arrow. Raises DataError for an unknown split, a file that is missing or
    cannot be read, and a bad row."""
    parsed = (
        parse_rows(file, data_files.rows(file), record, _diagnosis, known(*_FIELDS))
        for file in files(split, path)
    )
    yield from with_numbered_guids(chain.from_iterable(parsed))


def record(row: data_files.Row) -> Record:
    """A row as a record. Raises KeyError or TypeError for a bad row; read() explains the error.

    An empty date, category, press or title is left out of the record. convert() drops a record with
    an empty field, but these four are not needed for training."""
    made = {"guid" if field == "link" else field: clean(row[field]) for field in _FIELDS}
    return {field: text for field, text in made.items() if text or field in _REQUIRED}


def _diagnosis(row: data_files.Row) -> str:
    """An error message for a bad row: the wrong field, its value, and what to do."""
    return describe_non_text(row, *_FIELDS)
