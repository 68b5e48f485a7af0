"""The functions behind ko_consistency_questions.yaml: lm_eval loads this file by its path, from
wherever it runs.

A doc is kodata's record (guid, group, question, answers) with `ways`, the number of questions of
its group."""

import importlib.util
import re
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

if importlib.util.find_spec("kodata") is None:  # not installed: it stands beside the tasks
    sys.path.append(str(Path(__file__).resolve().parents[2]))
from kodata import scored
from kodata.card import Record
from kodata.metrics.metrics import aggregation
from kodata.metrics.resampling import Ingredients
from kodata.paraphrases import answer, question
from kodata.scored import Splits, final_answer
from kodata.text import folded

__all__ = [
    "answer",
    "consistent_and_right",
    "dataset",
    "holds",
    "process_results",
    "question",
    "same_answer",
]

same_answer, consistent_and_right = aggregation("same_answer"), aggregation("consistent_and_right")
answer_overlap, answer_overlap_between = (
    aggregation("answer_overlap"),
    aggregation("answer_overlap_between"),
)
answer_overlap_gain = aggregation("answer_overlap_gain")

# folded characters: a longer answer is not the short one that was asked for, whatever it holds
SHORT = 100
COMPARED = 1000  # folded characters of an answer that are compared


TOPIC = "은는"  # 답은칠입니다: a word may begin after it without a space
_SINO, _TENS = "일이삼사오육륙칠팔구십백천만억영공", "열|스물|스무|서른|마흔|쉰|예순|일흔|여든|아흔"
_ONES = "하나|한|둘|두|셋|세|넷|네|다섯|여섯|일곱|여덟|아홉"
NUMERAL = re.compile(rf"(?:{_TENS}|{_ONES}|[{_SINO}])+")


class Larger(NamedTuple):
    """`starts`: a form that begins so is part of a larger number where `before` ends the text
    before it."""

    starts: re.Pattern[str]
    before: re.Pattern[str]


_LARGER = (
    Larger(
        re.compile(rf"{_ONES}"), re.compile(rf"(?:[{_SINO}]*[백천만])?(?:{_TENS}|(?<=[백천만]))$")
    ),
    Larger(re.compile(rf"{_TENS}"), re.compile(rf"[{_SINO}]*[백천만]$")),
    Larger(re.compile(rf"(?!{_ONES})[{_SINO}]"), re.compile(rf"[{_SINO}]+$")),
)
_CONTINUES = re.compile(
    rf"(?:{_TENS})\|(?:{_ONES})|[{_SINO}]\|[십백천억]|[십백천만]\|[삼사오육칠팔구]"
)
_UNIT = re.compile(
    "시간|분|초|일(?!곱|것|거|까|수|지)|주일|달|월|개월|년|밀리|센티|킬로|미터|그램|도|퍼센트|프로|원"
)
_ENDING = re.compile("[이가은는을를과와의로도만에요야다죠지라뿐]?|으로|뿐?(?:이|입|예|인|임|였).*")


def dataset(source: str, data_path: str | dict[str, str] | None = None, **_: object) -> Splits:
    """The questions, group by group. `data_path` as in kodata.scored.dataset()."""
    found = scored.dataset(source, data_path)["test"]
    ways = Counter(found["group"])
    return {"test": found.add_column("ways", [ways[name] for name in found["group"]])}


def process_results(doc: Record, results: Sequence[str]) -> Ingredients:
    """What the doc gives to each metric; nothing to those of right answers where none is known.
    `unfinished`: the model was still thinking when it was stopped."""
    final = final_answer(results[0])
    said, group, ways = folded(final or ""), doc["group"], doc["ways"]
    text = said[:COMPARED]
    found: Ingredients = {"empty": float(not said), "unfinished": float(final is None)}
    found["same_answer"] = (group, group, ways, "", text)
    for metric in ("answer_overlap", "answer_overlap_between", "answer_overlap_gain"):
        found[metric] = (group, ways, text)
    if doc["answers"]:
        right = holds(final or "", doc["answers"])
        found |= {"acc": float(right), "consistent_and_right": (group, group, ways, 1, int(right))}
    return found


def holds(said: str, answers: Sequence[str]) -> bool:
    """Whether a short answer holds one of the accepted forms, and not in a larger number (17,
    열일곱, 쉰일곱 for 7, 일곱), in another word (인터넷 for 넷) or with another unit (24분 for
    24시간)."""
    words = [word for word in map(folded, re.split(r"[\W_]+", said)) if word]
    text, forms = "".join(words), [folded(form) for form in answers]
    ends = set(accumulate(map(len, words), initial=0))
    units = {re.sub(rf"^(?:{NUMERAL.pattern}|\d+)", "", form) for form in forms} - {""}
    return len(text) <= SHORT and any(
        _stands(text, found.span(), ends, units)
        for form in forms
        for found in re.finditer(rf"(?<!\d){re.escape(form)}(?!\d)", text)
    )


def _stands(text: str, span: tuple[int, int], ends: set[int], units: set[str]) -> bool:
    """Whether the form at `span` of a text says what it says alone. `ends`: where words begin and
    end; `units`: what follows the number in the accepted forms, if anything does."""
    form, before, after = text[slice(*span)], text[: span[0]], text[span[1] :]
    if any(_begins(before, larger, ends) for larger in _LARGER if larger.starts.match(form)):
        return False
    if not (form.isdecimal() or NUMERAL.fullmatch(form)):
        return True
    if (
        units
        and (unit := _UNIT.match(after))
        and not any(known.startswith(unit[0]) for known in units)
    ):
        return False
    if _CONTINUES.match(form[-2:] + "|" + after) or _CONTINUES.match(form[-1:] + "|" + after):
        return False
    if len(form) > 1 or form.isdecimal():
        return True
    word_end = min(end for end in ends if end >= span[1])
    whole = span[0] in ends or before[-1] in TOPIC
    return whole and bool(_ENDING.fullmatch(text[span[1] : word_end]))


def _begins(before: str, larger: "Larger", ends: set[int]) -> bool:
    """Whether the text before a form ends in a numeral that makes it a larger number, and is a
    numeral from a word's beginning: 열네 개 and 열 네 개, but 모두 네 개 and 한 시간이 육십 분 are
    no such."""
    found = larger.before.search(before)
    return bool(found and (found.start() in ends or before[found.start() - 1] in TOPIC))
