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
    when = words.on(rng.choice(words.DAYS))
    one, two = rng.sample(words.THINGS, 2)
    positive = rng.random() < 0.5
    first = told(verb, positive).removesuffix("다")
    premise = f"{name:은} {when} {one:은} {first}지만 {two:은} {told(verb, not positive)}."
    truth = {one: positive, two: not positive}
    others = [thing for thing in words.THINGS if thing not in truth]

    def hypothesis(label: str) -> str:
        thing = rng.choice(others if label == "neutral" else (one, two))
        does = rng.random() < 0.5 if label == "neutral" else truth[thing] == (label == "entailment")
        return f"{name:은} {when} {thing:을} {told(verb, does)}."

    facts = {
        told(verb, does): {
            thing: answer(truth[thing] == does if thing in truth else None)
            for thing in words.THINGS
        }
        for does in (True, False)
    }
    return Scene("negation", premise, hypothesis, facts)


def answer(truth: bool | None) -> str:
    """The label of a statement that is true, false, or neither as far as the premise tells."""
    return "neutral" if truth is None else "entailment" if truth else "contradiction"


class Bound(NamedTuple):
    """A lower (`is_lower`) or upper bound of whole numbers. `is_same`: of what the premise is
    about, else of another thing, of which the premise leaves everything open."""

    number: int
    is_lower: bool
    is_same: bool = True


# Numbers of hypotheses. A premise's number is one or two above such a number if it is a lower
# bound, one or two below it if it is an upper bound.
LOWEST, HIGHEST = 4, 7
# Of neutral hypotheses, by the number of a lower bound in the premise: beyond it there is 6 for 5
# and 7 for 6. Above that, another thing makes up for the rest.
OPEN_BEYOND = {5: 6, 6: 7}
OF_ANOTHER = (4, 4, 5, 5, 6)


def premise_bound(rng: random.Random) -> Bound:
    """A premise's bound: at least 5 to 9, or at most 2 to 6."""
    number, is_lower = rng.randint(LOWEST, HIGHEST), rng.random() < 0.5
    return Bound(number + rng.randint(1, 2) * (1 if is_lower else -1), is_lower)


def hypothesis_bound(rng: random.Random, premise: Bound, label: str) -> Bound:
    """A bound that the premise's bound entails, refutes or leaves open.

    Numbers and directions have the same distribution under each label: both directions alike, and
    each number from LOWEST to HIGHEST in a quarter of the cases. So neither tells the label. An
    upper bound in the premise mirrors a lower one (n becomes LOWEST + HIGHEST - n)."""
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
    """What a bound of `same` says of every number as a lower and as an upper bound of it, and of
    `another`."""

    def truth(other: int, is_lower: bool, is_same: bool) -> bool | None:
        if not is_same:
            return None
        # how much weaker the other bound is
        beyond = premise.number - other if premise.is_lower else other - premise.number
        if is_lower == premise.is_lower:
            return True if beyond >= 0 else None
        return False if beyond > 0 else None

    numbers = list(enumerate(words.NUMBERS, start=1))
    return {
        f"{what} {heading}": {
            word: answer(truth(other, is_lower, what == same)) for other, word in numbers
        }
        for is_lower, heading in headings.items()
        for what in (same, another)
    }


AT_LEAST = {True: "적어도", False: "많아야"}
SINCE = {True: "이후", False: "이전"}


def quantity(rng: random.Random) -> Scene:
    """How many at least or at most."""
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
    """Before or after which hour of an afternoon."""
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
    """A member of a group was the object, or a whole kind was not; hypotheses speak of groups."""
    name, verb = rng.choice(words.NAMES), rng.choice(words.DEPICTING)
    when = words.on(rng.choice(words.DAYS))
    positive = rng.random() < 0.5
    kind = rng.choice(sorted(words.KINDS))
    group = rng.choice(sorted(words.KINDS[kind]))
    known = [group] if positive else sorted(words.KINDS[kind])
    unknown = [other for groups in words.KINDS.values() for other in groups if other not in known]
    subject = rng.choice(words.KINDS[kind][group]) if positive else kind
    premise = f"{name:은} {when} {subject:을} {told(verb, positive)}."

    def hypothesis(label: str) -> str:
        other = rng.choice(unknown if label == "neutral" else known)
        does = rng.random() < 0.5 if label == "neutral" else positive == (label == "entailment")
        return f"{name:은} {when} {other:을} {told(verb, does)}."

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
            who: answer((who == person) if what == thing else None) for who in (giver, taker)
        }
        for what in (thing, rng.choice(others))
        for adnominal, person in ((way.giving, giver), (way.taking, taker))
    }
    facts[verb] = {who: answer(who == subject) for who in (giver, taker)}
    return Scene("roles", premise, hypothesis, facts)


def comparison(rng: random.Random) -> Scene:
    """Two people compared in one thing; nothing is known of another measure."""
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
        adnominal: {who: answer((who == first) if by == measure else None) for who in (top, bottom)}
        for by in words.MEASURES
        for adnominal, first in ((by.more[1], top), (by.less[1], bottom))
    }
    facts[adjective] = {who: answer(who == subject) for who in (top, bottom)}
    return Scene("comparison", premise, hypothesis, facts)


TYPES: tuple[Callable[[random.Random], Scene], ...] = (
    negation,
    quantity,
    time,
    hypernym,
    roles,
    comparison,
)
