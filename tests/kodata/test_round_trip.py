"""Nothing is lost unsaid: each source row is written with every kept field, or counted under a
reason that is documented.

The rows are read here a second time, with json, csv and str.split alone.
"""

import csv
import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import kodata
from kodata.prepare.convert import convert
from kodata.prepare.entries import Entry
from kodata.prepare.output import SPLITS, doc_of
from tests.conftest import REAL
from tests.written import TRAINED, WRITERS, Item, cleaned

Fields = dict[str, Any]
LABELS = ("negative", "positive")


def text_of(file: Path) -> str:
    data = file.read_bytes()
    return (gzip.decompress(data) if file.suffix == ".gz" else data).decode("utf-8")


def nli(file: Path) -> dict[str, Fields]:
    found: dict[str, Fields] = {}
    for row in json.loads(text_of(file)):
        found[row["guid"]] = {
            "source": row.get("genre", row.get("source")),
            "premise": row["premise"],
            "hypothesis": row["hypothesis"],
            "label": row["gold_label"],
        }
        votes = [
            row[field]
            for field in ("author", "label2", "label3", "label4", "label5")
            if row.get(field)
        ]
        if len(votes) == 5:
            found[row["guid"]]["agreement"] = str(votes.count(row["gold_label"]))
    return found


def reviews(file: Path) -> dict[str, Fields]:
    rows = [line.split("\t") for line in text_of(file).split("\n")[1:] if line]
    return {
        guid: {"document": document, "label": LABELS[int(label)]} for guid, document, label in rows
    }


def questions(file: Path) -> dict[str, Fields]:
    return {
        qa["id"]: {
            "title": article["title"],
            "context": paragraph["context"],
            "question": qa["question"],
            "answer": qa["answers"][0]["text"],
        }
        for article in json.loads(text_of(file))["data"]
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
    }


def articles(file: Path) -> dict[str, Fields]:
    """A field that is empty and not needed is left out."""
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return {row.pop("link"): {key: text for key, text in row.items() if text} for row in rows}


def chats(file: Path) -> dict[str, Fields]:
    rows = map(json.loads, text_of(file).splitlines())
    return {
        row["guid"]: {"group": row["group"], "said": [row["prompt"], row["answer"]]} for row in rows
    }


def dialogues(file: Path) -> dict[str, Fields]:
    """감성 대화."""
    return {
        f"emotional:{row['talk']['id']['talk-id']}": {
            "group": f"emotional:{row['talk']['id']['profile-id']}",
            "said": [text for text in row["talk"]["content"].values() if text],
            "topic": row["profile"]["emotion"]["type"],
        }
        for row in json.loads(text_of(file))
    }


READERS: dict[str, Callable[[Path], dict[str, Fields]]] = {
    "aihub_dialogue": dialogues,
    "chat": chats,
    "klue_nli": nli,
    "korquad": questions,
    "naver_news": articles,
    "nli_sample": nli,
    "nsmc": reviews,
}


def written(folder: Path) -> dict[str, Fields]:
    """The fields of every row of train.jsonl and validation.jsonl by guid; of a chat what is said
    in it."""
    found = {}
    for side in SPLITS:
        for line in (folder / f"{side}.jsonl").open(encoding="utf-8"):
            fields = doc_of(json.loads(line))
            if "messages" in fields:
                fields["said"] = [turn["content"] for turn in fields.pop("messages")]
            guid = fields.pop("guid")
            assert guid not in found
            found[guid] = fields
    return found


def in_step(kept: dict[str, Fields], raw: dict[str, Fields]) -> None:
    """Every kept row is a source row, and all of its fields are equal after cleaning."""
    for guid, fields in kept.items():
        assert fields == {
            key: [cleaned(text) for text in value] if isinstance(value, list) else cleaned(value)
            for key, value in raw[guid].items()
        }, guid


