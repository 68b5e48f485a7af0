"""ko_consistency: what agrees, what is right, and that a model which always says one word shows as
what it is."""

import functools
import hashlib
import json
import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from kodata import klue_nli, nli_sample, paraphrases
from kodata.card import Record, Refused
from kodata.errors import DataError
from kodata.metrics.metrics import MEAN, METRICS, aggregation
from kodata.metrics.resampling import resample, stderr, value, vectors
from kodata.prepare.convert import convert
from kodata.prepare.entries import DataLocation, Entry
from kodata.prepare.leak_guard import LeakGuard
from kodata.text import folded
from kotune.errors import RecipeError
from kotune.recipe import reading
from kotune.score import scoring
from kotune.score.harness import load_task
from kotune.score.samples import sample_of
from kotune_tasks.card import cards, groups
from tests.conftest import REAL, TASKS, bounded_time, loaded, only_records, write_recipe

np = pytest.importorskip("numpy")

NLI, QUESTIONS = "nli_sample_consistency_ko", "ko_consistency_questions"
LABELS = list(klue_nli.LABELS.values())
nli = loaded("ko_consistency_nli", "ko_consistency")
questions = loaded("ko_consistency_questions", "ko_consistency")
Evaluate = Callable[..., dict[str, Any]]


def scores(result: dict[str, Any]) -> dict[str, float]:
    """What lm_eval itself reports."""
    found = {
        key.removesuffix(",none"): number
        for key, number in result["scores"].items()
        if key.endswith(",none")
    }
    return {name: number for name, number in found.items() if not name.endswith("_stderr")}


@functools.cache
def docs(task: str) -> list[Record]:
    return list(
        (nli.dataset("nli_sample", 60) if task == NLI else questions.dataset("paraphrases"))["test"]
    )


def items(task: str, rule: Callable[..., Any]) -> dict[str, list[tuple[Any, str]]]:
    """What each doc gives to each metric, with its cluster, without lm_eval's second a run."""
    found: dict[str, list[tuple[Any, str]]] = defaultdict(list)
    for doc in docs(task):
        if task == NLI:
            results = [(rule(nli.question(doc), choice), False) for choice in nli.choices(doc)]
        else:
            results = [rule(questions.question(doc), doc)]
        for name, item in (nli if task == NLI else questions).process_results(doc, results).items():
            found[name].append((item, doc[cards()[task].cluster]))
    return found


def judged(task: str, rule: Callable[..., Any]) -> dict[str, float]:
    return {
        name: value(METRICS.get(name, MEAN), *zip(*given, strict=True))
        for name, given in items(task, rule).items()
    }


@functools.cache
def gold() -> dict[str, str]:
    """The right word for every prompt of the shipped sample."""
    return {
        nli.question(doc): nli.choices(doc)[nli.target(doc)]
        for doc in nli._docs(list(nli_sample.read("test")))
    }


def knows(prompt: str, choice: str) -> float:
    return float(gold()[prompt] == choice.strip())


def says(word: str) -> Callable[[str, str], float]:
    return lambda _, choice: float(choice.strip() == word)


def follows_the_first_label(prompt: str, choice: str) -> float:
    return float(min(LABELS, key=prompt.index) == choice.strip())


def guesses(prompt: str, choice: str) -> float:
    return hashlib.blake2b(f"{prompt}{choice}".encode()).digest()[0]


def test_a_model_that_always_says_neutral_is_consistent_and_a_third_right(
    evaluate: Evaluate,
) -> None:
    result = evaluate(NLI, says("중립"))
    found = scores(result)
    assert found == pytest.approx(judged(NLI, says("중립")), nan_ok=True)
    assert [sample["doc"] for sample in result["samples"]] == docs(NLI)
    for metric in (
        "agreement",
        "wording_agreement",
        "order_agreement",
        "pair_agreement",
        "swap_consistent",
    ):
        assert found[metric] == 1, metric
    assert math.isnan(found["fleiss_kappa"])
    assert found["consistent_and_right"] == found["acc"] == pytest.approx(1 / 3)
    assert (found["three_labels"], found["triple_acc"], found["swap_contradiction"]) == (0, 0, 0)
    assert judged(NLI, says("모순"))["swap_contradiction"] == 1  # so it says nothing without acc


