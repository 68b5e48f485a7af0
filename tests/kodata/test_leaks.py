"""Leaks: what is equal is always found, what is near is found and is near, and what it means for a
recipe."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kodata import nsmc
from kodata.errors import DataError
from kodata.prepare import leaks
from kodata.prepare.convert import convert
from kodata.prepare.entries import DataLocation, Entry, Scored
from kodata.prepare.leaks import KINDS, MIN_LENGTH, MIN_SIMILARITY, TestTexts, grams, similarity
from kodata.prepare.output import doc_of
from kodata.prepare.prefixes import Prefixes
from kodata.text import folded, spaced
from tests.conftest import REAL, only_records
from tests.written import Item, klue, reviews

pytest.importorskip("datasketch")
TEXT = "어제 본 영화는 배우의 연기도 음악도 좋아서 한 번 더 보고 싶어졌습니다"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (TEXT, "exact"),
        (f"  {TEXT.replace(' ', '   ')}\n", "exact"),
        (TEXT.replace(" ", ""), "folded"),
        (f"{TEXT}!!! ㅡ_ㅡ".replace("ㅡ", ""), "folded"),
        (TEXT.replace("한 번", "한번").replace("어제", "“어제”"), "folded"),
        (TEXT + " 정말로", "near"),
        (f"그저께는 비가 와서 집에 있었다. {TEXT}. 그래서 오늘 다시 극장에 가기로 했다.", "inside"),
        (TEXT[8:], "inside"),
        (TEXT[:12], None),  # too short, if it is of the same source
        (TEXT.replace("좋아서", "싫어서").replace("음악도", "각본은"), None),
        ("좋아요", None),
        ("", None),
    ],
)
def test_a_text_is_found_in_the_closest_way(text: str, kind: str | None) -> None:
    found = TestTexts([("nsmc_ko", TEXT), ("nsmc_ko", "")]).find(text)
    assert found == ({"nsmc_ko": kind} if kind else {})


def test_width_case_and_composition_are_folded() -> None:
    assert folded("ＡＢＣ１２３ 가나") == folded("abc123가나") == "abc123가나"
    assert spaced("\u1100\u1161  나") == "가 나"


def test_every_task_that_holds_the_text_is_named_with_its_own_kind() -> None:
    tests = TestTexts(
        [("one", TEXT), ("two", TEXT + "."), ("three", TEXT + " 정말로"), ("four", "다른 글")]
    )
    assert tests.find(TEXT) == {"one": "exact", "two": "folded", "three": "near"}


WRITTEN = st.text(alphabet="가나다라마바사 .,", max_size=60)


@given(st.lists(WRITTEN, max_size=8), WRITTEN)
def test_equal_texts_and_parts_are_always_found_and_near_ones_are_near(
    tests: list[str], text: str
) -> None:
    found = TestTexts(("task", test) for test in tests).find(text)
    own, known = folded(text), {folded(test) for test in tests} - {""}
    longer = [
        (own in test or test in own) and min(len(own), len(test)) >= MIN_LENGTH for test in known
    ]
    if own in known:
        assert found["task"] in KINDS[:2]
    elif found == {"task": "near"}:
        assert (
            max(similarity(grams(own), grams(test)) for test in known if len(test) >= 5)
            >= MIN_SIMILARITY
        )
    else:
        assert found == ({"task": "inside"} if any(longer) else {})


@given(
    st.lists(st.text(alphabet="가나", min_size=MIN_LENGTH, max_size=26), max_size=12),
    st.text(alphabet="가나", max_size=60),
)
def test_texts_that_begin_alike_are_told_apart(tests: list[str], text: str) -> None:
    """With two letters, many of them begin with each other too."""
    tests = [test[:4] * 5 + test for test in tests]
    found = TestTexts(("task", test) for test in tests).find(text[:4] * 5 + text)
    assert ("task" in found) >= any(test in text[:4] * 5 + text for test in tests)


@given(st.sets(st.text(alphabet="ab", max_size=6), min_size=1), st.text(alphabet="ab", max_size=8))
def test_all_that_a_text_begins_with_is_among_the_candidates(texts: set[str], text: str) -> None:
    found = list(Prefixes(texts).candidates(text))
    assert {one for one in found if text.startswith(one)} == {
        one for one in texts if text.startswith(one)
    }
    assert len(found) == len(set(found)) and set(found) <= texts


def test_thousands_of_test_texts_that_begin_alike_are_not_compared_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: Counter[str] = Counter()
    candidates = Prefixes.candidates

    def counted(self: Prefixes, text: str) -> Iterator[str]:
        for candidate in candidates(self, text):
            compared["texts"] += 1
            yield candidate

    monkeypatch.setattr(Prefixes, "candidates", counted)
    tests = TestTexts(("task", f"{'a' * MIN_LENGTH}{number:05}") for number in range(2_000))
    assert tests.find("a" * 20_000) == {}
    assert tests.find(f"{TEXT}{'a' * 20_000}01999{TEXT[::-1]}") == {"task": "inside"}
    # At each of 40,000 places one text, not 2,000.
    assert compared["texts"] <= 41_000


def test_a_text_that_would_be_compared_without_end_counts_as_a_leak(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rather than as none."""
    same = "가나다라마바사아자차카타파하" * 3
    alike = [
        same + "".join(chr(0xAC00 + at * 97 + more * 31) for more in range(4)) for at in range(20)
    ]
    tests = TestTexts(
        [*(("alike", text) for text in alike), ("inside", "a" * 900 + TEXT[::-1]), ("other", TEXT)]
    )
    near, inside = same + "끝이다른", "a" * 2_000
    assert tests._find(near) == tests._find(inside) == {}
    monkeypatch.setattr(leaks, "MAX_COMPARED", 500)
    assert tests._find(near) == {"alike": "near"}
    assert tests._find(inside) == dict.fromkeys(("alike", "inside", "other"), "inside")
    assert tests._find(TEXT + " 정말로") == {"other": "near"}


