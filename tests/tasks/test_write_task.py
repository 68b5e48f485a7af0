"""Hypotheses that a model writes: what a judge made of the train split says of them, and what is no
sentence at all."""

import json
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kodata import klue_nli, nli_sample
from kodata.errors import DataError
from kodata.metrics import nli_judge
from kodata.metrics.classifiers import Classifier, comparison
from kodata.metrics.naturalness.signals import NAMES
from tests.conftest import bounded_time, loaded, only_records

Evaluate = Callable[..., dict[str, Any]]
DOC = {
    "guid": "g",
    "source": "s",
    "premise": "비가 온다.",
    "hypothesis": "땅이 젖는다.",
    "label": "neutral",
}
FAULTS = ("empty", "premise_copy", "bare_label", "degenerate", "unfinished")


@pytest.mark.parametrize(
    ("said", "faults"),
    [
        ("우산을 쓴 사람이 있다.", set()),
        ("", {"empty"}),
        (" \n", {"empty"}),
        ("...!", {"empty"}),
        ("비가 온다", {"premise_copy"}),
        ("비가  온다!", {"premise_copy"}),
        ("비가 오지 않는다.", set()),  # near the premise, and a contradiction
        ("중립", {"bare_label"}),
        ("관계: 중립.", {"bare_label"}),
        ("모순 관계입니다.", {"bare_label"}),
        ("중립을 지키는 나라가 있다.", set()),
        ("<think>비가 온다.</think>우산을 쓴 사람이 있다.", set()),
        ("<think>비가 온다.", {"empty", "unfinished"}),
    ],
)
def test_what_is_no_sentence_is_counted_by_kind(said: str, faults: set[str]) -> None:
    values = loaded("klue_nli_write_ko").process_results(DOC, [said])
    degenerate = {"degenerate"} if faults else set()
    assert {name: values[name] for name in FAULTS} == {
        name: float(name in faults | degenerate) for name in FAULTS
    }
    assert values["void"] == ("g", bool(faults))
    assert set(values) == {*FAULTS, "void", *NAMES} - {"speech_asked"}


def test_a_sentence_has_the_signals_of_naturalness(evaluate: Evaluate) -> None:
    scores = evaluate(
        "nli_sample_write_ko", lambda *_: "그녀는 important한 것을 가지고 있다.", limit=6
    )["scores"]
    assert scores["foreign_answers,none"] == 1
    assert scores["pronouns,none"] == pytest.approx(1000 / 5)
    assert scores["hangul,none"] == pytest.approx(11 / 20)


def test_signals_are_void_where_over_a_tenth_is_no_sentence(evaluate: Evaluate) -> None:
    bare: Callable[..., str] = lambda _, doc: (
        "중립" if doc["label"] == "neutral" else doc["hypothesis"]
    )
    scores = evaluate("nli_sample_write_ko", bare, limit=30)["scores"]
    assert (scores["void,none"], scores["bare_label,none"]) == (1, pytest.approx(1 / 3))
    assert all(
        math.isnan(scores[f"{name},none"])
        for name in ("hangul", "function_profile", "speech_mixed")
    )


@pytest.mark.parametrize("chat", [False, True])
def test_the_prompt_is_the_trained_one(evaluate: Evaluate, chat: bool) -> None:
    result = evaluate("nli_sample_write_ko", lambda *_: "", limit=3, apply_chat_template=chat)
    asked, answered = klue_nli.messages(result["samples"][0]["doc"], "write")
    text = f"<user>{asked['content']}<assistant>" if chat else asked["content"]
    assert result["asked"][0][0] == text
    assert result["asked"][0][1]["until"] == []
    assert result["samples"][0]["target"] == answered["content"]


def test_what_people_wrote_scores_the_reference_line(evaluate: Evaluate) -> None:
    scores = evaluate("nli_sample_write_ko", lambda _, doc: doc["hypothesis"], limit=60)["scores"]
    assert scores["relation_acc,none"] == scores["human_relation_acc,none"]
    assert scores["novelty,none"] == scores["human_novelty,none"]
    assert scores["degenerate,none"] == 0


def test_copies_and_garbage_stand_in_no_relation(evaluate: Evaluate) -> None:
    copied = evaluate("nli_sample_write_ko", lambda _, doc: doc["premise"], limit=30)["scores"]
    assert (
        copied["premise_copy,none"],
        copied["degenerate,none"],
        copied["relation_acc,none"],
    ) == (1, 1, 0)
    memory = next(record["hypothesis"] for record in only_records(nli_sample.read("train")))
    same = evaluate("nli_sample_write_ko", lambda *_: memory, limit=30)["scores"]
    assert (same["train_copy,none"], same["novelty,none"], same["degenerate,none"]) == (1, 0, 0)
    garbage = evaluate("nli_sample_write_ko", lambda *_: "qwxz" * 30, limit=30)["scores"]
    assert (garbage["novelty,none"], garbage["train_copy,none"]) == (1, 0)
    assert garbage["relation_acc,none"] < 0.5