@pytest.mark.parametrize("name", TRAINED)
def test_every_kept_field_of_a_source_can_be_read_back(name: str, tmp_path: Path) -> None:
    source = kodata.SOURCES[name]
    own = ["train"] * 19 + ["validation"] if "validation" in source.SPLITS else ["train"]
    spoiled = (
        "{}번 \u1112\u1161\u11ab\u1100\u1173\u11af",
        " {}번\x07 글 ",
        "{}번 \u00a0ＡＢＣ\u200d",
    )
    items = [
        Item(spoiled[n % 3].format(n), f"{n}번째 말\x00", n % 2, own[n % len(own)])
        for n in range(400)
    ]
    held_out = Item("시험", "시험하는 말", split="test")
    data = WRITERS[name](tmp_path / "data", [*items, held_out])
    entry = convert([Entry(name, source.FORMS[0], data)], tmp_path / "out", seed=1)["entries"][0]
    raw: dict[str, Fields] = {}
    for file in filter(Path.is_file, data.rglob("*")):
        raw |= READERS[name](file)
    # The one that is held out.
    raw = {guid: fields for guid, fields in raw.items() if not guid.endswith("g400")}
    kept = written(tmp_path / "out")
    assert len(kept) == len(raw) - sum(entry["dropped"].values()) == 400
    in_step(kept, raw)


def test_the_shipped_sample_is_written_whole(tmp_path: Path) -> None:
    convert([Entry("nli_sample")], tmp_path, seed=1, validation_rows=1_000)
    folder = Path(kodata.nli_sample.__file__).parent
    raw = nli(folder / "train.json") | nli(folder / "validation.json")
    kept = written(tmp_path)
    assert len(kept) == len(raw) == 2_412 + 306
    in_step(kept, raw)


class Real(NamedTuple):
    """An official file, the name under which train is looked for, and what is documented: rows,
    labels, drops."""

    path: str
    name: str
    rows: int
    labels: dict[str, int]
    dropped: dict[str, int]


KLUE = "klue-nli/klue-nli-v1.1"
REAL_FILES = {
    "klue_nli train": Real(
        f"{KLUE}_train.json.gz",
        "klue-nli-v1.1_train.json.gz",
        24_998,
        {"entailment": 8_561, "neutral": 7_948, "contradiction": 8_489},
        {"duplicate": 2},
    ),
    "klue_nli dev": Real(
        f"{KLUE}_dev.json",
        "klue-nli-v1.1_train.json",
        3_000,
        {"entailment": 1_000, "neutral": 1_000, "contradiction": 1_000},
        {},
    ),
    "nsmc train": Real(
        "nsmc/ratings_train.txt.gz",
        "ratings_train.txt.gz",
        150_000,
        {"negative": 75_173, "positive": 74_827},
        {"empty field": 5, "duplicate": 3_312, "label conflict": 501},
    ),
    "nsmc test": Real(
        "nsmc/ratings_test.txt.gz",
        "ratings_train.txt.gz",
        50_000,
        {"negative": 24_827, "positive": 25_173},
        {"empty field": 3, "duplicate": 744, "label conflict": 96},
    ),
    "korquad dev": Real(
        "korquad/KorQuAD_v1.0_dev.json", "KorQuAD_v1.0_train.json", 5_774, {}, {"duplicate": 9}
    ),
}


LARGE = {"nsmc train": pytest.mark.slow}


