"""Small files in each source's own form: one writer a source, for the tests that want several
sources alike; and what is left of a text when it is cleaned."""

import csv
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from kodata import SOURCES, klue_nli
from kodata.text import visible_or_empty

LABELS = tuple(klue_nli.LABELS)
# The others are only scored.
TRAINED = tuple(name for name, source in SOURCES.items() if "train" in source.SPLITS)


class Item(NamedTuple):
    """A row to be. `group`: what is split together, the premise, review, passage, article or name
    of a dialogue; `text`: what differs within it, the hypothesis, question, summary or first
    turn."""

    group: str
    text: str
    label: int = 0
    split: str = "train"


Writer = Callable[[Path, Sequence[Item]], Path]


def cleaned(text: str) -> str:
    """What records.clean() promises, a character at a time: NFC, Unix line ends, no controls, no
    outer white space, and nothing at all if nothing of it is visible."""
    unix = re.sub("\r\n?", "\n", text)
    kept = [one for one in unix if one in "\t\n" or unicodedata.category(one) not in ("Cc", "Cs")]
    return visible_or_empty(unicodedata.normalize("NFC", "".join(kept)).strip())


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def parted(items: Iterable[Item]) -> dict[str, dict[str, Item]]:
    """For each split that occurs its items by guid: g and the item's number."""
    splits: dict[str, dict[str, Item]] = {}
    for number, item in enumerate(items):
        splits.setdefault(item.split, {})[f"g{number}"] = item
    return splits


def _nli_rows(items: dict[str, Item], origin: str) -> str:
    rows = [
        {
            "guid": guid,
            origin: "s",
            "premise": item.group,
            "hypothesis": item.text,
            "gold_label": LABELS[item.label],
        }
        for guid, item in items.items()
    ]
    return json.dumps(rows, ensure_ascii=False)


def klue(folder: Path, items: Sequence[Item]) -> Path:
    """The official files, which call the origin of a premise genre in train and source in dev."""
    for split, found in parted(items).items():
        name, origin = ("train", "genre") if split == "train" else ("dev", "source")
        put(folder / f"klue-nli-v1.1_{name}.json", _nli_rows(found, origin))
    return folder


def sample(folder: Path, items: Sequence[Item]) -> Path:
    for split, found in parted(items).items():
        put(folder / f"{split}.json", _nli_rows(found, "source"))
    return folder


def reviews(folder: Path, items: Sequence[Item]) -> Path:
    for split, found in parted(items).items():
        lines = [f"{guid}\t{item.group}\t{item.label % 2}\n" for guid, item in found.items()]
        put(folder / f"ratings_{split}.txt", "".join(["id\tdocument\tlabel\n", *lines]))
    return folder


def squad(folder: Path, items: Sequence[Item]) -> Path:
    for split, found in parted(items).items():
        articles = []
        for guid, item in found.items():
            qa = {
                "id": guid,
                "question": item.text,
                "answers": [{"text": item.group.split()[0], "answer_start": 0}],
            }
            articles.append({"title": "제목", "paragraphs": [{"context": item.group, "qas": [qa]}]})
        name = "train" if split == "train" else "dev"
        put(
            folder / f"KorQuAD_v1.0_{name}.json", json.dumps({"data": articles}, ensure_ascii=False)
        )
    return folder


def news(folder: Path, items: Sequence[Item]) -> Path:
    for split, found in parted(items).items():
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{split}.csv").open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(["date", "category", "press", "title", "document", "link", "summary"])
            for guid, item in found.items():
                lines.writerow(
                    ["2030-01-02", "society", "달빛일보 ", "", item.group, guid, item.text]
                )
    return folder


def chats(folder: Path, items: Sequence[Item]) -> Path:
    """All lines in one file, each with its split."""
    lines = [
        {"guid": guid, "group": item.group, "prompt": item.text, "answer": "네", "split": split}
        for split, found in parted(items).items()
        for guid, item in found.items()
    ]
    put(
        folder / "train.jsonl",
        "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines),
    )
    return folder


def feelings(folder: Path, items: Sequence[Item]) -> Path:
    """감성 대화: a dialogue's group is the person's profile."""
    for split, found in parted(items).items():
        rows = [
            {
                "profile": {"emotion": {"type": "E35"}},
                "talk": {
                    "id": {"profile-id": item.group, "talk-id": guid},
                    "content": {"HS01": item.text, "SS01": "그렇군요."},
                },
            }
            for guid, item in found.items()
        ]
        side = "Validation" if split == "test" else "Training"
        put(folder / side / f"{split}.json", json.dumps(rows, ensure_ascii=False))
    return folder


WRITERS: dict[str, Writer] = {
    "aihub_dialogue": feelings,
    "chat": chats,
    "klue_nli": klue,
    "korquad": squad,
    "naver_news": news,
    "nli_sample": sample,
    "nsmc": reviews,
}
