"""Small files in every source's real form, with invented values: what mutated.py spoils."""

import gzip
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

ROWS = 60
Row = dict[str, Any]


class Form(NamedTuple):
    """One file of a source as it comes. `others`: what lies beside it. `packed`: how the text of it
    is wrapped, if it is."""

    source: str
    form: str
    name: str
    content: bytes
    others: Mapping[str, bytes] = MappingProxyType({})
    packed: Callable[[bytes], bytes] | None = None

    @property
    def file(self) -> bytes:
        """The sound file."""
        return self.packed(self.content) if self.packed else self.content

    @property
    def kind(self) -> str:
        return self.name.removesuffix(".gz").rpartition(".")[2]


def _rows(make: Callable[[int, str], Row], first: str) -> list[Row]:
    """ROWS rows of which two are to be dropped: one has an empty field, one stands there twice, but
    for its guid."""
    rows = [make(number, _text(first, number)) for number in range(ROWS)]
    named = {key: f"{rows[-1][key]}-2" for key in ("guid", "id") if key in rows[-1]}
    return [*rows, {**rows[-1], **named}, make(ROWS, " ")]


def _text(first: str, number: int) -> str:
    return f"{first} {number}번째 장면은 바닷가, 다음은 시장이다."


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _lines(rows: list[Row]) -> bytes:
    return b"\n".join(map(_json, rows)) + b"\n"


def _table(rows: list[Row], mark: str) -> bytes:
    """Separated values; none of ours needs a quote in .tsv, all are quoted in .csv."""
    quote = '"' if mark == "," else ""
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    return "".join(
        mark.join(f"{quote}{cell}{quote}" for cell in line) + "\n" for line in lines
    ).encode()


def parquet(rows: list[Row]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file := io.BytesIO())
    return file.getvalue()


def _arrow(rows: list[Row]) -> bytes:
    import pyarrow

    table = pyarrow.Table.from_pylist(rows)
    with pyarrow.ipc.new_stream(file := io.BytesIO(), table.schema) as stream:
        stream.write_table(table, max_chunksize=20)
    return file.getvalue()


def _book(rows: list[list[object]]) -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(file := io.BytesIO())
    return file.getvalue()


