"""Functions that the tasks for lm-evaluation-harness (lm_eval) share. They return the docs to
score, and extract a language model's choice or answer. A doc is a record, as lm_eval calls it.

These functions are in kodata because lm_eval loads each task file by its path. So task files can
import kodata, but not each other."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from kodata import source as find_source
from kodata.card import Record
from kodata.control_text import is_complete, records_of
from kodata.errors import DataError
from kodata.metrics.naturalness.scripts import hangul
from kodata.text import composed

Splits = dict[str, Any]  # a datasets.Dataset for each split, as lm_eval expects


def dataset(
    source: str,
    data_path: str | dict[str, str] | None = None,
    skip_empty: bool = False,
    test_share: float | None = None,
    **_: object,
) -> Splits:
    """Returns {"test": the docs of the source's test split}.

    `data_path` and `test_share` come from lm_eval's --metadata; its other keys are ignored.
    `data_path` is a folder or a hub commit, or a dict with one for each source: {"klue_nli":
    "FOLDER"}. The dict is needed because lm_eval passes the same metadata to every task.
    `test_share` is the share of groups to score if the data have no test part (kodata.test_part).

    Docs of one group (a premise, a paragraph) are adjacent, and groups are in file order. So
    --limit splits at most one group. A record with an empty field is dropped if `skip_empty` is
    True; otherwise DataError is raised. Raises DataError if no doc is left."""
    import datasets

    group_of = find_source(source).group
    groups: dict[str, list[Record]] = {}
    for record in records(source, data_path, test_share):
        if is_complete(record):
            groups.setdefault(group_of(record), []).append(record)
        elif not skip_empty:
            empty = next((field for field, text in record.items() if not text), "turn")
            raise DataError(
                f"{source}: guid {record['guid']}: an empty {empty} cannot be scored; mend it"
            )
    if not groups:
        raise DataError(
            f"{source}: path {path_of(source, data_path)}: no row of its test part can be scored;"
            " add rows"
        )
    return {"test": datasets.Dataset.from_list([doc for docs in groups.values() for doc in docs])}


def records(
    source: str, data_path: str | dict[str, str] | None = None, test_share: float | None = None
) -> Iterator[Record]:
    """Yields the records of a source's test split, neutralized. `data_path` and `test_share` are as
    in dataset(). Raises DataError."""
    # lm_eval passes the share to every task, so it is ignored for a source with its own test split.
    has_share = find_source(source).CARD.test_share is not None
    module = find_source(source, test_share if has_share else None)
    return records_of(module.read("test", path_of(source, data_path)))


def path_of(source: str, data_path: str | dict[str, str] | None) -> str | None:
    """The path of one source's data. `data_path` is as in dataset(). None means the hub, or data
    that are shipped with kotune."""
    return data_path.get(source) if isinstance(data_path, dict) else data_path


def likeliest(doc: Record, results: Sequence[tuple[float, bool]]) -> int:
    """The index of the likeliest choice of a doc. `results` has lm_eval's (log-likelihood,
    is_greedy) for each choice.

    Raises ValueError if a log-likelihood is not finite. Otherwise a broken model that returns only
    NaN would always choose the first answer, and some of its choices would count as right."""
    likelihoods = [likelihood for likelihood, _ in results]
    if not all(map(math.isfinite, likelihoods)):
        raise ValueError(
            f"guid {doc['guid']}: the model's log-likelihoods are {likelihoods}; is the model"
            " broken?"
        )
    return max(range(len(likelihoods)), key=likelihoods.__getitem__)


def final_answer(text: str) -> str | None:
    """The answer in a model's output: the text after </think>, or the whole text if there is no
    such tag. In NFC, stripped. None if a thought was opened and not closed.

    A template may open the thought itself. The output then has the closing tag only."""
    _, closed, rest = text.rpartition("</think>")
    if "<think>" in rest:
        return None
    return composed(rest if closed else text).strip()


def thought(text: str) -> str:
    """The thought in a model's output, finished or not, without its tags. In NFC, stripped. Empty
    if there is none.

    A template may open the thought itself. The output then has the closing tag only."""
    thoughts, _, rest = text.rpartition("</think>")
    if "<think>" in rest:
        thoughts = text
    return composed(thoughts.replace("<think>", " ").replace("</think>", " ")).strip()


def opened_thought(prompt: str) -> str:
    """Returns "<think>" if the prompt ends with this tag, else an empty text. Put it before the
    model's output, so that the output has both tags of its thought."""
    return "<think>" if prompt.rstrip().endswith("<think>") else ""


def hangul_share(text: str) -> float | None:
    """The share of Hangul among the letters of a text; None if it has no letters."""
    korean, letters = hangul(text)
    return korean / letters if letters else None
