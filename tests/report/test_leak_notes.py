"""What the report says about leaks: each kind in words, and what was compared."""

from __future__ import annotations

from typing import Any

import pytest

from kodata.prepare.leaks import KINDS
from kotune.display.phrases import LANGUAGES, Phrases
from kotune.report import data_tables
from kotune.runs.manifest import Manifest
from tests.finished import MANIFEST


def made(**leaks: Any) -> Manifest:
    empty = {"policy": "drop", "found": [], "between_tests": []}
    return Manifest.model_validate({**MANIFEST, "leaks": {**empty, **leaks}})


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_was_compared_and_what_is_shared_stands_below_the_table(language: str) -> None:
    manifest = made(
        compared={
            "nli_sample_ko": {"texts": 1300, "pairs": 900},
            "nsmc_ko": {"texts": 7, "pairs": 0},
        },
        shared=[{"source": "chat", "task": "nli_sample_ko", "rows": 4321, "texts": 5}],
    )
    none, texts, pairs, shared = data_tables.leaks(manifest, Phrases(language)).notes
    assert none == Phrases(language)("none_leaked")
    assert "nli_sample_ko (1,300), nsmc_ko (7)" in texts
    assert "nli_sample_ko (900)" in pairs and "nsmc_ko" not in pairs
    assert "4,321" in shared and "chat" in shared and "nli_sample_ko" in shared


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_of_leak_has_words(language: str) -> None:
    leak = {"source": "chat", "task": "nli_sample_ko", "rows": 1, "texts": 1}
    table = data_tables.leaks(
        made(found=[{**leak, "kind": kind} for kind in KINDS]), Phrases(language)
    )
    words = [row[2] for row in table.rows]
    assert len(set(words)) == len(KINDS) and not {*words} & {*KINDS}


def test_a_run_of_an_earlier_version_says_nothing_of_what_was_compared() -> None:
    assert len(data_tables.leaks(made(), Phrases("en")).notes) == 1