def premises(folder: Path, *texts: str) -> Path:
    """KLUE-NLI's files with three hypotheses a premise in train, and another premise in dev."""
    train = [
        Item(text, f"{number}번 가설 {label}", label)
        for number, text in enumerate(texts)
        for label in range(3)
    ]
    return klue(folder, [*train, Item("아무 데도 없는 시험 문장입니다.", "가설", split="test")])


def made(tmp_path: Path, leaks: str) -> Any:
    others = [f"{n}번 버스는 {n * 7}분마다 온다." for n in range(80)]
    data = premises(tmp_path / "nli", *others, TEXT)
    tests = reviews(
        tmp_path / "nsmc", [Item(text, "", split="test") for text in (f"{TEXT}...", "다른 감상")]
    )
    entry = Entry("klue_nli", "label", data)
    return convert(
        [entry], tmp_path / "out", 1, Scored({"nsmc_ko": DataLocation("nsmc", tests)}, leaks)
    )


def test_leaks_are_dropped_and_counted_by_source_task_and_kind(tmp_path: Path) -> None:
    manifest = made(tmp_path, "drop")
    leak = {"source": "klue_nli", "task": "nsmc_ko", "kind": "folded", "rows": 3, "texts": 1}
    assert manifest["leaks"] == {
        "policy": "drop",
        "compared": {"nsmc_ko": {"texts": 2, "pairs": 0}},
        "found": [leak],
        "shared": [],
        "between_tests": [],
    }
    assert manifest["entries"][0]["dropped"] == {"leak": 3}
    rows = [
        json.loads(line)
        for side in ("train", "validation")
        for line in (tmp_path / "out" / f"{side}.jsonl").open()
    ]
    assert len(rows) == 80 * 3
    assert TEXT not in {doc_of(row)["premise"] for row in rows}


def test_leaks_are_refused_with_the_counts_and_an_example_and_nothing_is_written(
    tmp_path: Path,
) -> None:
    with pytest.raises(
        DataError, match=r"3 rows of klue_nli \(folded\) in nsmc_ko.*for example guid .*leaks: drop"
    ):
        made(tmp_path, "refuse")
    assert not list((tmp_path / "out").iterdir())


def test_leaks_are_kept_and_counted_where_the_recipe_says_so(tmp_path: Path) -> None:
    manifest = made(tmp_path, "keep")
    assert manifest["entries"][0]["dropped"] == {}
    assert sum(manifest["rows"].values()) == 81 * 3
    assert (manifest["leaks"]["policy"], len(manifest["leaks"]["found"])) == ("keep", 1)


@pytest.mark.slow
def test_the_known_leaks_of_the_real_files_are_found(tmp_path: Path) -> None:
    klue, film, quiz = (REAL / name for name in ("klue-nli", "nsmc", "korquad"))
    if not (klue.is_dir() and film.is_dir() and quiz.is_dir()):
        pytest.skip("the real KLUE-NLI, NSMC and KorQuAD files are not at ../shared/data")
    scored = {
        "nsmc_ko": DataLocation("nsmc", film),
        "klue_nli_ko": DataLocation("klue_nli", klue),
        "korquad_ko": DataLocation("korquad", quiz),
    }

    def leaks(
        entry: Entry, scored: Scored
    ) -> tuple[dict[tuple[str, str], int], list[dict[str, object]]]:
        told = convert([entry], tmp_path / "out", 1, scored)["leaks"]
        return {(leak["task"], leak["kind"]): leak["texts"] for leak in told["found"]}, told[
            "between_tests"
        ]

    nli_leaks, between = leaks(Entry("klue_nli", "label", klue), Scored(scored))
    from_films = {"exact": 856, "folded": 3, "near": 9, "inside": 777}
    others = {("klue_nli_ko", "near"): 1, ("korquad_ko", "inside"): 2}
    assert nli_leaks == {
        **{("nsmc_ko", kind): texts for kind, texts in from_films.items()},
        **others,
    }
    assert {"source": "nsmc", "task": "klue_nli_ko", "texts": 82} in between
    only_klue = Scored({"klue_nli_ko": DataLocation("klue_nli", klue)})
    film_leaks, between = leaks(Entry("nsmc", "label", film), only_klue)
    assert (film_leaks, between) == ({}, [{"source": "nsmc", "task": "klue_nli_ko", "texts": 82}])
    own_leaks, _ = leaks(
        Entry("nsmc", "label", film), Scored({"nsmc_ko": DataLocation("nsmc", film)})
    )
    assert own_leaks == {
        ("nsmc_ko", kind): n
        for kind, n in (("exact", 637), ("folded", 897), ("near", 12), ("inside", 27))
    }


def test_nsmcs_own_repeats_are_found() -> None:
    film = REAL / "nsmc"
    if not film.is_dir():
        pytest.skip("the real NSMC files are not at ../shared/data/nsmc")
    train, test = (
        [spaced(record["document"]) for record in only_records(nsmc.read(split, film))]
        for split in ("train", "test")
    )
    known = set(train)
    assert sum(text in known for text in test) == 1571  # three of them are empty
    assert sum(text in known for text in test if text) == 1568
