"""The ways in which test_mutations.py spoils a source's file.

Always the same for a form and a number: what fails is told with both, and spoilt(form, number)
makes that file again."""

import gzip
import io
import random
import re
import zipfile

from tests.source_forms import Form

LONG = 6_000_000  # characters: more than a row may have
WORDS = r"""
null true 0 -1 2 1.5 -5 1e400 -1e400 NaN -Infinity undefined [] {} 'x' ["x"] [[[[[[[[ \ , : "" "\x"
"\ud800" "\udc00\ud800" "\u0000" =1+1 <a/> &lol; &#0; A99999999999 1048577 s d e
"""
SPACED = (
    "",
    "\t",
    "\r",
    "\n",
    '"',
    '" "',
    '"\x00"',
    '"\ufeff"',
    '"\u2028"',
    '{"a": 1, "a": 2}',
    '{"text": ["x"]}',
)
ODD = (*WORDS.split(), *SPACED, "9" * 400, "9" * 100_000, "[" * 100_000, '{"a":' * 2_000)
RAW = b'\0 \xff \xea\xb0 \xb0\xa1 \xef\xbb\xbf \x80\x80\x80 " } ] , \\ \x1a'
BYTES = (*RAW.split(b" "), b"\n", b"\r")
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
    """A field is missing, unknown, there twice, or has another name in all rows."""
    found = rng.choice(list(PAIR.finditer(text)))
    key = found[0].partition(":")[0]
    changed = rng.choice(
        ["", '"extra": [1], ' + found[0], f"{key}: {rng.choice(ODD)}, " + found[0]]
    )
    if rng.random() < 0.2:
        return text.replace(
            key, '"' + rng.choice(("x", "data", "messages", "talk", "body", "")) + '"'
        )
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
        (
            ("cp949", "cp949"),
            ("utf-8", "cp949"),
            ("cp949", "utf-8"),
            ("utf-8", "utf-16"),
            ("utf-16", "utf-16"),
        )
    )
    mark = rng.choice(("", "", "\ufeff"))
    return (mark + text[:at]).encode(first, "replace") + text[at:].encode(second, "replace")


def columns_changed(rng: random.Random, content: bytes) -> bytes:
    """A parquet file whose column is missing, null, or of another type: in one row where that can
    be, or in all."""
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
        values = [
            [None, value][number % 7 > 0]
            for number, value in enumerate(table.column(at).to_pylist())
        ]
    column = pyarrow.array(values)
    name = table.column_names[at]
    table = rng.choice(
        (
            table.set_column(at, name, column),
            table.remove_column(at),
            table.append_column(name, column),
        )
    )
    pyarrow.parquet.write_table(table, file := io.BytesIO())
    return file.getvalue()


def member_changed(rng: random.Random, content: bytes) -> bytes:
    """A workbook with a changed token, or changed bytes, in one of its files."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    name = rng.choice(
        [*members, *[name for name in members if "sheet" in name or "hared" in name] * 2]
    )
    text = members[name].decode()
    members[name] = (
        token_changed(rng, text, "xml").encode()
        if rng.random() < 0.7
        else bytes_changed(rng, members[name])
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
    changed = (
        pair_changed(rng, text) if kind == "json" and way < 7 else token_changed(rng, text, kind)
    )
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
    return (
        form.packed(text_changed(rng, form))
        if rng.random() < 0.5
        else bytes_changed(rng, form.file)
    )


def lengthened(form: Form) -> bytes:
    """The form with a text in it that is longer than a row may be."""
    word = next(word for word in map("바닷가".encode, ("utf-8", "cp949")) if word in form.content)
    long = form.content.replace(word, b"a" * LONG, 1)
    return form.packed(long) if form.packed else long


def bomb(form: Form, filling: bytes) -> bytes:
    """A file of some hundred KB that unpacks to 512 MB of filling after a sound beginning."""
    assert form.packed
    piece = filling * ((1 << 20) // len(filling))
    if form.kind != "zip":
        return gzip.compress(form.content, mtime=0) + gzip.compress(piece, mtime=0) * 512
    with zipfile.ZipFile(
        file := io.BytesIO(), "w", zipfile.ZIP_DEFLATED, compresslevel=1
    ) as archive:
        with archive.open("속/TL_여가.json", "w", force_zip64=True) as member:
            member.writelines([form.content, *[piece] * 512])
    return file.getvalue()
