"""KLUE-NLI: 28,000 Korean premise-hypothesis pairs, as records, and as chat examples in two forms.

This is the one place where the text of a question exists: training examples and the lm-eval task
both take it here. "test" is the hub's validation split, that is the official dev file; a validation
part is cut from train by convert()."""

import re
from collections.abc import Iterator
from pathlib import Path

from kodata.card import Card, Found, Message, Record
from kodata.errors import did_you_mean, shown
from kodata.reading import files as data_files
from kodata.reading.folder import Places
from kodata.reading.keys import Known, known
from kodata.records import asked, checked, named_once, not_text
from kodata.text import clean

SPLITS: tuple[str, ...] = ("train", "test")
FORMS: tuple[str, ...] = ("label", "write")
LABELS = {"entailment": "함의", "neutral": "중립", "contradiction": "모순"}

# Card: Park et al. 2021, KLUE, https://arxiv.org/abs/2105.09680, and https://klue-benchmark.com
CARD = Card(
    name="klue_nli",
    title="KLUE-NLI v1.1",
    task="klue_nli_ko",
    origin=(
        "https://huggingface.co/datasets/klue/klue (config nli);"
        " https://github.com/KLUE-benchmark/KLUE"
    ),
    licence="CC-BY-SA-4.0",
    obliges="Name the source (KLUE, Park et al. 2021); share changed data under the same licence.",
    hub_id="klue/klue",
    hub_config="nli",
    revision="349481ec73fff722f88e0453ca05c77a447d967c",
    rows={"train": 24_998, "test": 3_000},
    forms=FORMS,
    defects=(
        "2 pairs occur twice in train, 2 duplicate are left out; 859 premises of train are"
        " documents of NSMC's test split."
    ),
)

_PLACES = Places(
    CARD,
    hub={
        "train": "nli/train-00000-of-00001.parquet",
        "test": "nli/validation-00000-of-00001.parquet",
    },
    patterns={
        "train": (
            "klue-nli-v1.1_train.json",
            "klue-nli-v1.1_train.json.gz",
            "train-*.parquet",
            "train/data-*.arrow",
        ),
        "test": (
            "klue-nli-v1.1_dev.json",
            "klue-nli-v1.1_dev.json.gz",
            "validation-*.parquet",
            "validation/data-*.arrow",
        ),
    },
)


# Ways to ask for the label. The first is the one that is trained and scored; the others are for
# ko_consistency alone.
WORDINGS = (
    (
        "전제: {premise}\n"
        "가설: {hypothesis}\n"
        "전제가 참일 때 가설은 {labels} 중 어느 것입니까? 한 단어로 답하세요."
    ),
    (
        "첫째 문장: {premise}\n"
        "둘째 문장: {hypothesis}\n"
        "첫째 문장이 사실이라면 둘째 문장은 {labels} 가운데 무엇에 해당합니까? 그 낱말만 쓰세요."
    ),
    (
        "두 문장을 읽고, 전제에 비추어 가설이 {labels} 중에서 무엇인지 골라 주세요.\n"
        "전제: {premise}\n"
        "가설: {hypothesis}\n"
        "답은 고른 단어 하나로만 적어 주세요."
    ),
    (
        "'전제'가 맞는 말이라고 하자. 그러면 '가설'은 {labels} 중에 뭐야?\n"
        "- 전제: {premise}\n"
        "- 가설: {hypothesis}\n"
        "한 단어로만 답해 줘."
    ),
)
_NAMES = [*LABELS.values()]
_NAMED = [", ".join(_NAMES[first:] + _NAMES[:first]) for first in range(len(_NAMES))]
# What stands around premise and hypothesis, in this order: joining it costs a fifth of str.format.
_PIECES = [
    [re.split("{premise}|{hypothesis}", text.replace("{labels}", named)) for named in _NAMED]
    for text in WORDINGS
]


def worded(record: Record, wording: int = 0, first: int = 0) -> str:
    """The question for the label in one of WORDINGS, which names the labels in turn, beginning with
    the `first` of LABELS."""
    head, middle, tail = _PIECES[wording][first]
    return f"{head}{record['premise']}{middle}{record['hypothesis']}{tail}"