def test_a_model_that_knows_is_all_ones() -> None:
    found = judged(NLI, knows)
    assert set(found) == set(cards()[NLI].chance)
    assert found == {metric: pytest.approx(1) for metric in found}


def test_a_model_that_follows_the_order_of_the_labels_is_found_out() -> None:
    found = judged(NLI, follows_the_first_label)
    assert (found["wording_agreement"], found["order_agreement"], found["agreement"]) == (1, 0, 0)
    # Four prompts begin with 함의, one with each other.
    assert found["pair_agreement"] == pytest.approx(4 * 3 / (6 * 5))
    assert found["fleiss_kappa"] == pytest.approx((0.4 - 0.5) / (1 - 0.5))
    assert (found["consistent_and_right"], found["three_labels"], found["swap_consistent"]) == (
        0,
        0,
        1,
    )


def test_a_model_that_trips_over_one_wording_keeps_its_order_agreement() -> None:
    trips = lambda prompt, choice: (knows if "첫째 문장" not in prompt else says("중립"))(
        prompt, choice
    )
    found = judged(NLI, trips)
    assert (found["order_agreement"], found["triple_acc"]) == (1, 1)
    assert found["wording_agreement"] == found["consistent_and_right"] == pytest.approx(1 / 3)
    assert found["acc"] == pytest.approx((5 + 1 / 3) / 6)


def test_contradictions_turned_round_are_compared_with_themselves_alone() -> None:
    usual = {klue_nli.question(record) for record in only_records(nli_sample.read("test"))}
    unsure = lambda prompt, choice: (
        says("중립")
        if prompt not in usual and prompt.startswith("전제") and "함의, 중립, 모순" in prompt
        else knows
    )(prompt, choice)
    found = judged(NLI, unsure)
    assert (found["swap_consistent"], found["swap_contradiction"]) == (0, 0)
    assert len(items(NLI, unsure)["swap_consistent"]) == 60 * 2  # nothing of the other items
    assert (found["consistent_and_right"], found["acc"]) == (1, 1)


def test_chance_is_what_a_guess_at_every_prompt_scores() -> None:
    found, chance = judged(NLI, guesses), cards()[NLI].chance
    assert cards()["ko_consistency_nli"].chance == chance
    for metric, expected in chance.items():
        assert found[metric] == pytest.approx(expected, abs=0.12), metric
    exact = {
        "agreement": 3 / 3**6,
        "wording_agreement": 3 / 3**4,
        "order_agreement": 3 / 3**3,
        "three_labels": 6 / 27,
    }
    exact |= {"consistent_and_right": 3**-6, "triple_acc": 3**-3, "swap_contradiction": 1 / 9}
    assert {metric: round(number, 4) for metric, number in exact.items()} == {
        key: chance[key] for key in exact
    }


def test_every_metric_has_a_standard_error_and_two_items_go_the_whole_way(
    evaluate: Evaluate,
) -> None:
    knows_some = lambda prompt, choice: (knows if guesses(prompt, "") % 8 else says("중립"))(
        prompt, choice
    )
    said = [
        lambda doc: doc["answers"][0],
        lambda doc: "",
        lambda doc: "<think>",
        lambda doc: doc["guid"],
    ]
    rules = {NLI: knows_some, QUESTIONS: lambda _, doc: said[len(doc["group"]) % 4](doc)}
    for task, rule in rules.items():
        for name, given in json.loads(
            json.dumps(items(task, rule))
        ).items():  # as samples hold them
            assert 0 < stderr(METRICS.get(name, MEAN), *zip(*given, strict=True)) < 0.1, name
        result = evaluate(task, rule, limit=2)
        harness_task = load_task(task)
        samples = [sample_of(sample, harness_task) for sample in result["samples"]]
        json.dumps(samples)
        assert set(scoring.metrics(result["scores"], samples)) >= {"acc", "consistent_and_right"}


