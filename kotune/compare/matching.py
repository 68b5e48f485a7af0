"""Finds the items that several runs have in common. All paired comparisons use this rule."""

from collections.abc import Sequence

from kotune.runs.records import Answers


def shared_items(answers: Sequence[Answers]) -> list[str]:
    """The document hashes of the items that occur in every element of `answers`, in the order of
    the first element. An item's question and right answer must be the same in all elements."""
    first, *others = answers
    return [
        key
        for key, answer in first.items()
        if all(key in other and other[key].question == answer.question for other in others)
    ]
