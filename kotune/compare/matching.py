"""Finds the items that several runs have in common. All paired comparisons use this rule."""

from collections.abc import Sequence

from kotune.runs.records import Answers


def shared_items(answers: Sequence[Answers]) -> list[str]:
    """The document hashes of the items that all runs answered, in the order of the first run.

    `answers`: each run's answers to one task, at least one run. An item counts only if its question
    and its right answer are the same in all runs."""
    first, *others = answers
    return [
        key
        for key, answer in first.items()
        if all(key in other and other[key].question == answer.question for other in others)
    ]
