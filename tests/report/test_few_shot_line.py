"""The base model with examples is one more baseline of the tuned model. The examples are named."""

from pathlib import Path

import pytest

from kotune.compare import paired
from kotune.compare.result import Result
from kotune.display.phrases import LANGUAGES, Phrases
from kotune.report.comparison_tables import references
from kotune.report.sentences import verdicts
from kotune.runs.finished import load
from kotune.runs.folder import read_json, write_json
from tests.finished import Made, finished

pytest.importorskip("scipy")
TASK = "nli_sample_ko"


def result(folder: Path, few_shot: dict[str, object], lines: tuple[str, ...]) -> Result:
    finished(folder, Made(lines=lines))
    scores = read_json(folder / "scores.json")
    scores[TASK]["few_shot"] = few_shot
    write_json(folder / "scores.json", scores)
    return Result.of(load([folder]))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_tuned_model_is_compared_with_it_item_by_item(
    tmp_path: Path, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paired, "RESAMPLES", 500)
    made = result(tmp_path / "a", {"guids": ["r7", "r2", "r9"]}, ("few_shot", "majority"))
    phrases = Phrases(language)
    (comparison,) = [each for each in made.baselines if each.a.variant == "few_shot"]
    assert comparison.b.variant == "tuned" and comparison.p_holm is not None
    table, name = references(made, phrases), phrases.word("lines", "few_shot")
    (row,) = [row for row in table.rows if name in row]
    assert row[-1] == phrases("own_rows") and "-" not in row[3:-1]
    assert [note for note in table.notes if "r7, r2, r9" in note]
    assert any(name in verdict.text for verdict in verdicts(made, phrases))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("absent", ["too few", "too long"])
def test_a_reason_is_given_if_there_is_none(tmp_path: Path, language: str, absent: str) -> None:
    made, phrases = (
        result(tmp_path / "a", {"guids": [], "absent": absent}, ()),
        Phrases(language),
    )
    notes = references(made, phrases).notes
    assert [note for note in notes if phrases.word("no_example", absent) in note]
    assert phrases.word("no_example", absent) != absent
