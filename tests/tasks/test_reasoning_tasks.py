"""KLUE-NLI chosen, written and thought about: the published prompt, breakdowns, hard items, answers
read from free text."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from kodata import klue_nli, nli_sample, scored
from kodata.metrics.metrics import NO_ANSWER, aggregation
from kotune.runs.records import UNDEFINED
from kotune.score import scoring
from kotune.score.samples import sample_of
from kotune_tasks.card import _Loader, cards
from tests.conftest import TASKS, bounded_time, loaded, only_records

DOC = {
    "guid": "g",
    "source": "NSMC",
    "premise": "비가 온다.",
    "hypothesis": "맑다",
    "label": "contradiction",
}
Evaluate = Callable[..., dict[str, Any]]


def listed(task: str) -> set[str]:
    config = yaml.load((TASKS / task / f"{task}.yaml").read_text(encoding="utf-8"), _Loader)
    return {entry["metric"] for entry in config["metric_list"]}


def test_every_breakdown_is_a_metric_that_lm_eval_knows() -> None:
    functions = loaded("klue_nli_ko")
    assert listed("klue_nli_ko") == functions.BREAKDOWNS | {
        "acc",
        "macro_f1",
        "triple_acc",
        "brier",
        "ece",
    }


@pytest.mark.parametrize(
    ("doc", "kinds"),
    [
        (DOC, {"acc_nsmc"}),
        ({**DOC, "agreement": "4"}, {"acc_nsmc", "acc_votes_4"}),
        ({**DOC, "agreement": None, "source": "time"}, {"acc_time"}),
        ({**DOC, "agreement": "9", "source": "elsewhere"}, set()),
        (
            {**DOC, "source": "hard"},
            {"acc_hard"},
        ),  # a stranger's source that is called like another kind is still listed
        ({**DOC, "guid": "klue-nli-v1_dev_00002"}, {"acc_nsmc", "acc_hard"}),
    ],
)
def test_an_item_counts_for_its_source_its_votes_and_the_hard_ones(
    doc: dict[str, Any], kinds: set[str]
) -> None:
    assert loaded("klue_nli_ko").breakdowns(doc) == kinds


def test_a_part_has_the_accuracy_of_its_items(evaluate: Evaluate) -> None:
    """A model that is right on items of two kinds alone."""
    known = {klue_nli.question(doc): doc for doc in only_records(nli_sample.read("test"))}
    right = lambda doc, word: klue_nli.answer(doc) == word and doc["source"] in ("time", "roles")
    scores = evaluate("nli_sample_ko", lambda asked, word: 9.0 * right(known[asked], word.strip()))[
        "scores"
    ]
    kinds = {
        key.removesuffix(",none"): value for key, value in scores.items() if key.startswith("acc_")
    }
    kinds = {name: value for name, value in kinds.items() if "stderr" not in name}
    assert set(kinds) == {f"acc_{kind}" for kind in {doc["source"] for doc in known.values()}}
    assert kinds["acc_time"] == kinds["acc_roles"] == 1
    # Of equal choices the first.
    assert kinds["acc_negation"] == kinds["acc_quantity"] == pytest.approx(1 / 3)


def test_a_sure_and_right_model_is_calibrated_and_a_sure_constant_one_is_not(
    evaluate: Evaluate,
) -> None:
    known = {
        klue_nli.question(doc): klue_nli.answer(doc)
        for doc in only_records(nli_sample.read("test"))
    }
    sure = evaluate(
        "nli_sample_ko", lambda asked, word: 50.0 * (known[asked] == word.strip()), limit=60
    )["scores"]
    assert sure["ece,none"] == pytest.approx(0, abs=1e-9)
    constant = evaluate("nli_sample_ko", lambda _, word: 50.0 * (word == " 중립"), limit=60)[
        "scores"
    ]
    assert constant["ece,none"] == pytest.approx(2 / 3)
    even = evaluate("nli_sample_ko", lambda *_: -5.0, limit=60)["scores"]
    assert even["ece,none"] == pytest.approx(0, abs=1e-9)


def test_a_single_item_is_scored(evaluate: Evaluate) -> None:
    assert evaluate("nli_sample_ko", lambda *_: -1.0, limit=1)["scores"]["acc,none"] in (0, 1)


def test_votes_are_counted_where_the_file_has_all_five(tmp_path: Path) -> None:
    basis = {"source": "s", "premise": "비", "hypothesis": "물", "gold_label": "neutral"}
    votes = {
        "author": "neutral",
        "label2": "neutral",
        "label3": "entailment",
        "label4": "neutral",
        "label5": "neutral",
    }
    rows = [
        {**basis, "guid": "whole", **votes},
        {**basis, "guid": "none"},
        {**basis, "guid": "one missing", **votes, "label5": None},
        {**basis, "guid": "empty", **votes, "label5": ""},
        {**basis, "guid": "no label", **votes, "author": ["neutral"]},
    ]
    (tmp_path / "klue-nli-v1.1_dev.json").write_text(json.dumps(rows), encoding="utf-8")
    found = {
        record["guid"]: record.get("agreement")
        for record in only_records(klue_nli.read("test", tmp_path))
    }
    assert found == {
        "whole": "4",
        "none": None,
        "one missing": None,
        "empty": None,
        "no label": None,
    }
    docs = loaded("klue_nli_ko").dataset("klue_nli", str(tmp_path))["test"]
    assert [doc.get("agreement") for doc in docs] == ["4", None, None, None, None]


def test_the_real_dev_file_has_its_votes_sources_and_hard_items(real_klue: Path) -> None:
    functions = loaded("klue_nli_ko")
    kinds = Counter(
        kind for doc in klue_nli.read("test", real_klue) for kind in functions.breakdowns(doc)
    )
    theirs = set(
        json.loads((real_klue / "dev_hyp_only_wrong_guids.json").read_text(encoding="utf-8"))
    )
    assert kinds == {
        "acc_votes_3": 183,
        "acc_votes_4": 527,
        "acc_votes_5": 2290,
        "acc_hard": len(functions.hard_guids()),
        "acc_airbnb": 600,
        "acc_nsmc": 600,
        "acc_policy": 450,
        "acc_wikinews": 450,
        "acc_wikipedia": 450,
        "acc_wikitree": 450,
    }
    assert len(theirs & functions.hard_guids()) > 0.95 * max(
        len(theirs), len(functions.hard_guids())
    )


@pytest.mark.slow
def test_the_list_of_hard_items_is_what_its_command_writes(real_klue: Path) -> None:
    import sklearn

    from kotune_tasks.klue_nli_ko import hard

    shipped, made = hard.FILE.read_text(encoding="utf-8"), hard.rendered(str(real_klue))
    if f"scikit-learn {sklearn.__version__}," in shipped:
        assert made == shipped
    else:
        ours, theirs = (set(text.splitlines()[3:]) for text in (shipped, made))
        assert len(ours & theirs) > 0.97 * len(ours | theirs)


def test_the_command_that_lists_hard_items_tells_a_users_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from kotune_tasks.klue_nli_ko import hard

    assert hard.main(["one", "two"]) == 2
    assert hard.main([str(tmp_path)]) == 1
    assert "no test data there" in capsys.readouterr().err


@pytest.mark.parametrize("chat", [False, True])
def test_the_published_prompt_is_asked_character_by_character(
    evaluate: Evaluate, tmp_path: Path, chat: bool
) -> None:
    rows = [
        {
            "guid": hypothesis,
            "source": "s",
            "premise": "비가 온다.",
            "hypothesis": hypothesis,
            "gold_label": label,
        }
        for hypothesis, label in (
            ("맑다", "contradiction"),
            ("비다.", "entailment"),
            ("춥다!", "neutral"),
        )
    ]
    (tmp_path / "klue-nli-v1.1_dev.json").write_text(json.dumps(rows), encoding="utf-8")
    right = {"맑다": "거짓", "비다": "참", "춥다": "중립"}
    rule = lambda asked, word: float(right[asked.split("질문: ")[1][:2]] == word.strip())
    result = evaluate("klue_nli_ko_polyglot", rule, tmp_path, apply_chat_template=chat)
    asked = [text for text, word in result["asked"] if word.strip() == "참"]
    plain = [
        f"비가 온다.\n질문: {said} 참, 거짓, 중립 중 무엇인가요?\n정답:"
        for said in ("맑다.", "비다.", "춥다!.")
    ]
    assert asked == ([f"<user>{text}<assistant>" for text in plain] if chat else plain)
    words = ["참", "중립", "거짓"] if chat else [" 참", " 중립", " 거짓"]
    assert [word for _, word in result["asked"][:3]] == words
    assert [result["scores"][f"{metric},none"] for metric in ("acc", "macro_f1", "triple_acc")] == [
        1,
        1,
        1,
    ]


@pytest.mark.parametrize(
    ("said", "strict", "flexible"),
    [
        ("함의", 0, 0),
        (" 중립\n", 1, 1),
        ("모순.", 2, 2),
        ("모순입니다.", None, 2),
        ("중립이에요!", None, 1),
        ("**중립**", None, 1),
        ("정답: 모순", None, 2),
        ("전제와 가설의 관계는 함의입니다.", None, 0),
        ("함의 또는 중립", None, None),
        ("모순, 모순", None, 2),
        ("포함의 관계입니다", None, None),
        ("모순이 아니다", None, 2),  # a denial is not understood
        ("참", None, None),
        ("entailment", None, None),
        ("그렇습니다.", None, None),
        ("", None, None),
        ("...", None, None),
        ("함 의", None, None),
        ("함의함의", None, 0),
    ],
)
def test_a_written_answer_is_a_word_strictly_or_flexibly(
    said: str, strict: int | None, flexible: int | None
) -> None:
    functions = loaded("klue_nli_ko_gen")
    assert (functions.strict(said), functions.flexible(said)) == (strict, flexible)


def test_a_thought_that_was_cut_off_without_a_tag_is_no_answer() -> None:
    functions = loaded("klue_nli_ko_gen")
    for length, invalid in ((300, 0), (301, 1)):
        said = "중립일까".ljust(length, "음")
        found = functions.process_results({"label": "neutral"}, [said])
        assert (found["acc_flexible"], found["invalid_flexible"], found["invalid"]) == (
            1 - invalid,
            invalid,
            1,
        )


@pytest.mark.parametrize(
    ("text", "thought"),
    [
        ("함의", ""),
        ("<think>\n\n</think>\n\n함의", ""),
        ("<think>비가 온다.</think>함의", "비가 온다."),
        ("비가 온다.</think>함의", "비가 온다."),  # the template opened it
        ("<think>가</think><think>나</think>함의", "가  나"),
        ("<think>비가 온", "비가 온"),
        ("\u1107\u1175</think>함의", "비"),
        ("", ""),
    ],
)
def test_a_thought_is_what_stands_before_the_answer(text: str, thought: str) -> None:
    assert scored.thought(text) == thought


def test_the_language_of_a_thought_is_its_share_of_hangul_among_letters() -> None:
    assert scored.hangul_share("비 ab, 12!") == pytest.approx(1 / 3)
    assert scored.hangul_share("ㅋㅋ") == 1
    assert scored.hangul_share("全部 all") == 0
    assert scored.hangul_share("12 + 3") is None


def test_a_written_answer_is_scored_with_its_thought() -> None:
    functions = loaded("klue_nli_ko_gen")
    right = functions.process_results(DOC, ["<think>비 rain</think>\n\n모순."])
    assert right == {
        "acc": 1,
        "acc_flexible": 1,
        "macro_f1": (2, 2),
        "invalid": 0,
        "invalid_flexible": 0,
        "unfinished": 0,
        "thinking": 1,
        "thinking_characters": 6,
        "thinking_korean": pytest.approx(1 / 5),
    }
    loose = functions.process_results(DOC, ["모순입니다"])
    assert (loose["acc"], loose["acc_flexible"], loose["invalid"], loose["macro_f1"]) == (
        0,
        1,
        1,
        (2, NO_ANSWER),
    )
    assert loose["thinking"] == 0 and not {"thinking_korean", "thinking_characters"} & set(loose)
    endless = functions.process_results(DOC, ["<think>모순? 모순!"])
    assert (endless["acc"], endless["acc_flexible"], endless["unfinished"], endless["invalid"]) == (
        0,
        0,
        1,
        1,
    )
    assert set(right) == listed("klue_nli_ko_gen")


def test_macro_f1_takes_no_answer_as_wrong_and_not_as_a_class() -> None:
    items = [(0, 0), (0, NO_ANSWER), (1, 1), (2, 2)]
    assert aggregation("macro_f1")(items) == pytest.approx((2 / (2 + 1) + 1 + 1) / 3)
    assert aggregation("macro_f1")([(0, NO_ANSWER), (1, NO_ANSWER)]) == 0


@pytest.mark.parametrize(
    ("said", "acc", "flexible", "invalid"),
    [("중립", 1 / 3, 1 / 3, 0), ("중립입니다", 0, 1 / 3, 1), ("", 0, 0, 1)],
)
def test_a_model_that_always_writes_the_same(
    evaluate: Evaluate, said: str, acc: float, flexible: float, invalid: float
) -> None:
    result = evaluate("nli_sample_ko_gen", lambda *_: said, limit=30)
    assert result["scores"]["acc,none"] == pytest.approx(acc)
    assert result["scores"]["acc_flexible,none"] == pytest.approx(flexible)
    assert result["scores"]["invalid,none"] == invalid
    assert result["asked"][0][0] == klue_nli.question(result["samples"][0]["doc"])
    assert (result["asked"][0][1]["until"], result["asked"][0][1]["do_sample"]) == ([], False)


def test_a_model_that_writes_the_answers_gets_full_marks(evaluate: Evaluate) -> None:
    scores = evaluate("nli_sample_ko_gen", lambda _, doc: klue_nli.answer(doc), limit=30)["scores"]
    assert [
        scores[f"{metric},none"] for metric in ("acc", "acc_flexible", "macro_f1", "invalid")
    ] == [1, 1, 1, 0]


def test_a_run_counts_a_thoughts_tokens_and_gives_base_and_tuned_the_same_metrics(
    evaluate: Evaluate,
) -> None:
    class Loaded:
        name, card, generates = "nli_sample_ko_gen", cards()["nli_sample_ko_gen"], True
        question = staticmethod(klue_nli.question)

        def evaluate(self, model: Any, limit: int | None) -> dict[str, Any]:
            said = lambda _, doc: (
                "<think>비 옴 끝</think>함의" if doc["label"] == "neutral" else "함의"
            )
            result = evaluate(self.name, said, limit=limit)
            return {
                "results": {self.name: result["scores"]},
                "samples": {self.name: result["samples"]},
            }

    class Model:
        class tokenizer:  # noqa: N801
            encode = staticmethod(lambda text, add_special_tokens: text.split())

    values, samples = scoring.evaluated(Loaded(), Model, 30)  # type: ignore[arg-type]
    assert values["thinking_tokens"].value == 3
    assert (values["thinking"].n, values["thinking_tokens"].n) == (30, 10)
    assert values["thinking"].value == pytest.approx(1 / 3)
    assert sum("thinking_tokens" in sample["metrics"] for sample in samples) == 10
    tuned = scoring._aligned({"acc": values["acc"]}, values)
    assert list(tuned) == list(values) and tuned["acc"] == values["acc"]
    assert tuned["thinking_tokens"] == UNDEFINED


def test_an_item_is_the_same_with_and_without_its_votes() -> None:
    """So that a run on the official file and one on the hub's copy share their items."""

    class Loaded:
        card, question = cards()["klue_nli_ko"], staticmethod(klue_nli.question)

    def hashed(**notes: object) -> str:
        lm_evals = {
            "doc_id": 0,
            "prompt_hash": "",
            "target_hash": "",
            "filtered_resps": ["함의"],
            "target": "함의",
        }
        sample = sample_of({**lm_evals, "doc": {**DOC, **notes}, "metrics": []}, Loaded())  # type: ignore[arg-type]
        return str(sample["doc_hash"])

    assert hashed() == hashed(agreement="4") == hashed(agreement=None)
    assert hashed() != hashed(hypothesis="춥다")


@pytest.mark.parametrize(
    "text",
    ["함의 " * 20_000, "가" * 100_000, "<think>" * 15_000, "." * 100_000, "</think>" * 12_000],
)
def test_an_answer_of_100000_characters_is_scored(text: str) -> None:
    with bounded_time():
        values = loaded("klue_nli_ko_gen").process_results(DOC, [text])
    assert values["acc"] == 0


def test_every_generated_task_is_trained_in_its_own_form_or_says_so() -> None:
    for name in ("klue_nli_ko_gen", "nli_sample_ko_gen"):
        assert cards()[name].form == "label"
    assert cards()["klue_nli_ko_polyglot"].form is None
