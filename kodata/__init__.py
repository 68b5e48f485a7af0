"""Korean data sets as chat examples. Each data set is one module that implements card.Source.

This package does not depend on language models or trainers. Importing it is cheap: heavy libraries
are imported inside the functions that use them."""

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
    """The data set module with this name. `test_share` replaces the share of groups that the card
    keeps for scoring.

    Raises DataError for an unknown name, with the closest known name in the message. Raises
    DataError, too, if `test_share` is given but the data set has its own test split."""
    if name not in SOURCES:
        raise DataError(f"unknown source {name!r}{did_you_mean(name, SOURCES)}")
    return SOURCES[name] if test_share is None else with_test_share(SOURCES[name], test_share)