def test_the_prompts_vary_one_thing_at_a_time() -> None:
    record = {
        "guid": "g",
        "premise": "{비}가 온다.",
        "hypothesis": "땅이 {0} 젖는다.",
        "label": "contradiction",
    }
    docs = {doc["prompt"]: nli.question(doc) for doc in nli._docs([record])}
    assert docs["usual"] == klue_nli.question(record)
    assert len(set(docs.values())) == 4 + 2 + 1
    ordered = [docs[name] for name in ("usual", "order_1", "order_2")]
    assert (
        len(
            {
                text.replace(", ", "").translate({ord(c): None for c in "".join(LABELS)})
                for text in ordered
            }
        )
        == 1
    )
    assert {min(LABELS, key=text.index) for text in ordered} == set(LABELS)
    for name, text in docs.items():
        assert text.count(record["premise"]) == text.count(record["hypothesis"]) == 1, name
        assert text == text.strip() and all(text.count(label) == 1 for label in LABELS), name
    assert [name for name, text in docs.items() if text.index("{비}") > text.index("{0}")] == [
        "swap"
    ]
    assert len(list(nli._docs([{**record, "label": "neutral"}]))) == 6


def test_the_same_whole_premises_are_drawn_whatever_the_limit(evaluate: Evaluate) -> None:
    asked = [sample["doc"] for sample in evaluate(NLI, guesses, limit=2 * 19)["samples"]]
    assert [len({doc["premise"] for doc in asked[at : at + 19]}) for at in (0, 19)] == [1, 1]
    assert asked == docs(NLI)[:38] == list(nli.dataset("nli_sample", 2)["test"])
    assert len({doc["guid"] for doc in docs(NLI)}) == len(docs(NLI)) == 60 * 19
    assert all(
        card.quick % 19 == 0
        for name, card in cards().items()
        if name in (NLI, "ko_consistency_nli")
    )


def test_the_real_dev_file_gives_250_premises(real_klue: Path) -> None:
    docs = nli.dataset("klue_nli", 250, {"klue_nli": str(real_klue)})["test"]
    assert len(docs) == 250 * 19
    assert len(set(docs["premise"])) == 250
    assert Counter(doc["prompt"] for doc in docs) == {
        **dict.fromkeys(nli.UNCHANGED, 750),
        "swap": 250,
    }
    known = {record["guid"] for record in only_records(klue_nli.read("test", real_klue))}
    assert len(set(docs["item"]) & known) == 750


# Three raters, four items: (0,0,0) (0,0,1) (1,1,1) (0,1,2)
RATINGS = [(0, 0, 0), (0, 0, 1), (1, 1, 1), (0, 1, 2)]


def rated(ratings: Sequence[tuple[int, ...]]) -> list[tuple[Any, ...]]:
    return [
        (f"c{at // 2}", at, len(said), 0, label)
        for at, said in enumerate(ratings)
        for label in said
    ]


def test_fleiss_kappa_matches_a_table_worked_by_hand() -> None:
    # pairs that agree: 1, 1/3, 1, 0; labels: 6, 5 and 1 of 12
    agreed, chance = (1 + 1 / 3 + 1 + 0) / 4, (36 + 25 + 1) / 144
    assert aggregation("pair_agreement")(rated(RATINGS)) == pytest.approx(agreed)
    assert aggregation("fleiss_kappa")(rated(RATINGS)) == pytest.approx(
        (agreed - chance) / (1 - chance)
    )
    assert aggregation("agreement")(rated(RATINGS)) == 2 / 4
    assert aggregation("consistent_and_right")(rated(RATINGS)) == 1 / 4


def test_fleiss_kappa_is_statsmodels() -> None:
    inter_rater = pytest.importorskip("statsmodels.stats.inter_rater")
    rng = random.Random(1)
    ratings = [tuple(rng.choices(range(3), (at % 3 + 1, 1, 1), k=6)) for at in range(40)]
    table, _ = inter_rater.aggregate_raters(np.array(ratings))
    assert aggregation("fleiss_kappa")(rated(ratings)) == pytest.approx(
        inter_rater.fleiss_kappa(table, "fleiss")
    )


def test_one_label_alone_has_no_kappa_and_an_item_cut_through_does_not_count() -> None:
    assert math.isnan(aggregation("fleiss_kappa")(rated([(1, 1, 1)] * 7)))
    cut = rated([(0, 1, 2), (0, 0, 0)])[:-1]
    for metric, expected in (("agreement", 0), ("pair_agreement", 0), ("consistent_and_right", 0)):
        assert aggregation(metric)(cut) == expected
    assert math.isnan(aggregation("agreement")(cut[:2]))


