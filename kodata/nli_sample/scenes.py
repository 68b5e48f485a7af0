"""The six inference types: each makes a premise and one hypothesis per label that is right by construction.

Within a type the hypothesis is drawn the same way for every label (its form, polarity, order and words do not depend
on the label), so that nothing in the hypothesis alone tells the label: only the premise does.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

from kodata.nli_sample import words
from kodata.nli_sample.words import Measure, Noun, Transfer

MOST = len(words.NUMBERS)
LABELS = ("entailment", "neutral", "contradiction")


Event = Callable[[Noun, Noun, Noun], tuple[str, ...]]  # who, whom and what -> the ways to tell it


class Scene(NamedTuple):
    """A premise, a hypothesis for each label, and questions about the premise with short answers (not in the sample)."""

    source: str
    premise: str
    hypotheses: dict[str, str]
    questions: tuple[tuple[str, str], ...]


def day(rng: random.Random) -> str:
    """When it happened, as an adverb."""
    noun = rng.choice(words.DAYS)
    return noun if noun in ("어제", "그제") else f"{noun}에"


def not_done(rng: random.Random, past: str, stem: str) -> str:
    """The negated past, long or short form (했다 verbs only take the long one here)."""
    return f"{stem}지 않았다" if past.endswith("했다") or rng.random() < 0.5 else f"안 {past}"


def joined(rng: random.Random, done: str, undone: str) -> str:
    """Something done and something not done in one sentence, in either order."""
    first, second = rng.sample((done, undone), 2)
    return f"{first.removesuffix('다')}지만 {second}"


def negation(rng: random.Random) -> Scene:
    """One thing was done, another was not; a third is not mentioned."""
    verb, name, when = rng.choice(words.VERBS), rng.choice(words.NAMES), day(rng)
    done, undone, other = rng.sample(verb.objects, 3)
    says = joined(rng, f"{done:은} {verb.past}", f"{undone:은} {not_done(rng, verb.past, verb.stem)}")
    premise = f"{when} {name:은} {says}." if rng.random() < 0.5 else f"{name:은} {when} {says}."

    def claim(thing: Noun, positive: bool) -> str:
        deed = verb.past if positive else not_done(rng, verb.past, verb.stem)
        return f"{when} {name:은} {thing:을} {deed}."

    positive = rng.random() < 0.5, rng.random() < 0.5, rng.random() < 0.5
    hypotheses = {
        "entailment": claim(done if positive[0] else undone, positive[0]),
        "contradiction": claim(undone if positive[1] else done, positive[1]),
        "neutral": claim(other, positive[2]),
    }
    past = verb.past.removesuffix("다")
    questions = (
        (f"{name:이} 무엇을 {past}습니까?", done),
        (f"{name:이} 무엇을 {verb.stem}지 않았습니까?", undone),
        (f"누가 {done:을} {past}습니까?", name),
        ("언제 있었던 일입니까?", when),
    )
    return Scene("negation", premise, hypotheses, questions)


def bounded(rng: random.Random, counter: Noun, holds: bool) -> tuple[str, int]:
    """A predicate about a number of things, and a number of which it holds (or does not)."""
    form, bound = rng.choice(("more", "fewer", "same", "different")), rng.randint(2, 6)
    amount = amounting(bound, counter)
    text, true_of = {
        "more": (f"{amount}보다 많다", range(bound + 1, MOST + 1)),
        "fewer": (f"{amount}보다 적다", range(1, bound)),
        "same": (f"{amount}이다", range(bound, bound + 1)),
        "different": (f"{amount:이} 아니다", [*range(1, bound), *range(bound + 1, MOST + 1)]),
    }[form]
    return text, rng.choice([number for number in range(1, MOST + 1) if (number in true_of) == holds])


def amounting(number: int, counter: Noun) -> Noun:
    """A number of 1 to 7 with its counter: 세 개."""
    return Noun(f"{words.NUMBERS[number - 1]} {counter}")


def quantity(rng: random.Random) -> Scene:
    """Two things are counted; a third is not. A hypothesis states or bounds one number."""
    count = rng.choice(words.COUNTS)
    place, (first, second, other) = rng.choice(count.places), rng.sample(count.things, 3)
    entailed, first_number = bounded(rng, count.counter, True)
    refuted, second_number = bounded(rng, count.counter, False)
    unsaid, _ = bounded(rng, count.counter, rng.random() < 0.5)
    amounts = [(first, amounting(first_number, count.counter)), (second, amounting(second_number, count.counter))]
    (one, of_one), (two, of_two) = rng.sample(amounts, 2)
    says = rng.choice((f"{one:이} {of_one}, {two:이} {of_two}", f"{one} {of_one:과} {two} {of_two:이}"))
    premise = f"{rng.choice(('지금 ', '오늘 ', ''))}{place}에는 {says} 있다."
    hypotheses = {
        "entailment": f"{place}에 있는 {first:은} {entailed}.",
        "contradiction": f"{place}에 있는 {second:은} {refuted}.",
        "neutral": f"{place}에 있는 {other:은} {unsaid}.",
    }
    questions = (
        (f"{place}에 있는 {one:은} 몇 {count.counter}입니까?", str(of_one)),
        (f"{place}에 있는 {two:은} 몇 {count.counter}입니까?", str(of_two)),
    )
    return Scene("quantity", premise, hypotheses, questions)


def hypernym(rng: random.Random) -> Scene:
    """A member of a group was the object, a whole kind was not; hypotheses speak of groups."""
    name, when, (past, stem) = rng.choice(words.NAMES), day(rng), rng.choice(words.DEPICTING)
    kind, excluded = rng.sample(sorted(words.KINDS), 2)
    group = rng.choice(sorted(words.KINDS[kind]))
    member = rng.choice(words.KINDS[kind][group])
    excluded_group = rng.choice(sorted(words.KINDS[excluded]))
    open_groups = [other for k in words.KINDS if k != excluded for other in words.KINDS[k] if other != group]
    says = joined(rng, f"{member:은} {past}", f"{excluded:은} 전혀 {stem}지 않았다")
    premise = f"{name:은} {when} {says}." if rng.random() < 0.5 else f"{when} {name:은} {says}."

    def claim(thing: Noun, positive: bool) -> str:
        return f"{when} {name:은} {thing:을} {past if positive else stem + '지 않았다'}."

    direct, opposed = rng.random() < 0.5, rng.random() < 0.5
    other = rng.choice(sorted(open_groups))
    hypotheses = {
        "entailment": claim(group if direct else excluded_group, direct),
        "contradiction": claim(excluded_group if opposed else group, opposed),
        "neutral": claim(other, rng.random() < 0.5),
    }
    verb = past.removesuffix("다")
    questions = (
        (f"{name:이} 무엇을 {verb}습니까?", member),
        (f"{name:이} 전혀 {stem}지 않은 것은 무엇입니까?", excluded),
        (f"{member:은} 무엇에 속합니까?", group),
        (f"{excluded_group:은} 무엇에 속합니까?", excluded),
    )
    return Scene("hypernym", premise, hypotheses, questions)


def transfer(way: Transfer) -> Event:
    """A gift changing hands, seen from the giver and from the taker, as sentences and as cleft sentences."""

    def told(giver: Noun, taker: Noun, gift: Noun) -> tuple[str, ...]:
        return (
            f"{giver:이} {taker}에게 그 {gift:을} {way.gave}.",
            f"{taker:이} {giver}에게서 그 {gift:을} {way.took}.",
            f"그 {gift:을} {way.giving} 사람은 {giver:였다}.",
            f"그 {gift:을} {way.taking} 사람은 {taker:였다}.",
        )

    return told


def contest(winner: Noun, loser: Noun, game: Noun) -> tuple[str, ...]:
    """One final, seen from the winner and from the loser."""
    return (
        f"{winner:이} {game} 결승에서 {loser:을} 이겼다.",
        f"{loser:이} {game} 결승에서 {winner}에게 졌다.",
        f"{game} 결승에서 이긴 사람은 {winner:였다}.",
        f"{game} 결승에서 진 사람은 {loser:였다}.",
    )


def roles(rng: random.Random) -> Scene:
    """Who did what to whom; the contradiction swaps the two, the neutral one is about another thing."""
    agent, other = rng.sample(words.NAMES, 2)
    told: Event = contest
    if rng.random() < 0.3:
        thing, unsaid = rng.sample(words.GAMES, 2)
    else:
        thing, unsaid = rng.sample(words.THINGS, 2)
        told = transfer(rng.choice(words.TRANSFERS))
    said = rng.randrange(2)
    premise = f"{day(rng)} {told(agent, other, thing)[said]}"
    entailed, refuted = rng.choice(told(agent, other, thing)), rng.choice(told(other, agent, thing))
    one, two = rng.sample((agent, other), 2)
    hypotheses = {
        "entailment": entailed,
        "contradiction": refuted,
        "neutral": rng.choice(told(one, two, unsaid)),
    }
    _, _, agent_cleft, other_cleft = told(agent, other, thing)
    questions = (
        (agent_cleft.split("사람은")[0] + "사람은 누구입니까?", agent),
        (other_cleft.split("사람은")[0] + "사람은 누구입니까?", other),
    )
    return Scene("roles", premise, hypotheses, questions)


def order(rng: random.Random) -> Scene:
    """Two activities and which came first; the neutral hypothesis brings in a third."""
    name, when = rng.choice(words.NAMES), day(rng)
    first, second, other = rng.sample(words.ACTIVITIES, 3)
    premise = rng.choice(
        (
            f"{name:은} {when} {first:을} 마친 뒤에 {second:을} 시작했다.",
            f"{when} {name:은} {first:을} 끝내고 나서 {second:을} 했다.",
            f"{name:은} {when} {second:을} 하기 전에 {first:을} 끝냈다.",
            f"{when} {name:은} {second:을} 시작하기 전에 {first:을} 마쳤다.",
        )
    )

    def claim(earlier: Noun, later: Noun) -> str:
        if rng.random() < 0.5:
            return f"{when} {name:은} {later}보다 {earlier:을} 먼저 했다."
        return f"{when} {name:은} {earlier}보다 {later:을} 나중에 했다."

    hypotheses = {
        "entailment": claim(first, second),
        "contradiction": claim(second, first),
        "neutral": claim(*rng.sample((other, rng.choice((first, second))), 2)),
    }
    questions = (
        (f"{name:이} 먼저 한 것은 무엇입니까?", first),
        (f"{name:이} 나중에 한 것은 무엇입니까?", second),
    )
    return Scene("order", premise, hypotheses, questions)


def comparison(rng: random.Random) -> Scene:
    """Two people compared in one thing; nothing is known of another measure or of a third person."""
    more, less, third = rng.sample(words.NAMES, 3)
    measure, other = rng.sample(words.MEASURES, 2)
    tense = rng.randrange(2)

    def claim(top: Noun, bottom: Noun, by: Measure) -> str:
        if rng.random() < 0.5:
            return f"{top:은} {bottom}보다 {by.noun:이} {by.more[tense]}."
        return f"{bottom:은} {top}보다 {by.noun:이} {by.less[tense]}."

    copula = ("이다", "이었다")[tense]
    premise = rng.choice(
        (
            f"{more:은} {less}보다 {measure.noun:이} 훨씬 {measure.more[tense]}.",
            f"{less:은} {more}보다 {measure.noun:이} 훨씬 {measure.less[tense]}.",
            f"{more:과} {less} 중에서 {measure.noun:이} 더 {measure.more[2]} 사람은 {more}{copula}.",
            f"{less:과} {more} 중에서 {measure.noun:이} 더 {measure.less[2]} 사람은 {less}{copula}.",
        )
    )
    another_measure = rng.random() < 0.5
    people = (more, less) if another_measure else (third, rng.choice((more, less)))
    one, two = rng.sample(people, 2)
    unsaid = claim(one, two, other if another_measure else measure)
    hypotheses = {
        "entailment": claim(more, less, measure),
        "contradiction": claim(less, more, measure),
        "neutral": unsaid,
    }
    questions = (
        (f"{measure.noun:이} 더 {measure.more[2]} 사람은 누구입니까?", more),
        (f"{measure.noun:이} 더 {measure.less[2]} 사람은 누구입니까?", less),
    )
    return Scene("comparison", premise, hypotheses, questions)


TYPES: tuple[Callable[[random.Random], Scene], ...] = (negation, quantity, hypernym, roles, order, comparison)
