"""The functions of ko_consistency_nli.yaml. lm_eval loads this file by its path, from any folder.

The task measures whether a model gives the same answer to different prompts for the same record. A
doc is one prompt for one record. It has the fields of kodata's record (source, premise, hypothesis,
label) and three others:

- `prompt`: the name of the prompt, a key of PROMPTS
- `item`: the guid of the record
- `guid`: `item`, a space and `prompt`

Each prompt differs from the usual prompt in only one of these properties, so that the cause of a
different answer is known:

- the wording
- the order of the labels
- for contradictions, which of the two sentences is the premise"""

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

# USUAL is the prompt of klue_nli_ko. SWAP is the same prompt with premise and hypothesis exchanged.
USUAL, SWAP = "usual", "swap"
OTHER_WORDINGS = {f"wording_{number}": (number, 0) for number in range(1, len(WORDINGS))}
# The labels are rotated, so that each label comes first in one of the prompts.
OTHER_ORDERS = {f"order_{number}": (0, number) for number in range(1, len(LABELS))}
# For each prompt: the index of its wording in WORDINGS, and the index of the label that it lists
# first. SWAP has the same numbers as USUAL, and question() exchanges its two sentences.
PROMPTS = {USUAL: (0, 0), **OTHER_WORDINGS, **OTHER_ORDERS, SWAP: (0, 0)}
UNCHANGED = (USUAL, *OTHER_WORDINGS, *OTHER_ORDERS)  # the prompts that do not exchange sentences

# The prompts that each metric compares.
COMPARED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("agreement", "pair_agreement", "fleiss_kappa", "consistent_and_right"), UNCHANGED
    ),
    "wording_agreement": (USUAL, *OTHER_WORDINGS),
    "order_agreement": (USUAL, *OTHER_ORDERS),
    **dict.fromkeys(("swap_consistent", "swap_contradiction"), (USUAL, SWAP)),
}


def dataset(
    source: str, premises: int, data_path: str | dict[str, str] | None = None, **_: object
) -> Splits:
    """Returns {"test": the docs of some premises of the source's test split}. `premises` is their
    number. The premises with the lowest hashes are taken, in the order of the hashes. So they are
    the same for every model and every --limit. The docs of a premise are adjacent. `data_path` is
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
    """Yields a doc for each prompt of each record. Only contradictions have SWAP."""
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
    """The text of the doc's prompt."""
    if doc["prompt"] == SWAP:
        doc = {**doc, "premise": doc["hypothesis"], "hypothesis": doc["premise"]}
    return worded(doc, *PROMPTS[doc["prompt"]])


def choices(doc: Record) -> list[str]:
    """The choices 함의, 중립 and 모순, which are the same for every doc."""
    return list(LABELS.values())


def target(doc: Record) -> int:
    """The index of the right choice. A contradiction stays one if its sentences are exchanged (see
    tasks/README.md)."""
    return list(LABELS).index(doc["label"])


def process_results(doc: Record, results: Sequence[tuple[float, bool]]) -> Ingredients:
    """The items of a doc by metric, for the metrics that use the doc's prompt. For `acc` an item is
    1 or 0. For the other metrics it is a tuple that begins with the premise. `results` has
    lm_eval's (log-likelihood, is_greedy) of each choice. Raises ValueError if a log-likelihood is
    not finite."""
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
