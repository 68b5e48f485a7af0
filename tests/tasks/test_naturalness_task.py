"""ko_naturalness through lm_eval's own loader, with a model that is a rule for each extreme, and
with a shipped model."""

import functools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("kiwipiepy")
pytest.importorskip("lm_eval")

from kodata import naturalness
from kodata.metrics.metrics import VOID
from kodata.metrics.naturalness.signals import NAMES
from kotune.runs.records import MetricValue
from kotune.runs.task_data import TaskData
from kotune.score import scoring
from kotune.score.harness import load_task
from kotune.score.samples import sample_of
from kotune.score.scoring import evaluated
from kotune_tasks.card import cards
from kotune_tasks.stderr import table
from tests.conftest import ROOT, Cli, only_records, rule_model, write_recipe

Evaluate = Callable[..., dict[str, Any]]
GOOD = "비가 와서 집에 있었어요. 심심해서 라면을 끓여 먹었어요."


@pytest.fixture(scope="module")
def evaluate() -> Evaluate:
    """A run's own way through lm_eval with a model that is a rule: (prompt, doc) -> answer."""
    tasks = functools.cache(load_task)

    def run(
        task: str, rule: Callable[..., str], path: Path | None = None, limit: int | None = None
    ) -> dict[str, Any]:
        model = rule_model()(rule)
        result = tasks(task, TaskData(path)).evaluate(model, limit)
        return {
            "asked": model.asked,
            "scores": result["results"][task],
            "samples": result["samples"][task],
        }

    return run


def values(scores: dict[str, Any]) -> dict[str, float]:
    """Metric: value."""
    return {key.partition(",")[0]: value for key, value in scores.items() if key.endswith(",none")}


def said(
    evaluate: Evaluate, rule: Callable[[str, dict[str, str]], str], **options: Any
) -> dict[str, float]:
    """The task's values for a model that answers by a rule of prompt and doc."""
    return values(evaluate("ko_naturalness", rule, **options)["scores"])


def test_the_prompt_is_kodatas_and_generation_ends_with_the_models_turn(evaluate: Evaluate) -> None:
    result = evaluate("ko_naturalness", lambda *_: GOOD, limit=2)
    first = next(only_records(naturalness.read("test")))
    assert result["samples"][0]["doc"] == first
    prompt, generation = result["asked"][0]
    assert prompt == f"<user>{naturalness.question(first)}<assistant>"
    assert generation == {"until": [], "do_sample": False, "max_gen_toks": 256}


def test_the_sampled_task_differs_in_its_sampling_alone(evaluate: Evaluate) -> None:
    sampled = evaluate("ko_naturalness_sampled", lambda *_: GOOD, limit=2)
    greedy = evaluate("ko_naturalness", lambda *_: GOOD, limit=2)
    assert [asked[0] for asked in sampled["asked"]] == [asked[0] for asked in greedy["asked"]]
    setting = {
        "do_sample": True,
        "temperature": 0.7,
        "top_p": 0.95,
        "top_k": 0,
        "max_gen_toks": 256,
        "until": [],
    }
    assert sampled["asked"][0][1] == setting
    assert values(sampled["scores"]) == pytest.approx(values(greedy["scores"]), nan_ok=True)


def test_good_korean_has_the_rates_of_its_two_sentences(evaluate: Evaluate) -> None:
    scores = said(evaluate, lambda *_: GOOD)
    assert set(scores) >= {"void", "empty_or_label", "unfinished", "length", *NAMES}
    assert (scores["void"], scores["empty_or_label"], scores["unfinished"]) == (0, 0, 0)
    assert scores["length"] == len(GOOD)
    assert (scores["hangul"], scores["foreign_in_word"], scores["speech_mixed"]) == (1, 0, 0)
    asked = [
        record["level"]
        for record in only_records(naturalness.read("test"))
        if record["level"] != "any"
    ]
    assert scores["speech_asked"] == pytest.approx(asked.count("haeyo") / len(asked))
    assert scores["pronouns"] == 0


def test_a_leaking_translating_looping_model_shows_in_the_signals(evaluate: Evaluate) -> None:
    scores = said(evaluate, lambda *_: "그녀는 당신의 重要한 책을 가지고 있다. " * 20)
    assert scores["foreign_answers"] == 1
    assert scores["foreign_in_word"] == scores["gajida"] == pytest.approx(1000 / 6)
    assert scores["pronouns"] == pytest.approx(2 * 1000 / 6)
    assert scores["repetition_4gram"] > 0.9
    assert scores["hangul"] < 1


@pytest.mark.parametrize(
    "answer", ["", "함의", "<think>비가 오니까", "<think>생각</think>중립", "모순입니다."]
)
def test_a_model_that_says_nothing_or_a_label_has_no_naturalness(
    evaluate: Evaluate, answer: str
) -> None:
    scores = said(evaluate, lambda *_: answer)
    assert (scores["void"], scores["empty_or_label"]) == (1, 1)
    assert scores["unfinished"] == float(answer == "<think>비가 오니까")
    assert all(math.isnan(scores[name]) for name in NAMES)


def test_a_model_that_says_the_prompt_again_has_no_naturalness(evaluate: Evaluate) -> None:
    scores = said(evaluate, lambda _, doc: doc["prompt"])
    assert (scores["void"], scores["empty_or_label"]) == (1, 1)
    assert math.isnan(scores["faulty_answers"])


