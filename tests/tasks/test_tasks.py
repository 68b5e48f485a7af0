"""The lm-eval tasks: lm_eval's own loader, request builder and tables over the real YAML, with a
model that is a rule."""

import functools
import importlib.util
import json
import math
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kodata import klue_nli, korquad, naver_news, nli_sample, nsmc, scored
from kodata.errors import DataError
from kodata.metrics.morphemes import surfaces
from kotune.runs.task_data import TaskData
from kotune.score.harness import load_task
from kotune.score.samples import sample_of
from kotune_tasks import install
from tests.conftest import REAL, TASKS, bounded_time, loaded, only_records

ASKING = sorted(path.stem for path in TASKS.glob("*/*_ko*.py"))  # the tasks' own modules
CHOICES = list(klue_nli.LABELS.values())


@pytest.fixture(scope="module")
def functions() -> ModuleType:
    return loaded("klue_nli_ko")


def right(prompt: str, choice: str) -> float:
    """Knows the answers of the shipped sample."""
    return (
        0.0
        if answers()[prompt.removeprefix("<user>").removesuffix("<assistant>")] == choice.strip()
        else -20.0
    )


@functools.cache
def answers() -> dict[str, str]:
    return {
        klue_nli.question(doc): klue_nli.answer(doc)
        for doc in only_records(nli_sample.read("test"))
    }


@pytest.mark.parametrize("chat", [False, True])
def test_the_prompt_is_kodatas_and_the_choices_follow_it(
    evaluate: Callable[..., dict[str, Any]], chat: bool
) -> None:
    result = evaluate("nli_sample_ko", right, limit=6, apply_chat_template=chat)
    doc = result["samples"][0]["doc"]
    prompt = f"<user>{klue_nli.question(doc)}<assistant>" if chat else klue_nli.question(doc)
    assert result["asked"][:3] == [(prompt, choice if chat else f" {choice}") for choice in CHOICES]
    assert set(doc) == {"guid", "source", "premise", "hypothesis", "label"}


def test_a_model_that_knows_the_answers_gets_full_marks(
    evaluate: Callable[..., dict[str, Any]],
) -> None:
    scores = evaluate("nli_sample_ko", right)["scores"]
    assert [scores[f"{metric},none"] for metric in ("acc", "macro_f1", "triple_acc")] == [1, 1, 1]
    assert scores["brier,none"] == pytest.approx(0, abs=1e-9)
    assert scores["acc_stderr,none"] == 0


def test_a_model_that_always_says_one_word_scores_chance_and_no_premise(
    evaluate: Callable[..., dict[str, Any]],
) -> None:
    scores = evaluate("nli_sample_ko", lambda _, choice: 0.0 if "중립" in choice else -1.0)[
        "scores"
    ]
    assert scores["acc,none"] == pytest.approx(1 / 3)
    assert scores["macro_f1,none"] == pytest.approx(1 / 6)
    assert scores["triple_acc,none"] == 0


def test_limit_keeps_premises_whole_on_the_real_dev_file(
    real_klue: Path, evaluate: Callable[..., dict[str, Any]]
) -> None:
    result = evaluate("klue_nli_ko", lambda *_: -1.0, {"klue_nli": str(real_klue)}, limit=300)
    premises = [sample["doc"]["premise"] for sample in result["samples"]]
    assert len(set(premises)) == 100
    assert all(premises[at] == premises[at + 1] == premises[at + 2] for at in range(0, 300, 3))
    assert result["scores"]["brier,none"] == pytest.approx(2 / 3)


def test_few_shot_examples_are_never_taken_from_the_scored_split(
    evaluate: Callable[..., dict[str, Any]],
) -> None:
    result = evaluate("nli_sample_ko", right, limit=3, num_fewshot=2)
    assert result["asked"][0][0] == klue_nli.question(result["samples"][0]["doc"])


def test_the_real_dev_split_is_scored_whole(functions: ModuleType, real_klue: Path) -> None:
    docs = functions.dataset("klue_nli", str(real_klue), version=1.0, pretrained="other metadata")[
        "test"
    ]
    assert len(docs) == 3_000
    assert {doc["guid"] for doc in docs} == {
        doc["guid"] for doc in only_records(klue_nli.read("test", real_klue))
    }


