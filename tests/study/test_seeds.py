"""One run command trains all seeds of a recipe, one after another, and reports them as one model.
The runs are finished at once."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from kotune import pipeline
from kotune.compare import paired
from kotune.compare.siblings import find_all, siblings
from kotune.display.progress import Screen
from kotune.errors import KotuneError, RecipeError, StageError
from kotune.layout import CHECKPOINTS
from kotune.pipeline import RunOptions
from kotune.recipe.reading import load, run_name
from kotune.runs.finished import Finished, find
from kotune.runs.folder import Run, write_text
from kotune.study import seeds
from tests.conftest import ROOT, Cli
from tests.finished import Made, finished
from tests.test_cli import assert_one_message

pytest.importorskip("numpy")
ONE = "model: quickstart-llama\ndata:\n  - source: nli_sample\n"
RUNS = Path("runs")
Start = Callable[..., list[str]]


class Runs(list[str]):
    """What was run, in turn. A seed whose error stands in `errors` raises it."""

    errors: dict[int, BaseException]
    said: io.StringIO


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paired, "RESAMPLES", 100)
    done = Runs()
    done.errors, done.said = {}, io.StringIO()

    def run(recipe: Path, options: RunOptions, _: Screen) -> Run:
        resolved = load(recipe, options.overrides)
        assert options.seeds is None
        done.append(" ".join((f"{resolved.seed}:", *options.overrides)))
        if resolved.seed in done.errors:
            raise done.errors[resolved.seed]
        folder = options.runs_dir / run_name(recipe, resolved, options.limit)
        if not options.dry_run and not folder.exists():
            scored(folder, resolved.seed)
        return Run(folder.absolute())

    monkeypatch.setattr(pipeline, "run", run)
    return done


def scored(
    folder: Path, seed: int, model: str = "quickstart-llama", limit: int | None = None
) -> Path:
    made = Made(model=model, seed=seed, record={"seed": seed, "limit": limit})
    finished(folder, made)
    write_text(folder / "report.md", f"of seed {seed}")
    return folder


@pytest.fixture
def start(runs: Runs) -> Start:
    def started(text: str = "seeds: [42, 1, 2]\n", **options: object) -> list[str]:
        write_text(Path("a.yml"), ONE + text)
        runs.clear()
        screen = Screen(Console(file=runs.said, width=200))
        seeds.run(Path("a.yml"), RunOptions(**options), screen)  # type: ignore[arg-type]
        return list(runs)

    return started


def folder_of(seed: int) -> Path:
    return RUNS / run_name(Path("a.yml"), load(Path("a.yml"), (f"seed={seed}",)), None)


def report_of(seed: int) -> str:
    return (folder_of(seed) / "report.md").read_text(encoding="utf-8")


def test_each_seed_is_a_run_and_together_they_are_reported_as_one_model(
    start: Start, runs: Runs
) -> None:
    assert start() == ["42: seed=42", "1: seed=1", "2: seed=2"]
    assert len([*RUNS.iterdir()]) == 3
    whole = report_of(42)
    assert whole.startswith("# quickstart-llama (seed=42, 1, 2)")
    assert "quickstart-llama is better after tuning," in whole and "3 seeds, 150 items" in whole
    assert "the result holds for the model" in whole and str(RUNS.absolute()) not in whole
    assert (report_of(1), report_of(2)) == ("of seed 1", "of seed 2")
    said = runs.said.getvalue()
    assert said.index("a, seed 1 (2 of 3)") < said.index("report on all 2 seeds")
    assert f"report on all 3 seeds: {folder_of(42)}/report.html" in said


def test_the_report_is_of_one_seed_first_and_is_renewed_after_each(
    start: Start, runs: Runs
) -> None:
    runs.errors = {1: StageError("train: no room")}
    with pytest.raises(StageError, match="no room"):
        start()
    assert list(runs) == ["42: seed=42", "1: seed=1"] and report_of(42) == "of seed 42"
    runs.errors = {2: StageError("train: no room")}
    with pytest.raises(StageError, match="no room"):
        start()
    assert "(seed=42, 1)" in report_of(42) and "these adapters" in report_of(42)
    runs.errors = {}
    start()
    assert "(seed=42, 1, 2)" in report_of(42)


def test_a_stopped_command_says_how_to_go_on_with_all_seeds(
    start: Start, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = KeyboardInterrupt()
    stop.add_note("go on with: ./cli.py run a.yml --set seed=1")
    runs.errors = {1: stop}
    go_on = "go on with: ./cli.py run a.yml --limit 4 --seeds 3"
    with pytest.raises(KeyboardInterrupt) as raised:
        start("", seeds=3, limit=4)
    assert raised.value.__notes__ == [f"what is done is kept; {go_on}"]
    of_seed = RUNS / run_name(Path("a.yml"), load(Path("a.yml"), ("seed=1",)), 4)
    steps = {of_seed / CHECKPOINTS: 60}
    monkeypatch.setattr(pipeline, "last_good_step", lambda folder: steps.get(folder, 0))
    with pytest.raises(KeyboardInterrupt) as raised:
        start("", seeds=3, limit=4)
    kept = "what is done is kept, including training up to step 60"
    assert raised.value.__notes__ == [f"{kept}; {go_on}"]


@pytest.mark.parametrize(
    ("text", "options", "done"),
    [
        ("", {}, ["42:"]),
        ("seed: 5\n", {}, ["5:"]),
        ("", {"seeds": 1}, ["42:"]),
        ("", {"seeds": 3}, ["42: seed=42", "1: seed=1", "2: seed=2"]),
        ("seeds: [5, 6, 7]\n", {"seeds": 1}, ["5: seed=5"]),
        ("seeds: [5, 6, 7]\n", {"overrides": ("seed=6",)}, ["6: seed=6"]),
        (
            "seeds: [5, 6]\n",
            {"overrides": ("seeds=[8, 9]", "adapter=qlora")},
            ["8: adapter=qlora seed=8", "9: adapter=qlora seed=9"],
        ),
    ],
)
def test_seeds_come_from_the_recipe_or_from_the_command(
    start: Start, text: str, options: dict[str, object], done: list[str]
) -> None:
    assert start(text, dry_run=True, **options) == done


@pytest.mark.parametrize("number", [0, -1, 11])
def test_a_bad_number_of_seeds_is_one_message(start: Start, number: int) -> None:
    with pytest.raises(RecipeError, match=f"--seeds {number}: give a number of seeds, 1 to 10"):
        start(seeds=number)
    assert not RUNS.exists()


@pytest.mark.parametrize("number", ["0", "many"])
def test_the_command_line_says_so_too(cli: Cli, number: str) -> None:
    for command in ("run", "plan"):
        done = cli(command, ROOT / "recipes" / "quickstart_llama.yml", "--seeds", number)
        assert_one_message(done, 2, "--seeds")


def test_no_report_is_written_before_the_last_stage(start: Start) -> None:
    start(until="score")
    assert report_of(42) == "of seed 42"


def test_a_seed_that_was_run_by_itself_belongs_to_the_model(start: Start, runs: Runs) -> None:
    start("")
    start("", overrides=("seed=7",))
    assert "(seed=7, 42)" in report_of(7)  # in the folder of the seed that was run
    start("")
    assert "(seed=42, 7)" in report_of(42)
    assert not siblings(Finished(scored(RUNS / "alone", 1)))


def test_a_recipe_stands_for_all_its_scored_seeds(start: Start) -> None:
    start()
    recipe = Path("a.yml")
    assert find_all(recipe, RUNS) == [folder_of(seed) for seed in (42, 1, 2)]
    write_text(recipe, ONE + "seeds: [2, 42]\n")
    assert find_all(recipe, RUNS) == [folder_of(seed) for seed in (2, 42, 1)]
    assert find_all(folder_of(1), RUNS) == [folder_of(1)]
    write_text(recipe, ONE + "seed: 3\n")
    assert find(recipe, RUNS) in {folder_of(seed) for seed in (42, 1, 2)}
    limited = run_name(recipe, load(recipe, ("seed=1",)), 4)
    scored(RUNS / limited, 1, limit=4)
    assert len(find_all(recipe, RUNS)) == 3  # runs over all items come first
    write_text(recipe, ONE + "leaks: keep\n")
    with pytest.raises(RecipeError, match="no scored run of the recipe as it is now"):
        find_all(recipe, RUNS)


def test_a_sibling_that_cannot_be_read_is_no_sibling(start: Start) -> None:
    start()
    write_text(folder_of(1) / "scores.json", "{")
    os.mkfifo(folder_of(2) / "pipe")
    assert find_all(Path("a.yml"), RUNS) == [folder_of(42)]
    with pytest.raises(KotuneError, match="pipe"):
        Finished(folder_of(2))


def test_compare_and_report_count_the_seeds_of_a_recipe_as_one_model(
    start: Start, cli: Cli
) -> None:
    start()
    other = [scored(RUNS / f"b-{seed}", seed, "quickstart-deepseek") for seed in (42, 1, 2)]
    whole = cli("compare", "a.yml", *other)
    assert "3 seeds each, 150 items" in whole.stdout.replace("\n", " "), whole
    one = cli("compare", folder_of(42), other[0])
    assert "The variation between seeds is known from other runs" in one.stdout, one
    assert cli("report", "a.yml").stdout.split() == [
        f"{folder_of(42)}/report.html",
        f"{folder_of(42)}/report.md",
    ]
    assert "(seed=42, 1, 2)" in report_of(42)


def test_the_report_of_a_run_folder_is_of_the_model_too(start: Start, cli: Cli) -> None:
    """So that it does not replace the report on all seeds by one on the first seed alone."""
    start()
    assert cli("report", folder_of(42), "--lang", "ko").returncode == 0
    assert report_of(42).startswith("# quickstart-llama (seed=42, 1, 2)\n")
    assert "시드" in report_of(42)
    assert cli("report", folder_of(1)).returncode == 0
    assert report_of(1).startswith("# quickstart-llama (seed=1, 2, 42)\n")
    write_text(folder_of(42) / "scores.json", "{")
    done = cli("report", folder_of(42))
    assert_one_message(done, 1, "scores.json")
