"""The text that the two quickstart models are pretrained on, all generated Korean: sentences, what
a sentence says of single words, reading questions, word tasks.

Guarantees: no document is about a premise of the sample's three files (one may occur as a statement
about another sentence: some hypotheses are made like premises), none asks how two sentences relate,
none uses the wording of the task's prompt, and the task's label words occur only as ordinary words
of word tasks, never as a judgement."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from kodata.nli_sample import words
from kodata.nli_sample.scenes import TYPES, Scene

# Words for what follows from a sentence, for what it refutes, and for what it leaves open.
ANSWERS = tuple(
    dict(zip(("entailment", "contradiction", "neutral"), line.split(), strict=True))
    for line in ("예 아니요 모름", "참 거짓 미정", "맞음 틀림 불명", "옳음 그름 모호")
)
POLAR = ANSWERS[0]
# Wording of the task's prompt, which no document may contain.
FORBIDDEN = ("전제:", "가설:", "전제가", "가설은", "한 단어", "어느 것입니까", "관계")

# The task's label words stand among many, so that a frozen output layer can say them after tuning.
ABSTRACT = words.nouns(
    "함의 중립 모순 전제 가설 평화 자유 희망 약속 기억 사랑 용기 지혜 비밀 우정 행복 전통 예술 과학"
    " 역사 자연 문화 경험 사실"
)
NOUN = re.compile(rf"(?:^|(?<= ))({'|'.join(words.every_noun())})(?=은|는|이|가|을|를|에게|보다| )")
PLACES_IN_LINE = (("첫째", 0), ("둘째", 1), ("셋째", 2), ("마지막", -1))
TEXT_TAGS = ("글", "문장", "이야기", "본문", "내용", "기록")
QUESTION_TAGS = ("질문", "물음", "문제")
STATEMENT_TAGS = ("말", "주장", "생각")
CHECKS = ("이 말이 맞습니까?", "맞는 말입니까?", "글과 맞습니까?")
HINTS = (
    "글만 보고 답하세요.",
    "글에 나온 것만 생각하세요.",
    "짧게 답하세요.",
    "잘 읽고 고르세요.",
    "다른 지식은 쓰지 마세요.",
    "앞의 글이 사실이라고 생각하세요.",
    "천천히 생각하세요.",
    "설명은 하지 마세요.",
)


class Document(NamedTuple):
    """Running text, or the turns of a chat: (what the user says, what the assistant answers)."""

    text: str
    turns: tuple[tuple[str, str], ...]


@cache
def sample_premises() -> frozenset[str]:
    """Every premise of the sample: what pretraining must never see."""
    folder = files("kodata.nli_sample")
    parts = (
        json.loads((folder / f"{part}.json").read_text("utf-8"))
        for part in ("train", "validation", "test")
    )
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
    noun = stem.removesuffix("이")
    if rng.random() < 0.4:
        quoted = (
            f"{stem}다고"
            if noun == stem
            else f"{noun}{'이' if words.ends_in_consonant(noun) else ''}라고"
        )
        return f"{quoted} 할 수 있습니까?"
    return f"{stem}습니까?" if noun == stem else f"{noun}입니까?"


def polar_questions(
    rng: random.Random, scene: Scene, count: int, answers: dict[str, str] = POLAR
) -> list[tuple[str, str]]:
    """Yes-or-no questions with their answers, each answer drawn by itself: none can be told from
    the others."""
    labels = rng.choices(sorted(answers), k=count)
    return [(posed(scene.hypothesis(label), rng), answers[label]) for label in labels]


def posed(statement: str, rng: random.Random) -> str:
    """A statement as a question, or with the question whether it is right."""
    if rng.random() < 0.5:
        return f"{rng.choice(QUESTION_TAGS)}: {asked(statement, rng)}"
    return f"{rng.choice(STATEMENT_TAGS)}: {statement} {rng.choice(CHECKS)}"


def reading(rng: random.Random) -> Document:
    """A sentence and questions about it, as running text: many answers for few tokens."""
    scene = unseen_scene(rng)
    turns = polar_questions(rng, scene, rng.randint(3, 6))
    told = "\n".join(f"{question}\n{answer}" for question, answer in turns)
    return Document(f"{rng.choice(TEXT_TAGS)}: {scene.premise}\n{told}\n", ())


def table(rng: random.Random) -> Document:
    """A sentence and what it says of single words: an answer for every two tokens."""
    scene = unseen_scene(rng)
    lines = [f"{rng.choice(TEXT_TAGS)}: {scene.premise}"]
    telling = [
        heading for heading, said in scene.facts.items() if set(said.values()) != {"neutral"}
    ]
    for heading in dict.fromkeys((rng.choice(telling), rng.choice(list(scene.facts)))):
        found = [f"{word} {POLAR[label]}" for word, label in scene.facts[heading].items()]
        lines.append(f"{heading}: {' '.join(rng.sample(found, len(found)))}")
    return Document("\n".join(lines), ())


def presence(rng: random.Random) -> Document:
    """A sentence and whether words occur in it."""
    scene = unseen_scene(rng)
    there = re.findall(NOUN, scene.premise)
    absent = rng.sample([word for word in words.every_noun() if word not in there], 6)
    asked_words = [*rng.choices(there, k=5), *absent]
    rng.shuffle(asked_words)
    told = " ".join(f"{word} {'예' if word in there else '아니요'}" for word in asked_words)
    return Document(f"{rng.choice(TEXT_TAGS)}: {scene.premise}\n낱말: {told}", ())


def judging(rng: random.Random) -> Document:
    """A sentence and one or two yes-or-no questions, as a chat; hints may follow, among them which
    words to answer in."""
    scene = unseen_scene(rng)
    answers = rng.choice(ANSWERS)
    turns = polar_questions(rng, scene, rng.choice((1, 1, 2)), answers)
    hints = rng.sample(HINTS, rng.randrange(4))
    if answers != POLAR or rng.random() < 0.5:
        named = ", ".join(rng.sample(list(answers.values()), 3))
        hints.insert(
            rng.randint(0, len(hints)), f"{named} {rng.choice(('가운데', '중'))} 하나로 답하세요."
        )
    hint = "\n" + " ".join(hints) if hints else ""
    turns[0] = (f"{rng.choice(TEXT_TAGS)}: {scene.premise}\n{turns[0][0]}{hint}", turns[0][1])
    return Document("", tuple(turns))


def running_text(rng: random.Random) -> Document:
    """A sentence and what follows from it."""
    scene = unseen_scene(rng)
    return Document(
        f"{rng.choice(TEXT_TAGS)}: {scene.premise} {scene.hypothesis('entailment')}", ()
    )


def word_task(rng: random.Random) -> Document:
    """Words in a line, and which stands where; half the time the task's label words, so that the
    head can say them."""
    line = rng.sample(ABSTRACT[:3], 3) if rng.random() < 0.5 else rng.sample(ABSTRACT, 3)
    where, index = rng.choice(PLACES_IN_LINE)
    return Document(
        "", ((f"낱말: {', '.join(line)}\n{where} 낱말은 무엇입니까?", str(line[index])),)
    )


KINDS_OF_DOCUMENT = (table, presence, reading, judging, word_task, running_text)
# Shares of the kinds in the two stages of pretraining: to find what was said of a word, then to
# answer questions by it.
FINDING = (48, 20, 12, 8, 8, 4)
JUDGING = (16, 4, 36, 32, 10, 2)


def documents(seed: int, shares: tuple[int, ...] = FINDING) -> Iterator[Document]:
    """Endless documents, the same for a seed."""
    rng = random.Random(seed)
    while True:
        (make,) = rng.choices(KINDS_OF_DOCUMENT, shares)
        yield make(rng)


def plain(document: Document) -> str:
    """A document as text without a chat template: what the tokenizer is trained on and the tests
    look through."""
    return document.text or "\n".join(line for turn in document.turns for line in turn)