def test_docs_of_a_premise_follow_each_other_in_file_order(
    functions: ModuleType, tmp_path: Path
) -> None:
    basis = {"source": "s", "hypothesis": "물", "gold_label": "neutral"}
    rows = [
        {**basis, "guid": guid, "premise": guid[0]} for guid in ("b1", "a1", "b2", "c1", "a2", "b3")
    ]
    (tmp_path / "klue-nli-v1.1_dev.json").write_text(json.dumps(rows), encoding="utf-8")
    docs = functions.dataset("klue_nli", str(tmp_path))["test"]
    assert docs["guid"][:] == ["b1", "b2", "b3", "a1", "a2", "c1"]


def test_a_missing_folder_and_an_item_without_text_are_refused(
    functions: ModuleType, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="no such folder"):
        functions.dataset("klue_nli", str(tmp_path / "absent"))
    row = {
        "guid": "g7",
        "source": "s",
        "premise": "비가 온다.",
        "hypothesis": " ",
        "gold_label": "neutral",
    }
    (tmp_path / "klue-nli-v1.1_dev.json").write_text(json.dumps([row]), encoding="utf-8")
    with pytest.raises(DataError, match="guid g7: an empty hypothesis cannot be scored"):
        functions.dataset("klue_nli", str(tmp_path))


def test_the_choices_and_the_target_agree_with_the_training_answer(functions: ModuleType) -> None:
    for label in klue_nli.LABELS:
        doc = {"guid": "g", "source": "s", "premise": "비", "hypothesis": "물", "label": label}
        assert functions.choices(doc)[functions.target(doc)] == klue_nli.answer(doc)


def test_macro_f1_matches_a_table_worked_by_hand(functions: ModuleType) -> None:
    #            gold 0: predicted 0, 0, 1   gold 1: predicted 1   gold 2: predicted 0
    items = [(0, 0), (0, 0), (0, 1), (1, 1), (2, 0)]
    class_0 = 2 * 2 / (2 * 2 + 1 + 1)  # 2 right, 1 missed, 1 too many
    class_1 = 2 * 1 / (2 * 1 + 1 + 0)
    assert functions.macro_f1(items) == pytest.approx((class_0 + class_1 + 0) / 3)


def test_triple_acc_counts_premises_that_have_all_labels_and_no_error(
    functions: ModuleType,
) -> None:
    right_one = [("a", label, label) for label in range(3)]
    one_wrong = [("b", 0, 0), ("b", 1, 1), ("b", 2, 1)]
    four_of_which_one_wrong = [("c", 0, 0), ("c", 1, 1), ("c", 2, 2), ("c", 2, 0)]
    not_whole = [("d", 0, 0), ("d", 1, 1)]
    items = right_one + one_wrong + four_of_which_one_wrong + not_whole
    random.Random(0).shuffle(items)
    assert functions.triple_acc(items) == pytest.approx(1 / 3)
    assert math.isnan(functions.triple_acc(not_whole))


def test_brier_is_the_squared_distance_from_the_truth(functions: ModuleType) -> None:
    assert functions.brier(0, [-7.0, -7.0, -7.0]) == pytest.approx((2 / 3) ** 2 + 2 * (1 / 3) ** 2)
    assert functions.brier(0, [0.0, -1e4, -1e4]) == pytest.approx(0)
    assert functions.brier(0, [-1e4, 0.0, -1e4]) == pytest.approx(2)
    odds = [math.log(probability) - 900 for probability in (0.5, 0.3, 0.2)]
    assert functions.brier(1, odds) == pytest.approx(0.5**2 + 0.7**2 + 0.2**2)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_model_without_finite_likelihoods_is_an_error_and_not_a_third(
    functions: ModuleType, bad: float
) -> None:
    doc = {"guid": "g7", "premise": "비", "hypothesis": "물", "label": "entailment"}
    with pytest.raises(ValueError, match="guid g7"):
        functions.process_results(doc, [(bad, False)] * 3)


