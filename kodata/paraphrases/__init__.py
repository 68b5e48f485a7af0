"""Groups of Korean questions that are paraphrases of each other. The questions are used for scoring
only, never for training.

The shipped file has 93 groups of four questions, written for this project. Each group has one short
answer that does not change over time. A user can give a folder with ParaKQC's file instead. Its
questions and commands have no known answer.

A record has the fields guid, group, question and answers. `answers` has the accepted forms of the
answer; it is empty if no answer is known."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from kodata.card import Card, Message, Parts, Record, Refused
from kodata.errors import DataError, did_you_mean
from kodata.reading import files as data_files
from kodata.reading.folder import FileFinder
from kodata.text import clean

SPLITS: tuple[str, ...] = ("test",)
FORMS: tuple[str, ...] = ()

# Card of ParaKQC: Cho, Kim, Moon, Lee 2020, https://arxiv.org/abs/1911.12019, and
# https://github.com/warnikchow/paraKQC
CARD = Card(
    name="paraphrases",
    title="Paraphrased questions",
    task="ko_consistency_questions",
    origin=(
        "written for this project: kodata/paraphrases/groups.jsonl; in a folder, a copy of ParaKQC"
    ),
    licence="CC0-1.0",
    obliges=(
        "ParaKQC is CC-BY-SA-4.0: name it (Cho et al. 2020), share changed data under the same"
        " licence."
    ),
    hub_id=None,
    hub_config=None,
    revision=None,
    rows={"test": 372},
    forms=FORMS,
    defects=(
        "Half of the groups ask for a number. ParaKQC: 5 of 1,000 groups say a sentence twice, 8"
        " sentences stand in two groups; these are left out."
    ),
)

SHIPPED = Path(__file__).parent / "groups.jsonl"
GROUP_SIZE = 10  # the number of lines of each group in ParaKQC's file, which names no groups
_COLUMNS = ("topic", "intent", "sentence")  # the columns of ParaKQC's file
_FINDER = FileFinder(CARD, hub={}, patterns={"test": ("paraKQC*.txt",)})


def question(record: Record) -> str:
    """The prompt: the question, and a request for a short answer. Without this request, answers are
    long, and no metric can detect whether two long answers have the same meaning."""
    return f"{record['question']}\n답만 짧게 쓰세요."


def answer(record: Record) -> str:
    """The first accepted form of the answer; "" if no answer is known."""
    return next(iter(record["answers"]), "")


def messages(record: Record, form: str) -> list[Message] | Refused:
    """Refused: this source is not for training."""
    return Refused("for scoring only")


def group(record: Record) -> str:
    """The group of paraphrases that the question belongs to."""
    return str(record["group"])


def texts(record: Record) -> tuple[str, ...]:
    """The question, to check for leaks. Training text that contains the question may also contain
    its answer."""
    return (record["question"],)


def parts(record: Record) -> Parts:
    """The question."""
    return Parts((record["question"],))


def files(split: str, path: str | Path | None = None) -> list[Path]:
    """The file of the questions: ParaKQC's file in the folder `path`, or the shipped file if `path`
    is None. Raises DataError if `split` is not test or the file is missing."""
    if split not in SPLITS:
        raise DataError(
            f"{CARD.name}: no split {split!r}: it is for scoring only{did_you_mean(split, SPLITS)}"
        )
    return [SHIPPED] if path is None else _FINDER.files(split, path)


def read(split: str, path: str | Path | None = None) -> Iterator[Record | Refused]:
    """Yields the questions, group by group. Refused is yielded in the place of some questions of
    ParaKQC (see _parakqc). Raises DataError if the file is missing or damaged."""
    for file in files(split, path):
        yield from _shipped() if file == SHIPPED else _parakqc(file)


def _shipped() -> Iterator[Record]:
    """Yields the questions of the shipped file."""
    for row in data_files.rows(SHIPPED):
        for number, text in enumerate(row["questions"]):
            name = row["group"]
            yield {
                "guid": f"{name}:{number}",
                "group": name,
                "question": text,
                "answers": row["answers"],
            }


def _parakqc(file: Path) -> Iterator[Record | Refused]:
    """Yields the sentences of ParaKQC's file as questions. If a group has the same sentence twice,
    Refused is yielded for the whole group. If a sentence is in two groups, Refused is yielded in
    its place in both."""
    groups = _groups(file)
    in_groups = Counter(text for texts in groups for text in set(texts))
    for number, texts in enumerate(groups):
        for at, text in enumerate(texts):
            if len(set(texts)) < len(texts):
                yield Refused("its group says a sentence twice")
            elif in_groups[text] > 1:
                yield Refused("the sentence stands in two groups")
            else:
                name = f"{number:04d}"
                yield {"guid": f"{name}:{at}", "group": name, "question": text, "answers": []}


def _groups(file: Path) -> list[list[str]]:
    """The sentences of each group. Every GROUP_SIZE consecutive lines are a group. Raises DataError
    if the lines of a group differ in topic or intent, or if the last group is too small."""
    rows = [
        _row(row, f"{file}: row {number}")
        for number, row in enumerate(data_files.rows(file, names=_COLUMNS), 1)
    ]
    if left := len(rows) % GROUP_SIZE:
        raise DataError(
            f"{file}: {len(rows)} rows, {left} more than whole groups of {GROUP_SIZE}; download it"
            " again"
        )
    groups = [rows[at : at + GROUP_SIZE] for at in range(0, len(rows), GROUP_SIZE)]
    for number, members in enumerate(groups):
        if len({kind for kind, _ in members}) > 1:
            first = number * GROUP_SIZE + 1
            raise DataError(
                f"{file}: rows {first} to {first + GROUP_SIZE - 1} are no group of one topic and"
                " intent; keep the file's order, or download it again"
            )
    return [[text for _, text in members] for members in groups]


def _row(row: data_files.Row, place: str) -> tuple[tuple[str, str], str]:
    """Returns ((topic, intent), sentence) of a row. Raises DataError for an empty sentence."""
    if not (text := clean(row["sentence"])):
        raise DataError(f"{place}: sentence is empty; download the file again")
    return (row["topic"], row["intent"]), text
