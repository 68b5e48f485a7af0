"""KorQuAD 1.0: 66,181 Korean questions as records and chat examples. Each answer is copied from a
paragraph of Wikipedia.

Training examples and the lm-eval task use the same prompt. "test" is the official dev file, since
the official test set is not public. kodata.prepare.convert cuts a validation split from train."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kodata.card import Card, NotRead, Parts, Record, Refused, SourceItem
from kodata.errors import DataError, shown
from kodata.reading import files as data_files
from kodata.reading.folder import FileFinder
from kodata.reading.keys import known
from kodata.records import describe_non_text, parse_rows, single_turn, with_unique_guids
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
        " in the context. Training on dev would drop 9 duplicates. The train file was not"
        " available: its drops are not known. The hub's card states CC BY-ND 4.0, the official site"
        " 2.0 KR. The hub's files were not tested."
    ),
)

_FINDER = FileFinder(
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


# The keys that are read from a row of the hub, or of _official_rows().
_KEYS = known("id", "title", "context", "question", answers=known("text", "answer_start"))


def question(record: Record, form: str = "answer") -> str:
    """The prompt: the passage, its question, and the instruction to copy the answer."""
    return (
        f"지문: {record['context']}\n"
        f"질문: {record['question']}\n"
        "지문에서 답이 되는 말을 찾아 그대로 옮겨 쓰세요. 답만 쓰세요."
    )


def answer(record: Record, form: str = "answer") -> str:
    """The expected answer, which occurs in the passage."""
    return str(record["answer"])


files = _FINDER.files
messages = single_turn(question, answer)


def group(record: Record) -> str:
    """The paragraph. All its questions go into the same split."""
    return str(record["context"])


def texts(record: Record) -> tuple[str, ...]:
    """The paragraph, to check for leaks. The question is not used, because many questions are too
    short to identify a record, such as 감독은 누구인가?"""
    return (record["context"],)


def parts(record: Record) -> Parts:
    """The pair of passage and question, which together identify a question of the data set. Many
    records may share a question alone. The answer is not listed, because it is in the passage."""
    pair = record["context"], record["question"]
    return Parts(pair, (record["question"],), pair)


def read(split: str, path: str | Path | None = None) -> Iterator[SourceItem]:
    """Yields the records of a split, as in Source.read(). A record has the fields guid, title,
    context, question and answer. All but the guid are normalized by clean().

    The data are on the hub or in the folder `path`. The folder has the official JSON files, or a
    copy of the hub's data set. Raises DataError for an unknown split, a file that is missing or
    cannot be read, a bad row, and a guid that occurs twice."""
    yield from with_unique_guids(files(split, path), _records)


def _records(file: Path) -> Iterator[SourceItem]:
    is_official = file.name.removesuffix(".gz").endswith(".json")
    rows = _official_rows(file) if is_official else data_files.rows(file)
    return parse_rows(file, rows, record, _diagnosis, _KEYS)


def _official_rows(file: Path) -> Iterator[data_files.Row | NotRead]:
    """Yields a row for each question of an official file, with the same keys as on the hub. Then
    yields NotRead for each key of the file, other than `data`, with a non-empty array or object.

    The file is nested as in SQuAD 1.1: articles have paragraphs, and paragraphs have questions.
    Raises DataError for another layout, and for a file without questions."""
    path, count = "data", 0
    unread: list[str] = []
    try:
        for number, article in enumerate(data_files.rows(file, ("data",), other_keys=unread)):
            path = f"data[{number}]"
            for inner, paragraph in enumerate(article["paragraphs"]):
                path = f"data[{number}].paragraphs[{inner}]"
                for row in _rows_of(article, paragraph):
                    count += 1
                    yield row
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{file}: {path} does not have the layout of KorQuAD 1.0 ({error}); use the official"
            " file, whose layout is data[].paragraphs[].{context, qas[]}"
        ) from None
    if not count:
        raise DataError(f"{file}: no questions in it; download or copy it again")
    yield from (NotRead(key, 1) for key in dict.fromkeys(unread))


def _rows_of(article: Any, paragraph: Any) -> Iterator[data_files.Row]:
    """Yields the questions of a paragraph as rows, each with the article's title and the
    paragraph's context.

    parse_rows() reports the keys of a row that are not read. So other keys of the article and of
    the paragraph are added to the row, with a prefix such as `paragraphs[].` that shows where they
    are. A title or context of the question itself is kept as `qas[].title` or `qas[].context`."""
    shared = {"title": article.get("title"), "context": paragraph["context"]}
    unread = {
        f"data[].{key}": value
        for key, value in article.items()
        if key not in ("title", "paragraphs")
    }
    unread |= {
        f"paragraphs[].{key}": value
        for key, value in paragraph.items()
        if key not in ("context", "qas")
    }
    for qa in paragraph["qas"]:
        replaced = {f"qas[].{key}": qa[key] for key in shared if key in qa}
        yield {**unread, **qa, **replaced, **shared}


def record(row: data_files.Row) -> Record | Refused:
    """A row as a record. Refused if the answer is not in the passage. Raises KeyError or TypeError
    for a bad row; read() explains the error."""
    text = _only_answer(row["answers"])
    result = {
        "guid": "" + row["id"],  # raises TypeError if the id is not text
        "title": clean(row["title"]),
        "context": clean(row["context"]),
        "question": clean(row["question"]),
        "answer": clean(text),
    }
    if result["answer"] not in result["context"]:
        return Refused("its answer is not in its passage")
    return result


def _only_answer(answers: Any) -> str:
    """The text of the only answer. `answers` is {"text": [...]} on the hub and [{"text": ...}] in
    the official files. Raises TypeError unless there is exactly one text."""
    texts = answers["text"] if isinstance(answers, dict) else [answer["text"] for answer in answers]
    if len(texts) != 1 or not isinstance(text := texts[0], str):
        raise TypeError(f"{len(texts)} answers")
    return text


def _diagnosis(row: data_files.Row) -> str:
    """An error message for a bad row: the wrong field, its value, and what to do."""
    if wrong := describe_non_text(row, "id", "title", "context", "question"):
        return wrong
    if row.get("answers") is None:
        return "answers is missing; mend or remove the row"
    return (
        f"answers is {shown(row['answers'])}, but KorQuAD has exactly one answer text for each"
        " question; mend or remove the row"
    )
