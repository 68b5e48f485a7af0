"""The text that the two quickstart models are pretrained on, all generated: Korean sentences, reading questions, word tasks.

Guarantees: no document holds a premise of the sample's three files, none asks how two sentences relate, none uses the
wording of the task's prompt, and the task's label words occur only as ordinary words of word tasks, never as a judgement.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import NamedTuple

from kodata.nli_sample import words
from kodata.nli_sample.scenes import TYPES, Scene

POLAR = {"entailment": "네", "contradiction": "아니요", "neutral": "알 수 없음"}
# Wording of the task's prompt, which no document may contain.
FORBIDDEN = ("전제:", "가설:", "전제가", "가설은", "한 단어", "어느 것입니까", "관계")

# The task's label words stand among many, so that a frozen output layer can say them after tuning.
ABSTRACT = words.nouns(
    "함의 중립 모순 전제 가설 평화 자유 희망 약속 기억 사랑 용기 지혜 비밀 우정 행복 전통 예술 과학 역사 자연 문화 경험 사실"
)
NOUN = re.compile(rf"(?:^|(?<= ))({'|'.join(words.every_noun())})(?=은|는|이|가|을|를|과|와|에|보다| )")
PLACES_IN_LINE = (("첫째", 0), ("둘째", 1), ("셋째", 2), ("마지막", -1))
TEXT_TAGS = ("글", "문장", "이야기", "본문", "내용", "기록")
QUESTION_TAGS = ("질문", "물음", "문제")
HINTS = ("글만 보고 답하세요.", "네, 아니요, 알 수 없음 가운데 하나로 답하세요.", "글을 읽고 물음에 맞게 답하세요.")


class Document(NamedTuple):
    """Running text, or the turns of a chat: (what the user says, what the assistant answers)."""

    text: str
    turns: tuple[tuple[str, str], ...]


@cache
def sample_premises() -> frozenset[str]:
    """Every premise of the sample: what pretraining must never see."""
    folder = files("kodata.nli_sample")
    parts = (json.loads((folder / f"{part}.json").read_text("utf-8")) for part in ("train", "validation", "test"))
    return frozenset(row["premise"] for rows in parts for row in rows)


def unseen_scene(rng: random.Random) -> Scene:
    """A scene whose premise is not in the sample."""
    while True:
        scene = rng.choice(TYPES)(rng)
        if scene.premise not in sample_premises():
            return scene


def asked(statement: str, rng: random.Random) -> str:
    """A statement as a yes-or-no question: 샀다. -> 샀습니까? or 샀다고 할 수 있습니까?"""
    stem = statement.removesuffix("다.")
    if rng.random() < 0.4:
        quoted = "라고" if stem.endswith(("이", "아니")) else "다고"
        return f"{stem}{quoted} 할 수 있습니까?"
    if words.ends_in_consonant(stem):
        return f"{stem}습니까?"
    return f"{stem[:-1]}{chr(ord(stem[-1]) + 17)}니까?"  # 17 is the final consonant of 입니까, 큽니까


def reading(rng: random.Random) -> Document:
    """A sentence and one to five questions about it, yes-or-no ones first among them."""
    scene = unseen_scene(rng)
    polar = [(asked(scene.hypotheses[label], rng), answer) for label, answer in POLAR.items()]
    known = [(question, f"답: {answer}") for question, answer in scene.questions]
    open_questions = rng.sample(known, min(rng.randrange(3), len(known)))
    turns = [*rng.sample(polar, rng.randint(1, 3)), *open_questions]
    rng.shuffle(turns)
    tag, question_tag = rng.choice(TEXT_TAGS), rng.choice(QUESTION_TAGS)
    said = [(f"{question_tag}: {question}", answer) for question, answer in turns]
    hint = f"\n{rng.choice(HINTS)}" if rng.random() < 0.35 else ""
    said[0] = (f"{tag}: {scene.premise}\n{said[0][0]}{hint}", said[0][1])
    return Document("", tuple(said))


def judging(rng: random.Random) -> Document:
    """A sentence and a single yes-or-no question: several of one sentence could be answered by elimination."""
    scene = unseen_scene(rng)
    label = rng.choice(sorted(POLAR))
    question = f"{rng.choice(QUESTION_TAGS)}: {asked(scene.hypotheses[label], rng)}"
    hint = f"\n{rng.choice(HINTS)}" if rng.random() < 0.35 else ""
    return Document("", ((f"{rng.choice(TEXT_TAGS)}: {scene.premise}\n{question}{hint}", POLAR[label]),))


def number_task(rng: random.Random) -> Document:
    """Which of two numbers is the larger."""
    counter = rng.choice(words.COUNTS).counter
    left, right = rng.choices(words.NUMBERS, k=2)
    difference = words.NUMBERS.index(left) - words.NUMBERS.index(right)
    sign, word = rng.choice(((1, "많"), (-1, "적")))
    answer = "네" if difference * sign > 0 else "아니요"
    return Document("", ((f"질문: {left} {counter:은} {right} {counter}보다 {word}습니까?", answer),))


def group_task(rng: random.Random) -> Document:
    """What a thing belongs to."""
    kind = rng.choice(sorted(words.KINDS))
    group = rng.choice(sorted(words.KINDS[kind]))
    member = rng.choice(words.KINDS[kind][group])
    lower, upper = rng.choice(((member, group), (group, kind), (member, kind)))
    wanted = "종류" if upper == kind else "무리"
    return Document("", ((f"질문: {lower:은} 어느 {wanted}에 속합니까?", f"답: {upper}"),))


def running_text(rng: random.Random) -> Document:
    """Sentences of one day told one after another, true together."""
    told = [unseen_scene(rng) for _ in range(2)]
    return Document(" ".join(f"{scene.premise} {scene.hypotheses['entailment']}" for scene in told), ())


def presence(rng: random.Random) -> Document:
    """A sentence and whether words occur in it, half of them: the first thing that a reader must be able to tell."""
    scene = unseen_scene(rng)
    tag = rng.choice(TEXT_TAGS)
    pairs = told_or_not(rng, scene, 6)
    if rng.random() < 0.5:
        asked_words = ", ".join(noun for noun, _ in pairs)
        answer = ", ".join(f"{noun} {told}" for noun, told in pairs)
        return Document("", ((f"{tag}: {scene.premise}\n낱말: {asked_words}\n낱말마다 글에 나오는지 쓰세요.", answer),))
    turns = [(f"{rng.choice(QUESTION_TAGS)}: 글에 {words.Noun(noun):이} 나옵니까?", told) for noun, told in pairs[:4]]
    turns[0] = (f"{tag}: {scene.premise}\n{turns[0][0]}", turns[0][1])
    return Document("", tuple(turns))


def told_or_not(rng: random.Random, scene: Scene, count: int) -> list[tuple[str, str]]:
    """Nouns with 네 or 아니요 for whether they occur in the scene's premise; absent ones may be of its hypotheses."""
    there = sorted(noun for noun in set(re.findall(NOUN, scene.premise)) if len(noun) > 1)
    claimed = set(re.findall(NOUN, " ".join(scene.hypotheses.values())))
    near = sorted(noun for noun in claimed if len(noun) > 1 and noun not in there)
    absent = [noun for noun in sorted(set(words.every_noun())) if noun not in there]
    pairs = []
    for _ in range(count):
        if rng.random() < 0.5 and there:
            pairs.append((rng.choice(there), "네"))
        else:
            pairs.append((rng.choice(near if near and rng.random() < 0.3 else absent), "아니요"))
    return pairs