@pytest.mark.parametrize(
    "what", [pytest.param(what, marks=LARGE.get(what, ())) for what in REAL_FILES]
)
def test_a_real_file_is_written_whole_but_for_the_drops_that_its_card_tells(
    what: str, tmp_path: Path
) -> None:
    name, real = what.split()[0], REAL_FILES[what]
    if not (REAL / real.path).is_file():
        pytest.skip(f"the real file is not at ../shared/data/{real.path}")
    (tmp_path / real.name).symlink_to(REAL / real.path)
    source = kodata.SOURCES[name]
    # So many that none is left out for being beyond what validation needs: that is no fault of the
    # data.
    made = convert(
        [Entry(name, source.FORMS[0], tmp_path)], tmp_path / "out", seed=42, validation_rows=2_000
    )
    entry = made["entries"][0]
    raw, kept = READERS[name](REAL / real.path), written(tmp_path / "out")
    assert (len(raw), labels_of(raw)) == (real.rows, real.labels)
    assert (entry["read"], entry["dropped"]) == ({"train": real.rows}, real.dropped)
    assert len(kept) == real.rows - sum(real.dropped.values())
    assert labels_of(kept) == sum(map(Counter, entry["labels"].values()), Counter())
    in_step(kept, raw)
    for reason, count in real.dropped.items():
        assert f"{count:,} {reason}" in source.CARD.defects


def labels_of(found: dict[str, Fields]) -> Counter[str]:
    return Counter(fields["label"] for fields in found.values() if "label" in fields)


FIXTURES = REAL / "aihub" / "fixtures"


@pytest.mark.skipif(
    not FIXTURES.is_dir(), reason="the AI Hub fixtures are not at ../shared/data/aihub/fixtures"
)
def test_each_ai_hub_fixture_gives_back_what_is_said_in_it(tmp_path: Path) -> None:
    """One dialogue a file; what each says was looked up in the file by its set's own field."""
    said_in: dict[str, Callable[[Any], list[str]]] = {
        "common_sense_squad": lambda whole: [
            f"{paragraph['context']}\n\n{qa['question']}\n{qa['answers'][0]['text']}"
            for paragraph in whole["data"][0]["paragraphs"]
            for qa in paragraph["qas"]
        ],
        "emotional_dialogue": lambda whole: [
            text for text in whole[0]["talk"]["content"].values() if text
        ],
        "korean_dialogue_summary": lambda whole: [
            line["utterance"] for line in whole["data"][0]["body"]["dialogue"]
        ],
        "korean_sns": lambda whole: [line["utterance"] for line in whole["data"][0]["body"]],
        "topic_daily_dialogue_020": lambda whole: [
            line["norm_text"] for line in whole["info"][0]["annotations"]["lines"]
        ],
    }
    for name, utterances in said_in.items():
        # Nothing of it is cut off as test where a Validation part is there.
        data = tmp_path / name / "Training"
        data.mkdir(parents=True)
        whole = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
        (data / "a.json").write_text(json.dumps(whole), encoding="utf-8")
        WRITERS["aihub_dialogue"](tmp_path / name, [Item("시험", "시험용 말", split="test")])
        entries = [
            Entry("nli_sample", samples=1),
            Entry("aihub_dialogue", "reply", tmp_path / name),
        ]
        convert(entries, tmp_path / "out", seed=1)
        (fields,) = [fields for fields in written(tmp_path / "out").values() if "said" in fields]
        assert "\n".join(fields["said"]) == "\n".join(map(cleaned, utterances(whole)))
        if name == "korean_dialogue_summary":
            assert fields["summary"] == whole["data"][0]["body"]["summary"]


@pytest.mark.skipif(
    not (REAL / "naver-news").is_dir(), reason="the example is not at ../shared/data/naver-news"
)
def test_the_naver_news_example_gives_back_every_field(tmp_path: Path) -> None:
    example = json.loads(
        (REAL / "naver-news" / "example_invented.json").read_text(encoding="utf-8")
    )
    WRITERS["naver_news"](tmp_path / "data", [Item("다른 기사", "요약", split="validation")])
    with (tmp_path / "data" / "train.csv").open("w", encoding="utf-8", newline="") as file:
        lines = csv.DictWriter(file, list(example))
        lines.writeheader()
        lines.writerow(example)
    convert([Entry("naver_news", "summary", tmp_path / "data")], tmp_path / "out", seed=1)
    in_step(
        {example["link"]: written(tmp_path / "out")[example["link"]]},
        articles(tmp_path / "data" / "train.csv"),
    )
