"""The functions behind aihub_dialogue_ko.yaml: lm_eval loads this file by its path, from wherever
it runs.

A doc is kodata's record (guid, group, messages, topic), with the four `choices`. The wrong ones are
last turns of other dialogues of the same set: as the right one is a last turn too, and of that set,
neither place nor register tells it."""

import importlib.util
import logging
import random
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if importlib.util.find_spec("kodata") is None:  # not installed: it stands beside the tasks
    sys.path.append(str(Path(__file__).resolve().parents[2]))
from kodata.aihub_dialogue import answer, group, question
from kodata.card import Record
from kodata.control_text import is_whole
from kodata.errors import DataError
from kodata.scored import Splits, chosen, place, records

__all__ = ["choices", "dataset", "process_results", "question", "target"]

CHOICES = 4
SEED = 42  # of which wrong turns a dialogue gets, and where the right one stands; never of a run


def dataset(
    source: str,
    data_path: str | dict[str, str] | None = None,
    test_share: float | None = None,
    **_: object,
) -> Splits:
    """The scored split. `data_path` and `test_share` as in kodata.scored.dataset()."""
    import datasets

    found = [record for record in records(source, data_path, test_share) if is_whole(record)]
    pools: dict[str, list[Record]] = defaultdict(list)
    for record in found:
        pools[_set(record)].append(record)
    docs = [doc for record in found if (doc := _doc(record, pools[_set(record)]))]
    if not docs:
        raise DataError(
            f"{source}: path {place(source, data_path)}: its test part has {len(found)} dialogues,"
            f" and no set among them {CHOICES} of different groups and last turns; give more data"
        )
    if few := len(found) - len(docs):
        logging.getLogger("lm_eval").warning(
            "aihub_dialogue_ko: %d of %d dialogues are not asked: their set has no %d other last"
            " turns of other groups",
            few,
            len(found),
            CHOICES - 1,
        )
    return {"test": datasets.Dataset.from_list(docs)}


def _set(record: Record) -> str:
    return str(record["guid"]).split(":")[0]


def _doc(record: Record, pool: list[Record]) -> Record | None:
    """The record with its choices, which depend on the pool but not on --limit; None where the pool
    has too few."""
    rng = random.Random(f"{SEED} {record['guid']}")
    offered = [answer(record)]
    for other in _shuffled(pool, rng):
        if group(other) != group(record) and answer(other) not in offered:
            offered.append(answer(other))
        if len(offered) == CHOICES:
            rng.shuffle(offered)
            return {key: record[key] for key in ("guid", "group", "messages", "topic")} | {
                "choices": offered
            }
    return None


def _shuffled(pool: list[Record], rng: random.Random) -> Any:
    """The pool in random order, without shuffling all of it for the few that are taken: a few
    draws, then all."""
    yield from (rng.choice(pool) for _ in range(20 * CHOICES))
    yield from rng.sample(pool, len(pool))


def choices(doc: Record) -> list[str]:
    """The four turns; of a training record, which has none to choose from, the right one alone."""
    return list(doc.get("choices") or [answer(doc)])


def target(doc: Record) -> int:
    """The index of the right choice."""
    return choices(doc).index(answer(doc))


def process_results(doc: Record, results: Sequence[tuple[float, bool]]) -> dict[str, float]:
    """Whether the right turn is the likeliest. Raises ValueError where a model gives no finite
    number."""
    return {"acc": float(chosen(doc, results) == target(doc))}
