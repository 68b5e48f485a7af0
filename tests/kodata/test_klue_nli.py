"""KLUE-NLI and the shipped sample: records, prompts, where files are found, and what is said of bad
rows."""

import gzip
import json
import subprocess
import sys
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

import kodata
from kodata import klue_nli, nli_sample
from kodata.card import NotRead
from kodata.errors import DataError
from tests.conftest import only_records

ROW = {
    "guid": "g1",
    "source": "wikitree",
    "premise": "비가 온다.",
    "hypothesis": "땅이 젖는다.",
    "gold_label": "neutral",
}
RECORD = {
    "guid": "g1",
    "source": "wikitree",
    "premise": "비가 온다.",
    "hypothesis": "땅이 젖는다.",
    "label": "neutral",
}
TRAIN, DEV = "klue-nli-v1.1_train.json", "klue-nli-v1.1_dev.json"


def put(path: Path, *rows: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = json.dumps(rows, ensure_ascii=False).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path.parent


def fault(folder: Path, **changes: object) -> str:
    row = {key: value for key, value in {**ROW, **changes}.items() if value is not ...}
    put(folder / DEV, ROW, row)
    with pytest.raises(DataError) as caught:
        list(klue_nli.read("test", folder))
    assert f"{folder / DEV}: row 2 (guid " in str(caught.value)
    return str(caught.value)


def test_the_label_form_asks_for_one_of_three_words() -> None:
    assert klue_nli.messages(RECORD, "label") == [
        {
            "role": "user",
            "content": (
                "전제: 비가 온다.\n"
                "가설: 땅이 젖는다.\n"
                "전제와 가설의 관계는 함의, 중립, 모순 중 무엇입니까? 한 단어로 답하세요."
            ),
        },
        {"role": "assistant", "content": "중립"},
    ]


def test_the_write_form_asks_for_the_hypothesis() -> None:
    assert klue_nli.messages(RECORD, "write") == [
        {
            "role": "user",
            "content": (
                "전제: 비가 온다.\n"
                "관계: 중립\n"
                "전제에 대해 위 관계가 성립하는 문장을 자연스러운 한국어로 하나만 쓰세요."
            ),
        },
        {"role": "assistant", "content": "땅이 젖는다."},
    ]


@pytest.mark.parametrize("name", [TRAIN, TRAIN + ".gz", "klue-nli-v1.1/" + TRAIN])
def test_train_is_read_plain_gzipped_or_one_level_down_with_its_genre_key(
    tmp_path: Path, name: str
) -> None:
    put(tmp_path / name, {**ROW, "genre": ROW["source"], "source": "unused"})
    assert list(klue_nli.read("train", tmp_path)) == [RECORD, NotRead("source", 1)]


@pytest.mark.parametrize("kind", ["parquet", "saved"])
def test_a_copy_of_the_hubs_set_is_read_with_its_number_labels(tmp_path: Path, kind: str) -> None:
    datasets = pytest.importorskip("datasets")
    labels = datasets.ClassLabel(names=list(klue_nli.LABELS))
    features = datasets.Features(
        {**dict.fromkeys(list(ROW)[:4], datasets.Value("string")), "label": labels}
    )
    rows = [
        {**{key: ROW[key] for key in list(ROW)[:4]}, "guid": str(label), "label": label}
        for label in range(3)
    ]
    made = datasets.Dataset.from_list(rows, features=features)
    if kind == "parquet":
        (tmp_path / "nli").mkdir()
        made.to_parquet(tmp_path / "nli" / "validation-00000-of-00001.parquet")
    else:
        datasets.DatasetDict({"validation": made}).save_to_disk(tmp_path)
    assert [record["label"] for record in only_records(klue_nli.read("test", tmp_path))] == list(
        klue_nli.LABELS
    )


def test_text_is_composed_and_stripped(tmp_path: Path) -> None:
    put(tmp_path / DEV, {**ROW, "premise": unicodedata.normalize("NFD", " 비가 온다.\n")})
    assert list(klue_nli.read("test", tmp_path)) == [RECORD]


def test_a_bad_row_is_named_with_field_and_value(tmp_path: Path) -> None:
    assert "hypothesis is missing" in fault(tmp_path, hypothesis=...)
    assert "hypothesis is missing" in fault(tmp_path, hypothesis=None)
    assert "premise is 7, which is not text" in fault(tmp_path, premise=7)
    assert "guid is missing" in fault(tmp_path, guid=...)
    assert "source is ['a'], which is not text" in fault(tmp_path, source=["a"])
    assert "gold_label is missing; it must be one of entailment, neutral, contradiction" in fault(
        tmp_path, gold_label=None
    )


@pytest.mark.parametrize("label", ["entailmnt", True, 1.0, -1, 3, ["neutral"]])
def test_an_unknown_label_is_named_with_the_allowed_ones(tmp_path: Path, label: object) -> None:
    message = fault(tmp_path, gold_label=label)
    assert (
        f"gold_label is {label!r}, not entailment, neutral, contradiction (or 0, 1, 2)" in message
    )
    assert "; did you mean entailment?" in message or label != "entailmnt"


def test_a_folder_that_lacks_the_files_says_what_was_looked_for(tmp_path: Path) -> None:
    for path in (
        tmp_path,
        tmp_path / "absent",
        put(tmp_path / "x" / "data.json", ROW) / "data.json",
    ):
        with pytest.raises(
            DataError, match=r"looked for klue-nli-v1\.1_train\.json, .*train-\*\.parquet"
        ):
            list(klue_nli.read("train", path))


def test_an_unknown_split_or_source_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(DataError, match="no split 'validation'; known: test, train"):
        list(klue_nli.read("validation"))
    with pytest.raises(DataError, match="unknown source 'kluenli'; did you mean klue_nli"):
        kodata.source("kluenli")


def test_a_leak_check_compares_premises() -> None:
    assert klue_nli.texts(RECORD) == nli_sample.texts(RECORD) == ("비가 온다.",)


def test_every_source_has_a_card_of_its_own_name() -> None:
    assert {name: source.CARD.name for name, source in kodata.SOURCES.items()} == {
        name: name for name in kodata.SOURCES
    }


def test_every_source_offers_what_convert_the_tasks_and_a_leak_check_ask_for() -> None:
    for name, source in kodata.SOURCES.items():
        assert source.CARD.forms == source.FORMS and set(source.CARD.rows) <= set(source.SPLITS), (
            name
        )
        assert all(
            callable(getattr(source, word))
            for word in ("question", "answer", "texts", "group", "messages")
        ), name


def test_importing_kodata_imports_no_heavy_library() -> None:
    heavy = {"datasets", "pyarrow", "huggingface_hub", "orjson"}
    code = f"import sys, kodata, kodata.prepare.convert; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_shipped_sample_has_the_rows_of_its_card_and_no_premise_in_two_splits() -> None:
    records = {split: list(only_records(nli_sample.read(split))) for split in nli_sample.SPLITS}
    assert {split: len(rows) for split, rows in records.items()} == nli_sample.CARD.rows
    premises = [{nli_sample.group(record) for record in rows} for rows in records.values()]
    assert len(set.union(*premises)) == sum(map(len, premises))


def test_another_folder_can_stand_in_for_the_sample(tmp_path: Path) -> None:
    put(tmp_path / "test.json", ROW)
    assert list(nli_sample.read("test", tmp_path)) == [RECORD]
    with pytest.raises(DataError, match="no such file"):
        list(nli_sample.read("train", tmp_path))


def test_the_real_files_have_their_known_counts_and_clean_prompts(real_klue: Path) -> None:
    counts = {}
    for split in klue_nli.SPLITS:
        records = list(only_records(klue_nli.read(split, real_klue)))
        counts[split] = (len(records), Counter(record["label"] for record in records))
        for form in klue_nli.FORMS:
            texts = [
                turn["content"] for record in records for turn in klue_nli.messages(record, form)
            ]
            assert all(texts) and texts == [text.strip() for text in texts]
    assert counts == {
        "train": (24_998, {"entailment": 8_561, "neutral": 7_948, "contradiction": 8_489}),
        "test": (3_000, {"entailment": 1_000, "neutral": 1_000, "contradiction": 1_000}),
    }