def test_the_standard_error_of_kappa_agrees_with_another_sample_of_the_world() -> None:
    def world(seed: int) -> list[tuple[Any, ...]]:
        rng = random.Random(seed)
        ratings = []
        for _ in range(60):  # two items a premise, whose answers lean to one label together
            leaning = rng.randrange(3)
            ratings += [tuple(rng.choices((leaning, 0, 1, 2), (3, 1, 1, 1), k=6)) for _ in range(2)]
        return rated(ratings)

    spread = float(np.std([aggregation("fleiss_kappa")(world(seed)) for seed in range(300)]))
    items = world(1_000)
    assert stderr(METRICS["fleiss_kappa"], items, [item[0] for item in items]) == pytest.approx(
        spread, rel=0.25
    )


def overlaps(answers: Sequence[tuple[str, ...]]) -> list[float]:
    items = [(f"g{at}", len(texts), text) for at, texts in enumerate(answers) for text in texts]
    names = ("answer_overlap", "answer_overlap_between", "answer_overlap_gain")
    return [value(METRICS[name], items, [item[0] for item in items]) for name in names]


def cosine(one: str, other: str) -> float:
    a, b = (Counter(zip(f"^{text}", f"{text}^", strict=True)) for text in (one, other))
    return sum(a[key] * b[key] for key in a) / math.sqrt(
        sum(n * n for n in a.values()) * sum(n * n for n in b.values())
    )


def test_overlap_is_the_mean_cosine_of_bigrams_within_and_between_groups() -> None:
    answers = [("24시간", "24시간입니다", "스물네시간"), ("서울", "서울입니다", "서울이에요")]
    pairs = [
        cosine(a, b) for texts in answers for at, a in enumerate(texts) for b in texts[at + 1 :]
    ]
    crossed = [cosine(a, b) for a in answers[0] for b in answers[1]]
    within, between, gain = overlaps(answers)
    # Buckets shared by chance move it a little.
    assert within == pytest.approx(sum(pairs) / len(pairs), abs=0.02)
    assert between == pytest.approx(sum(crossed) / len(crossed), abs=0.02)
    assert gain == pytest.approx(within - between)


def test_answers_that_never_change_overlap_between_groups_too_and_empty_ones_nowhere() -> None:
    assert overlaps([("모릅니다",) * 4] * 5) == pytest.approx([1, 1, 0])
    assert overlaps([("",) * 4] * 5) == [0, 0, 0]
    assert math.isnan(overlaps([("가", "가")])[1])  # one group alone


def test_a_group_that_is_drawn_twice_is_no_pair_of_two_groups() -> None:
    """The mean over resamples is the value, which it was not when a group was crossed with
    itself."""
    rng = random.Random(5)
    answers = ["".join(rng.choices("가나다라마바사", k=6)) for _ in range(10)]
    items = [(f"g{at}", 2, text) for at, said in enumerate(answers) for text in (said, said)]
    clusters = [item[0] for item in items]
    for name in ("answer_overlap", "answer_overlap_between", "answer_overlap_gain"):
        metric = METRICS[name]
        seen = metric.finish(resample(vectors(metric, items, clusters), 4_000, metric.squared))
        assert seen.mean() == pytest.approx(value(metric, items, clusters), abs=0.005), name


