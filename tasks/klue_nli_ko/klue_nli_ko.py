"""The functions of klue_nli_ko.yaml. lm_eval loads this file by its path, from any folder.

A doc is kodata's record: guid, source, premise, hypothesis, label, and agreement if the data have
it. The model chooses one of the labels 함의, 중립 and 모순, in the order of kodata's LABELS."""

import importlib.util
import math
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

if importlib.util.find_spec("kodata") is None:  # not installed: import it from the repository
    sys.path.append(str(Path(__file__).resolve().parents[2]))
from kodata.card import Record
from kodata.klue_nli import LABELS, question
from kodata.metrics.metrics import aggregation
from kodata.metrics.resampling import Ingredients
from kodata.scored import dataset, likeliest

__all__ = [
    "choices",
    "dataset",
    "ece",
    "macro_f1",
    "process_results",
    "question",
    "target",
    "triple_acc",
]

macro_f1, triple_acc, ece = map(aggregation, ("macro_f1", "triple_acc", "ece"))
HARD = Path(__file__).with_name("hard_guids.txt")  # written by hard.py
# The metrics that are the accuracy on a part of the data.
BREAKDOWNS = frozenset(
    {"acc_hard", "acc_votes_3", "acc_votes_4", "acc_votes_5"}
    | {
        f"acc_{source}"
        for source in ("airbnb", "nsmc", "policy", "wikinews", "wikipedia", "wikitree")
    }  # the sources of texts in KLUE-NLI
    | {
        f"acc_{kind}"
        for kind in ("comparison", "hypernym", "negation", "quantity", "roles", "time")
    }  # the kinds of items in nli_sample
)


def choices(doc: Record) -> list[str]:
    """The choices 함의, 중립 and 모순, which are the same for every doc."""
    return list(LABELS.values())


def target(doc: Record) -> int:
    """The index of the right choice."""
    return list(LABELS).index(doc["label"])


def process_results(doc: Record, results: Sequence[tuple[float, bool]]) -> Ingredients:
    """The items of a doc by metric (see kodata.metrics.metrics). `results` has lm_eval's
    (log-likelihood, is_greedy) of each choice. Raises ValueError if a log-likelihood is not
    finite."""
    gold, predicted = target(doc), likeliest(doc, results)
    acc, likelihoods = float(gold == predicted), [likelihood for likelihood, _ in results]
    return {
        "acc": acc,
        "macro_f1": (gold, predicted),
        "triple_acc": (doc["premise"], gold, predicted),
        "brier": brier(gold, likelihoods),
        "ece": (max(probabilities(likelihoods)), acc),
        **dict.fromkeys(sorted(breakdowns(doc)), acc),
    }


def brier(gold: int, likelihoods: Sequence[float]) -> float:
    """The Brier score of a doc: the sum over the choices of (p - y) ** 2. p is the probability of a
    choice; y is 1 for the right choice (`gold` is its index), else 0. The score is 0 if the right
    choice has probability 1, 2 if a wrong one has, and 2/3 if three choices have 1/3 each. Brier
    1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2."""
    return sum(
        (share - (choice == gold)) ** 2 for choice, share in enumerate(probabilities(likelihoods))
    )


def probabilities(likelihoods: Sequence[float]) -> list[float]:
    """The probabilities of the choices: the softmax of their log-likelihoods."""
    top = max(likelihoods)
    weights = [math.exp(likelihood - top) for likelihood in likelihoods]
    return [weight / sum(weights) for weight in weights]


def breakdowns(doc: Record) -> frozenset[str]:
    """The metrics of BREAKDOWNS that count a doc. They depend on the source of its text, on how
    many of the five annotators chose its label, and on whether it is a hard item (hard.py)."""
    kinds = {f"acc_{doc['source'].lower()}", f"acc_votes_{doc.get('agreement')}"}
    return BREAKDOWNS & (kinds | {"acc_hard"} if doc["guid"] in hard_guids() else kinds)


@cache
def hard_guids() -> frozenset[str]:
    """The guids of the hard items of KLUE-NLI's dev file (see hard.py)."""
    lines = HARD.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))
