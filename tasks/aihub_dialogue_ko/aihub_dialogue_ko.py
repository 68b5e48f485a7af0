"""The functions of aihub_dialogue_ko.yaml. lm_eval loads this file by its path, from any folder.

A doc is kodata's record (guid, group, messages, topic) with four `choices` for the last turn of the
dialogue. The wrong choices are last turns of other dialogues of the same data set. So the right one
cannot be recognized by its style, or as the last turn of a dialogue."""

import importlib.util
import logging
import random
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if importlib.util.find_spec("kodata") is None:  # not installed: import it from the repository
    sys.path.append(str(Path(__file__).resolve().parents[2]))
from kodata.aihub_dialogue import answer, group, question
from kodata.card import Record
from kodata.control_text import is_complete
from kodata.errors import DataError
from kodata.scored import Splits, likeliest, path_of, records

__all__ = ["choices", "dataset", "process_results", "question", "target"]

CHOICES = 4  # the number of choices of a doc
# The seed for drawing the wrong choices and the order of choices. All runs use the same.
SEED = 42


def dataset(
    source: str,
    data_path: str | dict[str, str] | None = None,
    test_share: float | None = None,
    **_: object,
) -> Splits:
    """Returns {"test": the docs of the source's test split}. `data_path` and `test_share` are as in
    kodata.scored.dataset(). Dialogues without enough other last turns are left out, and a warning
    is logged. Raises DataError if no doc is left."""
    import datasets

    dialogues = [record for record in records(source, data_path, test_share) if is_complete(record)]
    pools: dict[str, list[Record]] = defaultdict(list)
    for record in dialogues:
        pools[_set(record)].append(record)
    docs = [doc for record in dialogues if (doc := _doc(record, pools[_set(record)]))]
    if not docs:
        raise DataError(
            f"{source}: path {path_of(source, data_path)}: its test part has {len(dialogues)}"
            f" dialogues, but no data set has {CHOICES} with different groups and last turns; give"
            " more data"
        )
    if skipped := len(dialogues) - len(docs):
        logging.getLogger("lm_eval").warning(
            "aihub_dialogue_ko: %d of %d dialogues are not scored: their data set does not have %d"
            " other last turns in other groups",
            skipped,
            len(dialogues),
            CHOICES - 1,
        )
    return {"test": datasets.Dataset.from_list(docs)}


def _set(record: Record) -> str:
    """The data set of a record, as the first part of its guid."""
    return str(record["guid"]).split(":")[0]


def _doc(record: Record, pool: list[Record]) -> Record | None:
    """The record with its choices. `pool` has all records of the same data set, so the choices do
    not depend on --limit. None if the pool has too few different last turns in other groups."""
    rng = random.Random(f"{SEED} {record['guid']}")
    answers = [answer(record)]
    for other in _random_order(pool, rng):
        if group(other) != group(record) and answer(other) not in answers:
            answers.append(answer(other))
        if len(answers) == CHOICES:
            rng.shuffle(answers)
            kept = {key: record[key] for key in ("guid", "group", "messages", "topic")}
            return {**kept, "choices": answers}
    return None


def _random_order(pool: list[Record], rng: random.Random) -> Any:
    """Yields some random records of the pool, which usually suffice, then all its records in random
    order. A record may be yielded several times."""
    yield from (rng.choice(pool) for _ in range(20 * CHOICES))
    yield from rng.sample(pool, len(pool))


def choices(doc: Record) -> list[str]:
    """The choices of a doc. A training record has no wrong choices, so the result is its last turn
    only."""
    return list(doc.get("choices") or [answer(doc)])


def target(doc: Record) -> int:
    """The index of the right choice."""
    return choices(doc).index(answer(doc))


def process_results(doc: Record, results: Sequence[tuple[float, bool]]) -> dict[str, float]:
    """The values of a doc by metric. acc is 1 if the right choice is the likeliest, else 0. Raises
    ValueError if a log-likelihood is not finite."""
    return {"acc": float(likeliest(doc, results) == target(doc))}