def test_the_installed_stub_gives_lm_eval_the_same_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    utils = pytest.importorskip("lm_eval.utils")
    package = tmp_path / "lm_eval"
    (package / "tasks" / install.STUBS).mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "tasks" / install.STUBS / "gone.yaml").write_text("task: gone")
    spec = importlib.util.spec_from_file_location("lm_eval", package / "__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    for _ in range(2):
        stubs = sorted(stub.name for stub in install.install().iterdir())
        assert stubs == sorted(path.name for path in TASKS.glob("*/*.yaml")) != []
    stub = utils.load_yaml_config(str(package / "tasks" / install.STUBS / "nli_sample_ko.yaml"))
    assert (stub["task"], stub["metadata"]["source"]) == ("nli_sample_ko", "nli_sample")
    assert stub["doc_to_text"](next(nli_sample.read("test"))).startswith("전제: ")


def test_install_without_lm_eval_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert install.main() == 1
    assert "lm_eval is not installed" in capsys.readouterr().err


@pytest.mark.parametrize("task", ASKING)
def test_a_task_file_finds_kodata_from_any_folder(tmp_path: Path, task: str) -> None:
    code = (
        "import runpy;"
        f" print(callable(runpy.run_path({str(TASKS / task / f'{task}.py')!r})['question']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True"


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """A few invented test rows of each of the three newer sources, in one folder."""
    qas = [
        {"id": f"q{n}", "question": f"{n}번 문은 언제 열었나?", "answers": [{"text": f"198{n}년"}]}
        for n in range(3)
    ]
    paragraphs = [{"context": "0번 문은 1980년, 1번은 1981년, 2번은 1982년에 열었다.", "qas": qas}]
    squad = {"data": [{"title": "문", "paragraphs": paragraphs}]}
    (tmp_path / "KorQuAD_v1.0_dev.json").write_text(json.dumps(squad), encoding="utf-8")
    reviews = "id\tdocument\tlabel\n1\t좋다\t1\n2\t\t0\n3\t졸리다\t0\n4\t최고\t1\n"
    (tmp_path / "ratings_test.txt").write_text(reviews, encoding="utf-8")
    article = "첫 문장이다. 둘째다. 셋째다. 넷째다."
    columns = "date,category,press,title,document,link,summary\n"
    (tmp_path / "test.csv").write_text(
        f"{columns}d,c,p,t,{article},l,첫 문장이다.\n", encoding="utf-8"
    )
    return tmp_path


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("source", [korquad, nsmc, naver_news])
def test_the_newer_tasks_ask_what_kodata_asks(
    evaluate: Callable[..., dict[str, Any]], few: Path, source: Any, chat: bool
) -> None:
    result = evaluate(
        source.CARD.task, lambda *_: -1.0 if source is nsmc else "", few, apply_chat_template=chat
    )
    docs = [sample["doc"] for sample in result["samples"]]
    assert docs == [record for record in source.read("test", few) if all(record.values())]
    asked = f"<user>{source.question(docs[0])}<assistant>" if chat else source.question(docs[0])
    assert result["asked"][0][0] == asked
    assert docs[0]["guid"] and result["samples"][0]["target"] in (source.answer(docs[0]), 1)


def test_a_model_that_knows_the_reviews_gets_full_marks_and_one_word_gets_its_share(
    evaluate: Callable[..., dict[str, Any]], few: Path
) -> None:
    known = {nsmc.question(doc): nsmc.answer(doc) for doc in only_records(nsmc.read("test", few))}
    scores = evaluate("nsmc_ko", lambda prompt, word: float(known[prompt] == word.strip()), few)[
        "scores"
    ]
    assert (scores["acc,none"], scores["macro_f1,none"]) == (1, 1)
    result = evaluate("nsmc_ko", lambda _, word: float("긍정" in word), few)
    assert [word for _, word in result["asked"][:2]] == [" 부정", " 긍정"]
    # Of three: the empty review is left out.
    assert result["scores"]["acc,none"] == pytest.approx(2 / 3)
    assert result["scores"]["macro_f1,none"] == pytest.approx((2 * 2 / (2 * 2 + 1)) / 2)


def test_written_answers_stop_only_at_the_models_own_end(
    evaluate: Callable[..., dict[str, Any]], few: Path
) -> None:
    for task in ("korquad_ko", "naver_news_ko"):
        _, options = evaluate(task, lambda *_: "", few)["asked"][0]
        assert (options["until"], options["do_sample"]) == ([], False)


def test_a_thought_is_no_part_of_an_answer_and_an_unfinished_one_is_counted(
    evaluate: Callable[..., dict[str, Any]], few: Path
) -> None:
    said = {
        "q0": "<think>\n음.\n\n1989년?</think>\n\n1980년",
        "q1": "<think>\n1981년",
        "q2": "1982년",
    }
    scores = evaluate("korquad_ko", lambda _, doc: said[doc["guid"]], few)["scores"]
    for metric, expected in (("exact_match", 2 / 3), ("f1", 2 / 3), ("unfinished", 1 / 3)):
        assert scores[f"{metric},none"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("답", "답"),
        (" 답\n", "답"),
        ("<think>가</think> 답", "답"),
        ("가</think>\n답", "답"),  # the template opened the thought
        ("<think>가</think><think>나</think>답", "답"),
        ("<think>가</think>답<think>나", None),
        ("<think>", None),
        ("가</think>", ""),
        ("\u1103\u1161\u11b8", "답"),
        ("", ""),
    ],
)
def test_the_final_answer_is_what_follows_the_last_thought(text: str, said: str | None) -> None:
    assert scored.final_answer(text) == said


@pytest.mark.parametrize(
    ("said", "gold", "exact", "f1"),
    [
        ("이하늘", "이하늘", 1, 1),
        ("이하늘이다", "이하늘", 0, 2 * 3 / (5 + 3)),
        ("《달빛 도서관》", "달빛 도서관", 1, 1),
        ("'달빛'", "달빛", 1, 1),
        ("달빛도서관", "달빛 도서관", 0, 1),  # spacing costs the exact match and no characters
        ("달빛  도서관\n", "달빛 도서관", 1, 1),
        ("달빛(月光)", "달빛 月光", 1, 1),  # a bracket parts words,
        ("A-1", "a1", 1, 1),  # a hyphen does not; case does not count
        ("1,987년", "1987년", 1, 1),
        ("〈달빛〉", "‘달빛’", 1, 1),
        ("「달빛」", "달빛", 0, 2 * 2 / (4 + 2)),  # not among the script's signs
        ("“달빛”", "달빛", 0, 2 * 2 / (4 + 2)),
        ("늘하이", "이하늘", 0, 1),  # order does not count
        ("가가", "가", 0, 2 * 1 / (2 + 1)),  # how often does
        ("달빛", "별빛", 0, 0.5),
        ("전혀", "다른 말", 0, 0),
        ("", "말", 0, 0),
        ("!?", "말", 0, 0),
        ("《'달빛'(月光)》", "달빛 月光", 1, 1),  # signs within signs
        ("<<달빛>>", "‘'달빛'’", 1, 1),
        (
            "（달빛）",
            "달빛",
            0,
            2 * 2 / (4 + 2),
        ),  # full-width brackets and digits are other characters
        ("１９８７년", "1987년", 0, 2 * 1 / (5 + 5)),
        ("NaSa", "nASA", 1, 1),
        ("1,234,567.5원", "12345675원", 1, 1),  # a comma and a point are punctuation
        ("1 234명", "1,234명", 0, 1),
        ("1980~1981년", "19801981년", 1, 1),
        ("달빛·별빛", "달빛 별빛", 0, 2 * 4 / (5 + 4)),  # a middle dot is no ASCII sign
        ("Straße", "STRASSE", 0, 2 * 5 / (6 + 7)),  # lower(), not casefold()
    ],
)
def test_exact_match_and_f1_are_those_of_korquads_script(
    said: str, gold: str, exact: float, f1: float
) -> None:
    functions = loaded("korquad_ko")
    assert functions.exact_match(said, gold) == exact
    assert functions.character_f1(said, gold) == pytest.approx(f1)
    assert functions.character_f1(gold, said) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("said", "bare"),
    [
        ("이하늘은", "이하늘"),
        ("서울에서부터", "서울"),
        ("서울에서만.", "서울"),
        ("'달빛'은", "'달빛'"),
        ("달빛(月光)을", "달빛(月光)"),
        ("NASA의", "NASA"),
        ("2002년에는", "2002년"),
        ("5%의", "5%"),
        ("10%를", "10%를"),  # Kiwi reads 르 and ㄹ here: a miss
        ("박찬호가", "박찬호"),
        ("허준이", "허준"),
        ("미국과 소련의", "미국과 소련"),
        ("고려의", "고려"),
        *(
            (word, word)
            for word in [
                "사과",
                "고려",
                "회의",
                "동의",
                "나이",
                "바나나",
                "제주도",
                "강원도",
                "종로",
                "을지로",
            ]
        ),
        *(
            (word, word)
            for word in [
                "김정은",
                "공자",
                "모나리자",
                "결과",
                "피아노",
                "이이",
                "보아",
                "유로",
                "도",
                "허준",
            ]
        ),
        (
            "김은",
            "김",
        ),  # a surname with a particle to Kiwi: what it tags as josa goes, on both sides alike
        ("제주도는", "제주도"),
        ("회의의", "회의"),
        ("이이가", "이이"),
        ("보아가", "보아"),
        ("그건", "그건"),  # 것 and 은 share a syllable
        ("에디슨에 의해", "에디슨에 의해"),  # 의해 is no particle
        ("이하늘이다", "이하늘이다"),  # nor is 이다
        ("은는", "은는"),
        ("", ""),
    ],
)
def test_only_particles_at_the_very_end_are_taken_away(said: str, bare: str) -> None:
    assert loaded("korquad_ko").no_josa(said) == bare


