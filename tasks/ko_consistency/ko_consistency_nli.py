"""The functions of ko_consistency_nli.yaml. lm_eval loads this file by its path, from any folder.

A doc is kodata's record (guid, source, premise, hypothesis, label) with `item` (the record's own
guid) and `prompt` (a key of PROMPTS). Prompts differ in one thing at a time, so that each metric
has one cause:

- the wording, with the labels in the usual order;
- the order of the labels, in the usual wording;
- for contradictions, which sentence is the premise."""

import importlib.util
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

if importlib.util.find_spec("kodata") is None:  # not installed: import it from the repository
    sys.path.append(str(Path(__file__).resolve().parents[2]))
from kodata import scored
from kodata.card import Record
from kodata.klue_nli import LABELS, WORDINGS, worded
from kodata.metrics.metrics import aggregation
from kodata.metrics.resampling import Ingredients
from kodata.records import make_draw
from kodata.scored import Splits, likeliest

agreement, wording_agreement, order_agreement = map(
    aggregation, ("agreement", "wording_agreement", "order_agreement")
)
pair_agreement, fleiss_kappa = aggregation("pair_agreement"), aggregation("fleiss_kappa")
consistent_and_right = aggregation("consistent_and_right")
three_labels, triple_acc = aggregation("three_labels"), aggregation("triple_acc")
swap_consistent, swap_contradiction = (
    aggregation("swap_consistent"),
    aggregation("swap_contradiction"),
)

# The prompt of klue_nli_ko, and the same prompt with premise and hypothesis exchanged.
USUAL, SWAP = "usual", "swap"
WORDED = {f"wording_{number}": (number, 0) for number in range(1, len(WORDINGS))}
# Rotations of the labels. Together with the usual order, each label comes first once.
ORDERED = {f"order_{number}": (0, number) for number in range(1, len(LABELS))}
# For each name of a prompt: its index in WORDINGS, and the index of the label that comes first.
PROMPTS = {USUAL: (0, 0), **WORDED, **ORDERED, SWAP: (0, 0)}
UNCHANGED = (USUAL, *WORDED, *ORDERED)

# The prompts that each metric compares.
COMPARED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("agreement", "pair_agreement", "fleiss_kappa", "consistent_and_right"), UNCHANGED
    ),
    "wording_agreement": (USUAL, *WORDED),
    "order_agreement": (USUAL, *ORDERED),
    **dict.fromkeys(("swap_consistent", "swap_contradiction"), (USUAL, SWAP)),
}


def dataset(
    source: str, premises: int, data_path: str | dict[str, str] | None = None, **_: object
) -> Splits:
    """The docs of `premises` premises of the scored split. These are the premises with the lowest
    draws, so they do not depend on --limit. Docs are sorted by premise, then by item. `data_path`
    as in kodata.scored.dataset()."""
    import datasets

    test = scored.dataset(source, data_path)["test"]
    groups = {
        premise: list(items)
        for premise, items in groupby(test, key=lambda record: record["premise"])
    }
    drawn = sorted(groups, key=make_draw("ko_consistency"))[:premises]
    docs = [doc for premise in drawn for doc in _docs(groups[premise])]
    return {"test": datasets.Dataset.from_list(docs)}


def _docs(items: list[Record]) -> Iterator[Record]:
    for record in items:
        for prompt in PROMPTS:
            if prompt != SWAP or record["label"] == "contradiction":
                yield {
                    **record,
                    "item": record["guid"],
                    "guid": f"{record['guid']} {prompt}",
                    "prompt": prompt,
                }


def question(doc: Record) -> str:
    """The prompt, in the doc's wording and order."""
    if doc["prompt"] == SWAP:
        doc = {**doc, "premise": doc["hypothesis"], "hypothesis": doc["premise"]}
    return worded(doc, *PROMPTS[doc["prompt"]])


def choices(doc: Record) -> list[str]:
    """함의, 중립, 모순, for every doc."""
    return list(LABELS.values())


def target(doc: Record) -> int:
    """The index of the right choice. A contradiction with exchanged sentences counts as a
    contradiction too (see tasks/README.md)."""
    return list(LABELS).index(doc["label"])


def process_results(doc: Record, results: Sequence[tuple[float, bool]]) -> Ingredients:
    """The doc's item for each metric that uses its prompt. Raises ValueError if a likelihood is not
    finite."""
    gold, predicted, prompt = target(doc), likeliest(doc, results), doc["prompt"]
    has_swap = doc["label"] == "contradiction"
    values: Ingredients = {
        metric: (doc["premise"], doc["item"], len(prompts), gold, predicted)
        for metric, prompts in COMPARED.items()
        if prompt in prompts and (has_swap or SWAP not in prompts)
    }
    if prompt != SWAP:
        values["acc"] = float(gold == predicted)
    if prompt == USUAL:
        values |= dict.fromkeys(("three_labels", "triple_acc"), (doc["premise"], gold, predicted))
    return values
