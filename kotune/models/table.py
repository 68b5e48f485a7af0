"""Makes the tables of docs/models.md and docs/models.ko.md from presets.yml. To print them:
`python -m kotune.models.table en|ko`. Tests check that the pages have these lines."""

import sys
from collections.abc import Iterator

from kotune.display.phrases import Phrases
from kotune.display.terminal import echo
from kotune.models.catalogue import Preset
from kotune.models.notes import duties_of
from kotune.models.presets import ROWS

HUB = "https://huggingface.co"


def models(phrases: Phrases) -> Iterator[str]:
    """The Markdown table of all presets that can be trained, line by line."""
    columns = ("preset", "base", "licence", "template", "context", "shape", "verified")
    yield from _head([phrases.word("model_columns", column) for column in columns])
    for name, row in ROWS.items():
        if row.unusable is None:
            yield _line([f"`{name}`", *_cells(row, phrases)])


def licences(phrases: Phrases) -> Iterator[str]:
    """The Markdown table of the licences that limit commercial use, or that oblige publishers."""
    columns = ("licence", "commercial", "publish")
    yield from _head([phrases.word("model_columns", column) for column in columns])
    for licence in dict.fromkeys(row.licence for row in ROWS.values()):
        duties = "; ".join(duties_of(licence, phrases))
        if licence.commercial != "free" or duties:
            yield _line(
                [licence.name, phrases.word("commercial", licence.commercial), duties or "-"]
            )


def _cells(row: Preset, phrases: Phrases) -> Iterator[str]:
    yield (
        phrases.word("model_columns", "shipped")
        if row.is_shipped
        else (f"[{row.base}]({HUB}/{row.base})")
    )
    yield row.licence.name
    thinking = phrases("to_think", template=row.thinking) if row.thinking else ""
    yield f"`{row.template}`{thinking}"
    yield f"{row.context:,}" if row.context else "-"
    is_known = row.is_shipped or bool(row.shape_keys())
    kind = "unknown" if row.shape == "unknown" else "known" if is_known else "from_config"
    yield phrases.word("planned", kind)
    yield phrases.word("verified", row.verified)


def _head(columns: list[str]) -> Iterator[str]:
    yield _line(columns)
    yield _line(["---"] * len(columns))


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    of_language = Phrases(sys.argv[1])
    echo("\n".join([*models(of_language), "", *licences(of_language)]))
