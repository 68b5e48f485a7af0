"""What a run cost is told from its own records; money only from a price that was given."""

import json
import math
from pathlib import Path

import pytest

from kotune.compare import paired
from kotune.compare.efficiency import Cost, Efficiency, Loss, Price, losses
from kotune.compare.result import Result
from kotune.display.phrases import LANGUAGES, Phrases
from kotune.errors import RecipeError
from kotune.report.cost_tables import costs
from kotune.runs.finished import load
from kotune.runs.folder import read_json, write_json
from kotune.runs.records import Event
from tests.conftest import Cli
from tests.finished import Made, finished
from tests.test_cli import assert_one_message

pytest.importorskip("scipy")
MADE = Made(premises=20, rates=(0.3, 0.8))


@pytest.fixture(autouse=True)
def _fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired, "RESAMPLES", 500)


def told(folder: Path, price: Price | None = None) -> tuple[Efficiency, float]:
    """The facts of one run, and the points that it gained."""
    result = Result.of(load([folder]), price)
    return result.efficiency()[0], result.comparisons[0].paired.difference * 100


def test_points_are_told_by_minutes_won_and_examples(tmp_path: Path) -> None:
    folder = finished(tmp_path / "a", MADE)
    fact, gained = told(folder, Price(3600))
    task = "nli_sample_ko"
    # Training took a minute.
    assert fact.points_per_minute[task] == pytest.approx(gained, rel=1e-3)
    assert fact.points_per_won[task] == pytest.approx(gained / 60, rel=1e-3)  # at a won a second
    assert fact.samples == 800  # two epochs of 400 rows
    assert fact.points_per_thousand_samples[task] == pytest.approx(gained / 0.8, rel=1e-3)
    record = read_json(folder / "run.json")
    record["stages"]["train"]["seconds"] = 0.0
    write_json(folder / "run.json", record)
    assert told(folder, Price(3600))[0].points_per_minute == {task: None}


def test_money_is_that_of_all_stages_and_dollars_need_a_rate(tmp_path: Path) -> None:
    folder = finished(tmp_path / "a", MADE)
    assert told(folder)[0].cost is None
    assert told(folder)[0].points_per_won == {}
    assert told(folder, Price(3600))[0].cost == Cost(3600, None, 240.0, None)
    assert told(folder, Price(3600, 1200))[0].cost == Cost(3600, 1200, 240.0, 0.2)


@pytest.mark.parametrize(
    "given", [(0, None), (-1, None), (math.nan, None), (math.inf, None), (1, 0), (None, 1400)]
)
def test_what_is_no_price_is_refused(given: tuple[float | None, float | None]) -> None:
    with pytest.raises(RecipeError, match=r"--price|--won-per-dollar"):
        Price.of(*given)
    assert Price.of(None, None) is None


def test_tokens_a_character_are_those_counted_before_training_and_no_number_for_an_older_run(
    tmp_path: Path,
) -> None:
    folder = finished(tmp_path / "a", MADE)
    assert told(folder)[0].tokens_per_character == 0.529
    parity = read_json(folder / "parity.json")
    del parity["content"]
    write_json(folder / "parity.json", parity)
    assert told(folder)[0].tokens_per_character is None


def test_losses_stand_over_tokens_and_seconds_and_only_numbers_are_told(tmp_path: Path) -> None:
    found = [loss.row() for loss in told(finished(tmp_path / "a", MADE))[0].losses]
    assert found[0] == {"step": 5, "tokens": 5000, "seconds": 10.0, "loss": 0.8}
    assert found[-1] == {"step": 40, "tokens": 40_000, "seconds": 80.0, "eval_loss": 0.25}
    log = Event(event="log", step=1, tokens=9, tokens_per_second=9.0)
    values = ({"loss": math.nan}, {"eval_loss": math.inf}, {"loss": 1.0})
    logs = [log.model_copy(update=value) for value in values]
    assert losses(logs) == [Loss(1, 9, 1.0, "loss", 1.0)]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("price", "note", "money"),
    [
        (None, "--price", []),
        (Price(3600), "--won-per-dollar", ["240", "-"]),
        (Price(3600, 1200), "1,200", ["240", "0.20"]),
    ],
    ids=["no price", "won", "dollars"],
)
def test_the_table_says_how_money_was_counted(
    tmp_path: Path, language: str, price: Price | None, note: str, money: list[str]
) -> None:
    say = Phrases(language)
    table = costs(Result.of(load([finished(tmp_path / "a", MADE)]), price), say)
    assert note in table.notes[1]
    assert [
        row[1] for row in table.rows if row[0] in (say("cost_won"), say("cost_dollars"))
    ] == money


def test_the_command_line_takes_a_price(cli: Cli, tmp_path: Path) -> None:
    finished(tmp_path / "a", MADE)
    done = cli("compare", "a", "--json", "--price", "3600", "--won-per-dollar", "1200")
    assert json.loads(done.stdout)["efficiency"][0]["cost"]["dollars"] == 0.2
    assert cli("report", "a", "--price", "3600").returncode == 0
    assert "3,600 won per hour" in (tmp_path / "a" / "report.md").read_text(encoding="utf-8")
    assert_one_message(
        cli("report", "a", "--price", "0"), 2, "--price 0.0: give a number of won above 0"
    )
    assert_one_message(
        cli("compare", "a", "--won-per-dollar", "1400"), 2, "--won-per-dollar: give what an hour"
    )


def test_a_run_whose_base_model_was_not_asked_says_so_where_it_tells_seconds(
    tmp_path: Path,
) -> None:
    asked, taken = finished(tmp_path / "a", MADE), finished(tmp_path / "b", MADE)
    scores = read_json(taken / "scores.json")
    write_json(
        taken / "scores.json", {task: {**entry, "base_from": "a"} for task, entry in scores.items()}
    )
    result = Result.of(load([asked, taken]), None)
    assert [facts.base_from for facts in result.efficiency()] == [[], ["a"]]
    notes = [note for note in costs(result, Phrases("en")).notes if "reused from a" in note]
    assert len(notes) == 1 and "(b): the base model's answers" in notes[0]
