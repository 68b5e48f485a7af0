"""The signals of natural Korean: tables worked by hand, our own pairs and lines, and the page that
says what they are worth."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import bounded_time

pytest.importorskip("kiwipiepy")

from benchmarks import naturalness as page
from benchmarks import naturalness_real
from benchmarks import naturalness_texts as battery
from benchmarks.naturalness_checks import checks
from benchmarks.naturalness_signals import measured
from kodata import naturalness
from kodata.errors import DataError
from kodata.metrics.metrics import METRICS, VOID, aggregation
from kodata.metrics.naturalness import fluency, josa, references, scripts, translationese
from kodata.metrics.naturalness.faults import is_looping, is_unended
from kodata.metrics.naturalness.signals import (
    FAULTS,
    LEVELS,
    LONGEST,
    NAMES,
    Signal,
    is_empty_or_label,
    measure,
    profile,
    repeats,
)
from kodata.metrics.resampling import stderr
from tests.conftest import REAL, only_records


def counts(text: str) -> dict[str, int]:
    """What of translationese is in a text."""
    found = translationese.read(text).morphemes
    return {
        name: number
        for name, count in translationese.TRANSLATIONESE.items()
        if (number := count(found))
    }


# ---- scripts


def test_lines_of_the_earlier_version_are_still_read_rightly() -> None:
    rows = [row for row in battery.read_rows("scripts") if row["guid"].startswith(battery.EARLIER)]
    assert len(rows) == 80
    assert [
        row["text"] for row in rows if bool(scripts.foreign_words(row["text"])) != row["fault"]
    ] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("feedback을 주세요.", ["feedback을"]),
        ("오늘 meeting이 있어요.", ["meeting이"]),
        ("이 일은 매우 important 합니다.", ["important"]),
        ("매우 important합니다. very 중요해요.", ["important합니다.", "very"]),
        ("python으로 만들고 git으로 올렸다.", []),
        ("iPhone을 들고 Seoul역에서 만나요.", []),
        ("Lord of the Rings를 봤다.", []),
        ("'important'는 \"중요하다\"라는 뜻이다.", []),
        ("영어로는 how are you라고 묻는다.", []),
        ("`for` 문을 쓴다.\n```\nfor x in items: print(x)\n```", []),
        ('친구가 "오늘 meeting이 있어."라고 했다.', ["meeting이"]),
        ("main.py와 config.json을 고친다.", []),
    ],
)
def test_english_words_are_told_from_names_code_and_quotes(text: str, words: list[str]) -> None:
    assert scripts.foreign_words(text) == words


def test_no_premise_of_klue_has_a_foreign_word(real_klue: Path) -> None:
    premises = references.native(real_klue.parent, "test")
    assert len(premises) == 1_000
    assert [premise for premise in premises if scripts.foreign_words(premise)] == []


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("한글만 있다.", (5, 5)),
        ("KBS를 봐요", (3, 6)),
        ("ㅋㅋ 12 !", (2, 2)),
        ("必要한", (1, 3)),
        ("English", (0, 7)),
        ("", (0, 0)),
    ],
)
def test_hangul_is_a_share_of_letters(text: str, share: tuple[int, int]) -> None:
    assert scripts.hangul(text) == share


def test_the_words_in_a_foreign_script_are_returned() -> None:
    assert scripts.foreign_words("요즘은 다양한 lĩnh vực에서 컴퓨터(computer)를 쓴다. (必要)") == [
        "lĩnh",
        "vực에서",
    ]


# ---- fluency


def test_the_model_is_a_probability_distribution() -> None:
    """After the same text, the chances of all characters that the model knows come to just under
    1."""
    letters = [
        chr(code) for code in [*range(0x20, 0x7F), *range(0x3131, 0x318F), *range(0xAC00, 0xD7A4)]
    ]
    for before in ("", "이", "이 영화 정말 재미있"):
        probabilities = fluency.probabilities("".join(f"\n{before}{letter}" for letter in letters))
        assert 0.95 < probabilities[len(before) + 1 :: len(before) + 2].sum() < 1.001


def test_a_sentence_is_likelier_than_its_letters_in_another_order() -> None:
    text = "이 영화 정말 재미있게 봤어요. 다음에 또 보고 싶네요."
    bits, length = fluency.bits(text)
    assert length == len(text) and 1 < bits / length < 4
    assert fluency.bits(text[::-1])[0] > 2 * bits
    assert fluency.bits("  이 영화\n정말 ") == fluency.bits("이 영화 정말")
    assert fluency.bits("") == (0.0, 0)


def test_a_tiny_model_has_the_probabilities_of_a_table_worked_by_hand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fluency, "MIN_COUNTS", (1,) * fluency.ORDER)
    table = fluency.train(["가나", "가다"])
    monkeypatch.setattr(fluency, "_table", lambda: table)
    first = (2 + 3 * fluency.UNSEEN) / (4 + 3)  # 가 is 2 of 4 characters, of 3 kinds
    at_start = (2 + 1 * first) / (2 + 1)  # always 가 after the start
    second = (1 + 3 * fluency.UNSEEN) / (4 + 3)
    for _ in range(2):  # after 가, and after the start and 가: 나 once of twice, 2 kinds
        second = (1 + 2 * second) / (2 + 2)
    assert fluency.bits("가나")[0] == pytest.approx(-math.log2(at_start) - math.log2(second))


def test_the_shipped_model_is_small_and_holds_no_text() -> None:
    assert fluency.FILE.stat().st_size < 2_000_000
    with np.load(fluency.FILE) as stored:
        assert {stored[name].dtype for name in stored} == {np.dtype(np.uint8)}


@pytest.mark.slow
def test_training_again_gives_the_shipped_model() -> None:
    from kodata import nsmc

    if not (REAL / "nsmc").is_dir():
        pytest.skip("the real NSMC files are not at ../shared/data/nsmc")
    texts = [
        record["document"]
        for record in only_records(nsmc.read("train", REAL / "nsmc"))
        if record["document"]
    ]
    for made, shipped in zip(fluency.train(texts), fluency._table(), strict=True):
        assert np.array_equal(made, shipped)


# ---- what Kiwi reads


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("그녀는 그것을 당신에게 주었다.", {"pronouns": 3}),
        ("나는 우리 집에 있다.", {"self_pronouns": 2}),
        ("사과들과 배들을 먹었다. 그들도 먹었다.", {"plural_deul": 2, "pronouns": 1}),
        ("널리 읽혀지고 있다. 그렇게 생각되어진다.", {"double_passive": 2}),
        ("빵이 잘 만들어지게 됩니다.", {"double_passive": 1}),
        ("법에 의해 정했다.", {"eui_hae": 1}),
        ("책을 통해 역사에 대해 배웠다.", {"compound_josa": 2}),
        ("좋은 차를 가지고 있다.", {"gajida": 1, "adnominal": 1}),
        ("마시는 것이 좋다.", {"geot": 1, "adnominal": 1}),
        ("한 잔의 커피를 마셨다.", {"counted_of": 1, "genitive": 1}),
        ("밥을 먹는 중이다.", {"jungida": 1, "adnominal": 1}),
        ("비가 올 수 있다.", {"su_itda": 1, "adnominal": 1}),
        ("커피 한 잔 마셨어요.", {}),
        ("한 가지 일만 했다.", {}),
        ("밥을 먹던 중에 전화가 왔다.", {"adnominal": 1}),
    ],
)
def test_translationese_is_counted_where_it_stands(text: str, expected: dict[str, int]) -> None:
    assert counts(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("비가 와요. 우산을 챙기세요! 그랬죠?", {"haeyo"}),
        ("비가 옵니다. 오십니까? 오십시오. 갑시다.", {"hapsyo"}),
        ("비가 온다. 춥구나! 가자.", {"plain"}),
        ("비가 와. 추워!", {"plain"}),
        ("정말 좋더라고요. 처음인데요.", {"haeyo"}),
        ("비가 옵니다. 우산을 챙기세요.", {"hapsyo", "haeyo"}),
        ("비가 온다. 우산을 챙기세요.", {"plain", "haeyo"}),
        ("할머니가 “밥 먹어라.” 하셨어요.", {"haeyo"}),
        ('친구가 "고마워." 하고 "잘 가!"라고 했습니다.', {"hapsyo"}),
        ("그럴까?", set()),
        ("물 두 컵", set()),
    ],
)
def test_speech_levels_are_those_of_sentence_ends_outside_quotes(
    text: str, expected: set[str]
) -> None:
    assert translationese.read(text).registers == expected


def test_spaces_that_kiwi_would_put_are_counted() -> None:
    assert translationese.respaced("아버지가 방에 들어가신다.") == 0
    assert translationese.respaced("밥먹고 학교에갔어요.") == 2
    assert translationese.respaced("") == 0


# ---- faults by anyone's measure


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("두부을 넣고 편지을 썼다.", ["두부을", "편지을"]),
        ("약를 먹고 술를 끊었다.", ["약를", "술를"]),
        ("학교으로 갔다가 서울으로 왔다.", ["학교으로", "서울으로"]),
        ("두부를 넣고 편지를 썼다. 약을 먹고 서울로 왔다.", []),
        ("가을에 마을을 떠난 전문가는 피부과로 갔다.", []),
        ("읽는 책과 먹는 밥, 종로와 을지로.", []),
        ("KBS을 본다. 3를 더한다.", []),
        ("", []),
    ],
)
def test_a_josa_in_the_wrong_form_is_found(text: str, words: list[str]) -> None:
    assert josa.broken_josa(text) == words


LONG = "오늘은 날씨가 좋아서 친구와 함께 공원을 한 바퀴 걷고 돌아"


@pytest.mark.parametrize(
    ("text", "unended"),
    [
        (LONG, True),
        (f"{LONG}오면서,", True),
        (f"{LONG}왔다", False),
        (f"{LONG}왔다.", False),
        (f"{LONG}왔어요 ㅎㅎ", False),
        (f"{LONG}왔음", False),
        (f"{LONG}왔다.\n김민수 드림", False),
        ("1. 운동: 매일 저녁 공원을 삼십 분 걷고 돌아와서 간단한 체조", False),
        ("1. 운동: 매일 저녁 공원을 삼십 분 걷고 돌아와서 간단한 체조를", True),
        ("", False),
    ],
)
def test_an_answer_that_stops_in_a_sentence_is_unended(text: str, unended: bool) -> None:
    assert is_unended(text) == unended


def test_four_words_that_occur_three_times_are_a_loop() -> None:
    line = ["밥을", "먹고", "학교에", "갔다."]
    assert not is_looping(line * 2)
    assert is_looping(line * 3)
    assert not is_looping([])


def test_an_answer_is_faulty_if_it_has_any_fault() -> None:
    for text, fault in [
        ("feedback을 받았어요.", "foreign_answers"),
        ("두부을 먹었어요.", "broken_josa_answers"),
        (LONG, "unended_answers"),
        ("나는 밥을 먹고 집에 갔다. " * 4, "looping_answers"),
    ]:
        signals = measure(text)
        faults = {name for name in FAULTS if signals[name].amount}
        assert faults == {fault, "faulty_answers"}, text
        assert all(signals[name].out_of == 1 for name in FAULTS)
    assert not any(measure("비가 와요.")[name].amount for name in FAULTS)
    assert measure("", is_cut=True)["unended_answers"] == Signal(1, 1)


@pytest.mark.parametrize("held_out", [False, True])
def test_each_check_of_a_fault_is_right_on_19_of_20_texts_that_it_flags(held_out: bool) -> None:
    for check in checks(held_out):
        right = sum(map(check.is_faulty, check.faulty))
        wrong = sum(map(check.is_faulty, check.fine))
        assert right / (right + wrong) >= 0.95, check.name
        assert right / len(check.faulty) >= 0.7, check.name


# ---- an answer


def test_an_answer_gives_every_signal_with_what_it_is_out_of() -> None:
    signals = measure("그녀는 **KBS**를 봐요. 그녀는 KBS를 봐요.", "haeyo")
    assert set(signals) == set(NAMES)
    assert signals["hangul"] == Signal(12, 18)
    assert signals["repetition_4gram"] == Signal(0, 3)
    assert signals["foreign_in_word"] == Signal(0, 0.006)
    assert signals["pronouns"] == Signal(2, 0.006)
    assert signals["speech_mixed"] == Signal(0, 1)
    assert signals["speech_asked"] == Signal(1, 1)
    assert measure("비가 온다.", "haera")["speech_asked"] == Signal(1, 1)
    assert measure("비가 온다. 춥죠?", "haera")["speech_asked"] == Signal(0, 1)
    assert measure("비가 온다. 춥죠?")["speech_asked"] == Signal(0, 0)
    assert measure("비가 온다. 춥죠?")["speech_clash"] == Signal(1, 1)
    assert measure("비가 옵니다. 춥죠?")["speech_clash"] == Signal(0, 1)
    assert measure("비가 옵니다. 춥죠?")["speech_mixed"] == Signal(1, 1)


def test_an_endless_loop_is_all_repetition() -> None:
    repeated, out_of = measure("나는 밥을 먹고 학교에 갔다. " * 30)["repetition_4gram"]
    assert repeated / out_of > 0.95


def test_the_profile_is_the_difference_of_two_distances() -> None:
    """A weight is the log ratio of two shares, so its mean over a text is KL(text, translated) -
    KL(text, native)."""
    native, translated = (
        references.occurrences([text] * 20) for text in ("밥을 먹고 갔다.", "밥을 먹으면 간다.")
    )
    weights = references.fit(native, translated)
    assert weights["을/JKO"] == 0
    assert weights["고/EC"] == pytest.approx(math.log2(21), abs=1e-3) == -weights["으면/EC"]
    native["처럼/JKB"] = 1
    native["을/JKO"] += 80  # of 121, and of 40: 처럼's mean share is below 1%
    assert "처럼/JKB" not in references.fit(native, translated)


@pytest.mark.slow
def test_weights_and_references_are_those_of_the_real_text(real_klue: Path) -> None:
    import yaml

    if not (REAL / references.XNLI).is_file():
        pytest.skip("the real XNLI-ko file is not at ../shared/data/xnli-ko")
    shipped = yaml.safe_load(references.FILE.read_text(encoding="utf-8"))
    for name, texts in {
        "native": references.native(REAL, "test"),
        "translated": references.translated(REAL, False),
        "hypotheses": references.native(REAL, "test", "hypothesis"),
    }.items():
        assert shipped[name].pop("texts") == len(texts)
        assert shipped[name] == {
            key: round(rate, 4) for key, rate in references.rates(map(measured, texts)).items()
        }


@pytest.mark.slow
def test_the_profile_is_fitted_on_text_that_no_reference_value_is_taken_from(
    real_klue: Path,
) -> None:
    assert not set(references.translated(REAL, True)) & set(references.translated(REAL, False))
    assert profile() == references.fit(
        naturalness_real.native_occurrences(REAL),
        references.occurrences(references.translated(REAL, True)),
    )


@pytest.mark.parametrize(
    ("text", "empty"),
    [
        ("", True),
        ("...", True),
        ("함의", True),
        ("정답: 중립", True),
        ("모순입니다.", True),
        ("네, 그래요.", False),
        ("시청역으로 가 주세요.", False),
        ("ㅋ" * 300, True),
    ],
)
def test_an_answer_without_a_sentence_is_empty_or_a_label(text: str, empty: bool) -> None:
    assert is_empty_or_label(text) == empty


PROMPT = "혼자 사는데 끼니를 자꾸 거르게 돼요. 좋은 방법이 없을까요?"


@pytest.mark.parametrize(
    ("text", "is_repeated"),
    [
        (PROMPT, True),
        ("혼자 사는데 끼니를 거르게 돼요", True),
        ("끼니를 자꾸 거르게 돼요? 좋은 방법이 없을까요.", True),
        (f"{PROMPT} {PROMPT}", False),  # a loop is another fault
        ("혼자 사는데 끼니를 거르게 된다면 주말에 반찬을 만들어 두세요.", False),
        ("좋은 방법이 있어요.", False),
        ("", False),
        ("...", False),
    ],
)
def test_a_prompt_that_is_said_again_is_no_answer(text: str, is_repeated: bool) -> None:
    assert repeats(text, PROMPT) == is_repeated
    assert not repeats(text, "")


@pytest.mark.parametrize(
    "text",
    [
        "가" * 100_000,
        "가나 다라 " * 20_000,
        "* " * 50_000,
        "((((" * 25_000,
        "a.b" * 33_000,
        "의 " * 50_000,
        "\ud800\x00 나 다",
        "必a가" * 33_000,
        "ab " * 33_000,
        "Ab cd " * 16_000,
        "a" * 100_000,
        "'\"`" * 33_000,
    ],
)
def test_any_answer_is_measured_in_bounded_time(text: str) -> None:
    measure("준비")
    with bounded_time():
        signals = measure(text)
    assert all(math.isfinite(part.amount) and part.out_of >= 0 for part in signals.values())
    assert signals["kiwi_score"].out_of <= LONGEST


def test_the_same_text_gives_the_same_signals() -> None:
    text = str(battery.read_rows("pairs")[0]["natural"])
    assert measure(text) == measure(text)


# ---- metrics


def test_a_rate_is_a_ratio_of_sums() -> None:
    items = [("a", 1, 0.010, False), ("b", 0, 0.030, False)]
    assert aggregation("pronouns")(items) == pytest.approx(1 / 0.040)
    assert math.isnan(aggregation("speech_asked")([("a", 0, 0, False)]))


@pytest.mark.parametrize(("empties", "void"), [(0, False), (10, False), (11, True), (100, True)])
def test_signals_are_void_where_over_a_tenth_of_the_answers_say_nothing(
    empties: int, void: bool
) -> None:
    assert VOID == 0.1
    items = [(str(n), 1.0, 2.0, n < empties) for n in range(100)]
    assert aggregation("void")([(item[0], item[3]) for item in items]) == void
    for name in NAMES:
        assert math.isnan(aggregation(name)(items)) == void
        unsure = empties == 10  # void in half of the resamples, where no interval says anything
        assert math.isnan(stderr(METRICS[name], items, range(100))) == (void or unsure)


# ---- prompts, pairs and the page


def test_the_prompts_are_a_hundred_or_more_of_every_kind() -> None:
    records = list(only_records(naturalness.read("test")))
    assert len(records) == naturalness.CARD.rows["test"] >= 100
    assert (
        len({record["prompt"] for record in records})
        == len({record["guid"] for record in records})
        == len(records)
    )
    kinds = [record["kind"] for record in records]
    assert len(set(kinds)) == len(set(kinds[:8])) == 8
    assert {record["level"] for record in records} == set(naturalness.LEVELS)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"guid": "a", "kind": "explain"}, "row 1 (guid a): prompt is missing"),
        ({"guid": "a", "kind": "explain", "prompt": 3}, "prompt is 3, which is not text"),
        (
            {"guid": "a", "kind": "k", "prompt": "p", "level": "해요"},
            "level is '해요', not one of haeyo, hapsyo, haera, any",
        ),
    ],
)
def test_a_bad_row_of_own_prompts_is_told(tmp_path: Path, row: dict[str, Any], told: str) -> None:
    (tmp_path / "prompts.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    with pytest.raises(DataError) as raised:
        list(naturalness.read("test", tmp_path))
    assert told in str(raised.value)


def test_own_prompts_need_no_level_and_absent_ones_are_told(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"no such file; path must name a folder with prompts\.jsonl"
    ):
        naturalness.files("test", tmp_path)
    with pytest.raises(DataError, match="for scoring only"):
        naturalness.files("train")
    (tmp_path / "prompts.jsonl").write_text(
        '{"guid": "a", "kind": "k", "prompt": "뭐 해요?"}\n', encoding="utf-8"
    )
    assert list(naturalness.read("test", tmp_path)) == [
        {"guid": "a", "kind": "k", "level": "any", "prompt": "뭐 해요?"}
    ]


@pytest.mark.parametrize(
    ("name", "fields", "number"), [("pairs", ["fault"], 120), ("scripts", ["fault", "kind"], 200)]
)
def test_half_of_the_texts_is_held_out_as_drawn(name: str, fields: list[str], number: int) -> None:
    rows = battery.read_rows(name)
    held_out = {row["guid"] for row in rows if row["held_out"]}
    assert held_out == battery.draw_held_out(rows, *fields)
    assert len(held_out) == number // 2
    assert sum(not row["guid"].startswith(battery.EARLIER) for row in rows) == number
    assert len({row["guid"] for row in rows}) == len(rows)


def test_the_two_texts_of_a_pair_are_of_one_length() -> None:
    ratios = [len(row["unnatural"]) / len(row["natural"]) for row in battery.read_rows("pairs")]
    assert all(0.8 <= ratio <= 1.25 for ratio in ratios)
    assert 0.95 <= sum(ratios) / len(ratios) <= 1.05


def test_the_two_texts_of_a_pair_are_of_one_speech_level() -> None:
    for row in battery.read_rows("pairs"):
        level = {"haera": "plain"}.get(row["level"], row["level"])
        natural, unnatural = (
            translationese.read(row[side]).registers for side in ("natural", "unnatural")
        )
        assert natural == {level}, row
        if row["fault"] == "mixed_level":
            assert unnatural > {"plain"}, row
        else:
            assert unnatural == {level}, row


def test_pairs_have_every_fault_in_every_topic_once() -> None:
    rows = battery.read_rows("pairs")
    cells = [(row["fault"], row["topic"]) for row in rows]
    assert len(set(cells)) == len(cells) == 120
    assert len(battery.faults()) == 12
    assert len({row["topic"] for row in rows}) == 10


def test_the_page_says_what_is_measured_now() -> None:
    """The parts over our own texts: the rest needs real text."""
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.filled(text, page.blocks(None)) == text


@pytest.mark.slow
def test_the_page_says_what_is_measured_on_real_text(real_klue: Path) -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.filled(text, page.blocks(REAL)) == text


@pytest.mark.parametrize("how", battery.DAMAGE)
def test_damage_changes_a_text_and_is_the_same_each_time(how: Callable[..., str]) -> None:
    found = battery.damaged(how)
    assert len(found) >= 60 and found == battery.damaged(how)
    if how in (battery.lost_spaces, battery.stray_spaces):
        assert all(natural.replace(" ", "") == other.replace(" ", "") for natural, other in found)


def test_references_name_every_rate() -> None:
    import yaml

    shipped = yaml.safe_load(references.FILE.read_text(encoding="utf-8"))
    for name in ("native", "translated", "hypotheses"):
        assert set(shipped[name]) == {"texts", *NAMES} - set(LEVELS)
