"""Generates the corpus on which the two quickstart models are pretrained. All text is Korean. It
consists of sentences, tables about single words of a sentence, reading questions and word tasks.

Guarantees for nli_sample, the sample that the models are tuned and scored on:

- No document is about a premise in the sample's three files. A premise may still occur as a
  statement about another sentence, because some hypotheses have the form of premises.
- No document asks how two sentences relate, or uses the wording of the task's prompt.
- The task's label words occur only as ordinary words of word tasks, never as an answer about two
  sentences."""

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

# Answers for a statement that follows from a sentence, contradicts it, or does neither.
ANSWERS = tuple(
    dict(zip(("entailment", "contradiction", "neutral"), line.split(), strict=True))
    for line in ("예 아니요 모름", "참 거짓 미정", "맞음 틀림 불명", "옳음 그름 모호")
)
POLAR = ANSWERS[0]
# Parts of the task's prompt. No document may contain them.
FORBIDDEN = ("전제:", "가설:", "전제와", "가설의", "한 단어", "관계")

# The words of word tasks. They include the task's label words, so that the model can generate these
# after tuning even if its output layer is frozen.
ABSTRACT = words.nouns(
    "함의 중립 모순 전제 가설 평화 자유 희망 약속 기억 사랑 용기 지혜 비밀 우정 행복 전통 예술 과학"
    " 역사 자연 문화 경험 사실"
)
NOUN = re.compile(
    rf"(?:^|(?<= ))({'|'.join(words.every_noun())})(?=은|는|이|가|을|를|에게|에|보다| )"
)
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
    """A document is either running text or a chat. `turns`: pairs of a question and its answer. The
    field that is not used is empty."""

    text: str
    turns: tuple[tuple[str, str], ...]


@cache
def sample_premises() -> frozenset[str]:
    """Every premise of the sample. The corpus must not contain a scene with one of them."""
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
    """A statement as a yes-or-no question. For example, 샀다. becomes 샀습니까? or 샀다고 할 수
    있습니까?"""
    stem = statement.removesuffix("다.")
    last = stem.split()[-1]
    is_name = last in words.NAMES or last.removesuffix("이") in words.NAMES  # 민수다, 지훈이다
    if rng.random() < 0.4:
        return f"{stem}{'라고' if is_name else '다고'} 할 수 있습니까?"
    return f"{stem.removesuffix('이')}입니까?" if is_name else f"{stem}습니까?"


def polar_questions(
    rng: random.Random, scene: Scene, count: int, answers: dict[str, str] = POLAR
) -> list[tuple[str, str]]:
    """`count` yes-or-no questions about a scene, each with its answer. The labels of the answers
    are drawn independently, so no answer can be inferred from another. `answers`: the word for each
    label."""
    labels = rng.choices(sorted(answers), k=count)
    return [(posed(scene.hypothesis(label), rng), answers[label]) for label in labels]


def posed(statement: str, rng: random.Random) -> str:
    """A statement as a question, or a statement followed by the question whether it is true."""
    if rng.random() < 0.5:
        return f"{rng.choice(QUESTION_TAGS)}: {asked(statement, rng)}"
    return f"{rng.choice(STATEMENT_TAGS)}: {statement} {rng.choice(CHECKS)}"


def reading(rng: random.Random) -> Document:
    """A sentence and questions about it, as running text. This form has many answers in few
    tokens."""
    scene = unseen_scene(rng)
    turns = polar_questions(rng, scene, rng.randint(3, 6))
    lines = "\n".join(f"{question}\n{answer}" for question, answer in turns)
    return Document(f"{rng.choice(TEXT_TAGS)}: {scene.premise}\n{lines}\n", ())


def table(rng: random.Random) -> Document:
    """A sentence and a table of facts about single words (Scene.facts). This form has an answer for
    every two tokens."""
    scene = unseen_scene(rng)
    lines = [f"{rng.choice(TEXT_TAGS)}: {scene.premise}"]
    informative = [
        heading for heading, facts in scene.facts.items() if set(facts.values()) != {"neutral"}
    ]
    for heading in dict.fromkeys((rng.choice(informative), rng.choice(list(scene.facts)))):
        cells = [f"{word} {POLAR[label]}" for word, label in scene.facts[heading].items()]
        lines.append(f"{heading}: {' '.join(rng.sample(cells, len(cells)))}")
    return Document("\n".join(lines), ())


def presence(rng: random.Random) -> Document:
    """A sentence and a list of words. Each word is followed by whether it occurs in the
    sentence."""
    scene = unseen_scene(rng)
    present = re.findall(NOUN, scene.premise)
    absent = rng.sample([word for word in words.every_noun() if word not in present], 6)
    tested = [*rng.choices(present, k=5), *absent]
    rng.shuffle(tested)
    answers = " ".join(f"{word} {'예' if word in present else '아니요'}" for word in tested)
    return Document(f"{rng.choice(TEXT_TAGS)}: {scene.premise}\n낱말: {answers}", ())


def judging(rng: random.Random) -> Document:
    """A sentence and one or two yes-or-no questions, as a chat. Hints may follow the first
    question. If the answers are not the words in POLAR, one hint names the words."""
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


def continuing(rng: random.Random) -> Document:
    """A sentence and its first words, to be continued as in the sentence. This form teaches the
    model to look up what follows a word, on which the tables and questions depend."""
    premise = unseen_scene(rng).premise.split()
    given = rng.randrange(1, len(premise) - 1)
    first, rest = " ".join(premise[:given]), " ".join(premise[given:])
    question = f"{rng.choice(TEXT_TAGS)}: {' '.join(premise)}\n다음을 이어서 쓰세요: {first}"
    return Document("", ((question, rest),))


def running_text(rng: random.Random) -> Document:
    """A sentence and a statement that follows from it."""
    scene = unseen_scene(rng)
    return Document(
        f"{rng.choice(TEXT_TAGS)}: {scene.premise} {scene.hypothesis('entailment')}", ()
    )


def word_task(rng: random.Random) -> Document:
    """A line of three words, and the question which word is at a position. Half of the time, the
    words are the task's label words, so that the output layer learns to generate them."""
    line = rng.sample(ABSTRACT[:3], 3) if rng.random() < 0.5 else rng.sample(ABSTRACT, 3)
    where, index = rng.choice(PLACES_IN_LINE)
    return Document(
        "", ((f"낱말: {', '.join(line)}\n{where} 낱말은 무엇입니까?", str(line[index])),)
    )


KINDS_OF_DOCUMENT = (table, presence, reading, judging, word_task, continuing, running_text)
# Relative frequencies of KINDS_OF_DOCUMENT in the two stages of pretraining. In the first stage,
# the model learns to find the facts about a word. In the second, it learns to answer questions with
# these facts.
FINDING = (48, 8, 12, 8, 6, 16, 2)
JUDGING = (16, 2, 36, 32, 8, 4, 2)


def documents(seed: int, shares: tuple[int, ...] = FINDING) -> Iterator[Document]:
    """An endless sequence of documents. The same seed and shares give the same documents. `shares`:
    the relative frequencies of KINDS_OF_DOCUMENT."""
    rng = random.Random(seed)
    while True:
        (make,) = rng.choices(KINDS_OF_DOCUMENT, shares)
        yield make(rng)


def plain(document: Document) -> str:
    """A document as text without a chat template, for training the tokenizer and for tests."""
    return document.text or "\n".join(line for turn in document.turns for line in turn)
