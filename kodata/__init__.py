"""Korean data sets as chat examples: each data set is a module that implements card.Source.
Importing this package is fast, because functions import heavy libraries only when called."""

from kodata import (
    aihub_dialogue,
    chat,
    klue_nli,
    korquad,
    naturalness,
    naver_news,
    nli_sample,
    nsmc,
    paraphrases,
)
from kodata.card import Source
from kodata.errors import DataError, did_you_mean
from kodata.test_part import with_test_share

SOURCES: dict[str, Source] = {
    "aihub_dialogue": aihub_dialogue,
    "chat": chat,
    "klue_nli": klue_nli,
    "korquad": korquad,
    "naturalness": naturalness,
    "naver_news": naver_news,
    "nli_sample": nli_sample,
    "nsmc": nsmc,
    "paraphrases": paraphrases,
}


def source(name: str, test_share: float | None = None) -> Source:
    """The data set module with this name. `test_share` is the share of groups that is kept for
    scoring; None means the share on the data set's card.

    Raises DataError for an unknown name. Also raises DataError if `test_share` is given for a data
    set that has its own test split."""
    if name not in SOURCES:
        raise DataError(f"unknown source {name!r}{did_you_mean(name, SOURCES)}")
    return SOURCES[name] if test_share is None else with_test_share(SOURCES[name], test_share)
