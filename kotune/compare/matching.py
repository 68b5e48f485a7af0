"""Which items several runs have in common: the one rule for all that is paired."""

from collections.abc import Sequence

from kotune.runs.records import Answers


def shared_items(answers: Sequence[Answers]) -> list[str]:
    """The documents' hashes of the items that are in all of `answers` with the same question and
    the same right answer, in the order of the first."""
    first, *others = answers
    return [
        key
        for key, answer in first.items()
        if all(key in other and other[key].question == answer.question for other in others)
    ]
