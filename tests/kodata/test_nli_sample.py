"""The written sample: reproducible, split by premise, three labels a premise, and no label to be
read off a hypothesis."""

from __future__ import annotations

import json
import random
import re
from collections import Counter, defaultdict
from importlib.resources import files

import pytest

from kodata import nli_sample
from kodata.metrics.classifiers import Classifier
from kodata.nli_sample import generate, scenes, words
from tests.conftest import only_records

PARTS = ("train", "validation", "test")


def text_of(part: str) -> str:
    return (files("kodata.nli_sample") / f"{part}.json").read_text("utf-8")


def rows_of(part: str) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = json.loads(text_of(part))
    return rows


@pytest.mark.parametrize("part", PARTS)
def test_generator_reproduces_the_committed_file(part: str) -> None:
    assert generate.rendered(generate.parts()[part]) == text_of(part)


@pytest.mark.parametrize("part", PARTS)
def test_rows_have_the_shape_of_klue_nli(part: str) -> None:
    rows = rows_of(part)
    assert {tuple(row) for row in rows} == {
        ("guid", "source", "premise", "hypothesis", "gold_label")
    }
    assert [row["guid"] for row in rows] == [
        f"nli-sample-v1_{part}_{number:05}" for number in range(len(rows))
    ]
    assert {row["source"] for row in rows} == {make.__name__ for make in scenes.TYPES}


def test_each_premise_has_its_three_labels_side_by_side() -> None:
    for part in PARTS:
        rows = rows_of(part)
        for start in range(0, len(rows), 3):
            three = rows[start : start + 3]
            assert len({row["premise"] for row in three}) == 1
            assert {row["gold_label"] for row in three} == set(scenes.LABELS)


def test_no_premise_is_shared_between_parts_or_used_twice() -> None:
    premises = [row["premise"] for part in PARTS for row in rows_of(part)]
    assert set(Counter(premises).values()) == {3}


def test_no_pair_occurs_twice() -> None:
    pairs = [(row["premise"], row["hypothesis"]) for part in PARTS for row in rows_of(part)]
    assert len(pairs) == len(set(pairs))


def test_types_and_positions_of_labels_are_balanced() -> None:
    rows = rows_of("train")
    assert len(set(Counter(row["source"] for row in rows).values())) == 1
    first = Counter(row["gold_label"] for row in rows[::3])
    assert max(first.values()) - min(first.values()) < 0.1 * len(rows) / 3


def test_a_classifier_of_the_hypothesis_alone_stays_at_chance() -> None:
    pytest.importorskip("sklearn")
    test = list(only_records(nli_sample.read("test")))
    said = Classifier(only_records(nli_sample.read("train")), "hypothesis_only").predict(test)
    right = sum(label == record["label"] for label, record in zip(said, test, strict=True))
    assert right / len(test) <= 0.40


def test_negation_and_length_do_not_lean_to_a_label() -> None:
    lengths, negated = defaultdict(list), Counter[str]()
    rows = rows_of("train")
    for row in rows:
        lengths[row["gold_label"]].append(len(row["hypothesis"]))
        negated[row["gold_label"]] += bool(re.search(r"않았|안 |아니다", row["hypothesis"]))
    means = [sum(found) / len(found) for found in lengths.values()]
    assert max(means) - min(means) < 0.5
    assert max(negated.values()) - min(negated.values()) < 0.06 * len(rows) / 3


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("label", scenes.LABELS)
def test_bounds_stand_in_the_relation_that_their_numbers_have(label: str, up: bool) -> None:
    def those(number: int, at_least: bool) -> set[int]:
        return {other for other in range(20) if (other >= number if at_least else other <= number)}

    rng = random.Random(0)
    for number in [3, 4, 5, 6, 7] * 20:
        premise, hypothesis = those(number, up), those(*scenes.bound(rng, number, up, label))
        assert (premise <= hypothesis) == (label == "entailment")
        assert premise.isdisjoint(hypothesis) == (label == "contradiction")
        assert premise != hypothesis


def test_what_a_scene_says_of_single_words_is_what_its_hypotheses_say() -> None:
    """Pretraining reads the facts, the sample the hypotheses: they must not teach two different
    things."""
    rng = random.Random(1)
    for _ in range(200):
        scene = scenes.quantity(rng)
        for label in scenes.LABELS:
            number, heading = re.findall(r"(\S+) 개 (이상|이하로)", scene.hypothesis(label))[0]
            assert scene.facts[heading][words.Noun(number)] == label
        scene = scenes.comparison(rng)
        for label in scenes.LABELS:
            adjective, who = re.findall(r"더 (\S+) 사람은 (\S+)이다", scene.hypothesis(label))[0]
            assert scene.facts[adjective][words.Noun(who)] == label


@pytest.mark.parametrize("particle", sorted(words.PARTICLES))
def test_every_noun_takes_the_particle_of_its_last_sound(particle: str) -> None:
    after_consonant, after_vowel = words.PARTICLES[particle]
    for noun in words.every_noun():
        closed = (ord(noun[-1]) - 0xAC00) % 28 > 0
        assert f"{noun:{particle}}" == noun + (after_consonant if closed else after_vowel)


def test_known_particles_are_as_a_korean_writes_them() -> None:
    assert [f"{words.Noun(w):을}" for w in ("책", "사과", "물")] == ["책을", "사과를", "물을"]
    assert [f"{words.Noun(w):은}" for w in ("지훈", "민수")] == ["지훈은", "민수는"]
    assert [f"{words.Noun(w):였다}" for w in ("지훈", "민수")] == ["지훈이었다", "민수였다"]
    with pytest.raises(ValueError, match="Hangul"):
        f"{words.Noun('abc'):은}"


def test_no_sentence_of_the_sample_has_a_wrong_particle() -> None:
    nouns = "|".join(words.every_noun())
    pattern = re.compile(rf"(?:^|(?<= ))({nouns})(은|는|이|가|을|를)(?= )")
    found = 0
    for row in (row for part in PARTS for row in rows_of(part)):
        for noun, particle in pattern.findall(f"{row['premise']} {row['hypothesis']}"):
            closed = (ord(noun[-1]) - 0xAC00) % 28 > 0
            assert (particle in "은이을") == closed, (noun, particle)
            found += 1
    assert found > 10_000


def test_a_group_member_belongs_to_one_group_only() -> None:
    members = [
        member for groups in words.KINDS.values() for found in groups.values() for member in found
    ]
    groups = [group for found in words.KINDS.values() for group in found]
    assert len(members) == len(set(members)) and len(groups) == len(set(groups))
