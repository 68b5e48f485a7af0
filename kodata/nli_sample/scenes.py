"""The six inference types: each makes a premise, and hypotheses of a label that are right by
construction.

Within a type the hypothesis is drawn the same way for every label (its form, polarity, order and
words do not depend on the label), so that nothing in the hypothesis alone tells the label: only the
premise does."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

from kodata.nli_sample import words
from kodata.nli_sample.words import Noun, Verb

LABELS = ("entailment", "neutral", "contradiction")


class Scene(NamedTuple):
    """A premise, a drawer of hypotheses by label, and what the premise says of which word (which
    the sample leaves out)."""

    source: str
    premise: str
    hypothesis: Callable[[str], str]
    # Under a heading, words and the label of what they would say there.
    facts: dict[str, dict[Noun, str]]


def told(verb: Verb, positive: bool) -> str:
    """The past, or the negated past."""
    return verb.past if positive else f"{verb.stem}지 않았다"


def negation(rng: random.Random) -> Scene:
    """One thing was done, another was not; a third is not mentioned."""
    verb, name = rng.choice(words.BUYING), rng.choice(words.NAMES)
    one, two = rng.sample(words.THINGS, 2)
    positive = rng.random() < 0.5
    first = told(verb, positive).removesuffix("다")
    premise = f"{name:은} {one:을} {first}지만 {two:은} {told(verb, not positive)}."
    truth = {one: positive, two: not positive}
    others = [thing for thing in words.THINGS if thing not in truth]

    def hypothesis(label: str) -> str:
        thing = rng.choice(others if label == "neutral" else (one, two))
        does = rng.random() < 0.5 if label == "neutral" else truth[thing] == (label == "entailment")
        return f"{name:은} {thing:을} {told(verb, does)}."

    facts = {verb.past: {thing: answer(truth.get(thing)) for thing in words.THINGS}}
    return Scene("negation", premise, hypothesis, facts)


def answer(truth: bool | None) -> str:
    """The label of a statement that is true, false, or neither as far as the premise tells."""
    return "neutral" if truth is None else "entailment" if truth else "contradiction"


def bound(rng: random.Random, number: int, up: bool, label: str) -> tuple[int, bool]:
    """A bound that a bound of whole numbers entails, refutes or leaves open: at least 3 -> at least
    2, at most 2, at least 4."""
    sign = 1 if up else -1
    if label == "entailment":
        return number - sign * rng.randint(1, 2), up
    if label == "contradiction":
        return number - sign * rng.randint(1, 2), not up
    if rng.random() < 0.5:
        return number + sign * rng.randint(1, 2), up
    return number + sign * rng.randrange(3), not up


def bounds(number: int, up: bool, headings: dict[bool, str]) -> dict[str, dict[Noun, str]]:
    """What a bound says of every number as a lower and as an upper bound."""

    def truth(other: int, same: bool) -> bool | None:
        beyond = number - other if up else other - number  # how much weaker the other bound is
        return (True if beyond >= 0 else None) if same else (False if beyond > 0 else None)

    numbers = list(enumerate(words.NUMBERS, start=1))
    return {
        heading: {word: answer(truth(other, way == up)) for other, word in numbers}
        for way, heading in headings.items()
    }


def quantity(rng: random.Random) -> Scene:
    """How many at least or at most."""
    verb, name, thing = rng.choice(words.BUYING), rng.choice(words.NAMES), rng.choice(words.THINGS)
    number, up = rng.randint(3, 7), rng.random() < 0.5

    def claim(number: int, up: bool) -> str:
        return (
            f"{name:은} {thing:을} {words.NUMBERS[number - 1]} 개 {'이상' if up else '이하로'}"
            f" {verb.past}."
        )

    def hypothesis(label: str) -> str:
        return claim(*bound(rng, number, up, label))

    facts = bounds(number, up, {True: "이상", False: "이하로"})
    return Scene("quantity", claim(number, up), hypothesis, facts)


def time(rng: random.Random) -> Scene:
    """Before or after which hour (on the hour, whole hours)."""
    verb, name, day = rng.choice(words.ACTIVITIES), rng.choice(words.NAMES), rng.choice(words.DAYS)
    number, late = rng.randint(3, 7), rng.random() < 0.5

    def claim(number: int, late: bool) -> str:
        return (
            f"{name:은} {day} {words.NUMBERS[number - 1]} 시 {'이후' if late else '이전'}에"
            f" {verb.past}."
        )

    def hypothesis(label: str) -> str:
        return claim(*bound(rng, number, late, label))

    facts = bounds(number, late, {True: "이후", False: "이전"})
    return Scene("time", claim(number, late), hypothesis, facts)


def hypernym(rng: random.Random) -> Scene:
    """A member of a group was the object, or a whole kind was not; hypotheses speak of groups."""
    name, day, verb = rng.choice(words.NAMES), rng.choice(words.DAYS), rng.choice(words.DEPICTING)
    positive = rng.random() < 0.5
    kind = rng.choice(sorted(words.KINDS))
    group = rng.choice(sorted(words.KINDS[kind]))
    known = [group] if positive else sorted(words.KINDS[kind])
    unknown = [other for groups in words.KINDS.values() for other in groups if other not in known]
    subject = rng.choice(words.KINDS[kind][group]) if positive else kind
    premise = f"{name:은} {day} {subject:을} {told(verb, positive)}."

    def hypothesis(label: str) -> str:
        other = rng.choice(unknown if label == "neutral" else known)
        does = rng.random() < 0.5 if label == "neutral" else positive == (label == "entailment")
        return f"{name:은} {day} {other:을} {told(verb, does)}."

    facts = {
        verb.past: {
            thing: answer(positive if thing in known else None) for thing in [*known, *unknown]
        }
    }
    return Scene("hypernym", premise, hypothesis, facts)


def roles(rng: random.Random) -> Scene:
    """Who gave something to whom; the neutral hypothesis is about another thing."""
    giver, taker = rng.sample(words.NAMES, 2)
    thing, way = rng.choice(words.THINGS), rng.choice(words.TRANSFERS)
    others = [other for other in words.THINGS if other != thing]
    premise = rng.choice(
        (
            f"{giver:이} {taker}에게 그 {thing:을} {way.gave}.",
            f"{taker:이} {giver}에게서 그 {thing:을} {way.took}.",
        )
    )

    def claim(what: Noun, giving: bool, who: Noun) -> str:
        return f"그 {what:을} {way.giving if giving else way.taking} 사람은 {who:였다}."

    def hypothesis(label: str) -> str:
        giving = rng.random() < 0.5
        if label == "neutral":
            return claim(rng.choice(others), giving, rng.choice((giver, taker)))
        return claim(thing, giving, giver if giving == (label == "entailment") else taker)

    facts = {
        way.giving: {giver: answer(True), taker: answer(False)},
        way.taking: {taker: answer(True), giver: answer(False)},
    }
    return Scene("roles", premise, hypothesis, facts)


def comparison(rng: random.Random) -> Scene:
    """Two people compared in one thing; nothing is known of another measure."""
    top, bottom = rng.sample(words.NAMES, 2)
    measure = rng.choice(words.MEASURES)
    others = [other for other in words.MEASURES if other != measure]
    degree = rng.choice(("", "훨씬 ", "조금 "))
    premise = rng.choice(
        (
            f"{top:은} {bottom}보다 {measure.noun:이} {degree}{measure.more[0]}.",
            f"{bottom:은} {top}보다 {measure.noun:이} {degree}{measure.less[0]}.",
        )
    )

    def hypothesis(label: str) -> str:
        up = rng.random() < 0.5
        by = rng.choice(others) if label == "neutral" else measure
        who = (
            rng.choice((top, bottom))
            if label == "neutral"
            else (top if up == (label == "entailment") else bottom)
        )
        return f"둘 중 {by.noun:이} 더 {(by.more if up else by.less)[1]} 사람은 {who}이다."

    facts = {
        adjective: {who: answer((who == first) if by == measure else None) for who in (top, bottom)}
        for by in words.MEASURES
        for adjective, first in ((by.more[1], top), (by.less[1], bottom))
    }
    return Scene("comparison", premise, hypothesis, facts)


TYPES: tuple[Callable[[random.Random], Scene], ...] = (
    negation,
    quantity,
    time,
    hypernym,
    roles,
    comparison,
)
