"""NSMC: 200,000 short Korean film reviews, negative or positive, as records and chat examples.

This is the one place where the text of a question exists: training examples and the lm-eval task
both take it here. A validation part is cut from train by convert(). Empty documents (5 in train, 3
in test) are read as they are."""

from collections.abc import Iterator
from pathlib import Path

from kodata.card import Card, Message, Record, SourceItem
from kodata.errors import did_you_mean, shown
from kodata.reading import files as data_files
from kodata.reading.folder import FileFinder
from kodata.reading.keys import known
from kodata.records import as_chat, describe_non_text, parse_rows, with_unique_guids
from kodata.text import clean

SPLITS: tuple[str, ...] = ("train", "test")
FORMS: tuple[str, ...] = ("label",)
LABELS = {"negative": "부정", "positive": "긍정"}

# Card: Park 2015, Naver sentiment movie corpus v1.0, https://github.com/e9t/nsmc
CARD = Card(
    name="nsmc",
    title="Naver sentiment movie corpus 1.0",
    task="nsmc_ko",
    origin="https://github.com/e9t/nsmc; https://huggingface.co/datasets/e9t/nsmc",
    licence="CC0-1.0",
    obliges="",
    hub_id="e9t/nsmc",
    hub_config="default",
    # the hub's own conversion: moving, and its commit could not be looked up
    revision="refs/convert/parquet",
    rows={"train": 150_000, "test": 50_000},
    forms=FORMS,
    defects=(
        "5 train and 3 test documents are empty; 1,571 test texts occur in train, 69 of them with"
        " another label; 856 of its test documents are premises of KLUE-NLI train. Left out of"
        " train: 5 empty field, 3,312 duplicate, 501 label conflict; the same of test: 3 empty"
        " field, 744 duplicate, 96 label conflict, of which only the empty are not scored. The"
        " hub's card says CC BY 2.0, the official page CC0. The hub's files themselves were not"
        " tried; the official ones were."
    ),
)

_FINDER = FileFinder(
    CARD,
    hub={"train": "default/train/0000.parquet", "test": "default/test/0000.parquet"},
    patterns={
        split: (
            f"ratings_{split}.txt",
            f"ratings_{split}.txt.gz",
            f"{split}-*.parquet",
            f"{split}/*.parquet",
            f"{split}/data-*.arrow",
        )
        for split in SPLITS
    },
)


def question(record: Record, form: str = "label") -> str:
    """What the user asks: whether a review is for or against the film."""
    return f"영화 감상: {record['document']}\n이 감상은 긍정입니까, 부정입니까? 한 단어로 답하세요."


def answer(record: Record, form: str = "label") -> str:
    """What the assistant says: 부정 or 긍정."""
    return LABELS[record["label"]]


def messages(record: Record, form: str) -> list[Message]:
    """The record as a user's turn and the assistant's answer."""
    return as_chat(question(record, form), answer(record, form))


def group(record: Record) -> str:
    """The review: the same words by several people stay together when data is split."""
    return str(record["document"])


def texts(record: Record) -> tuple[str, ...]:
    """The review."""
    return (record["document"],)


def read(split: str, path: str | Path | None = None) -> Iterator[SourceItem]:
    """The records of a split: guid, document (may be empty), label (a key of LABELS); NFC,
    stripped.

    From the hub, or from a folder with the official text files or a copy of the hub's set. Raises
    DataError."""
    yield from with_unique_guids(files(split, path), _records)


def _records(file: Path) -> Iterator[SourceItem]:
    return parse_rows(
        file, data_files.rows(file), record, _diagnosis, known("id", "document", "label")
    )


def files(split: str, path: str | Path | None = None) -> list[Path]:
    """The files of a split: found in the folder `path` or one level below it, else brought from the
    hub."""
    return _FINDER.files(split, path)


_LABEL_OF: dict[object, str] = {
    **{name: name for name in LABELS},
    **dict(enumerate(LABELS)),
    **{str(number): name for number, name in enumerate(LABELS)},
}


def record(row: data_files.Row) -> Record:
    """The official or the hub's row as a record. KeyError or TypeError on a bad row; read() says
    what is wrong."""
    label = row["label"]
    return {
        "guid": "" + row["id"],
        "document": clean(row["document"]),
        "label": _LABEL_OF[
            label if type(label) in (str, int) else None
        ],  # True would be found as 1
    }


def _diagnosis(row: data_files.Row) -> str:
    """Which field of a bad row is wrong, its value, and what to do."""
    if wrong := describe_non_text(row, "id", "document"):
        return wrong
    if row.get("label") is None:
        return "label is missing; it must be 0 (negative) or 1 (positive)"
    return (
        f"label is {shown(row['label'])}, not 0 (negative) or 1"
        f" (positive){did_you_mean(row['label'], LABELS)}"
    )
