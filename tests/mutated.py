"""Small files in every source's real form, with invented values, and the ways in which test_mutations.py spoils them.

What a seed gives is always the same: a failure is told with its form and number, and `spoilt(form, number)` makes it again.
"""

import gzip
import io
import json
import random
import re
import zipfile
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

ROWS = 60
LONG = 6_000_000  # characters: more than a row may have
Row = dict[str, Any]


class Form(NamedTuple):
    """One file of a source as it comes. `others`: what lies beside it. `packed`: how the text of it is wrapped, if it is."""

    source: str
    form: str
    name: str
    content: bytes
    others: Mapping[str, bytes] = MappingProxyType({})
    packed: Callable[[bytes], bytes] | None = None

    @property
    def kind(self) -> str:
        return self.name.removesuffix(".gz").rpartition(".")[2]


def _rows(make: Callable[[int, str], Row], first: str) -> list[Row]:
    """ROWS rows of which two are to be dropped: one has an empty field, one stands there twice."""
    rows = [make(number, _text(first, number)) for number in range(ROWS)]
    return [*rows, {**rows[-1]}, make(ROWS, " ")]


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
    return "".join(mark.join(f"{quote}{cell}{quote}" for cell in line) + "\n" for line in lines).encode()


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
    return {"guid": f"g{number}", "genre": "예시", "premise": text, "hypothesis": f"가설 {number}", "gold_label": label}


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
        return {"context": row["context"], "qas": [{"id": row["id"], "question": row["question"], "answers": answers}]}

    articles = [
        {"title": "장면", "paragraphs": [paragraph(row) for row in rows[at : at + 5]]} for at in range(0, len(rows), 5)
    ]
    return _json({"version": "KorQuAD_v1.0", "data": articles})


def _naver(number: int, text: str) -> Row:
    kind = {"date": "2022-07-01 10:00:00", "category": "사회", "press": "예시일보", "title": f"제목 {number}"}
    return {**kind, "document": text, "link": f"https://example.com/{number}", "summary": "바닷가와 시장."}


def _chat(number: int, text: str) -> Row:
    if number % 2:
        return {"prompt": f"{text} {number}", "answer": "네", "group": f"모임 {number}"}
    turns = [("user", f"{text} {number}"), ("assistant", "네"), ("user", "또?"), ("assistant", "네")]
    return {"guid": f"c{number}", "messages": [{"role": role, "content": said} for role, said in turns]}


def _daily(number: int, text: str) -> Row:
    said = [(1, text), (2, "좋아"), (1, "언제?"), (2, "내일")] if text.strip() else [(1, "저기")]
    lines = [{"norm_text": line, "speaker": {"id": f"{who}번"}, "text": f"{who} : {line}"} for who, line in said]
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
        "talk": {"id": {"profile-id": f"Pro_{number}", "talk-id": f"Pro_{number}_1"}, "content": content},
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
    lines: list[list[object]] = [[who, line, "카페", at] for turns in said for who, line, at in turns]
    return [["SPEAKER", "SENTENCE", "DOMAIN", "SENTENCEID"], *lines, ["고객", "여보세요", "카페", 1]]


def _feelings() -> list[list[object]]:
    head: list[object] = ["번호", "감정_대분류", "사람문장1", "시스템응답1", "사람문장2", "시스템응답2"]
    rows: list[list[object]] = [[n, "불안", _text("마음", n), "그렇군요", None, None] for n in range(ROWS)]
    return [head, *rows, [ROWS, "불안", "저기", None, None, None]]