def test_a_particle_too_many_or_too_few_costs_nothing_without_josa() -> None:
    functions = loaded("korquad_ko")
    for said, gold, exact in (
        ("서울에", "서울", 1),
        ("서울", "서울에서", 1),
        ("부산에", "서울에", 0),
        ("사과", "사", 0),
    ):
        scores = functions.process_results({"answer": gold}, [said])
        assert scores["exact_match_no_josa"] == exact
        assert scores["exact_match"] == 0
    assert functions.process_results({"answer": "서울"}, [""])["f1_no_josa"] == 0


def test_rouge_matches_tables_worked_by_hand() -> None:
    functions = loaded("naver_news_ko")
    scores = functions.rouge("비가 많이 왔다", "비가 왔다")
    #  characters: 비가많이왔다 against 비가왔다: 4 of 6 and 4 of 4; pairs 비가 왔다 of 5 and of 3
    assert scores["rouge1_char"] == pytest.approx(2 * 4 / (6 + 4))
    assert scores["rouge2_char"] == pytest.approx(2 * 2 / (5 + 3))
    assert scores["rougeL_char"] == pytest.approx(2 * 4 / (6 + 4))
    assert scores["rouge1_word"] == pytest.approx(2 * 2 / (3 + 2))
    assert scores["rouge2_word"] == 0
    assert scores["rougeL_word"] == pytest.approx(2 * 2 / (3 + 2))
    # Order counts.
    assert functions.rouge("왔다 비가", "비가 왔다")["rougeL_word"] == pytest.approx(0.5)
    # Spacing does not, by characters.
    assert functions.rouge("비가왔다", "비가 왔다")["rougeL_char"] == 1
    assert set(functions.rouge("", "비가 왔다").values()) == {0.0}