def test_groups_that_are_pooled_are_crossed_with_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = random.Random(6)
    items = [(at // 2, 2, "".join(rng.choices("가나다라", k=5))) for at in range(400)]
    metric, clusters = METRICS["answer_overlap_between"], [item[0] for item in items]
    table = vectors(metric, items, clusters)
    monkeypatch.setattr("kodata.metrics.resampling.UNITS", 50)
    seen = metric.finish(resample(table, 2_000, metric.squared))
    assert seen.mean() == pytest.approx(value(metric, items, clusters), abs=0.003)


def right_form(_: str, doc: Record) -> str:
    forms = doc["answers"]
    return f"{forms[int(doc['guid'][-1]) % len(forms)]}입니다."


def test_a_model_that_knows_the_answers_is_right_in_whichever_form(evaluate: Evaluate) -> None:
    result = evaluate(QUESTIONS, right_form)
    found = scores(result)
    assert found == pytest.approx(judged(QUESTIONS, right_form))
    assert (found["acc"], found["consistent_and_right"], found["empty"], found["unfinished"]) == (
        1,
        1,
        0,
        0,
    )
    assert 0 < found["same_answer"] < 1
    assert found["answer_overlap_gain"] > 0.2
    # Short answers that all end in 입니다: the line to hold overlap against.
    assert found["answer_overlap_between"] > 0.3
    bare = judged(QUESTIONS, lambda prompt, doc: right_form(prompt, doc).removesuffix("입니다."))
    assert bare["answer_overlap_between"] < 0.1
    asked, options = result["asked"][0]
    assert asked == paraphrases.question(result["samples"][0]["doc"])
    assert (options["until"], options["do_sample"]) == ([], False)


@pytest.mark.parametrize(
    ("said", "same"),
    [
        ("모릅니다.", 1),
        ("", 0),
        ("</think>", 0),
        ("<think>하루는 24시간", 0),
        ("!?", 0),
        ("I do not know.", 1),
    ],
)
def test_one_answer_to_all_is_never_right_and_an_empty_one_is_not_even_consistent(
    said: str, same: int
) -> None:
    found = judged(QUESTIONS, lambda *_: said)
    assert (found["same_answer"], found["acc"], found["consistent_and_right"]) == (same, 0, 0)
    assert (found["answer_overlap"], found["answer_overlap_between"]) == (
        pytest.approx(same),
        pytest.approx(same),
    )
    assert found["empty"] == 1 - same
    assert found["unfinished"] == float(said.startswith("<think>"))


def test_a_model_that_repeats_the_question_or_writes_without_end_is_not_right() -> None:
    assert judged(QUESTIONS, lambda prompt, _: prompt)["acc"] == 0
    every = "".join(
        form for row in only_records(paraphrases.read("test")) for form in row["answers"]
    )
    assert judged(QUESTIONS, lambda *_: every)["acc"] == 0
    doc = {"group": "g", "ways": 4, "answers": ["24시간"]}
    with bounded_time():
        found = questions.process_results(doc, ["하루는 24시간입니다. " * 8_000])
        value(METRICS["answer_overlap"], [found["answer_overlap"]] * 4, ["g"] * 4)
    assert found["acc"] == 0


@pytest.mark.parametrize(
    ("said", "forms", "right"),
    [
        ("24 시간이에요.", ["24시간"], True),
        ("１,０００미터", ["1000"], True),
        ("17개", ["7"], False),
        ("70", ["7"], False),
        ("7.5", ["7"], False),
        ("답: 7!", ["7"], True),
        ("h₂o", ["H2O"], True),
        ("", ["7"], False),
        ("가" * 98 + "7", ["7"], True),
        ("가" * 100 + "7", ["7"], False),
    ],
)
def test_a_right_answer_is_short_and_holds_an_accepted_form(
    said: str, forms: list[str], right: bool
) -> None:
    assert questions.holds(said, forms) is right


@pytest.mark.parametrize(
    ("said", "form"),
    [
        ("열네 개", "네 개"),
        ("열 네 개입니다.", "네 개"),
        ("답은 열네 개", "네 개"),
        ("백네 개", "네 개"),
        ("십칠", "칠"),
        ("십 칠", "칠"),
        ("칠십", "칠"),
        ("쉰다섯 명", "다섯"),
        ("열세 개", "세 개"),
        ("백오십 퍼센트", "오십 퍼센트"),
        ("이백 년", "백 년"),
        ("스물다섯 마리", "스물"),
        ("이십사", "십사"),
        ("칠판", "칠"),
        ("인터넷", "넷"),
        ("넷플릭스", "넷"),
        ("스물네 분", "스물네 시간"),
        ("오십육", "오십"),
    ],
)
def test_a_larger_number_another_word_and_another_unit_are_no_right_answer(
    said: str, form: str
) -> None:
    assert not questions.holds(said, [form])


@pytest.mark.parametrize(
    ("said", "right"), [("24분", False), ("24 시간", True), ("24", True), ("24입니다", True)]
)
def test_a_bare_number_is_right_but_for_a_unit_that_no_accepted_form_has(
    said: str, right: bool
) -> None:
    assert questions.holds(said, ["24시간", "24"]) is right
    assert questions.holds(said, ["24"])  # where no form has a unit none is asked for


@pytest.mark.parametrize(
    ("said", "form"),
    [
        ("모두 네 개", "네 개"),
        ("네, 네 개예요.", "네 개"),
        ("한 시간이 육십 분", "육십 분"),
        ("답은칠입니다", "칠"),
        ("넷이 있다", "넷"),
        ("모두 넷뿐이다", "넷"),
        ("6일 것입니다", "6"),
        ("26글자", "26"),
        ("오십육이에요", "오십육"),
        ("하루가 이십사 시간", "이십사 시간"),
        ("24 시간", "24시간"),
        ("일곱 가지", "일곱"),
    ],
)
def test_words_that_only_look_like_numerals_take_nothing_from_a_right_answer(
    said: str, form: str
) -> None:
    assert questions.holds(said, [form])


def test_every_accepted_form_is_right_in_a_sentence() -> None:
    forms = {form for row in kept() for form in row["answers"]}
    starts = ("", "답: ", "답은 ", "정답은 바로 ", "모두 ", "그건 ", "**")
    ends = (
        "",
        "입니다.",
        "이에요",
        "예요!",
        "이다",
        "이 맞아요",
        "으로 알고 있습니다",
        "을 말합니다",
        "이죠",
        "이라고 합니다",
    )
    said = [(f"{start}{form}{end}", form) for form in forms for start in starts for end in ends]
    assert [text for text, form in said if not questions.holds(text, [form])] == []


def kept(path: Path | None = None) -> Iterator[Record]:
    return (row for row in paraphrases.read("test", path) if not isinstance(row, Refused))


def test_the_shipped_groups_are_whole_and_no_question_stands_twice_or_gives_its_answer_away() -> (
    None
):
    rows = list(kept())
    sizes = Counter(row["group"] for row in rows)
    assert len(rows) == paraphrases.CARD.rows["test"]
    assert len(sizes) >= 60 and min(sizes.values()) >= 4
    assert (
        len({folded(row["question"]) for row in rows})
        == len({row["guid"] for row in rows})
        == len(rows)
    )
    for row in rows:
        assert not questions.holds(row["question"], row["answers"]), row
        assert all(folded(form) for form in row["answers"]) and row["answers"], row
        assert row["question"][-1] in "?.", row


def test_what_is_for_scoring_only_is_refused_as_training_data(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"paraphrases: .* for scoring only; remove it"):
        convert([Entry("paraphrases")], tmp_path / "out", seed=1)
    assert not (tmp_path / "out").exists()
    text = "model: quickstart-llama\ndata: [{source: paraphrases}]\n"
    with pytest.raises(
        RecipeError,
        match=r"data\.0\.source: `paraphrases` is for scoring only; name ko_consistency_q",
    ):
        reading.load(write_recipe(tmp_path, text))
    with pytest.raises(DataError, match="no split 'train': it is for scoring only"):
        list(paraphrases.read("train"))
    assert isinstance(paraphrases.messages(next(kept()), "label"), Refused)


def block(number: int, *, intent: str = "1") -> list[str]:
    return [f"0\t{intent}\t{number}번 우산은 어디 있어{'?' * (at + 1)}" for at in range(10)]


def put(folder: Path, rows: list[str]) -> Path:
    (folder / "paraKQC_v1.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def test_parakqcs_form_is_read_and_what_does_not_mark_one_group_is_left_out(
    tmp_path: Path, evaluate: Evaluate
) -> None:
    one, two, three = block(1), block(2), block(3, intent="2")
    two[3] = two[4]
    three[0] = one[0].replace("\t1\t", "\t2\t")
    put(tmp_path, [*one, *two, *three])
    reasons = Counter(
        row.reason for row in paraphrases.read("test", tmp_path) if isinstance(row, Refused)
    )
    assert reasons == {
        "its group says a sentence twice": 10,
        "the sentence stands in two groups": 2,
    }
    assert Counter(row["group"] for row in kept(tmp_path)) == {"0000": 9, "0002": 9}
    result = evaluate(QUESTIONS, lambda prompt, _: prompt[:2], {"paraphrases": str(tmp_path)})
    found = scores(result)
    assert (found["same_answer"], found["answer_overlap"]) == (1, pytest.approx(1))
    assert "acc" not in found and "consistent_and_right" not in found  # no answer is known
    assert {sample["target"] for sample in result["samples"]} == {""}


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (block(1)[:9], r"paraKQC_v1\.txt: 9 rows, 9 more than whole groups of 10"),
        (
            block(1)[:5] + block(2, intent="3")[5:],
            "rows 1 to 10 are no group of one topic and intent",
        ),
        ([*block(1)[:9], "0\t1\t "], "row 10: sentence is empty"),
        ([*block(1), "0\t1"], r"row 11: 2 columns instead of 3 \(topic, intent, sentence\)"),
    ],
)
def test_a_damaged_file_is_one_message(tmp_path: Path, rows: list[str], told: str) -> None:
    with pytest.raises(DataError, match=told):
        list(paraphrases.read("test", put(tmp_path, rows)))


