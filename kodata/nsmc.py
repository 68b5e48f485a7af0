"""NSMC: 200,000 short Korean film reviews, negative or positive, as records and chat examples.

Training examples and the lm-eval task use the same prompt. kodata.prepare.convert cuts a validation
split from train."""

from collections.abc import Iterator
from pathlib import Path

from kodata.card import Card, Parts, Record, SourceItem
from kodata.errors import did_you_mean, shown
from kodata.reading import files as data_files
from kodata.reading.folder import FileFinder
from kodata.reading.keys import known
from kodata.records import describe_non_text, parse_rows, single_turn, with_unique_guids
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
    # The branch with the hub's own conversion to parquet. A commit would be better, but it could
    # not be looked up. So these files may change.
    revision="refs/convert/parquet",
    rows={"train": 150_000, "test": 50_000},
    forms=FORMS,
    defects=(
        "5 train and 3 test documents are empty; 1,571 test texts occur in train, 69 of them with"
        " another label; 856 of its test documents are premises of KLUE-NLI train. Dropped from"
        " train: 5 empty field, 3,312 duplicate, 501 label conflict. Test has 3 empty field, 744"
        " duplicate, 96 label conflict, and only the empty ones are not scored. The hub's card"
        " states CC BY 2.0, the official page CC0. The official files were tested, the hub's files"
        " were not."
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
    """The prompt. It asks whether a film review is positive or negative."""
    return f"영화 리뷰: {record['document']}\n이 리뷰는 긍정입니까, 부정입니까? 한 단어로 답하세요."


def answer(record: Record, form: str = "label") -> str:
    """The expected answer: 부정 or 긍정."""
    return LABELS[record["label"]]


files = _FINDER.files
messages = single_turn(question, answer)


def group(record: Record) -> str:
    """The review. Reviews with the same text go into the same split."""
    return str(record["document"])


def texts(record: Record) -> tuple[str, ...]:
    """The review, to check for leaks."""
    return (record["document"],)


def parts(record: Record) -> Parts:
    """The review."""
    return Parts((record["document"],))


def read(split: str, path: str | Path | None = None) -> Iterator[SourceItem]:
    """Yields the records of a split, as in Source.read(). A record has the fields guid, document
    (normalized by clean()) and label (a key of LABELS). The document is empty in 5 records of train
    and 3 of test.

    The data are on the hub or in the folder `path`. The folder has the official text files, or a
    copy of the hub's data set. Raises DataError for an unknown split, a file that is missing or
    cannot be read, a bad row, and a guid that occurs twice."""
    yield from with_unique_guids(files(split, path), _records)


def _records(file: Path) -> Iterator[SourceItem]:
    rows = data_files.rows(file)
    return parse_rows(file, rows, record, _diagnosis, known("id", "document", "label"))


# Labels are "0" and "1" in the official files, and numbers on the hub. Their names are accepted
# too.
_LABEL_OF: dict[object, str] = {
    **{name: name for name in LABELS},
    **dict(enumerate(LABELS)),
    **{str(number): name for number, name in enumerate(LABELS)},
}


def record(row: data_files.Row) -> Record:
    """A row of an official file or of the hub as a record. Raises KeyError or TypeError for a bad
    row; read() explains the error."""
    label = row["label"]
    return {
        "guid": "" + row["id"],
        "document": clean(row["document"]),
        # The type is checked because True would be found as the number 1.
        "label": _LABEL_OF[label if type(label) in (str, int) else None],
    }


def _diagnosis(row: data_files.Row) -> str:
    """An error message for a bad row: the wrong field, its value, and what to do."""
    if wrong := describe_non_text(row, "id", "document"):
        return wrong
    if row.get("label") is None:
        return "label is missing; it must be 0 (negative) or 1 (positive)"
    return (
        f"label is {shown(row['label'])}, not 0 (negative) or 1"
        f" (positive){did_you_mean(row['label'], LABELS)}"
    )