@pytest.mark.parametrize(
    ("text", "morphemes"),
    [
        ("정부가 말했다.", ["정부", "가", "말", "했", "다", "."]),
        ("그가 왔다", ["그", "가", "왔", "다"]),  # 오 and 었 share 왔
        (
            "집을 샀고, 1,000원을 냈다",
            ["집", "을", "샀", "고", ",", "1,000", "원", "을", "냈", "다"],
        ),
        ("😀그가", ["😀", "그", "가"]),
        ("", []),
        (" \n", []),
    ],
)
def test_morphemes_stand_as_in_the_text(text: str, morphemes: list[str]) -> None:
    assert surfaces(text) == morphemes


def test_rouge_over_morphemes_sees_a_noun_under_another_particle() -> None:
    scores = loaded("naver_news_ko").rouge("정부는 말했다.", "정부가 말했다.")
    #  정부 는 말 했 다 . against 정부 가 말 했 다 .: 5 of 6, in pairs 말했 했다 다. of 5
    assert scores["rouge1_morph"] == scores["rougeL_morph"] == pytest.approx(5 / 6)
    assert scores["rouge2_morph"] == pytest.approx(3 / 5)
    assert scores["rouge1_word"] == pytest.approx(1 / 2)


@pytest.mark.parametrize(
    "text", ["가나다 " * 25_000, "밥" * 100_000, "a" * 100_000, "나는 밥을 먹었다. " * 10_000]
)
@pytest.mark.parametrize("task", ["korquad_ko", "naver_news_ko"])
def test_an_endless_answer_is_scored_in_bounded_time_and_is_no_good_one(
    task: str, text: str
) -> None:
    functions = loaded(task)
    doc = {
        "answer": "나는 밥을 먹었다.",
        "summary": "나는 밥을 먹었다. " * 10,
        "document": "첫째다. 둘째다. 셋째다.",
    }
    functions.process_results(doc, ["준비"])  # loads Kiwi's model
    with bounded_time():
        values = functions.process_results(doc, [text])
    assert all(
        value < 0.2
        for name, value in values.items()
        if not name.startswith("lead3") and "1_char" not in name
    )