def test_a_folder_without_parakqc_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no test data there; looked for paraKQC\*\.txt"):
        questions.dataset("paraphrases", str(tmp_path))
    with pytest.raises(
        DataError, match=r"0{40} is a commit, but this source is not on the hub; give a folder"
    ):
        questions.dataset("paraphrases", "0" * 40)


@pytest.mark.skipif(
    not (REAL / "parakqc").is_dir(), reason="the real ParaKQC file is not at ../shared/data/parakqc"
)
def test_the_real_parakqc_has_its_known_counts() -> None:
    reasons = Counter(
        row.reason for row in paraphrases.read("test", REAL / "parakqc") if isinstance(row, Refused)
    )
    assert reasons == {
        "its group says a sentence twice": 5 * 10,
        "the sentence stands in two groups": 8 * 2,
    }
    docs = questions.dataset("paraphrases", {"paraphrases": str(REAL / "parakqc")})["test"]
    assert (len(docs), len(set(docs["group"]))) == (10_000 - 50 - 16, 995)
    assert Counter(docs["ways"]) == {10: 9_870, 9: 6 * 9, 5: 2 * 5}


def test_the_group_names_its_tasks_for_lm_eval_and_for_a_recipe(tmp_path: Path) -> None:
    task_manager = pytest.importorskip("lm_eval.tasks").TaskManager
    (tmp_path / "stubs").mkdir()
    for path in TASKS.glob("ko_consistency/*.yaml"):  # as kotune_tasks.install writes them
        (tmp_path / "stubs" / path.name).write_text(
            f"include: {json.dumps(str(path))}\n", encoding="utf-8"
        )
    row = {
        "guid": "g",
        "source": "s",
        "premise": "비가 온다.",
        "hypothesis": "땅이 젖는다.",
        "gold_label": "entailment",
    }
    (tmp_path / "klue-nli-v1.1_dev.json").write_text(json.dumps([row]), encoding="utf-8")
    metadata = {"data_path": {"klue_nli": str(tmp_path)}}
    for folder in (str(TASKS), str(tmp_path / "stubs")):
        manager = task_manager(include_path=folder, include_defaults=False, metadata=metadata)
        ((group, tasks),) = manager.load_task_or_group("ko_consistency").items()
        assert (group.group, sorted(tasks)) == (
            "ko_consistency",
            sorted(groups()["ko_consistency"]),
        )
        assert [len(tasks[name].eval_docs) for name in sorted(tasks)] == [6, 372]
    text = "model: quickstart-llama\ndata: [{source: klue_nli}]\ntasks: "
    path = write_recipe(tmp_path, text + "[klue_nli_ko, ko_consistency]\n")
    assert reading.load(path).tasks == (
        "klue_nli_ko",
        "ko_consistency_nli",
        "ko_consistency_questions",
    )
    for tasks, told in (
        ("[ko_consistency, ko_consistency_nli]", "a task is named twice: ko_consistency_nli"),
        ("[ko_consistency, ko_consistency]", "a task is named twice: ko_consistency_nli"),
        ("[ko_consistancy]", "unknown task `ko_consistancy`; did you mean ko_consistency?"),
    ):
        with pytest.raises(RecipeError, match=told.replace("?", r"\?")):
            reading.load(write_recipe(tmp_path, text + tasks))


def test_two_tasks_of_one_source_share_their_test_text_without_a_note() -> None:
    place = DataLocation("nli_sample")
    guard = LeakGuard({"nli_sample_ko": place, NLI: place}, "drop")
    assert guard.verdict([Entry("nli_sample")])["between_tests"] == []
