"""Prints ten free answers of a run before and after tuning, as a Markdown table: `python -m
tests.real.answers RUN`.

The prompts are those of ko_naturalness (CC0), so the table has no row of a data set."""

import sys
from pathlib import Path
from typing import NamedTuple

from kotune.runs.reading import lines_of
from kotune.score.samples import samples_path

TASK, SHOWN, LONGEST = "ko_naturalness", 10, 120  # LONGEST: characters of an answer


class Answers(NamedTuple):
    """A prompt, and its answers before and after tuning."""

    prompt: str
    before: str
    after: str


def answers(run: Path) -> list[Answers]:
    """The answers of a run to every prompt that it scored, in the order of the task."""
    base, tuned, items = (
        {row["doc_hash"]: row for row in lines_of(samples_path(run, kind, TASK))}
        for kind in ("base", "tuned", "items")
    )
    return [
        Answers(row["question"], base[key]["prediction"], tuned[key]["prediction"])
        for key, row in items.items()
    ]


def table(found: list[Answers]) -> str:
    """A Markdown table of at most SHOWN answers, spread evenly over all."""
    count = min(SHOWN, len(found))
    chosen = [found[number * len(found) // count] for number in range(count)]
    rows = ["| prompt | before | after |", "|---|---|---|"]
    rows += [f"| {' | '.join(map(cell, row))} |" for row in chosen]
    return "\n".join(rows)


def cell(text: str) -> str:
    """A text in one line of a table, shortened to LONGEST characters."""
    line = " ".join(text.split()).replace("|", "\\|") or "(empty)"
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} ..."


if __name__ == "__main__":
    print(table(answers(Path(sys.argv[1]))))
