"""Draws premises and hypotheses at random. Each of the six types of inference has one function
(TYPES). The labels of hypotheses are right by construction.

A hypothesis alone does not reveal its label, because its form, polarity, word order and words have
the same distribution for every label of a type. Only the premise decides which label is right."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

from kodata.nli_sample import words
from kodata.nli_sample.words import Noun, Verb

LABELS = ("entailment", "neutral", "contradiction")


class Scene(NamedTuple):
    """A premise with everything that depends on it.

    - `source`: the name of the type, which is the name of its function
    - `hypothesis`: a function that draws a hypothesis with a given label
    - `facts`: the labels of statements about single words, by heading and word. A heading and a
      word form a statement. The sample does not contain the facts; the quickstart models are
      pretrained on them (kotune.models.quickstart.corpus).
    """

    source: str
    premise: str
    hypothesis: Callable[[str], str]
    facts: dict[str, dict[Noun, str]]


def past_tense(verb: Verb, positive: bool) -> str:
    """The verb in the past tense; negated if `positive` is false."""
    return verb.past if positive else f"{verb.stem}지 않았다"


def negation(rng: random.Random) -> Scene:
    """The premise says that something was done with one thing and not with another. A neutral
    hypothesis is about a third thing."""
    verb, name = rng.choice(words.BUYING), rng.choice(words.NAMES)
    when = words.on(rng.choice(words.DAYS))
    one, two = rng.sample(words.THINGS, 2)
    positive = rng.random() < 0.5
    first = past_tense(verb, positive).removesuffix("다")
    premise = f"{name:은} {when} {one:은} {first}지만 {two:은} {past_tense(verb, not positive)}."
    truth = {one: positive, two: not positive}
    others = [thing for thing in words.THINGS if thing not in truth]

    def hypothesis(label: str) -> str:
        thing = rng.choice(others if label == "neutral" else (one, two))
        does = rng.random() < 0.5 if label == "neutral" else truth[thing] == (label == "entailment")
        return f"{name:은} {when} {thing:을} {past_tense(verb, does)}."

    facts = {
        past_tense(verb, does): {
            thing: label_of(truth[thing] == does if thing in truth else None)
            for thing in words.THINGS
        }
        for does in (True, False)
    }
    return Scene("negation", premise, hypothesis, facts)


def label_of(truth: bool | None) -> str:
    """The label of a statement. `truth`: whether the premise makes the statement true or false;
    None if it does neither."""
    return "neutral" if truth is None else "entailment" if truth else "contradiction"


class Bound(NamedTuple):
    """A lower bound (at least `number`) or an upper bound (at most `number`). `is_same`: whether
    the bound is about the thing or event in the premise. The premise says nothing about others."""

    number: int
    is_lower: bool
    is_same: bool = True


# The numbers in hypotheses. A lower bound in a premise is one or two above such a number, and an
# upper bound is one or two below.
LOWEST, HIGHEST = 4, 7
# The number in a neutral hypothesis, by the lower bound in the premise. For example, "at least 5"
# leaves open whether "at least 6" or "at most 6" is true.
OPEN_BEYOND = {5: 6, 6: 7}
# For all other lower bounds, a neutral hypothesis is about another thing. Its number is one of
# these, so that each number is in a quarter of the neutral hypotheses.
OF_ANOTHER = (4, 4, 5, 5, 6)


def premise_bound(rng: random.Random) -> Bound:
    """The bound in a premise: a lower bound from 5 to 9, or an upper bound from 2 to 6."""
    number, is_lower = rng.randint(LOWEST, HIGHEST), rng.random() < 0.5
    return Bound(number + rng.randint(1, 2) * (1 if is_lower else -1), is_lower)


def hypothesis_bound(rng: random.Random, premise: Bound, label: str) -> Bound:
    """The bound in a hypothesis. `premise`, the bound in the premise, entails it, contradicts it or
    leaves it open, depending on the label.

    Neither number nor direction reveals the label. For each label, half of the bounds are lower
    bounds, and each number from LOWEST to HIGHEST occurs in a quarter of them. If the premise has
    an upper bound, every number n is replaced by LOWEST + HIGHEST - n, so that the same rules
    apply as for a lower bound."""
    number = premise.number if premise.is_lower else LOWEST + HIGHEST - premise.number
    is_same = True
    if label == "neutral":
        is_same = number in OPEN_BEYOND
        other = OPEN_BEYOND[number] if is_same else rng.choice(OF_ANOTHER)
        is_lower = rng.random() < 0.5
    else:
        other = rng.randint(max(number - 2, LOWEST), min(number - 1, HIGHEST))
        is_lower = premise.is_lower == (label == "entailment")
    return Bound(other if premise.is_lower else LOWEST + HIGHEST - other, is_lower, is_same)


def bounds(
    premise: Bound, headings: dict[bool, str], same: str, another: str
) -> dict[str, dict[Noun, str]]:
    """The facts (Scene.facts) that follow from a bound in a premise: whether each number is a lower
    and an upper bound.

    `headings`: the words for a lower bound (key True) and an upper bound (False). `same`: the thing
    or event in the premise. `another`: a thing or event that is not in the premise."""

    def truth(other: int, is_lower: bool, is_same: bool) -> bool | None:
        if not is_same:
            return None
        # How far the other number is from the premise's number, in the direction of a weaker bound.
        beyond = premise.number - other if premise.is_lower else other - premise.number
        if is_lower == premise.is_lower:
            return True if beyond >= 0 else None
        return False if beyond > 0 else None

    numbers = list(enumerate(words.NUMBERS, start=1))
    return {
        f"{what} {heading}": {
            word: label_of(truth(other, is_lower, what == same)) for other, word in numbers
        }
        for is_lower, heading in headings.items()
        for what in (same, another)
    }


# The words for a lower bound (key True) and an upper bound (False): of a number, and of an hour.
AT_LEAST = {True: "적어도", False: "많아야"}
SINCE = {True: "이후", False: "이전"}


def quantity(rng: random.Random) -> Scene:
    """A number of things as a lower or an upper bound. A neutral hypothesis may be about another
    thing."""
    verb, name = rng.choice(words.BUYING), rng.choice(words.NAMES)
    when = words.on(rng.choice(words.DAYS))
    thing, another = rng.sample(words.THINGS, 2)
    premise = premise_bound(rng)

    def claim(bound: Bound) -> str:
        what = thing if bound.is_same else another
        number = f"{AT_LEAST[bound.is_lower]} {words.counted(bound.number, what)}"
        return f"{name:은} {when} {what:을} {number} {verb.past}."

    def hypothesis(label: str) -> str:
        return claim(hypothesis_bound(rng, premise, label))

    return Scene("quantity", claim(premise), hypothesis, bounds(premise, AT_LEAST, thing, another))


def time(rng: random.Random) -> Scene:
    """An hour of an afternoon as a lower or an upper bound: something happened after it or before
    it. A neutral hypothesis may be about another event."""
    event, another = rng.sample(words.EVENTS, 2)
    name, day = rng.choice(words.NAMES), rng.choice(words.DAYS)
    premise = premise_bound(rng)

    def claim(bound: Bound) -> str:
        hour = f"{words.NUMBERS[bound.number - 1]} 시 {SINCE[bound.is_lower]}에"
        return f"{name:은} {day} 오후 {hour} {event if bound.is_same else another}."

    def hypothesis(label: str) -> str:
        return claim(hypothesis_bound(rng, premise, label))

    return Scene("time", claim(premise), hypothesis, bounds(premise, SINCE, event, another))


def hypernym(rng: random.Random) -> Scene:
    """The premise says that something was done to a member of a group, or was not done to any
    member of a kind. A kind has two groups (words.KINDS). Hypotheses are about groups."""
    name, verb = rng.choice(words.NAMES), rng.choice(words.DEPICTING)
    when = words.on(rng.choice(words.DAYS))
    positive = rng.random() < 0.5
    kind = rng.choice(sorted(words.KINDS))
    group = rng.choice(sorted(words.KINDS[kind]))
    known = [group] if positive else sorted(words.KINDS[kind])
    unknown = [other for groups in words.KINDS.values() for other in groups if other not in known]
    subject = rng.choice(words.KINDS[kind][group]) if positive else kind
    premise = f"{name:은} {when} {subject:을} {past_tense(verb, positive)}."

    def hypothesis(label: str) -> str:
        other = rng.choice(unknown if label == "neutral" else known)
        does = rng.random() < 0.5 if label == "neutral" else positive == (label == "entailment")
        return f"{name:은} {when} {other:을} {past_tense(verb, does)}."

    facts = {
        verb.past: {
            thing: label_of(positive if thing in known else None) for thing in [*known, *unknown]
        }
    }
    return Scene("hypernym", premise, hypothesis, facts)


def roles(rng: random.Random) -> Scene:
    """Who gave something to whom. A neutral hypothesis is about another thing."""
    giver, taker = rng.sample(words.NAMES, 2)
    thing, way = rng.choice(words.THINGS), rng.choice(words.TRANSFERS)
    when = words.on(rng.choice(words.DAYS))
    others = [other for other in words.THINGS if other != thing]
    subject, premise, verb = rng.choice(
        (
            (giver, f"{giver:이} {when} {taker}에게 그 {thing:을} {way.gave}.", way.gave),
            (taker, f"{taker:이} {when} {giver}에게서 그 {thing:을} {way.took}.", way.took),
        )
    )

    def claim(what: Noun, giving: bool, who: Noun) -> str:
        return f"{when} 그 {what:을} {way.giving if giving else way.taking} 사람은 {who:였다}."

    def hypothesis(label: str) -> str:
        giving = rng.random() < 0.5
        if label == "neutral":
            return claim(rng.choice(others), giving, rng.choice((giver, taker)))
        return claim(thing, giving, giver if giving == (label == "entailment") else taker)

    facts = {
        f"{what} {adnominal}": {
            who: label_of((who == person) if what == thing else None) for who in (giver, taker)
        }
        for what in (thing, rng.choice(others))
        for adnominal, person in ((way.giving, giver), (way.taking, taker))
    }
    facts[verb] = {who: label_of(who == subject) for who in (giver, taker)}
    return Scene("roles", premise, hypothesis, facts)


def comparison(rng: random.Random) -> Scene:
    """The premise compares two people by one measure, such as height. A neutral hypothesis compares
    them by another measure."""
    top, bottom = rng.sample(words.NAMES, 2)
    measure = rng.choice(words.MEASURES)
    others = [other for other in words.MEASURES if other != measure]
    degree = rng.choice(("", "훨씬 ", "조금 "))
    subject, other, adjective = rng.choice(
        ((top, bottom, measure.more[0]), (bottom, top, measure.less[0]))
    )
    premise = f"{subject:은} {other}보다 {measure.noun:이} {degree}{adjective}."

    def hypothesis(label: str) -> str:
        first, second = rng.sample((top, bottom), 2)
        up = rng.random() < 0.5
        by = rng.choice(others) if label == "neutral" else measure
        who = (
            rng.choice((top, bottom))
            if label == "neutral"
            else (top if up == (label == "entailment") else bottom)
        )
        adnominal = (by.more if up else by.less)[1]
        return f"{first:와} {second} 중 {by.noun:이} 더 {adnominal} 사람은 {who:다}."

    facts = {
        adnominal: {
            who: label_of((who == first) if by == measure else None) for who in (top, bottom)
        }
        for by in words.MEASURES
        for adnominal, first in ((by.more[1], top), (by.less[1], bottom))
    }
    facts[adjective] = {who: label_of(who == subject) for who in (top, bottom)}
    return Scene("comparison", premise, hypothesis, facts)


TYPES: tuple[Callable[[random.Random], Scene], ...] = (
    negation,
    quantity,
    time,
    hypernym,
    roles,
    comparison,
)
