"""What the lm-evaluation-harness tasks share: the documents that are scored, the choice and the
answer of a model.

It stands here because lm_eval loads a task's functions file by file, so that they can import kodata
but not each other."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from kodata import source as find_source
from kodata.card import Record
from kodata.control_text import is_whole, records_of
from kodata.errors import DataError
from kodata.metrics.naturalness.scripts import hangul
from kodata.text import composed

Splits = dict[str, Any]  # datasets.Dataset by the name of the split, as lm_eval takes them


def dataset(
    source: str,
    data_path: str | dict[str, str] | None = None,
    skip_empty: bool = False,
    test_share: float | None = None,
    **_: object,
) -> Splits:
    """The scored split of a source. `data_path` comes from lm_eval's --metadata, whose other keys
    are not for us: a folder, or, since lm_eval gives every task the same metadata, a folder for
    each source: {"klue_nli": "FOLDER"}. `test_share` comes from there too: of the groups, where a
    source brings no test part (kodata.test_part).

    The docs of one group (a premise, a paragraph) follow each other, groups in file order, so that
    --limit breaks at most one of them up. A record with an empty field is a DataError, or left out
    where the task says `skip_empty`."""
    import datasets

    group_of = find_source(source).group
    groups: dict[str, list[Record]] = {}
    for record in records(source, data_path, test_share):
        if is_whole(record):
            groups.setdefault(group_of(record), []).append(record)
        elif not skip_empty:
            empty = next((field for field, text in record.items() if not text), "turn")
            raise DataError(
                f"{source}: guid {record['guid']}: an empty {empty} cannot be scored; mend it"
            )
    if not groups:
        raise DataError(
            f"{source}: path {place(source, data_path)}: no row of its test part can be scored;"
            " give some"
        )
    return {"test": datasets.Dataset.from_list([doc for docs in groups.values() for doc in docs])}


def records(
    source: str, data_path: str | dict[str, str] | None = None, test_share: float | None = None
) -> Iterator[Record]:
    """The records of a source's test split; `data_path` and `test_share` as in dataset()."""
    # The metadata are the same for all tasks.
    cuts = find_source(source).CARD.test_share is not None
    return records_of(
        find_source(source, test_share if cuts else None).read("test", place(source, data_path))
    )


def place(source: str, data_path: str | dict[str, str] | None) -> str | None:
    """Where a source's data lies, of lm_eval's `data_path`; None: on the hub, or shipped."""
    return data_path.get(source) if isinstance(data_path, dict) else data_path


def chosen(doc: Record, results: Sequence[tuple[float, bool]]) -> int:
    """The index of the likeliest choice. Raises ValueError where a model gives no finite number.

    Without this check a broken model, all of whose likelihoods are NaN, would score the share of
    the first choice."""
    likelihoods = [likelihood for likelihood, _ in results]
    if not all(map(math.isfinite, likelihoods)):
        raise ValueError(
            f"guid {doc['guid']}: the model's log-likelihoods are {likelihoods}; is the model"
            " broken?"
        )
    return max(range(len(likelihoods)), key=likelihoods.__getitem__)


def final_answer(text: str) -> str | None:
    """What a model answers, without its thoughts, NFC and stripped. None where it opened a thought
    and never closed it.

    A template may open the thought itself, so that only its end stands in the text.
    """
    _, closed, rest = text.rpartition("</think>")
    if "<think>" in rest:
        return None
    return composed(rest if closed else text).strip()


def thought(text: str) -> str:
    """What a model thinks before its answer, NFC and stripped, whether it came to an end or not;
    empty where it does not think. One that the template opened is seen by its end alone, as in
    final_answer()."""
    thoughts, _, rest = text.rpartition("</think>")
    if "<think>" in rest:
        thoughts = text
    return composed(thoughts.replace("<think>", " ").replace("</think>", " ")).strip()


def opened(prompt: str) -> str:
    """The tag of a thought that a prompt opens for its answer, empty where it opens none; to be put
    before the answer."""
    return "<think>" if prompt.rstrip().endswith("<think>") else ""


def hangul_share(text: str) -> float | None:
    """The share of Hangul among the letters of a text; None where it has no letters."""
    ours, letters = hangul(text)
    return ours / letters if letters else None
