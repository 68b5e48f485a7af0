"""KLUE-NLI and the shipped sample: records, prompts, where files are found, and what is said of bad rows."""

import gzip
import json
import subprocess
import sys
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import kodata
from kodata import hub, klue_nli, nli_sample
from kodata.errors import DataError, HubDeniedError, HubError

ROW = {
    "guid": "g1",
    "source": "wikitree",
    "premise": "비가 온다.",
    "hypothesis": "땅이 젖는다.",
    "gold_label": "neutral",
}
RECORD = {"guid": "g1", "source": "wikitree", "premise": "비가 온다.", "hypothesis": "땅이 젖는다.", "label": "neutral"}
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
            "content": "전제: 비가 온다.\n가설: 땅이 젖는다.\n"
            "전제가 참일 때 가설은 함의, 중립, 모순 중 어느 것입니까? 한 단어로 답하세요.",
        },
        {"role": "assistant", "content": "중립"},
    ]


def test_the_write_form_asks_for_the_hypothesis() -> None:
    assert klue_nli.messages(RECORD, "write") == [
        {
            "role": "user",
            "content": "전제: 비가 온다.\n관계: 중립\n전제와 이 관계에 있는 문장을 자연스러운 한국어로 하나만 쓰세요.",
        },
        {"role": "assistant", "content": "땅이 젖는다."},
    ]


@pytest.mark.parametrize("name", [TRAIN, TRAIN + ".gz", "klue-nli-v1.1/" + TRAIN])
def test_train_is_read_plain_gzipped_or_one_level_down_with_its_genre_key(tmp_path: Path, name: str) -> None:
    put(tmp_path / name, {**ROW, "genre": ROW["source"], "source": "unused"})
    assert list(klue_nli.read("train", tmp_path)) == [RECORD]


@pytest.mark.parametrize("kind", ["parquet", "saved"])
def test_a_copy_of_the_hubs_set_is_read_with_its_number_labels(tmp_path: Path, kind: str) -> None:
    datasets = pytest.importorskip("datasets")
    labels = datasets.ClassLabel(names=list(klue_nli.LABELS))
    features = datasets.Features({**dict.fromkeys(list(ROW)[:4], datasets.Value("string")), "label": labels})
    rows = [{**{key: ROW[key] for key in list(ROW)[:4]}, "guid": str(label), "label": label} for label in range(3)]
    made = datasets.Dataset.from_list(rows, features=features)
    if kind == "parquet":
        (tmp_path / "nli").mkdir()
        made.to_parquet(tmp_path / "nli" / "validation-00000-of-00001.parquet")
    else:
        datasets.DatasetDict({"validation": made}).save_to_disk(tmp_path)
    assert [record["label"] for record in klue_nli.read("test", tmp_path)] == list(klue_nli.LABELS)


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
    assert f"gold_label is {label!r}, not entailment, neutral, contradiction (or 0, 1, 2)" in message
    assert "; did you mean entailment?" in message or label != "entailmnt"


def test_a_folder_that_lacks_the_files_says_what_was_looked_for(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent", put(tmp_path / "x" / "data.json", ROW) / "data.json"):
        with pytest.raises(DataError, match=r"looked for klue-nli-v1\.1_train\.json, .*train-\*\.parquet"):
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
        assert source.CARD.forms == source.FORMS and set(source.CARD.rows) <= set(source.SPLITS), name
        assert all(callable(getattr(source, word)) for word in ("question", "answer", "texts", "group", "messages")), (
            name
        )


def test_the_hub_is_asked_for_the_cards_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "download", lambda hub_id, file, revision: Path(hub_id, revision, file))
    asked = {
        name: str(kodata.source(name).files("test")[0]) for name in kodata.SOURCES if kodata.source(name).CARD.hub_id
    }
    assert asked == {
        "klue_nli": f"klue/klue/{klue_nli.CARD.revision}/nli/validation-00000-of-00001.parquet",
        "korquad": "KorQuAD/squad_kor_v1/main/squad_kor_v1/validation-00000-of-00001.parquet",
        "naver_news": "daekeun-ml/naver-news-summarization-ko/main/test.csv",
        "nsmc": "e9t/nsmc/refs/convert/parquet/default/test/0000.parquet",
    }


def test_importing_kodata_imports_no_heavy_library() -> None:
    code = "import sys, kodata, kodata.convert; print({'datasets', 'pyarrow', 'huggingface_hub', 'orjson'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_shipped_sample_has_the_rows_of_its_card_and_no_premise_in_two_splits() -> None:
    records = {split: list(nli_sample.read(split)) for split in nli_sample.SPLITS}
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
        records = list(klue_nli.read(split, real_klue))
        counts[split] = (len(records), Counter(record["label"] for record in records))
        for form in klue_nli.FORMS:
            texts = [turn["content"] for record in records for turn in klue_nli.messages(record, form)]
            assert all(texts) and texts == [text.strip() for text in texts]
    assert counts == {
        "train": (24_998, {"entailment": 8_561, "neutral": 7_948, "contradiction": 8_489}),
        "test": (3_000, {"entailment": 1_000, "neutral": 1_000, "contradiction": 1_000}),
    }


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, object]]:
    """A hub on this machine that answers every request as `answering` says."""
    huggingface_hub = pytest.importorskip("huggingface_hub")
    answer: dict[str, object] = {"status": 200, "headers": {}}

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(int(str(answer["status"])))
            for key, value in {**dict(answer["headers"]), "Content-Length": "0"}.items():  # type: ignore[call-overload]
                self.send_header(key, value)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(
        huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("time.sleep", lambda _: None)
    yield answer
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "headers", "expected", "words"),
    [
        (
            403,
            {"X-Error-Code": "GatedRepo"},
            HubDeniedError,
            "gated; ask for access at https://huggingface.co/datasets/klue/klue",
        ),
        (401, {}, HubDeniedError, "log in"),
        (404, {"X-Error-Code": "EntryNotFound"}, HubDeniedError, "nothing there"),
        (404, {"X-Error-Code": "RevisionNotFound"}, HubDeniedError, "nothing there"),
        (429, {}, HubError, "HTTP 429.*try again"),
        (503, {}, HubError, "HTTP 503.*try again"),
    ],
)
def test_what_the_hub_answers_becomes_one_clear_message(
    answering: dict[str, object], status: int, headers: dict[str, str], expected: type[DataError], words: str
) -> None:
    answering.update(status=status, headers=headers)
    with pytest.raises(expected, match=words) as caught:
        list(klue_nli.read("test"))
    assert isinstance(caught.value, HubError) == (expected is HubError)


@pytest.mark.parametrize("offline", [True, False])
def test_without_a_hub_the_message_says_try_again(
    answering: dict[str, object], monkeypatch: pytest.MonkeyPatch, offline: bool
) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", offline)
    monkeypatch.setattr(
        huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}/{revision}/{filename}"
    )
    with pytest.raises(HubError, match=r"cannot be reached .* try again, or give a local copy"):
        hub.download("klue/klue", "nli/x.parquet", "0" * 40)


def test_a_file_in_the_hubs_cache_is_used_without_the_network(answering: dict[str, object], tmp_path: Path) -> None:
    answering["status"] = 500
    revision = str(klue_nli.CARD.revision)
    cached = tmp_path / "datasets--klue--klue" / "snapshots" / revision / "nli" / "validation-00000-of-00001.parquet"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"parquet")
    assert klue_nli.files("test") == [cached]
