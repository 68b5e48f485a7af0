"""KLUE-NLI: 28,000 Korean premise-hypothesis pairs as records, and as chat examples in two forms.
In the form `label` the answer is the label. In the form `write` it is the hypothesis.

Training examples and the lm-eval task use the same prompts. "test" is the hub's validation split,
which is the official dev file. kodata.prepare.convert cuts a validation split from train."""

import re
from collections.abc import Iterator
from pathlib import Path

from kodata.card import Card, Parts, Record, SourceItem
from kodata.errors import did_you_mean, shown
from kodata.reading import files as data_files
from kodata.reading.folder import FileFinder
from kodata.reading.keys import Known, known
from kodata.records import describe_non_text, parse_rows, single_turn, with_unique_guids
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
        "2 pairs occur twice in train, and the 2 duplicates are dropped; 859 premises of train are"
        " documents of NSMC's test split."
    ),
)

_FINDER = FileFinder(
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


# Prompts that ask for the label. The first is used for training and scoring. The others are used
# only by the task ko_consistency_nli.
WORDINGS = (
    (
        "전제: {premise}\n"
        "가설: {hypothesis}\n"
        "전제와 가설의 관계는 {labels} 중 무엇입니까? 한 단어로 답하세요."
    ),
    (
        "첫째 문장: {premise}\n"
        "둘째 문장: {hypothesis}\n"
        "두 문장의 관계는 {labels} 가운데 어디에 해당합니까? 그 단어만 쓰세요."
    ),
    (
        "두 문장을 읽고, 전제와 가설의 관계를 {labels} 중에서 골라 주세요.\n"
        "전제: {premise}\n"
        "가설: {hypothesis}\n"
        "고른 단어 하나만 적어 주세요."
    ),
    (
        "'전제'와 '가설'의 관계는 {labels} 중에 뭐야?\n"
        "- 전제: {premise}\n"
        "- 가설: {hypothesis}\n"
        "한 단어로만 답해 줘."
    ),
)
_NAMES = [*LABELS.values()]
_LABEL_LISTS = [", ".join(_NAMES[first:] + _NAMES[:first]) for first in range(len(_NAMES))]
# The text around premise and hypothesis. Joining the pieces takes a fifth of the time of
# str.format.
_PIECES = [
    [re.split("{premise}|{hypothesis}", text.replace("{labels}", names)) for names in _LABEL_LISTS]
    for text in WORDINGS
]


def worded(record: Record, wording: int = 0, first: int = 0) -> str:
    """The prompt that asks for the label. `wording` is an index of WORDINGS. `first` is the index
    of the label that the prompt lists first; the others follow in their order, cyclically."""
    head, middle, tail = _PIECES[wording][first]
    return f"{head}{record['premise']}{middle}{record['hypothesis']}{tail}"


def question(record: Record, form: str = "label") -> str:
    """The prompt. In the form `label` it asks for the relation of premise and hypothesis. In the
    form `write` it asks for a hypothesis with the given relation."""
    if form == "label":
        return worded(record)
    return (
        f"전제: {record['premise']}\n"
        f"관계: {LABELS[record['label']]}\n"
        "전제에 대해 위 관계가 성립하는 문장을 자연스러운 한국어로 하나만 쓰세요."
    )


def answer(record: Record, form: str = "label") -> str:
    """The expected answer. In the form `label` it is 함의, 중립 or 모순. In the form `write` it is
    the hypothesis that a person wrote."""
    return LABELS[record["label"]] if form == "label" else str(record["hypothesis"])


files = _FINDER.files
messages = single_turn(question, answer)


def group(record: Record) -> str:
    """The premise. All its hypotheses go into the same split."""
    return str(record["premise"])


def texts(record: Record) -> tuple[str, ...]:
    """The premise, to check for leaks. The hypothesis is not used: it is short, and the label
    cannot be known without the premise."""
    return (record["premise"],)


def parts(record: Record) -> Parts:
    """Premise and hypothesis, which together are the question."""
    pair = record["premise"], record["hypothesis"]
    return Parts(pair, (record["hypothesis"],), pair)


def read(split: str, path: str | Path | None = None) -> Iterator[SourceItem]:
    """Yields the records of a split, as in Source.read(). A record has the fields guid, source,
    premise, hypothesis and label (a key of LABELS). Premise and hypothesis are normalized by
    clean(). Records of the official files also have `agreement`: how many of the five annotators
    chose the label, as text. In the dev file it is "3" to "5".

    The data are on the hub or in the folder `path`. The folder has the official JSON files, or a
    copy of the hub's data set. Raises DataError for an unknown split, a file that is missing or
    cannot be read, a bad row, and a guid that occurs twice."""
    yield from with_unique_guids(files(split, path), records)


def records(file: Path) -> Iterator[SourceItem]:
    """Yields the records of one file in the official or the hub's format, then NotRead and
    Rewritten. Raises DataError with file, row, guid and field."""
    return parse_rows(file, data_files.rows(file), record, _diagnosis, _keys)


# The keys of the five labels of a pair in the official files: the label of the hypothesis' author
# and those of four others. The hub's rows do not have these keys.
_VOTES = ("author", "label2", "label3", "label4", "label5")
# The keys that are read from a row, by the names of its source and its label. Only the official
# train file calls the source `genre`. All official files call the label `gold_label`.
_READ = {
    (genre, label): known("guid", genre, "premise", "hypothesis", label, *_VOTES)
    for genre in ("genre", "source")
    for label in ("gold_label", "label")
}
# Labels are names in the official files and numbers on the hub.
_LABEL_OF: dict[object, str] = {**{name: name for name in LABELS}, **dict(enumerate(LABELS))}


def record(row: data_files.Row) -> Record:
    """A row of an official file or of the hub as a record. Raises KeyError or TypeError for a bad
    row; records() explains the error."""
    label = row["gold_label"] if "gold_label" in row else row["label"]
    made = {
        "guid": "" + row["guid"],
        "source": "" + (row["genre"] if "genre" in row else row["source"]),
        "premise": clean(row["premise"]),
        "hypothesis": clean(row["hypothesis"]),
        # The type is checked because True would be found as the number 1.
        "label": _LABEL_OF[label if type(label) in (str, int) else None],
    }
    votes = [*map(str, map(row.get, _VOTES))]  # a missing vote becomes "None", which is no label
    if LABELS.keys() >= {*votes}:
        made["agreement"] = str(votes.count(made["label"]))
    return made


def _keys(row: data_files.Row) -> Known:
    """The keys that record() reads from a row. `genre` takes precedence over `source`, and
    `gold_label` over `label`."""
    return _READ[
        "genre" if "genre" in row else "source", "gold_label" if "gold_label" in row else "label"
    ]


def _diagnosis(row: data_files.Row) -> str:
    """An error message for a bad row: the wrong field, its value, and what to do."""
    source = "genre" if "genre" in row else "source"
    if wrong := describe_non_text(row, "guid", source, "premise", "hypothesis"):
        return wrong
    field = "gold_label" if "gold_label" in row else "label"
    if row.get(field) is None:
        return f"{field} is missing; it must be one of {', '.join(LABELS)}"
    return (
        f"{field} is {shown(row[field])}, not {', '.join(LABELS)} (or 0, 1,"
        f" 2){did_you_mean(row[field], LABELS)}"
    )