@pytest.mark.parametrize(
    ("document", "first"),
    [
        ("하나다. 둘이다. 셋이다. 넷이다.", "하나다. 둘이다. 셋이다."),
        ("하나다.\n둘\n\n셋이다! 넷", "하나다. 둘 셋이다!"),
        ("값은 3.5% 올랐다. 둘이다", "값은 3.5% 올랐다. 둘이다"),
        (
            '"좋다."라고 했다. "그래!" 둘째가 말했다. 셋. 넷',
            '"좋다."라고 했다. "그래!" 둘째가 말했다.',
        ),
        ("", ""),
    ],
)
def test_lead_is_the_first_three_sentences(document: str, first: str) -> None:
    assert loaded("naver_news_ko").lead(document) == first


def test_every_summary_stands_beside_lead_3(
    evaluate: Callable[..., dict[str, Any]], few: Path
) -> None:
    functions = loaded("naver_news_ko")
    scores = evaluate("naver_news_ko", lambda _, doc: doc["summary"], few)["scores"]
    baseline = functions.rouge("첫 문장이다. 둘째다. 셋째다.", "첫 문장이다.")
    for metric, value in baseline.items():
        assert scores[f"{metric},none"] == 1
        assert 0 < value < 1
        assert scores[f"lead3_{metric},none"] == pytest.approx(value)


def test_a_folder_for_each_source_is_read(
    evaluate: Callable[..., dict[str, Any]], few: Path
) -> None:
    folders = {"korquad": str(few), "klue_nli": "elsewhere"}
    assert len(evaluate("korquad_ko", lambda *_: "", folders)["samples"]) == 3


def test_the_samples_of_written_answers_hold_the_text(
    evaluate: Callable[..., dict[str, Any]], few: Path
) -> None:
    samples = evaluate("korquad_ko", lambda _, doc: doc["answer"] + "에", few)["samples"]
    task = load_task("korquad_ko", TaskData(few))
    first, *_ = [sample_of(sample, task) for sample in samples]
    json.dumps(first)
    assert (first["guid"], first["prediction"], first["gold"]) == ("q0", "1980년에", "1980년")
    whole = {"exact_match": 0, "f1": pytest.approx(2 * 5 / (6 + 5)), "unfinished": 0}
    assert first["metrics"] == {**whole, "exact_match_no_josa": 1, "f1_no_josa": 1}


@pytest.mark.skipif(
    not (REAL / "korquad").is_dir(), reason="the real KorQuAD file is not at ../shared/data/korquad"
)
def test_the_real_answers_of_korquad_score_full_marks(
    evaluate: Callable[..., dict[str, Any]],
) -> None:
    result = evaluate("korquad_ko", lambda _, doc: doc["answer"], REAL / "korquad")
    assert len(result["samples"]) == 5_774
    assert (result["scores"]["exact_match,none"], result["scores"]["f1,none"]) == (1, 1)


@pytest.mark.skipif(
    not (REAL / "nsmc").is_dir(), reason="the real NSMC files are not at ../shared/data/nsmc"
)
def test_the_real_reviews_of_nsmc_are_scored_without_the_three_empty_ones() -> None:
    docs = loaded("nsmc_ko").dataset("nsmc", str(REAL / "nsmc"), skip_empty=True)["test"]
    assert len(docs) == 49_997
