"""KorQuAD 1.0: 66,181 Korean questions, each answered by a piece of a Wikipedia paragraph, as
records and chat examples.

This is the one place where the text of a question exists: training examples and the lm-eval task
both take it here. "test" is the official dev file (the official test set is not public); a
validation part is cut from train by convert()."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kodata.card import Card, Found, Message, NotRead, Record, Refused
from kodata.errors import DataError, shown
from kodata.reading import files as data_files
from kodata.reading.folder import Places
from kodata.reading.keys import known
from kodata.records import asked, checked, named_once, not_text
from kodata.text import clean

SPLITS: tuple[str, ...] = ("train", "test")
FORMS: tuple[str, ...] = ("answer",)

# Card: Lim, Kim, Lee 2019, KorQuAD1.0, https://arxiv.org/abs/1909.07005, and
# https://korquad.github.io
CARD = Card(
    name="korquad",
    title="KorQuAD 1.0",
    task="korquad_ko",
    origin=(
        "https://huggingface.co/datasets/KorQuAD/squad_kor_v1;"
        " https://korquad.github.io/KorQuad%201.0/"
    ),
    licence="CC-BY-ND-2.0-KR",
    obliges=(
        "Name the source (KorQuAD 1.0, Lim et al. 2019); do not share changed data, which"
        " train.jsonl is."
    ),
    hub_id="KorQuAD/squad_kor_v1",
    hub_config="squad_kor_v1",
    revision="01aad23853355e5f4f6317eeaaa8186811424834",  # "Convert dataset to Parquet (#3)"
    rows={"train": 60_407, "test": 5_774},
    forms=FORMS,
    defects=(
        "In dev 61% of the answers are followed directly by a josa, and 1,522 occur more than once"
        " in the context; were dev trained on, 9 duplicate would be left out. The train file was"
        " not at hand: its drops are not known. The hub's card says CC BY-ND 4.0, the official site"
        " 2.0 KR. The hub's files themselves were not tried."
    ),
)

_PLACES = Places(
    CARD,
    hub={
        "train": "squad_kor_v1/train-00000-of-00001.parquet",
        "test": "squad_kor_v1/validation-00000-of-00001.parquet",
    },
    patterns={
        "train": (
            "KorQuAD_v1.0_train.json",
            "KorQuAD_v1.0_train.json.gz",
            "train-*.parquet",
            "train/data-*.arrow",
        ),
        "test": (
            "KorQuAD_v1.0_dev.json",
            "KorQuAD_v1.0_dev.json.gz",
            "validation-*.parquet",
            "validation/data-*.arrow",
        ),
    },
)


_KEYS = known("id", "title", "context", "question", answers=known("text", "answer_start"))


def question(record: Record, form: str = "answer") -> str:
    """What the user asks: a question about a passage."""
    return (
        f"지문: {record['context']}\n"
        f"질문: {record['question']}\n"
        "지문에서 답이 되는 말을 찾아 그대로 옮겨 쓰세요. 답만 쓰세요."
    )


def answer(record: Record, form: str = "answer") -> str:
    """What the assistant says: the piece of the passage."""
    return str(record["answer"])


def messages(record: Record, form: str) -> list[Message]:
    """The record as a user's turn and the assistant's answer."""
    return asked(question(record, form), answer(record, form))


def group(record: Record) -> str:
    """The paragraph: its questions stay together when data is split."""
    return str(record["context"])


def texts(record: Record) -> tuple[str, ...]:
    """The passage, which makes an item: many questions are as short as 감독은 누구인가?"""
    return (record["context"],)


def read(split: str, path: str | Path | None = None) -> Iterator[Found]:
    """The records of a split: guid, title, context, question, answer; NFC, stripped.

    From the hub, or from a folder with the official JSON files or a copy of the hub's set. Raises
    DataError."""
    yield from named_once(files(split, path), _records)


def _records(file: Path) -> Iterator[Found]:
    nested = file.name.removesuffix(".gz").endswith(".json")
    return checked(
        file, _official(file) if nested else data_files.rows(file), record, _diagnosis, _KEYS
    )


def files(split: str, path: str | Path | None = None) -> list[Path]:
    """The files of a split: found in the folder `path` or one level below it, else brought from the
    hub."""
    return _PLACES.files(split, path)


def _official(file: Path) -> Iterator[data_files.Row | NotRead]:
    """The questions of an official file as rows like the hub's, then what stands beside them and is
    not read.

    SQuAD 1.1's nesting: article, paragraph, question.
    """
    place, count = "data", 0
    passed: list[str] = []
    try:
        for at, article in enumerate(data_files.rows(file, ("data",), passed=passed)):
            place = f"data[{at}]"
            for inner, paragraph in enumerate(article["paragraphs"]):
                place = f"data[{at}].paragraphs[{inner}]"
                shared = {"title": article.get("title"), "context": paragraph["context"]}
                around = {
                    f"data[].{key}": value
                    for key, value in article.items()
                    if key not in ("title", "paragraphs")
                }
                around |= {
                    f"paragraphs[].{key}": value
                    for key, value in paragraph.items()
                    if key not in ("context", "qas")
                }
                for qa in paragraph["qas"]:
                    count += 1
                    own = {f"qas[].{key}": qa[key] for key in shared if key in qa}
                    yield {**around, **qa, **own, **shared}
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{file}: {place} is not as in KorQuAD 1.0 ({error}); give the official file, whose"
            " shape is data[].paragraphs[].{context, qas[]}"
        ) from None
    if not count:
        raise DataError(f"{file}: no questions in it; download or copy it again")
    yield from (NotRead(key, 1) for key in dict.fromkeys(passed))


def record(row: data_files.Row) -> Record | Refused:
    """A question as a record. KeyError or TypeError on a bad row; read() says what is wrong."""
    (text,) = _answers(row["answers"])
    made = {
        "guid": "" + row["id"],
        "title": clean(row["title"]),
        "context": clean(row["context"]),
        "question": clean(row["question"]),
        "answer": clean(text),
    }
    return (
        made if made["answer"] in made["context"] else Refused("its answer is not in its passage")
    )


def _answers(answers: Any) -> tuple[str]:
    """The one answer, from the hub's {"text": [...]} or the official [{"text"}]. TypeError where it
    is not one text."""
    found = answers["text"] if isinstance(answers, dict) else [answer["text"] for answer in answers]
    if len(found) != 1 or not isinstance(found[0], str):
        raise TypeError(f"{len(found)} answers")
    return (found[0],)


def _diagnosis(row: data_files.Row) -> str:
    """Which field of a bad row is wrong, its value, and what to do."""
    if wrong := not_text(row, "id", "title", "context", "question"):
        return wrong
    if row.get("answers") is None:
        return "answers is missing; mend or remove the row"
    return (
        f"answers is {shown(row['answers'])}; KorQuAD has one answer, a text, for a question; mend"
        " or remove the row"
    )