def zipped(name: str, content: bytes) -> bytes:
    with zipfile.ZipFile(file := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def _gzipped(content: bytes) -> bytes:
    return gzip.compress(content, 1, mtime=0)


def _klue(number: int, text: str) -> Row:
    label = ("entailment", "neutral", "contradiction")[number % 3]
    return {
        "guid": f"g{number}",
        "genre": "예시",
        "premise": text,
        "hypothesis": f"가설 {number}",
        "gold_label": label,
    }


def _hub_klue(number: int, text: str) -> Row:
    return {
        "guid": f"g{number}",
        "source": "예시",
        "premise": text,
        "hypothesis": f"가설 {number}",
        "label": number % 3,
    }


def _nsmc(number: int, text: str) -> Row:
    return {"id": str(9_000 + number), "document": text, "label": str(number % 2)}


def _hub_nsmc(number: int, text: str) -> Row:
    return {**_nsmc(number, text), "label": number % 2}


def _question(number: int, text: str) -> Row:
    return {
        "id": f"q{number}",
        "title": "장면",
        "context": text,
        "question": f"{number}: 어디인가?",
        "answers": {"text": ["시장"]},
    }


def _korquad(rows: list[Row]) -> bytes:
    def paragraph(row: Row) -> Row:
        answers = [{"text": row["answers"]["text"][0], "answer_start": 3}]
        return {
            "context": row["context"],
            "qas": [{"id": row["id"], "question": row["question"], "answers": answers}],
        }

    articles = [
        {"title": "장면", "paragraphs": [paragraph(row) for row in rows[at : at + 5]]}
        for at in range(0, len(rows), 5)
    ]
    return _json({"version": "KorQuAD_v1.0", "data": articles})


def _naver(number: int, text: str) -> Row:
    kind = {
        "date": "2022-07-01 10:00:00",
        "category": "사회",
        "press": "예시일보",
        "title": f"제목 {number}",
    }
    return {
        **kind,
        "document": text,
        "link": f"https://example.com/{number}",
        "summary": "바닷가와 시장.",
    }


def _chat(number: int, text: str) -> Row:
    if number % 2:
        return {"prompt": f"{text} {number}", "answer": "네", "group": f"모임 {number}"}
    turns = [
        ("user", f"{text} {number}"),
        ("assistant", "네"),
        ("user", "또?"),
        ("assistant", "네"),
    ]
    told = [{"role": role, "content": said} for role, said in turns]
    return {"guid": f"c{number}", "messages": told, "group": f"모임 {number}"}


def _daily(number: int, text: str) -> Row:
    said = [(1, text), (2, "좋아"), (1, "언제?"), (2, "내일")] if text.strip() else [(1, "저기")]
    lines = [
        {"norm_text": line, "speaker": {"id": f"{who}번"}, "text": f"{who} : {line}"}
        for who, line in said
    ]
    return {"filename": f"K_{number}.txt", "annotations": {"subject": "여가", "lines": lines}}


def _sns(number: int, text: str) -> Row:
    said = [("P01", text), ("P02", "좋아")] if text.strip() else [("P01", "저기")]
    body = [{"participantID": who, "utterance": line} for who, line in said]
    return {"header": {"dialogueInfo": {"dialogueID": f"d{number}", "topic": "여가"}}, "body": body}


def _summary(number: int, text: str) -> Row:
    row = _sns(number, text)
    return {**row, "body": {"dialogue": row["body"], "summary": f"요약 {number}"}}


def _feeling(number: int, text: str) -> Row:
    content = {"HS01": text, "SS01": "그렇군요", "HS02": "", "SS02": ""}
    emotion = {"profile": {"emotion": {"type": "E18"}}}
    return {
        **emotion,
        "talk": {
            "id": {"profile-id": f"Pro_{number}", "talk-id": f"Pro_{number}_1"},
            "content": content,
        },
    }


def _articles(number: int, text: str) -> Row:
    qas = [
        {
            "id": f"q{number}",
            "question": "어디인가?",
            "answers": [{"text": "시장", "answer_start": 3}] if text.strip() else [],
        }
    ]
    return {"title": f"장면 {number}", "paragraphs": [{"context": text, "qas": qas}]}


def _aihub(make: Callable[[int, str], Row], outer: str = "data") -> bytes:
    rows = _rows(make, "대화")
    return _json({"numberOfItems": len(rows), outer: rows} if outer else rows)


def _clerks() -> list[list[object]]:
    said = [[("고객", _text("가게", n), 1), ("점원", f"{n}번으로 오세요", 2)] for n in range(ROWS)]
    lines: list[list[object]] = [
        [who, line, "카페", at] for turns in said for who, line, at in turns
    ]
    return [
        ["SPEAKER", "SENTENCE", "DOMAIN", "SENTENCEID"],
        *lines,
        ["고객", "여보세요", "카페", 1],
    ]


def _feelings() -> list[list[object]]:
    head: list[object] = [
        "번호",
        "감정_대분류",
        "사람문장1",
        "시스템응답1",
        "사람문장2",
        "시스템응답2",
    ]
    rows: list[list[object]] = [
        [n, "불안", _text("마음", n), "그렇군요", None, None] for n in range(ROWS)
    ]
    return [head, *rows, [ROWS, "불안", "저기", None, None, None]]


def forms() -> list[Form]:
    """Every form of every source that reads files of a user."""
    klue, nsmc, naver = (
        _json(_rows(_klue, "전제")),
        _table(_rows(_nsmc, "감상"), "\t"),
        _table(_rows(_naver, "기사"), ","),
    )
    korquad, sns, chat = (
        _korquad(_rows(_question, "지문")),
        _aihub(_sns),
        _lines(_rows(_chat, "질문"))[: -len("\n")],
    )
    chat = chat.rpartition(b"\n")[0]  # an empty question is no row to drop there but a fault
    apart = {"validation.jsonl": _lines([_chat(number, "따로") for number in range(900, 905)])}
    mine = {"validation.csv": _table(_rows(_naver, "다른 기사"), ",")}
    official, squad = "klue-nli-v1.1_train.json", "KorQuAD_v1.0_train.json"
    hub = "train-00000-of-00001.parquet"

    def made(source: str, form: str, name: str, content: bytes, **rest: Any) -> Form:
        return Form(source, form, name, content, **rest)

    return [
        made("klue_nli", "label", official, klue),
        made("klue_nli", "label", official + ".gz", klue, packed=_gzipped),
        made("klue_nli", "label", hub, parquet(_rows(_hub_klue, "전제"))),
        made(
            "klue_nli", "write", "train/data-00000-of-00001.arrow", _arrow(_rows(_hub_klue, "전제"))
        ),
        made("korquad", "answer", squad, korquad),
        made("korquad", "answer", squad + ".gz", korquad, packed=_gzipped),
        made("korquad", "answer", hub, parquet(_rows(_question, "지문"))),
        made("nsmc", "label", "ratings_train.txt", nsmc),
        made("nsmc", "label", "ratings_train.txt.gz", nsmc, packed=_gzipped),
        made("nsmc", "label", hub, parquet(_rows(_hub_nsmc, "감상"))),
        made("naver_news", "summary", "train.csv", naver, others=mine),
        made("naver_news", "summary", "train.csv.gz", naver, others=mine, packed=_gzipped),
        made("naver_news", "summary", hub, parquet(_rows(_naver, "기사")), others=mine),
        made(
            "nli_sample",
            "label",
            "train.json",
            klue,
            others={"validation.json": _json(_rows(_klue, "다른 전제"))},
        ),
        made("chat", "chat", "train.jsonl", chat, others=apart),
        made("chat", "chat", "train.jsonl.gz", chat, others=apart, packed=_gzipped),
        made("aihub_dialogue", "reply", "일상.json", _aihub(_daily, "info")),
        made("aihub_dialogue", "next", "에스엔에스.json", sns),
        made("aihub_dialogue", "next", "옛 글.json", sns.decode().encode("cp949")),
        made("aihub_dialogue", "next", "표시.json", b"\xef\xbb\xbf" + sns),
        made("aihub_dialogue", "summary", "요약.json", _aihub(_summary)),
        made("aihub_dialogue", "reply", "감성.json", _aihub(_feeling, "")),
        made("aihub_dialogue", "next", "상식.json", _aihub(_articles)),
        made(
            "aihub_dialogue",
            "next",
            "받은 것.zip",
            sns,
            packed=lambda content: zipped("속/TL_여가.json", content),
        ),
        made("aihub_dialogue", "next", "감성.xlsx", _book(_feelings())),
        made("aihub_dialogue", "next", "가게.xlsx", _book(_clerks())),
    ]