def forms() -> list[Form]:
    """Every form of every source that reads files of a user."""
    klue, nsmc, naver = (
        _json(_rows(_klue, "전제")),
        _table(_rows(_nsmc, "감상"), "\t"),
        _table(_rows(_naver, "기사"), ","),
    )
    korquad, sns, chat = _korquad(_rows(_question, "지문")), _aihub(_sns), _lines(_rows(_chat, "질문"))[: -len("\n")]
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
        made("klue_nli", "write", "train/data-00000-of-00001.arrow", _arrow(_rows(_hub_klue, "전제"))),
        made("korquad", "answer", squad, korquad),
        made("korquad", "answer", squad + ".gz", korquad, packed=_gzipped),
        made("korquad", "answer", hub, parquet(_rows(_question, "지문"))),
        made("nsmc", "label", "ratings_train.txt", nsmc),
        made("nsmc", "label", "ratings_train.txt.gz", nsmc, packed=_gzipped),
        made("nsmc", "label", hub, parquet(_rows(_hub_nsmc, "감상"))),
        made("naver_news", "summary", "train.csv", naver, others=mine),
        made("naver_news", "summary", "train.csv.gz", naver, others=mine, packed=_gzipped),
        made("naver_news", "summary", hub, parquet(_rows(_naver, "기사")), others=mine),
        made("nli_sample", "label", "train.json", klue, others={"validation.json": _json(_rows(_klue, "다른 전제"))}),
        made("chat", "chat", "train.jsonl", chat, others=apart),
        made("chat", "chat", "train.jsonl.gz", chat, others=apart, packed=_gzipped),
        made("aihub_dialogue", "reply", "일상.json", _aihub(_daily, "info")),
        made("aihub_dialogue", "next", "에스엔에스.json", sns),
        made("aihub_dialogue", "next", "옛 글.json", sns.decode().encode("cp949")),
        made("aihub_dialogue", "next", "표시.json", b"\xef\xbb\xbf" + sns),
        made("aihub_dialogue", "summary", "요약.json", _aihub(_summary)),
        made("aihub_dialogue", "reply", "감성.json", _aihub(_feeling, "")),
        made("aihub_dialogue", "next", "상식.json", _aihub(_articles)),
        made("aihub_dialogue", "next", "받은 것.zip", sns, packed=lambda content: zipped("속/TL_여가.json", content)),
        made("aihub_dialogue", "next", "감성.xlsx", _book(_feelings())),
        made("aihub_dialogue", "next", "가게.xlsx", _book(_clerks())),
    ]


ODD = (
    *(
        "null",
        "true",
        "0",
        "-1",
        "2",
        "1.5",
        "1e400",
        "-1e400",
        "NaN",
        "-Infinity",
        "9" * 400,
        "9" * 100_000,
        "undefined",
    ),
    *(
        "[]",
        "{}",
        '""',
        '" "',
        "'x'",
        '"\\ud800"',
        '"\\udc00\\ud800"',
        '"\\u0000"',
        '"\x00"',
        '"\ufeff"',
        '"\u2028"',
        "\\",
        '"\\x"',
    ),
    *(
        "[" * 50,
        "[" * 100_000,
        '{"a":' * 2_000,
        '{"a": 1, "a": 2}',
        '["x"]',
        '{"text": ["x"]}',
        "",
        ",",
        ":",
        "\t",
        "\r",
        "\n",
        '"',
    ),
    *("=1+1", "<a/>", "&lol;", "&#0;", "A99999999999", "1048577", "-5", "s", "d", "e"),
)
BYTES = (
    b"\x00",
    b"\xff",
    b"\xea\xb0",
    b"\xb0\xa1",
    b"\xef\xbb\xbf",
    b"\x80" * 9,
    b'"',
    b"}",
    b"]",
    b",",
    b"\n",
    b"\r",
    b"\x1a",
    b"\\",
)
TOKEN = {
    "json": re.compile(r'"[^"\n]*"|-?\d+|[\[\]{},:]'),
    "txt": re.compile(r"[^\t\n]+|[\t\n]"),
    "csv": re.compile(r'"[^"\n]*"|[,\n"]'),
    "xml": re.compile(r'>[^<]+(?=<)|"[^"]*"|[<>/=]|\w+(?==)'),
}
PAIR = re.compile(r'"[^"\n]*": (?:"[^"\n]*"|-?\d+)(?:, )?')


def deep(rng: random.Random) -> str:
    """Nesting around the depth at which Python's own limit lies."""
    depth = rng.randint(200, 1_000)
    return "[" * depth + "]" * depth


def token_changed(rng: random.Random, text: str, kind: str) -> str:
    """One token is replaced by something odd, dropped, or there twice."""
    found = rng.choice(list(TOKEN[kind].finditer(text)))
    odd = deep(rng) if rng.random() < 0.1 else rng.choice((*ODD, "", found[0] * 2))
    if kind == "xml" and found[0][0] in '">':
        odd = found[0][0] + odd.strip('"') + ('"' if found[0][0] == '"' else "")
    return text[: found.start()] + odd + text[found.end() :]


def pair_changed(rng: random.Random, text: str) -> str:
    """A field is missing, unknown, there twice, or of another type in all rows."""
    found = rng.choice(list(PAIR.finditer(text)))
    key = found[0].partition(":")[0]
    changed = rng.choice(["", '"extra": [1], ' + found[0], f"{key}: {rng.choice(ODD)}, " + found[0]])
    if rng.random() < 0.2:
        return text.replace(key, '"' + rng.choice(("x", "data", "messages", "talk", "body", "")) + '"')
    return text[: found.start()] + changed + text[found.end() :]