def question(record: Record, form: str = "label") -> str:
    """What the user asks. `label`: which relation holds; `write`: write a sentence that stands in
    this relation."""
    if form == "label":
        return worded(record)
    return (
        f"전제: {record['premise']}\n"
        f"관계: {LABELS[record['label']]}\n"
        "전제와 이 관계에 있는 문장을 자연스러운 한국어로 하나만 쓰세요."
    )


def answer(record: Record, form: str = "label") -> str:
    """What the assistant says: 함의, 중립 or 모순; or the hypothesis that a person wrote."""
    return LABELS[record["label"]] if form == "label" else str(record["hypothesis"])


def messages(record: Record, form: str) -> list[Message]:
    """The record as a user's turn and the assistant's answer."""
    return asked(question(record, form), answer(record, form))


def group(record: Record) -> str:
    """The premise: its hypotheses stay together when data is split."""
    return str(record["premise"])


def texts(record: Record) -> tuple[str, ...]:
    """The premise, which makes an item: a hypothesis is short, and says nothing about a label
    without its premise."""
    return (record["premise"],)


def read(split: str, path: str | Path | None = None) -> Iterator[Found]:
    """The records of a split: guid, source, premise, hypothesis, label (a key of LABELS); NFC,
    stripped. From the official files also `agreement`: how many of an item's five votes are its
    label, "3" to "5" in the dev file.

    From the hub, or from a folder with the official JSON files or a copy of the hub's set. Raises
    DataError."""
    yield from named_once(files(split, path), records)


def files(split: str, path: str | Path | None = None) -> list[Path]:
    """The files of a split: found in the folder `path` or one level below it, else brought from the
    hub."""
    return _PLACES.files(split, path)


def records(file: Path) -> Iterator[Found]:
    """The records of one file in the official or the hub's shape, and the keys of its rows that are
    not read. Raises DataError with file, row, guid and field."""
    return checked(file, data_files.rows(file), record, _diagnosis, _keys)


# Of the official files; the hub's rows have none.
_VOTES = ("author", "label2", "label3", "label4", "label5")
# The source is called genre in the official train file; the label is gold_label in all official
# files.
_READ = {
    (genre, label): known("guid", genre, "premise", "hypothesis", label, *_VOTES)
    for genre in ("genre", "source")
    for label in ("gold_label", "label")
}
_LABEL_OF: dict[object, str] = {**{name: name for name in LABELS}, **dict(enumerate(LABELS))}


def record(row: data_files.Row) -> Record:
    """The official or the hub's row as a record. KeyError or TypeError on a bad row; records() says
    what is wrong."""
    label = row["gold_label"] if "gold_label" in row else row["label"]
    made = {
        "guid": "" + row["guid"],
        "source": (
            "" + (row["genre"] if "genre" in row else row["source"])
        ),  # genre in the train file, source in dev
        "premise": clean(row["premise"]),
        "hypothesis": clean(row["hypothesis"]),
        "label": _LABEL_OF[
            label if type(label) in (str, int) else None
        ],  # True would be found as 1
    }
    votes = [*map(str, map(row.get, _VOTES))]  # None and what is no text are no label either
    if LABELS.keys() >= {*votes}:
        made["agreement"] = str(votes.count(made["label"]))
    return made


def _keys(row: data_files.Row) -> Known:
    """What is read of a row. `source` beside `genre`, or `label` beside `gold_label`, is not."""
    return _READ[
        "genre" if "genre" in row else "source", "gold_label" if "gold_label" in row else "label"
    ]


def _diagnosis(row: data_files.Row) -> str:
    """Which field of a bad row is wrong, its value, and what to do."""
    if wrong := not_text(
        row, "guid", "genre" if "genre" in row else "source", "premise", "hypothesis"
    ):
        return wrong
    field = "gold_label" if "gold_label" in row else "label"
    if row.get(field) is None:
        return f"{field} is missing; it must be one of {', '.join(LABELS)}"
    return (
        f"{field} is {shown(row[field])}, not {', '.join(LABELS)} (or 0, 1,"
        f" 2){did_you_mean(row[field], LABELS)}"
    )
