"""Korean data sets as chat examples: one module a data set, all offering what card.Source asks for.

Knows nothing of models or trainers. Importing it is light: datasets' libraries are imported where they are used.
"""

from kodata import aihub_dialogue, chat, klue_nli, korquad, naturalness, naver_news, nli_sample, nsmc, paraphrases
from kodata.card import Source
from kodata.errors import DataError, did_you_mean

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


def source(name: str) -> Source:
    """The data set module of this name. Raises DataError with the nearest known name."""
    if name not in SOURCES:
        raise DataError(f"unknown source {name!r}{did_you_mean(name, SOURCES)}")
    return SOURCES[name]