@pytest.mark.parametrize(("labels", "void"), [(12, False), (13, True)])
def test_a_tenth_of_120_answers_may_be_labels(evaluate: Evaluate, labels: int, void: bool) -> None:
    first = {
        record["guid"]
        for record, _ in zip(only_records(naturalness.read("test")), range(labels), strict=False)
    }
    scores = said(evaluate, lambda _, doc: "중립" if doc["guid"] in first else GOOD)
    assert scores["empty_or_label"] == pytest.approx(labels / 120)
    assert (
        (labels / 120 > VOID)
        == void
        == bool(scores["void"])
        == math.isnan(scores["lm_bits_per_char"])
    )


def test_thoughts_are_no_part_of_an_answer_and_another_language_is_told(evaluate: Evaluate) -> None:
    thinking = said(evaluate, lambda *_: f"<think>let me think 重要한</think>\n{GOOD}", limit=8)
    assert thinking == pytest.approx(said(evaluate, lambda *_: GOOD, limit=8), nan_ok=True)
    english = said(
        evaluate, lambda *_: "It rained, so I stayed at home and cooked some noodles.", limit=8
    )
    assert english["hangul"] == 0 and english["void"] == 0
    assert math.isnan(english["pronouns"]) and math.isnan(english["speech_mixed"])


def test_a_run_has_standard_errors_and_none_where_there_is_no_value(evaluate: Evaluate) -> None:
    task = load_task("ko_naturalness")
    answers = {
        record["guid"]: GOOD * (1 + number % 3)
        for number, record in enumerate(only_records(naturalness.read("test")))
    }
    result = evaluate("ko_naturalness", lambda _, doc: answers[doc["guid"]], limit=16)
    samples = [sample_of(sample, task) for sample in result["samples"]]
    metrics = scoring.metrics(result["scores"], json.loads(json.dumps(samples)))
    assert metrics["lm_bits_per_char"].stderr and metrics["length"].stderr
    assert metrics["hangul"] == MetricValue(value=1.0, stderr=0.0, n=16)
    void = evaluate(
        "ko_naturalness", lambda _, doc: GOOD if doc["kind"] == "explain" else "", limit=16
    )
    samples = [sample_of(sample, task) for sample in void["samples"]]
    empty = scoring.metrics(void["scores"], samples)["hangul"]
    assert empty == MetricValue(value=None, stderr=None, n=16)


def test_standard_errors_of_a_plain_run_are_for_both_tasks(
    evaluate: Evaluate, tmp_path: Path
) -> None:
    for task in ("ko_naturalness", "ko_naturalness_sampled"):
        result = evaluate(task, lambda *_: GOOD, limit=8)
        path = tmp_path / f"samples_{task}_2026-01-01T00-00-00.jsonl"
        path.write_text(
            "".join(json.dumps(sample) + "\n" for sample in result["samples"]), encoding="utf-8"
        )
        assert table(path)["lm_bits_per_char"][0] == pytest.approx(
            result["scores"]["lm_bits_per_char,none"]
        )


def test_own_prompts_are_answered_from_a_folder(evaluate: Evaluate, tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text(
        '{"guid": "a", "kind": "k", "prompt": "뭐 해요?"}\n', encoding="utf-8"
    )
    result = evaluate("ko_naturalness", lambda *_: GOOD, tmp_path)
    assert [asked[0] for asked in result["asked"]] == ["<user>뭐 해요?<assistant>"]


def test_sampled_answers_are_the_same_in_two_runs_and_not_the_greedy_ones() -> None:
    from lm_eval.models.huggingface import HFLM
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = ROOT / "kotune" / "models" / "quickstart_llama"
    plain = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = (folder.parent / "templates" / "llama3.jinja").read_text(
        encoding="utf-8"
    )
    model = HFLM(pretrained=plain, tokenizer=tokenizer, batch_size=2)

    def answers(task: str) -> list[int | str]:
        return [sample["prediction"] for sample in evaluated(load_task(task), model, 1).samples]

    sampled = answers("ko_naturalness_sampled")
    assert answers("ko_naturalness_sampled") == sampled != answers("ko_naturalness")


def test_both_tasks_answer_the_question_of_naturalness_and_train_on_nothing() -> None:
    for name in ("ko_naturalness", "ko_naturalness_sampled"):
        card = cards()[name]
        assert (card.criterion, card.source, card.form) == ("naturalness", "naturalness", None)
        assert card.primary in NAMES
    assert naturalness.CARD.task == "ko_naturalness" and not naturalness.FORMS


def test_a_recipe_may_score_the_prompts_but_not_train_on_them(cli: Cli, tmp_path: Path) -> None:
    recipe = (
        "model: quickstart-llama\n"
        "data: [{{source: {}}}]\n"
        "tasks: [ko_naturalness, ko_naturalness_sampled]\n"
    )
    assert cli("check", write_recipe(tmp_path, recipe.format("nli_sample"))).returncode == 0
    refused = cli("check", write_recipe(tmp_path, recipe.format("naturalness")))
    assert refused.returncode == 2
    assert (
        "data.0.source: `naturalness` is for scoring only; name ko_naturalness in `tasks` instead"
        in refused.stderr
    )