def bytes_changed(rng: random.Random, content: bytes) -> bytes:
    """Cut, flipped, inserted, removed, moved or doubled bytes."""
    at = rng.randrange(len(content))
    end = min(len(content), at + rng.choice((1, 2, 3, 9, 200)))
    odd = rng.choice(BYTES)
    flipped = bytes((content[at] ^ 1 << rng.randrange(8),))
    return rng.choice(
        (
            content[:at],
            content[at:],
            content[:at] + flipped + content[at + 1 :],
            content[:at] + bytes((rng.randrange(256),)) + content[at + 1 :],
            content[:at] + odd + content[at:],
            content[:at] + odd + content[end:],
            content[:at] + content[end:],
            content[:at] + content[at:end] * 2 + content[end:],
            content[:end] + content[at:],
            content + odd,
            odd + content,
        )
    )


def encoding_changed(rng: random.Random, text: str) -> bytes:
    """The text in another encoding, or in two."""
    at = rng.randrange(len(text))
    first, second = rng.choice(
        (("cp949", "cp949"), ("utf-8", "cp949"), ("cp949", "utf-8"), ("utf-8", "utf-16"), ("utf-16", "utf-16"))
    )
    mark = rng.choice(("", "", "\ufeff"))
    return (mark + text[:at]).encode(first, "replace") + text[at:].encode(second, "replace")


def columns_changed(rng: random.Random, content: bytes) -> bytes:
    """A parquet file whose column is missing, null, or of another type: in one row where that can be, or in all."""
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(io.BytesIO(content))
    at = rng.randrange(table.num_columns)
    odd = rng.choice(
        (
            None,
            7,
            -1,
            1.5,
            float("nan"),
            True,
            "",
            "\x00",
            "x",
            b"\xff\xfe",
            [1],
            ["가"],
            {"text": ["가"]},
            {"a": None},
            2**63 - 1,
        )
    )
    values = [odd] * table.num_rows
    if rng.random() < 0.3:
        values = [[None, value][number % 7 > 0] for number, value in enumerate(table.column(at).to_pylist())]
    column = pyarrow.array(values)
    name = table.column_names[at]
    table = rng.choice((table.set_column(at, name, column), table.remove_column(at), table.append_column(name, column)))
    pyarrow.parquet.write_table(table, file := io.BytesIO())
    return file.getvalue()


def member_changed(rng: random.Random, content: bytes) -> bytes:
    """A workbook with a changed token, or changed bytes, in one of its files."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    name = rng.choice([*members, *[name for name in members if "sheet" in name or "hared" in name] * 2])
    text = members[name].decode()
    members[name] = (
        token_changed(rng, text, "xml").encode() if rng.random() < 0.7 else bytes_changed(rng, members[name])
    )
    with zipfile.ZipFile(file := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        for member, value in members.items():
            archive.writestr(zipfile.ZipInfo(member), value)
    return file.getvalue()


def text_changed(rng: random.Random, form: Form) -> bytes:
    encoding = "cp949" if form.name.startswith("옛") else "utf-8"
    text = form.content.decode(encoding)
    kind = "json" if form.kind in ("json", "jsonl", "zip") else form.kind
    way = rng.randrange(10)
    if way == 0:
        return encoding_changed(rng, text)
    if way < 4:
        return bytes_changed(rng, form.content)
    changed = pair_changed(rng, text) if kind == "json" and way < 7 else token_changed(rng, text, kind)
    return changed.encode(encoding, "replace")


def spoilt(form: Form, number: int) -> bytes:
    """The mutation of a form with this number."""
    rng = random.Random(f"{form.name} {number}")
    if form.kind == "parquet":
        return (columns_changed if rng.random() < 0.6 else bytes_changed)(rng, form.content)
    if form.kind == "arrow":
        return bytes_changed(rng, form.content)
    if form.kind == "xlsx":
        return (member_changed if rng.random() < 0.8 else bytes_changed)(rng, form.content)
    if form.packed is None:
        return text_changed(rng, form)
    return form.packed(text_changed(rng, form)) if rng.random() < 0.5 else bytes_changed(rng, form.packed(form.content))


def unspoilt(form: Form) -> bytes:
    return form.packed(form.content) if form.packed else form.content


def lengthened(form: Form) -> bytes:
    """The form with a text in it that is longer than a row may be."""
    long = form.content.replace("바닷가".encode(), b"a" * LONG, 1)
    return form.packed(long) if form.packed else long


def bomb(form: Form, filling: bytes) -> bytes:
    """A file of some hundred KB that unpacks to 512 MB of filling after a sound beginning."""
    assert form.packed
    piece = filling * ((1 << 20) // len(filling))
    if form.kind != "zip":
        return gzip.compress(form.content, mtime=0) + gzip.compress(piece, mtime=0) * 512
    with zipfile.ZipFile(file := io.BytesIO(), "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("속/TL_여가.json", "w", force_zip64=True) as member:
            member.writelines([form.content, *[piece] * 512])
    return file.getvalue()