def word_task(rng: random.Random) -> Document:
    """Words in a line, and which stands where; half the time the task's label words, so that the head can say them."""
    if rng.random() < 0.5:
        line = rng.sample(ABSTRACT[:3], 3)
        where, index = rng.choice(PLACES_IN_LINE)
        return Document("", ((f"낱말: {', '.join(line)}\n{where} 낱말은 무엇입니까?", str(line[index])),))
    pool = ABSTRACT if rng.random() < 0.6 else tuple(words.every_noun())
    line = rng.sample(pool, rng.randint(3, 5))
    if rng.random() < 0.4:
        before, after = rng.choice(list(pairwise(line)))
        question, answer = f"{before} 바로 뒤의 낱말은 무엇입니까?", str(after)
    else:
        where, index = rng.choice(PLACES_IN_LINE)
        question, answer = f"{where} 낱말은 무엇입니까?", str(line[index])
    return Document("", ((f"낱말: {', '.join(line)}\n{question}", answer),))


KINDS_OF_DOCUMENT = (reading, word_task, number_task, group_task, running_text, presence, judging)
# Shares of the kinds in the two stages of pretraining: to find what was said, then to judge by it.
FINDING = (20, 10, 1, 2, 8, 39, 20)
JUDGING = (25, 10, 2, 2, 8, 13, 40)


def documents(seed: int, shares: tuple[int, ...] = FINDING) -> Iterator[Document]:
    """Endless documents, the same for a seed."""
    rng = random.Random(seed)
    while True:
        (make,) = rng.choices(KINDS_OF_DOCUMENT, shares)
        yield make(rng)


def plain(document: Document) -> str:
    """A document as text without a chat template: what the tokenizer is trained on and the tests look through."""
    return document.text or "\n".join(line for turn in document.turns for line in turn)
