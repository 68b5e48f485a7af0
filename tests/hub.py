"""A stand-in for the Hugging Face hub on loopback, which the real client reads through HF_ENDPOINT.

It serves the four hub data sets in their real form: repository ids, names of files, columns and
ClassLabel integers; the values are invented. Large files (LFS) are a redirect to a store, with
their sha256 as ETag; small ones have git's sha1."""

import csv
import hashlib
import io
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from kodata import klue_nli, korquad, naver_news, nsmc

MOVING = "5" * 40  # the commit that a moving reference stands for
GROUPS = 120  # of rows in each train split: enough for some of them to fall to validation


@dataclass
class Fault:
    """What the hub does instead of answering well: a status, or `cut`, `short`, `damaged`,
    `silent`, `gated` (unless a token comes along), `headers` (these in place of the right ones),
    `endless` (a body of no announced length), `drip` (a byte at a time), `slow` (a header a byte at
    a time), `says` (of a model what `says` makes of a request's path); `times` times, on requests
    with this method."""

    kind: int | str
    times: float = float("inf")
    method: str = "HEAD"
    headers: Mapping[str, str] = field(default_factory=dict)
    says: Callable[[str], object] | None = None


class StandInHub(ThreadingHTTPServer):
    """`files` maps (repository id, name) to bytes; `faults` are what it does wrong; `asked` are the
    requests it got."""

    daemon_threads = True

    def __init__(self, files: Mapping[tuple[str, str], bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = dict(files)
        self.commit = MOVING
        self.faults: list[Fault] = []
        self.asked: list[tuple[str, str]] = []
        self.logins: list[str | None] = []  # the Authorization of each of them
        self.sent = 0  # bytes of endless and dripping bodies
        self.endpoint = f"http://127.0.0.1:{self.server_port}"

    def fault(self, method: str) -> Fault | None:
        """The fault that this request meets."""
        found = next(
            (fault for fault in self.faults if fault.method == method and fault.times > 0), None
        )
        if found:
            found.times -= 1
        return found


class _Handler(BaseHTTPRequestHandler):
    server: StandInHub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None: ...

    def _answer(self) -> None:
        self.server.asked.append((self.command, unquote(self.path)))
        self.server.logins.append(self.headers.get("Authorization"))
        fault = self.server.fault(self.command)
        if fault and fault.kind == "gated":
            token = self.headers.get("Authorization")
            fault = (
                None
                if token == "Bearer hf_token"
                else Fault(403, headers={"X-Error-Code": "GatedRepo"})
            )
        if fault and isinstance(fault.kind, int):
            return self._head(fault.kind, {**fault.headers, "Content-Length": "0"})
        if fault and fault.kind == "silent":
            threading.Event().wait(1)  # the tests wait for less
            self.close_connection = True
            return None
        if fault and fault.kind == "slow":
            self.close_connection = True
            return self._drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 1000)
        if about := re.fullmatch(r"/api/models/([^/]+/[^/]+)(/.*)?", self.path):
            return self._about(about[1], fault)
        found = re.fullmatch(
            r"/(?:datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)|/store/(\w+)", self.path
        )
        if found and found[4]:
            return self._body(self._stored(found[4]), {}, fault)
        content = self.server.files.get((found[1], unquote(found[3]))) if found else None
        if not found or content is None:
            code = "RepoNotFound" if not found else "EntryNotFound"
            return self._head(404, {"X-Error-Code": code, "Content-Length": "0"})
        return self._resolved(unquote(found[2]), content, fault)

    def _about(self, model: str, fault: Fault | None) -> None:
        """What the hub says of a model: its commit (`sha`, of a fault's headers where they have
        one) and its files."""
        names = [name for owner, name in self.server.files if owner == model]
        sha = fault.headers.get("sha", self.server.commit) if fault else self.server.commit
        told: object = {
            "id": model,
            "sha": sha,
            "siblings": [{"rfilename": name} for name in names],
        }
        headers = dict(fault.headers) if fault and fault.kind == "says" else {}
        told = fault.says(self.path) if fault and fault.says else told
        self._body(json.dumps(told).encode(), headers, fault)

    def _drip(self, content: bytes) -> None:
        """A byte every 20 ms, as long as somebody listens."""
        try:
            for byte in content:
                self.wfile.write(bytes([byte]))
                self.server.sent += 1
                # Not time.sleep, which tests put others in the place of.
                threading.Event().wait(0.02)
        except OSError:
            pass

    def _endless(self) -> None:
        self._head(200, {"Transfer-Encoding": "chunked"})
        self.close_connection = True
        try:
            while self.server.sent < 1_000_000_000:
                self.wfile.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
                self.server.sent += 0x10000
        except OSError:
            pass

    def _resolved(self, revision: str, content: bytes, fault: Fault | None) -> None:
        headers = {
            "X-Repo-Commit": (
                revision if re.fullmatch("[0-9a-f]{40}", revision) else self.server.commit
            )
        }
        if not content.startswith(b"PAR1"):  # a text file is kept in git
            sha1 = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
            return self._body(content, {**headers, "ETag": f'"{sha1}"'}, fault)
        digest = hashlib.sha256(content).hexdigest()
        headers |= {
            "X-Linked-ETag": f'"{digest}"',
            "X-Linked-Size": str(len(content)),
            "Content-Length": "0",
        }
        headers["Location"] = f"{self.server.endpoint}/store/{digest}"
        return self._head(302, headers | dict(fault.headers if fault else {}))

    def _stored(self, digest: str) -> bytes:
        return next(
            found
            for found in self.server.files.values()
            if hashlib.sha256(found).hexdigest() == digest
        )

    def _body(self, content: bytes, headers: dict[str, str], fault: Fault | None) -> None:
        kind = fault.kind if fault else None
        if kind == "endless":
            return self._endless()
        if kind == "damaged":
            content = content[:8] + bytes(byte ^ 1 for byte in content[8:])
        if kind == "short":  # whole in itself, but not as long as was announced
            content = content[: len(content) // 2]
        start = int(self.headers.get("Range", "bytes=0-")[6:].partition("-")[0])
        status = 206 if start else 200
        if start > len(content):
            return self._head(416, {"Content-Length": "0"})
        rest = content[start:]
        more = dict(fault.headers) if fault and kind == "headers" else {}
        self._head(
            status, {**headers, "Content-Length": str(len(rest)), "Accept-Ranges": "bytes", **more}
        )
        if kind == "drip":
            self._drip(rest)
        elif self.command == "GET":
            self.wfile.write(rest[: len(rest) // 2] if kind == "cut" else rest)
            self.close_connection = kind == "cut"
        return None

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


@contextmanager
def running(files: Mapping[tuple[str, str], bytes]) -> Iterator[StandInHub]:
    """A hub with these files on it."""
    hub = StandInHub(files)
    threading.Thread(target=hub.serve_forever, args=(0.01,), daemon=True).start()
    yield hub
    hub.shutdown()
    hub.server_close()


def all_files() -> dict[tuple[str, str], bytes]:
    """The files of the four data sets."""
    files = {}
    for name, source in SOURCES.items():
        for split, rows in hub_rows(name).items():
            file = source._FINDER.hub[split]
            files[str(source.CARD.hub_id), file] = (
                _csv(rows) if file.endswith(".csv") else _parquet(name, rows)
            )
    return files


SOURCES = {"klue_nli": klue_nli, "korquad": korquad, "nsmc": nsmc, "naver_news": naver_news}
Rows = list[dict[str, Any]]


def hub_rows(name: str) -> dict[str, Rows]:
    """The rows of each split as the hub has them."""
    splits = SOURCES[name].SPLITS
    return {
        split: [_ROW[name](split, n) for n in range(GROUPS if split == "train" else 3)]
        for split in splits
    }


def put_official(name: str, folder: Path) -> None:
    """The same rows as the official files have them (Naver news has no other form than the
    hub's)."""
    folder.mkdir()
    for split, rows in hub_rows(name).items():
        file, text = _OFFICIAL[name](split, rows)
        (folder / file).write_text(text, encoding="utf-8", newline="")


def _klue_row(split: str, n: int) -> dict[str, Any]:
    return {
        "guid": f"klue-nli-v1_{split}_{n:05}",
        "source": "달빛",
        "label": n % 3,
        "premise": f"{split}의 {n}번째 배가 항구를 떠났다.",
        "hypothesis": f"{n}번째 배는 바다에 있다.",
    }


def _korquad_row(split: str, n: int) -> dict[str, Any]:
    return {
        "id": f"{split}-{n}",
        "title": "달빛 항구",
        "context": f"{split}의 {n}번 등대는 {1900 + n}년에 섰다.",
        "question": f"{n}번 등대가 선 해는?",
        "answers": {"text": [f"{1900 + n}년"], "answer_start": [8]},
    }


def _nsmc_row(split: str, n: int) -> dict[str, Any]:
    return {"id": f"{n}", "document": f'{split}에서 {n}번 본 "등대" 영화', "label": n % 2}


def _naver_row(split: str, n: int) -> dict[str, Any]:
    return {
        "date": "2030-01-02 03:04:05",
        "category": "society",
        "press": "달빛일보",
        "title": f"{n}번 다리",
        "document": f'달빛시가 {split}의 {n}번 다리를 연다.\n시장은 "기쁘다"고 했다.',
        "link": f"https://example.org/{split}/{n}",
        "summary": f"달빛시가 {n}번 다리를 연다.",
    }


def _parquet(name: str, rows: Rows) -> bytes:
    import datasets

    text, file = datasets.Value("string"), io.BytesIO()
    kinds = dict.fromkeys(rows[0], text)
    if "label" in kinds:
        kinds["label"] = datasets.ClassLabel(names=list(SOURCES[name].LABELS))
    if "answers" in kinds:
        kinds["answers"] = {"text": [text], "answer_start": [datasets.Value("int32")]}
    datasets.Dataset.from_list(rows, features=datasets.Features(kinds)).to_parquet(file)
    return file.getvalue()


def _csv(rows: Rows) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def _official_klue(split: str, rows: Rows) -> tuple[str, str]:
    labels, genre = list(klue_nli.LABELS), "genre" if split == "train" else "source"
    kept = ("guid", "premise", "hypothesis")
    made = [
        {
            **{key: row[key] for key in kept},
            genre: row["source"],
            "gold_label": labels[row["label"]],
        }
        for row in rows
    ]
    return f"klue-nli-v1.1_{'train' if split == 'train' else 'dev'}.json", json.dumps(
        made, ensure_ascii=False
    )


def _official_korquad(split: str, rows: Rows) -> tuple[str, str]:
    made = []
    for row in rows:
        answer = {"text": row["answers"]["text"][0], "answer_start": 8}
        qa = {"id": row["id"], "question": row["question"], "answers": [answer]}
        made.append(
            {"title": row["title"], "paragraphs": [{"context": row["context"], "qas": [qa]}]}
        )
    return f"KorQuAD_v1.0_{'train' if split == 'train' else 'dev'}.json", json.dumps(
        {"data": made}, ensure_ascii=False
    )


def _official_nsmc(split: str, rows: Rows) -> tuple[str, str]:
    lines = [
        "id\tdocument\tlabel",
        *(f"{row['id']}\t{row['document']}\t{row['label']}" for row in rows),
    ]
    return f"ratings_{split}.txt", "\n".join(lines) + "\n"


_ROW = {"klue_nli": _klue_row, "korquad": _korquad_row, "nsmc": _nsmc_row, "naver_news": _naver_row}
_OFFICIAL = {
    "klue_nli": _official_klue,
    "korquad": _official_korquad,
    "nsmc": _official_nsmc,
    "naver_news": lambda split, rows: (f"{split}.csv", _csv(rows).decode()),
}
