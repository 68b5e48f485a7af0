"""The functions behind klue_nli_ko.yaml: lm_eval loads this file by its path, from wherever it runs.

A doc is kodata's record: guid, source, premise, hypothesis, label. The choices stand in the order of kodata's LABELS.
"""

import importlib.util
import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

if importlib.util.find_spec("kodata") is None:  # not installed: it stands beside the tasks
    sys.path.append(str(Path(__file__).resolve().parents[2]))
from kodata import source as find_source
from kodata.card import Record, Refused
from kodata.errors import DataError
from kodata.klue_nli import LABELS, question

__all__ = ["choices", "dataset", "macro_f1", "process_results", "question", "target", "triple_acc"]

Pair = tuple[int, int]  # gold and predicted choice
Judged = tuple[str, int, int]  # premise, gold and predicted choice


def dataset(source: str, data_path: str | dict[str, str] | None = None, **_: object) -> dict[str, Any]:
    """The scored split. `data_path` comes from lm_eval's --metadata, whose other keys are not for us: a folder, or,
    since lm_eval gives every task the same metadata, a folder for each source: {"klue_nli": "FOLDER"}.

    The docs of one premise follow each other, premises in file order, so that --limit breaks at most one of them up.
    """
    import datasets

    path = data_path.get(source) if isinstance(data_path, dict) else data_path
    premises: dict[str, list[Record]] = {}
    for record in find_source(source).read("test", path):
        if isinstance(record, Refused):
            continue
        if not (record["premise"] and record["hypothesis"]):
            raise DataError(
                f"{source}: guid {record['guid']}: an empty premise or hypothesis cannot be scored; mend it"
            )
        premises.setdefault(record["premise"], []).append(record)
    return {"test": datasets.Dataset.from_list([doc for docs in premises.values() for doc in docs])}


def choices(doc: Record) -> list[str]:
    """함의, 중립, 모순: the same for every doc."""
    return list(LABELS.values())


def target(doc: Record) -> int:
    """The index of the right choice."""
    return list(LABELS).index(doc["label"])


def process_results(doc: Record, results: Sequence[tuple[float, bool]]) -> dict[str, Any]:
    """Per-item values from the three log-likelihoods. Raises ValueError where a model gives no finite number.

    Without this check a broken model, all of whose likelihoods are NaN, would score the share of the first choice.
    """
    likelihoods = [likelihood for likelihood, _ in results]
    if not all(map(math.isfinite, likelihoods)):
        raise ValueError(f"guid {doc['guid']}: the model's log-likelihoods are {likelihoods}; is the model broken?")
    gold, predicted = target(doc), max(range(len(likelihoods)), key=likelihoods.__getitem__)
    return {
        "acc": float(gold == predicted),
        "macro_f1": (gold, predicted),
        "triple_acc": (doc["premise"], gold, predicted),
        "brier": brier(gold, likelihoods),
    }


def brier(gold: int, likelihoods: Sequence[float]) -> float:
    """Squared distance of the choices' probabilities (softmax) from the truth: 0 is certain and right, 2 certain and
    wrong, 2/3 an even guess among three. Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """
    top = max(likelihoods)
    weights = [math.exp(likelihood - top) for likelihood in likelihoods]
    return sum((weight / sum(weights) - (choice == gold)) ** 2 for choice, weight in enumerate(weights))


def macro_f1(items: Iterable[Pair]) -> float:
    """The unweighted mean of the F1 of each class that occurs as gold or predicted: scikit-learn's definition."""
    from sklearn.metrics import f1_score

    golds, predictions = zip(*items, strict=True)
    return float(f1_score(golds, predictions, average="macro", zero_division=0))


def triple_acc(items: Iterable[Judged]) -> float:
    """The share of premises all of whose hypotheses are judged rightly, which guessing from hypotheses alone rarely does.

    Only premises whose scored hypotheses have all three labels count; NaN where --limit leaves none of them.
    """
    judged: dict[str, list[Pair]] = defaultdict(list)
    for premise, gold, predicted in items:
        judged[premise].append((gold, predicted))
    whole = [pairs for pairs in judged.values() if len({gold for gold, _ in pairs}) == len(LABELS)]
    right = sum(all(gold == predicted for gold, predicted in pairs) for pairs in whole)
    return right / len(whole) if whole else math.nan
