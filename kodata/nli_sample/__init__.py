"""A small Korean NLI data set with KLUE-NLI's format and prompts, written for this project and
shipped with it under CC0. Each premise is in only one of train, validation and test, and a record's
`source` is the type of inference that its label requires (kodata.nli_sample.scenes)."""

from collections.abc import Iterator
from pathlib import Path

from kodata import klue_nli
from kodata.card import Card, SourceItem
from kodata.errors import DataError, did_you_mean
from kodata.klue_nli import FORMS, answer, group, messages, parts, question, texts
from kodata.reading.links import refuse_stray_link
from kodata.records import with_unique_guids

SPLITS: tuple[str, ...] = ("train", "validation", "test")

CARD = Card(
    name="nli_sample",
    title="Korean NLI sample",
    task="nli_sample_ko",
    origin="written for this project; made by kodata/nli_sample/generate.py",
    licence="CC0-1.0",
    obliges="",
    hub_id=None,
    hub_config=None,
    revision=None,
    rows={"train": 2_412, "validation": 306, "test": 900},
    forms=FORMS,
    defects=(
        "Templated sentences: for trying things out, not for saying how well a model knows Korean."
    ),
)


def files(split: str, path: str | Path | None = None) -> list[Path]:
    """The file of a split, in the folder of this module or in the folder `path`. Raises DataError
    for an unknown split or a missing file."""
    if split not in SPLITS:
        raise DataError(f"{CARD.name}: no split {split!r}{did_you_mean(split, SPLITS)}")
    file = Path(path or Path(__file__).parent) / f"{split}.json"
    if not file.is_file():
        raise DataError(
            f"{CARD.name}: {file}: no such file; path must name a folder with train.json,"
            " validation.json and test.json"
        )
    return [refuse_stray_link(file, file.parent)]


def read(split: str, path: str | Path | None = None) -> Iterator[SourceItem]:
    """Yields the records of a split, as klue_nli.read() does. `path`: as in files(). Raises
    DataError for the same problems as files(), for a bad row, and for a guid that occurs twice."""
    yield from with_unique_guids(files(split, path), klue_nli.records)


__all__ = [
    "CARD",
    "FORMS",
    "SPLITS",
    "answer",
    "files",
    "group",
    "messages",
    "parts",
    "question",
    "read",
    "texts",
]