def put(folder: Path, rows: list[dict[str, str]], *names: str) -> Path:
    for name in names:
        (folder / name).write_text(
            json.dumps([{**row, "gold_label": row["label"]} for row in rows]), encoding="utf-8"
        )
    return folder


def test_without_a_train_split_only_faults_are_counted_and_that_is_said(
    evaluate: Evaluate, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path, [DOC], "klue-nli-v1.1_dev.json")
    with caplog.at_level(logging.WARNING):
        result = evaluate("klue_nli_write_ko", lambda *_: "땅이 젖는다.", tmp_path)
    assert "relations and novelty are not judged: klue_nli: path" in caplog.text
    assert set(result["samples"][0]["metrics"]) == {*FAULTS, "void", *NAMES} - {"speech_asked"}


def test_a_train_split_that_is_broken_or_too_small_is_an_error(tmp_path: Path) -> None:
    task = loaded("klue_nli_write_ko")
    put(tmp_path, [DOC], "klue-nli-v1.1_dev.json", "klue-nli-v1.1_train.json")
    (doc,) = task.dataset("klue_nli", {"klue_nli": str(tmp_path)})["test"]
    with pytest.raises(DataError, match="1 training rows are too few for a classifier"):
        task.process_results(doc, ["땅이 젖는다."])
    (tmp_path / "klue-nli-v1.1_train.json").write_text('[{"guid": "g"}]', encoding="utf-8")
    with pytest.raises(DataError, match="row 1"):
        task.process_results(doc, ["땅이 젖는다."])


def test_the_classifier_sees_the_premise_only_where_it_may() -> None:
    """Of words that tell nothing alone: a hypothesis is an entailment where its word stands in the
    premise."""
    words = ["비", "눈", "별", "달", "꽃", "새", "강", "산"]
    rows = [
        {
            "premise": f"{one}을 보았다",
            "hypothesis": f"{two} 있다",
            "label": "entailment" if one == two else "neutral",
        }
        for one in words
        for two in (one, words[(words.index(one) + 3) % 8])
    ]
    golds = [row["label"] for row in rows]
    assert Classifier(rows * 5, "overlap").predict(rows) == golds
    alone = Classifier(rows * 5, "hypothesis_only").predict(rows)
    assert sum(map(str.__eq__, alone, golds)) == 8


def test_a_comparison_worked_by_hand() -> None:
    made = comparison("비가 3번 왔다", "비가 2번 안 왔다")
    #  characters: 비가_2번안왔다 (8 different), without 2 and 안 shared; words: 비가, 왔다 of 4
    assert made[0] == pytest.approx(6 / 8)
    assert made[4:8] == [pytest.approx(2 / 4), 0, 1, 1]
    assert made[9:] == [1, 0, pytest.approx(10 / 8)]
    assert comparison("", "") == [0] * 12


def test_novelty_is_the_share_of_unknown_grams() -> None:
    rows = [
        {**row, "guid": str(n)}
        for row in ({**DOC, "label": label} for label in klue_nli.LABELS)
        for n in range(3)
    ]
    judge = nli_judge.Judge(rows)
    assert judge.novelty("땅이 젖는다!") == 0
    # 땅이젖는 is known; 이젖는가 and 젖는가나 are not.
    assert judge.novelty("땅이젖는가나") == pytest.approx(2 / 3)
    assert judge.novelty("땅이") is None
    assert judge.is_copy("땅이  젖는다") and not judge.is_copy("땅이 젖는가")


@pytest.mark.parametrize(
    "text", ["가나다라 " * 20_000, "a" * 100_000, "<think>" * 15_000, "중립 " * 33_000]
)
def test_an_answer_of_100000_characters_is_judged(text: str) -> None:
    task = loaded("klue_nli_write_ko")
    doc, *_ = task.dataset("nli_sample")["test"]
    task.process_results(doc, ["준비"])  # makes the judge
    with bounded_time():
        task.process_results(doc, [text])


@pytest.mark.slow
def test_the_judges_classifier_agrees_with_people_as_often_as_the_readme_says(
    real_klue: Path,
) -> None:
    test = list(only_records(klue_nli.read("test", real_klue)))
    told = Classifier(only_records(klue_nli.read("train", real_klue)), "overlap").predict(test)
    agreed = sum(label == doc["label"] for label, doc in zip(told, test, strict=True))
    assert agreed / len(test) == pytest.approx(0.607, abs=0.01)


@pytest.mark.slow
def test_peoples_sentences_are_as_new_as_the_readme_says(real_klue: Path) -> None:
    judge = nli_judge.Judge(only_records(klue_nli.read("train", real_klue)))
    told = [
        judge.novelty(doc["hypothesis"]) for doc in only_records(klue_nli.read("test", real_klue))
    ]
    asked = [novelty for novelty in told if novelty is not None]
    assert sum(asked) / len(asked) == pytest.approx(0.682, abs=0.0005)
