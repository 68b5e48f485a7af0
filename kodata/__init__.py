"""Korean data sets as chat examples: one module a data set, all offering what card.Source asks for.

Knows nothing of models or trainers. Importing it is light: datasets' libraries are imported where
they are used."""

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
    """The data set module of this name; with `test_share`, that share of its groups is kept for
    scoring, instead of its card's. Raises DataError with the nearest known name, and for a source
    that cuts no test part."""
    if name not in SOURCES:
        raise DataError(f"unknown source {name!r}{did_you_mean(name, SOURCES)}")
    return SOURCES[name] if test_share is None else with_test_share(SOURCES[name], test_share)
