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


def choosing(rng: random.Random) -> Document:
    """A sentence and two to four questions about which of two things holds, or how many."""
    scene = unseen_scene(rng)
    tag, question_tag = rng.choice(TEXT_TAGS), rng.choice(QUESTION_TAGS)
    turns = [
        (f"{question_tag}: {asks}", f"답: {answer}") for asks, answer in rng.choices(scene.choices, k=rng.randint(2, 4))
    ]
    turns[0] = (f"{tag}: {scene.premise}\n{turns[0][0]}", turns[0][1])
    return Document("", tuple(turns))


def presence(rng: random.Random) -> Document:
    """A sentence and whether words occur in it: the first thing that a reader must be able to tell."""
    scene = unseen_scene(rng)
    told = re.findall(NOUN, f"{scene.premise} {' '.join(scene.hypotheses.values())}")
    there, candidates = (
        set(re.findall(NOUN, scene.premise)),
        sorted({words.Noun(noun) for noun in told if len(noun) > 1}),
    )
    turns = []
    for noun in rng.sample(candidates, min(4, len(candidates))):
        answer = "네" if noun in there else "아니요"
        turns.append((f"{rng.choice(QUESTION_TAGS)}: 글에 {noun:이} 나옵니까?", answer))
    turns[0] = (f"{rng.choice(TEXT_TAGS)}: {scene.premise}\n{turns[0][0]}", turns[0][1])
    return Document("", tuple(turns))


def copying(rng: random.Random) -> Document:
    """A line of words to be written again: teaches to find what was said, with many answers' tokens a document."""
    line = ", ".join(rng.sample(ABSTRACT if rng.random() < 0.3 else words.every_noun(), rng.randint(6, 12)))
    return Document("", ((f"낱말: {line}\n그대로 다시 쓰세요.", f"답: {line}"),))


def table(rng: random.Random) -> Document:
    """Who or what goes with what, to be written again in another order: finding by content."""
    size = rng.randint(3, 6)
    keys = rng.sample(rng.choice((words.NAMES, words.THINGS, words.ACTIVITIES)), size)
    verb = rng.choice(words.VERBS)
    values = rng.choice(
        (
            rng.choices(words.THINGS, k=size),
            [f"{number} 개" for number in rng.choices(words.NUMBERS, k=size)],
            rng.choices((verb.past, f"{verb.stem}지 않았다"), k=size),
            rng.choices(("먼저", "나중에"), k=size),
        )
    )
    lines = [f"{key:은} {value}" for key, value in zip(keys, values, strict=True)]
    again = rng.sample(lines, size)
    return Document("", ((f"표: {', '.join(lines)}\n차례를 바꾸어 쓰세요.", f"답: {', '.join(again)}"),))


def word_task(rng: random.Random) -> Document:
    """Words in a line, and which stands where."""
    pool = ABSTRACT if rng.random() < 0.6 else tuple(words.every_noun())
    line = rng.sample(pool, rng.randint(3, 5))
    if rng.random() < 0.4:
        before, after = rng.choice(list(pairwise(line)))
        question, answer = f"{before} 바로 뒤의 낱말은 무엇입니까?", str(after)
    else:
        where, index = rng.choice(PLACES_IN_LINE)
        question, answer = f"{where} 낱말은 무엇입니까?", str(line[index])
    return Document("", ((f"낱말: {', '.join(line)}\n{question}", answer),))


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


KINDS_OF_DOCUMENT = (
    reading,
    word_task,
    number_task,
    group_task,
    running_text,
    presence,
    judging,
    choosing,
    copying,
    table,
)
# Shares of the kinds in the three stages of pretraining: to know the words, to find what was said, to judge.
KNOWING = (70, 8, 3, 3, 4, 12, 0, 0, 0, 0)
FINDING = (2, 6, 2, 2, 0, 2, 6, 25, 20, 35)
JUDGING = (3, 8, 4, 1, 0, 2, 50, 27, 1, 4)


def documents(seed: int, shares: tuple[int, ...] = KNOWING) -> Iterator[Document]:
    """Endless documents, the same for a seed."""
    rng = random.Random(seed)
    while True:
        (make,) = rng.choices(KINDS_OF_DOCUMENT, shares)
        yield make(rng)


def plain(document: Document) -> str:
    """A document as text without a chat template: what the tokenizer is trained on and the tests look through."""
    return document.text or "\n".join(line for turn in document.turns for line in turn)
