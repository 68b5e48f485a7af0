"""The functions of ko_consistency_questions.yaml. lm_eval loads this file by its path, from any
folder.

The task measures whether a model gives the same answer to paraphrases of a question. A doc is
kodata's record (guid, group, question, answers) with `ways`, the number of questions in its
group."""

import importlib.util
import re
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

if importlib.util.find_spec("kodata") is None:  # not installed: import it from the repository
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

# The maximum length of a right answer, in characters after folded(). The prompt requests a short
# answer, so a longer one is wrong.
SHORT = 100
COMPARED = 1000  # the number of characters of an answer, after folded(), that are compared

TOPIC = "은는"  # a numeral may follow these particles without a space, as in 답은칠입니다
# Characters of Sino-Korean numerals; native Korean tens and ones.
_SINO, _TENS = "일이삼사오육륙칠팔구십백천만억영공", "열|스물|스무|서른|마흔|쉰|예순|일흔|여든|아흔"
_ONES = "하나|한|둘|두|셋|세|넷|네|다섯|여섯|일곱|여덟|아홉"
NUMERAL = re.compile(rf"(?:{_TENS}|{_ONES}|[{_SINO}])+")


class Larger(NamedTuple):
    """A rule for numerals. An accepted form that begins with a match of `starts` is part of a
    larger number if the text before it ends with a match of `before`. For example, 일곱 is part of
    a larger number after 열."""

    starts: re.Pattern[str]
    before: re.Pattern[str]


_LARGER = (
    Larger(
        re.compile(rf"{_ONES}"), re.compile(rf"(?:[{_SINO}]*[백천만])?(?:{_TENS}|(?<=[백천만]))$")
    ),
    Larger(re.compile(rf"{_TENS}"), re.compile(rf"[{_SINO}]*[백천만]$")),
    Larger(re.compile(rf"(?!{_ONES})[{_SINO}]"), re.compile(rf"[{_SINO}]+$")),
)
# Matches the end of a form, |, and the text after the form, if both are one numeral: 열|일곱.
_CONTINUES = re.compile(
    rf"(?:{_TENS})\|(?:{_ONES})|[{_SINO}]\|[십백천억]|[십백천만]\|[삼사오육칠팔구]"
)
# Units after a numeral, and what may follow a numeral of one syllable in the same word.
_UNIT = re.compile(
    "시간|분|초|일(?!곱|것|거|까|수|지)|주일|달|월|개월|년|밀리|센티|킬로|미터|그램|도|퍼센트|프로|원"
)
_ENDING = re.compile("[이가은는을를과와의로도만에요야다죠지라뿐]?|으로|뿐?(?:이|입|예|인|임|였).*")


def dataset(source: str, data_path: str | dict[str, str] | None = None, **_: object) -> Splits:
    """Like kodata.scored.dataset(), with the additional field `ways` in each doc."""
    test = scored.dataset(source, data_path)["test"]
    ways = Counter(test["group"])
    return {"test": test.add_column("ways", [ways[name] for name in test["group"]])}


def process_results(doc: Record, results: Sequence[str]) -> Ingredients:
    """The items of a doc by metric. A question without a known answer has no item for `acc` and
    `consistent_and_right`. `unfinished`: a thought was opened and not closed."""
    answered = final_answer(results[0])
    whole, group, ways = folded(answered or ""), doc["group"], doc["ways"]
    text = whole[:COMPARED]
    values: Ingredients = {"empty": float(not whole), "unfinished": float(answered is None)}
    values["same_answer"] = (group, group, ways, "", text)
    for metric in ("answer_overlap", "answer_overlap_between", "answer_overlap_gain"):
        values[metric] = (group, ways, text)
    if doc["answers"]:
        is_right = holds(answered or "", doc["answers"])
        values["acc"] = float(is_right)
        values["consistent_and_right"] = (group, group, ways, 1, int(is_right))
    return values


def holds(answered: str, answers: Sequence[str]) -> bool:
    """Whether the answer `answered` has at most SHORT characters and contains one of the accepted
    forms `answers`.

    A form does not count if it is part of a larger number (7 in 17, 일곱 in 열일곱) or of another
    word (넷 in 인터넷), or if it has another unit (24분 instead of 24시간)."""
    words = [word for word in map(folded, re.split(r"[\W_]+", answered)) if word]
    text, forms = "".join(words), [folded(form) for form in answers]
    boundaries = set(accumulate(map(len, words), initial=0))
    units = {re.sub(rf"^(?:{NUMERAL.pattern}|\d+)", "", form) for form in forms} - {""}
    return len(text) <= SHORT and any(
        _is_answer(text, match.span(), boundaries, units)
        for form in forms
        for match in re.finditer(rf"(?<!\d){re.escape(form)}(?!\d)", text)
    )


def _is_answer(text: str, span: tuple[int, int], boundaries: set[int], units: set[str]) -> bool:
    """Whether the form at `span` of an answer is not part of a larger number or of another word,
    and has no other unit. `boundaries`: the indices in `text` where words begin and end. `units`:
    the units in the accepted forms."""
    form, before, after = text[slice(*span)], text[: span[0]], text[span[1] :]
    starting = [larger for larger in _LARGER if larger.starts.match(form)]
    if any(_ends_in_numeral(before, larger, boundaries) for larger in starting):
        return False
    if not (form.isdecimal() or NUMERAL.fullmatch(form)):
        return True
    unit = _UNIT.match(after) if units else None
    if unit and not any(accepted.startswith(unit[0]) for accepted in units):
        return False
    if _CONTINUES.match(form[-2:] + "|" + after) or _CONTINUES.match(form[-1:] + "|" + after):
        return False
    if len(form) > 1 or form.isdecimal():
        return True
    word_end = min(end for end in boundaries if end >= span[1])
    begins_word = span[0] in boundaries or before[-1] in TOPIC
    return begins_word and bool(_ENDING.fullmatch(text[span[1] : word_end]))


def _ends_in_numeral(before: str, larger: "Larger", boundaries: set[int]) -> bool:
    """Whether `before`, the text before a form, ends with a numeral of which the form is a part.
    The numeral must be at the beginning of a word.

    For the form 네, True in 열네 개 and 열 네 개, and False in 모두 네 개. For the form 육십, False
    in 한 시간이 육십 분."""
    match = larger.before.search(before)
    return bool(match and (match.start() in boundaries or before[match.start() - 1] in TOPIC))
