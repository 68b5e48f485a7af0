"""A run without an adapter is compared by its base model, and nothing says that it was tuned or
trained."""

import json
from pathlib import Path
from typing import Any

import pytest

from kotune.compare import paired
from kotune.compare.result import Result
from kotune.compare.verdict import claim
from kotune.display.phrases import LANGUAGES, Phrases
from kotune.errors import KotuneError
from kotune.report.lines import score_lines
from kotune.report.markdown import in_markdown
from kotune.report.page import page
from kotune.report.report import Report
from kotune.report.sentences import notes, verdicts
from kotune.runs.finished import Finished, load
from kotune.runs.folder import read_json, write_json, write_text
from tests.finished import Made, finished

pytest.importorskip("scipy")
WEAK, STRONG = Made(rates=(0.35, 0.75)), Made(model="other", rates=(0.9, 0.9))


@pytest.fixture(autouse=True)
def _fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired, "RESAMPLES", 500)


def untuned(folder: Path, made: Made) -> Path:
    """A run of `score MODEL`: its base answers alone."""
    finished(folder, made)
    (folder / "samples" / "tuned" / f"{made.task}.jsonl").unlink()
    scores = read_json(folder / "scores.json")
    for entry in scores.values():
        del entry["tuned"], entry["sha256"]["tuned"]
    write_json(folder / "scores.json", scores)
    write_text(folder / "recipe.yml", f"model: {made.model}\nadapter: none\n")
    return not_trained(folder)


def not_trained(folder: Path) -> Path:
    record = {**read_json(folder / "run.json"), "trained": False, "trainable_parameters": 0}
    write_json(folder / "run.json", record)
    manifest = read_json(folder / "data" / "manifest.json")
    manifest |= {"entries": [], "rows": {"train": 0, "validation": 0}}
    write_json(folder / "data" / "manifest.json", manifest)
    (folder / "metrics.jsonl").unlink()
    return folder


def seeds(tmp_path: Path, number: int) -> list[Path]:
    return [
        finished(
            tmp_path / f"seed{seed}", Made(rates=(0.35, 0.75), seed=seed, record={"seed": seed})
        )
        for seed in range(number)
    ]


def compared(*folders: Path) -> Result:
    return Result.of(load(folders))


def test_a_model_alone_has_scores_and_no_comparison(tmp_path: Path) -> None:
    result = compared(untuned(tmp_path / "a", STRONG))
    assert not (result.comparisons or result.baselines or result.gains)
    assert result.names[tmp_path / "a"] == "other"
    text = in_markdown(Report(result, Phrases("en")))
    accuracy = result.runs[0].scores["nli_sample_ko"].base["acc"]
    assert accuracy.value is not None
    assert f"| 1 | nli_sample_ko | acc\\* | {accuracy.value:.1%} |" in text
    assert "not trained here" in text and "Nothing was tuned" not in text
    assert score_lines(result.runs[0].scores) == [
        f"nli_sample_ko acc: {100 * accuracy.value:.1f} ± {accuracy.stderr:.1%} (n = 150);"
        " nothing is tuned"
    ]


@pytest.mark.parametrize("number", [1, 3])
def test_a_tuned_model_is_compared_with_it_and_needs_seeds_to_be_a_model(
    tmp_path: Path, number: int
) -> None:
    result = compared(untuned(tmp_path / "a", STRONG), *seeds(tmp_path, number))
    primary = [each for each in result.comparisons if each.is_primary]
    assert [(each.a.variant, each.b.variant) for each in primary] == [
        ("base", "tuned"),  # of the tuned run
        ("base", "tuned"),  # the model against it
    ]
    models = primary[1]
    assert models.a.run is result.runs[0] and models.b.run is result.runs[1]
    assert models.includes_seeds == (number == 3)
    assert claim(models) == ("worse" if number == 3 else "adapters_differ")
    assert not result.gains
    (sentence,) = [each.text for each in verdicts(result, Phrases("en")) if "other" in each.text]
    assert ("this adapter and the untuned model differ" in sentence) == (number == 1)
    scope = " ".join(notes(result, Phrases("en")))
    assert ("three seeds or more: the result holds" in scope) == (number == 3)


def test_the_variation_of_seeds_is_that_of_the_tuned_model_alone(tmp_path: Path) -> None:
    """The order does not matter, and the interval is wider than without it."""
    model, tuned = untuned(tmp_path / "a", STRONG), seeds(tmp_path, 3)
    one, other = (
        next(
            each for each in compared(*order).comparisons if not each.is_tuning and each.is_primary
        )
        for order in ((model, *tuned), (*tuned, model))
    )
    assert one.paired.difference == pytest.approx(-other.paired.difference)
    assert one.includes_seeds and other.includes_seeds
    width = one.paired.ci_high - one.paired.ci_low
    values = one.values[1]
    assert width**2 > 4 * sum((v - sum(values) / 3) ** 2 for v in values) / 2 / 3


def test_two_models_alone_are_compared_as_models(tmp_path: Path) -> None:
    weak = Made(model="weak", rates=(0.35, 0.35))
    result = compared(untuned(tmp_path / "a", STRONG), untuned(tmp_path / "b", weak))
    (comparison,) = [each for each in result.comparisons if each.is_primary]
    assert claim(comparison) == "worse"
    assert "Nothing was tuned" in " ".join(notes(result, Phrases("en")))
    (verdict,) = verdicts(result, Phrases("en"))
    assert verdict.text.startswith("Reasoning: other is ahead, ") and " for weak (" in verdict.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_and_markdown_say_what_was_not_trained(tmp_path: Path, language: str) -> None:
    given = not_trained(finished(tmp_path / "c", Made(model="given", rates=(0.35, 0.75))))
    result = compared(untuned(tmp_path / "a", STRONG), *seeds(tmp_path, 1), given)
    phrases = Phrases(language)
    for text in (page(Report(result, phrases)), in_markdown(Report(result, phrases))):
        for name in ("other", "given"):
            assert phrases("not_trained_here", run=name) in text
        assert phrases("not_trained_here", run="quickstart-llama") not in text
    rows: Any = json.loads(json.dumps(result.as_json()))["efficiency"]
    assert [(row["trained"], row["trainable_parameters"] is None) for row in rows] == [
        (False, True),
        (True, False),
        (False, True),
    ]
    assert rows[2]["points_per_minute"] == {} and "train" not in rows[2]["seconds"]
    differences = {row.what for row in result.differences[tmp_path / "seed0"]}
    assert "trained by kotune" in differences
    assert not any(what.startswith("axolotl.") for what in differences)


def test_a_tuned_run_whose_answers_are_missing_is_refused(tmp_path: Path) -> None:
    folder = untuned(tmp_path / "a", STRONG)
    write_text(folder / "recipe.yml", "model: other\nadapter: lora\n")
    with pytest.raises(KotuneError, match="scored by another version"):
        Finished(folder)
