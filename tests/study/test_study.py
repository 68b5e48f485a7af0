"""Studies: their cells, what cannot be a study, running and going on, cost, and handing over. Runs
are stand-ins here."""

import errno
import io
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from kodata.errors import HubError
from kotune import bodies, pipeline, stages
from kotune.compare.efficiency import Price
from kotune.display.progress import Screen
from kotune.errors import KotuneError, Preempted, RecipeError, StageError
from kotune.plan import counting
from kotune.plan.counting import Counted
from kotune.recipe.reading import load, run_name
from kotune.runs.folder import RUNS, Run, read_json, write_json, write_text
from kotune.stages import OUTPUTS
from kotune.study import command, cost, file, running, sizes
from kotune.study.file import Cell, Study
from tests.conftest import ROOT, Cli
from tests.finished import finished
from tests.test_cli import assert_one_message

SHIPPED = sorted((ROOT / "recipes" / "studies").glob("*.yml"))
RECIPE = "model: quickstart-{}\ndata:\n  - source: nli_sample\n"
GRID = "recipes: [a.yml, b.yml]\nvary:\n  data.0.samples: [80, all]\n  seed: [2, 1]\n"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A study file beside two recipes, in the folder where everything happens."""
    monkeypatch.chdir(tmp_path)
    for name, model in (("a", "llama"), ("b", "deepseek")):
        write_text(Path(f"{name}.yml"), RECIPE.format(model))
    write_text(Path("write.yml"), RECIPE.format("llama") + "    form: write\nleaks: keep\n")

    def written(text: str) -> Path:
        write_text(Path("grid.yml"), text)
        return Path("grid.yml")

    return written


@pytest.fixture
def grid(write: Callable[[str], Path]) -> Study:
    return file.load(write(GRID))


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was run, in turn, by runs that are finished at once; a cell whose error stands in
    `runs.errors` raises it."""

    class Runs(list[str]):
        errors: dict[str, BaseException] = {}  # noqa: RUF012  (one instance)

    done = Runs()

    def run(recipe: Path, options: pipeline.RunOptions, _: Screen) -> None:
        name = " ".join((recipe.stem, *options.overrides))
        done.append(name if options.until == "report" else f"{name} until {options.until}")
        if name in done.errors:
            raise done.errors[name]
        resolved = load(recipe, options.overrides)
        finished(options.runs_dir / run_name(recipe, resolved, options.limit))

    monkeypatch.setattr(pipeline, "run", run)
    return done


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], list[str], Path]]:
    """The cells that a report was asked for: those with scores, and those without."""
    told: list[tuple[list[str], list[str], Path]] = []

    def report(_: Study, cells: Any, say: object, price: object, command: str) -> list[list[str]]:
        assert command.startswith("./cli.py study ")
        return [[cell.name for cell, _ in some] for some in cells]

    def write(made: list[list[str]], out: Path, gpu: object) -> list[Path]:
        told.append((made[0], made[1], out))
        return [out / "report.html"]

    monkeypatch.setattr("kotune.study.report.StudyReport", report)
    monkeypatch.setattr("kotune.study.writing.write", write)
    monkeypatch.setattr("kotune.study.report.answer", lambda *_: ())
    return told


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_study_is_good_and_says_what_it_asks(path: Path) -> None:
    found, first = file.load(path), path.read_text(encoding="utf-8").splitlines()[0]
    assert (
        first.startswith("# ")
        and "?" in first
        and first.endswith(f"   ./cli.py study recipes/studies/{path.name}")
    )
    assert len({cell.name for cell in found.cells}) == len(found.cells) > 10
    assert len({cell.arm for cell in found.cells}) > 1


def test_cells_are_the_product_with_the_first_seed_and_small_sizes_first(grid: Study) -> None:
    assert [cell.name for cell in grid.cells] == [
        f"{name} data.0.samples={size} seed={seed}"
        for seed in (2, 1)
        for size in (80, "all")
        for name in "ab"
    ]
    last = grid.cells[-1]
    assert (last.arm, last.samples, last.seed, last.choice) == ("b", None, 1, ())
    assert last.overrides == ("data.0.samples=null", "seed=1")
    assert grid.target_task == "nli_sample_ko" and grid.limit is None


def test_a_recipes_own_seeds_are_not_repeated_in_a_study(write: Callable[[str], Path]) -> None:
    write_text(Path("a.yml"), RECIPE.format("llama") + "seeds: [5, 6]\n")
    plain = file.load(write("recipes: [a.yml]\nvary: {data.0.samples: [80, all]}\n"))
    assert [(cell.samples, cell.seed) for cell in plain.cells] == [(80, 5), (None, 5)]
    assert [cell.overrides for cell in plain.cells] == [
        (f"data.0.samples={samples}", "seed=5") for samples in ("80", "null")
    ]  # so that an engine's `run` trains one seed, too
    varied = file.load(write("recipes: [a.yml]\nvary: {seed: [6, 7]}\n"))
    assert [cell.resolved.all_seeds() for cell in varied.cells] == [(6,), (7,)]


def test_roles_are_arm_size_seed_and_choice(write: Callable[[str], Path]) -> None:
    text = (
        "recipes: [a.yml]\n"
        "limit: 30\n"
        "vary:\n"
        "  adapter: [qlora]\n"
        "  axolotl.learning_rate: [1.0e-5, 2.0e-4]\n"
    )
    found = file.load(write(text))
    assert [cell.arm for cell in found.cells] == ["a, qlora"] * 2
    assert [cell.choice for cell in found.cells] == [
        (("axolotl.learning_rate", rate),) for rate in (1e-5, 2e-4)
    ]
    assert [cell.resolved.axolotl for cell in found.cells] == [
        {"learning_rate": rate} for rate in (1e-5, 2e-4)
    ]
    assert {(cell.samples, cell.seed) for cell in found.cells} == {(None, 42)}
    assert found.limit == 30


def test_a_cell_is_the_run_that_its_overrides_make(
    grid: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    screen: Any = SimpleNamespace(
        header=lambda folder, _: told.append(str(folder)), say=lambda _: None, language="en"
    )
    for cell in grid.cells:
        pipeline.run(
            cell.recipe, pipeline.RunOptions(overrides=cell.overrides, dry_run=True), screen
        )
    assert told == [str(grid.folder(cell, RUNS)) for cell in grid.cells]


NUMBERS = ", ".join(map(str, range(1, 101)))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the file is empty"),
        ("recipes: []\nvary: {}", "recipes: must be one entry or more, found `[]`"),
        (
            "recipes: a.yml\nvary: {seed: [3]}",
            "recipes: must be a list, as in [a, b], found `a.yml`",
        ),
        ("recipes: [3]\nvary: {seed: [3]}", "recipes.0: must be a path, found `3`"),
        ("recipes: [a.yml]\nvary: [seed]", "vary: must be a mapping of `key: value` lines"),
        ("recipes: [a.yml]\nvary: {seed: []}", "vary.seed: must be one entry or more"),
        ("recipes: [a.yml]\nvary: {seed: 3}", "vary.seed: must be a list, as in [a, b], found `3`"),
        ("recipes: [a.yml]\nvarry: {seed: [3]}", "varry: unknown key; did you mean vary?"),
        (
            "recipes: [a.yml]\nvary: {seed: [3]}\nlimit: all",
            "limit: `all` is neither a number of items",
        ),
        (
            "recipes: [a.yml]\nvary: {seed: [[3]]}",
            "vary.seed.0: must be a plain value, found `[3]`",
        ),
        (
            "recipes: [a.yml]\nvary: {sead: [3]}",
            "grid.yml: a sead=3: a.yml: sead: unknown key; did you mean seed?",
        ),
        (
            "recipes: [a.yml]\nvary: {adapter: [lra]}",
            "adapter: unknown value `lra`; did you mean lora?",
        ),
        ("recipes: [a.yml]\nvary: {data.1.samples: [3]}", "the list has items 0 to 0"),
        ("recipes: [a.yml]\nvary: {axolotl.learning_rate: [2e-4]}", "YAML reads `2e-4` as text"),
        ("recipes: [aa.yml]\nvary: {seed: [3]}", "aa.yml: no such file; did you mean a.yml?"),
        (
            "recipes: [aa.yml, a.yml]\nvary: {seed: [3]}",
            "aa.yml: no such file; did you mean a.yml?",
        ),
        ("recipes: [a.yml]\nvary: {seed: [1, 1]}", "`a seed=1` and `a seed=1` are the same run"),
        (
            "recipes: [a.yml]\nvary: {data.0.samples: [all, null]}",
            "are the same run; keep one of them",
        ),
        (
            "recipes: [a.yml]\nvary: {leaks: [drop, keep]}",
            "vary.leaks: runs with different values cannot be compared; vary",
        ),
        (
            "recipes: [a.yml, write.yml]\nvary: {seed: [1]}",
            "a.yml and write.yml cannot be compared: they differ in data.0",
        ),
        (
            "recipes: [a.yml]\nvary: {seed: [1]}\ntarget_task: nli_sample",
            "target_task: `nli_sample` is not a task of the recipes",
        ),
        (
            f"recipes: [a.yml]\nvary: {{seed: [{NUMBERS}], data.0.samples: [{NUMBERS}]}}",
            (
                "vary: 10,000 cells (recipes 1 x vary.seed 100 x vary.data.0.samples 100), but at"
                " most 500 are allowed"
            ),
        ),
        (
            "recipes: [a.yml]\nvary: {data.0.samples: [1], data.1.samples: [1]}",
            "only one data.N.samples may vary, found data.0.samples, data.1.samples; keep one",
        ),
        (
            "recipes: [a.yml]\nvary: {axolotl.sequence_len: [64, 128]}",
            "axolotl.sequence_len: must not vary, because it changes how the validation loss",
        ),
        (
            "recipes: [a.yml]\nvary: {axolotl.evals_per_epoch: [1, 2]}",
            "axolotl.evals_per_epoch: must not vary, because it changes how",
        ),
        (
            "recipes: [a.yml]\nvary: {axolotl.logging_steps: [1, 2]}",
            "axolotl.logging_steps: must not vary, because it does not change the trained model",
        ),
        (
            "recipes: [a.yml]\nvary: {axolotl.saves_per_epoch: [1]}",
            "axolotl.saves_per_epoch: must not vary, because it does not change the trained model",
        ),
    ],
)
def test_what_is_no_study_is_told_before_anything_is_run(
    write: Callable[[str], Path], text: str, told: str
) -> None:
    with pytest.raises(RecipeError) as error:
        file.load(write(text))
    assert told in str(error.value) and str(error.value).startswith("grid.yml")


def test_a_study_tells_a_recipe_whose_name_breaks_the_line(write: Callable[[str], Path]) -> None:
    with pytest.raises(
        RecipeError, match=r"recipes: `a\\n\.yml` has a control character in its name"
    ) as caught:
        file.load(write('recipes: ["a\\n.yml"]\nvary: {seed: [1, 2]}\n'))
    assert str(caught.value).isprintable()


def test_values_are_judged_together(write: Callable[[str], Path]) -> None:
    good = "recipes: [a.yml]\nvary: {axolotl.batch_size: [8, 16], axolotl.micro_batch_size: [2, 4]}"
    assert len(file.load(write(good)).cells) == 4
    with pytest.raises(RecipeError) as error:
        file.load(write(good.replace("[2, 4]", "[2, 16]")))
    cell = "a axolotl.batch_size=8 axolotl.micro_batch_size=16"
    assert str(error.value).startswith(
        f"grid.yml: {cell}: a.yml: axolotl.micro_batch_size: 16 does not divide the 8 ex"
    )


def test_what_differs_is_told_whole(write: Callable[[str], Path]) -> None:
    with pytest.raises(
        RecipeError, match=r"they differ in data\.0\.form, leaks; use the same values in both"
    ):
        file.load(write("recipes: [a.yml, write.yml]\nvary: {seed: [1]}"))


def test_cells_run_in_turn_after_the_largest_sizes_are_prepared(
    grid: Study, runs: list[str], reported: list[Any]
) -> None:
    command.start(grid.file, command.StudyOptions(), print)
    names = [" ".join((cell.recipe.stem, *cell.overrides)) for cell in grid.cells]
    assert runs == [f"b data.0.samples=80 seed={seed} until prepare" for seed in (2, 1)] + names
    assert reported == [([cell.name for cell in grid.cells], [], RUNS / "grid")]


def test_a_cell_that_fails_stops_no_other_and_is_told_at_the_end(
    grid: Study, runs: Any, reported: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    runs.errors = {"b data.0.samples=null seed=2": StageError("train: no room")}
    with pytest.raises(
        KotuneError,
        match=r"grid.yml: 1 of 8 cells failed; .*\nb data.0.samples=all seed=2: train: no",
    ):
        command.start(grid.file, command.StudyOptions(), print)
    assert "failed; the other cells continue: train: no room" in capsys.readouterr().out
    assert (
        len(runs) == 2 + 8
        and len(reported[0][0]) == 7
        and reported[0][1] == ["b data.0.samples=all seed=2"]
    )


OPTIONS = command.StudyOptions(
    budget=1234567.0,
    gpu="a100-40",
    price=0.5,
    won_per_dollar=1400.25,
    runs_dir=Path("my runs"),
    lang="ko",
    device="cpu",
)
WORDS = "--gpu a100-40 --price 0.5 --won-per-dollar 1400.25"
AGAIN = (
    f"./cli.py study grid.yml --budget 1234567 {WORDS} --device cpu --lang ko --runs-dir 'my runs'"
)
FULL_DISK = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    "stop", [HubError("the hub is out of reach"), KeyboardInterrupt(), Preempted(), FULL_DISK]
)
def test_what_would_stop_every_cell_stops_the_study(
    grid: Study, done: list[Cell], runs: Any, stop: BaseException
) -> None:
    runs.errors = {"a data.0.samples=null seed=2": stop}
    with pytest.raises(type(stop)) as error:
        command.start(grid.file, OPTIONS, print)
    assert len(runs) == 2 + 3
    if isinstance(stop, KeyboardInterrupt):
        assert error.value.__notes__ == [f"finished cells are kept; continue with: {AGAIN}"]


def test_a_size_above_what_exists_is_told_before_anything_is_trained(
    write: Callable[[str], Path], reported: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[object] = []
    monkeypatch.setitem(bodies.BODIES, "train", lambda *_: trained.append(1))
    monkeypatch.setattr(pipeline, "find_spec", lambda _: True)
    path = write("recipes: [a.yml]\nvary: {data.0.samples: [40, 9000]}")
    for _ in ("counted", "prepared"):
        with pytest.raises(RecipeError, match=TOO_LARGE):
            command.start(path, command.StudyOptions(), print)
        assert not trained and not (RUNS.exists() and any(RUNS.iterdir()))
        monkeypatch.setattr(sizes, "is_here", lambda *_: False)


TOO_LARGE = (
    r"grid\.yml: a data\.0\.samples=9000: .*samples is 9,000, but there are only 2,409 train rows"
)


@pytest.mark.parametrize("options", [{"dry_run": True}, {"engine": "slurm"}])
def test_a_size_above_what_exists_is_told_before_anything_is_listed_or_handed_over(
    write: Callable[[str], Path], options: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write("recipes: [a.yml]\nvary: {data.0.samples: [40, 9000, all]}")
    with pytest.raises(RecipeError, match=TOO_LARGE):
        command.start(path, command.StudyOptions(**options), print)
    assert not capsys.readouterr().out and not RUNS.exists()


def test_a_size_is_counted_in_a_folder_too_before_weights(write: Callable[[str], Path]) -> None:
    shipped = ROOT / "kodata" / "nli_sample"
    for split in ("train", "validation", "test"):
        write_json(Path(f"mine/{split}.json"), read_json(shipped / f"{split}.json")[:90])
    write_text(Path("a.yml"), f"{RECIPE.format('llama')}    path: mine\n    weight: 0.5\n")
    path = write("recipes: [a.yml]\nvary: {data.0.samples: [60, 91]}")
    with pytest.raises(
        RecipeError,
        match=(
            r"grid\.yml: a data\.0\.samples=91: nli_sample: samples is 91, but there are only 90"
            r" train"
        ),
    ):
        command.start(path, command.StudyOptions(dry_run=True), print)


def test_a_size_that_is_all_of_the_rows_is_the_same_run_as_all(
    write: Callable[[str], Path],
) -> None:
    path = write("recipes: [a.yml]\nvary: {data.0.samples: [2409, all]}")
    with pytest.raises(
        RecipeError,
        match=r"`a data\.0\.samples=2409` and `a data\.0\.samples=all` are the same run",
    ):
        command.start(path, command.StudyOptions(dry_run=True), print)


def test_a_report_is_written_of_what_is_there_and_says_what_is_missing(
    grid: Study, runs: Any, reported: list[Any]
) -> None:
    with pytest.raises(KotuneError, match=r"no cell is scored yet; run `./cli.py study grid.yml`"):
        command.start(grid.file, command.StudyOptions(report_only=True), print)
    finished(grid.folder(grid.cells[3], RUNS))
    command.start(grid.file, command.StudyOptions(report_only=True), print)
    names = [cell.name for cell in grid.cells]
    assert runs == [] and reported == [([names.pop(3)], names, RUNS / "grid")]
    (_, told), *_ = running.scored(grid, pipeline.RunOptions(lang="ko"), [])[1]
    assert told == "not run yet: ./cli.py run a.yml --set data.0.samples=80 --set seed=2 --lang ko"


def test_a_cell_that_cannot_even_begin_stops_no_other(
    grid: Study, runs: Any, reported: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    # Those that are prepared first.
    first, second = ("b data.0.samples=80 seed=2", "b data.0.samples=80 seed=1")
    runs.errors = {
        first: StageError("runs/b: another process is using this run folder"),
        second: FileExistsError(17, "File exists", "runs/b"),
    }
    with pytest.raises(
        KotuneError, match=r"(?s)2 of 8 cells failed.*another process.*runs/b: File exists"
    ):
        command.start(grid.file, command.StudyOptions(), print)
    assert len(runs) == 2 + 8 and len(reported[0][0]) == 6


NO_RECORDS = [
    "{",
    "[]",
    '{"device": "tpu", "launcher": 3, "stages": {}}',
    '{"stages": {"prepare": {"inputs": 3}}}',
]


@pytest.mark.parametrize("record", [*NO_RECORDS, None])
def test_a_record_that_makes_no_sense_is_listed_as_missing_and_fails_its_cell_alone(
    grid: Study, reported: list[Any], capsys: pytest.CaptureFixture[str], record: str | None
) -> None:
    for cell in grid.cells:
        folder = grid.folder(cell, RUNS)
        write_text(folder if record is None else folder / "run.json", record or "a file")
    command.start(grid.file, command.StudyOptions(dry_run=True), print)
    assert "8 cells, 8 of them missing" in capsys.readouterr().out
    with pytest.raises(
        KotuneError, match=r"8 of 8 cells failed; .*\na data.0.samples=80 seed=2: .*runs/a-"
    ):
        command.start(grid.file, command.StudyOptions(), print)
    assert reported == []


@pytest.mark.parametrize(
    "name",
    [
        "samples/tuned/nli_sample_ko.jsonl",
        "samples/items/nli_sample_ko.jsonl",
        "data/manifest.json",
    ],
)
def test_a_cell_whose_files_were_edited_or_lost_is_not_in_the_report_of_the_others(
    grid: Study, reported: list[Any], name: str
) -> None:
    edited, lost, _ = (finished(grid.folder(cell, RUNS)) for cell in grid.cells[:3])
    edited.joinpath(name).write_text("{}")
    lost.joinpath(name).unlink()
    command.start(grid.file, command.StudyOptions(report_only=True), print)
    assert reported[0][0] == [grid.cells[2].name] and len(reported[0][1]) == 7
    told = dict(running.scored(grid, pipeline.RunOptions(), [])[1])
    for cell, folder in zip(grid.cells[:2], (edited, lost), strict=True):
        assert told[cell].startswith(f"{folder / name}: missing or ")


def test_a_command_that_is_told_does_the_same_again(
    grid: Study, done: list[Cell], capsys: pytest.CaptureFixture[str], reported: list[Any]
) -> None:
    assert command.again(grid, OPTIONS) == AGAIN
    fresh = command.StudyOptions(fresh_base=True)
    assert command.again(grid, fresh) == "./cli.py study grid.yml --fresh-base"
    handed = replace(
        OPTIONS,
        runs_dir=RUNS,
        device=None,
        engine="slurm",
        dry_run=True,
        passed=("--time=1",),
        budget=1e9,
    )
    assert command.again(grid, handed).endswith(
        f"{WORDS} --on slurm --dry-run --lang ko -- --time=1"
    )
    command.start(grid.file, handed, print)
    assert (
        f"보고서를 생성하세요: ./cli.py study grid.yml {WORDS} --report-only --lang ko\n"
        in capsys.readouterr().out
    )
    with pytest.raises(
        KotuneError,
        match=r"no cell is scored yet; run `./cli.py study grid.yml --price 0.5 --lang ko`",
    ):
        command.start(
            grid.file, command.StudyOptions(report_only=True, price=0.5, lang="ko"), print
        )


def test_a_report_is_not_written_over_a_run_or_over_that_of_another_study(
    grid: Study, runs: list[str], reported: list[Any]
) -> None:
    write_json(RUNS / "grid" / "study.json", {"file": str(grid.file)})
    write_text(Path("other/grid.yml"), GRID.replace("a.yml, b.yml", "../a.yml"))
    with pytest.raises(
        RecipeError,
        match=r"other/grid\.yml: runs/grid holds the report of grid\.yml, which has the same name",
    ):
        command.start(Path("other/grid.yml"), command.StudyOptions(), print)
    named = Path(f"{grid.folder(grid.cells[0], RUNS).name}.yml")
    write_text(named, GRID)
    with pytest.raises(
        RecipeError, match=r"report would be written to runs/a-\w+, which is a run's folder"
    ):
        command.start(named, command.StudyOptions(), print)
    assert runs == []
    # The same file by another name.
    command.start(grid.file.absolute(), command.StudyOptions(), print)
    Path("grid.yml").unlink()  # and a name that nobody has any more
    command.start(Path("other/grid.yml"), command.StudyOptions(), print)


def counted(recipe: object) -> Counted:
    COUNTS.append(recipe)
    return Counted(2_000, 100, [20, 40, 60], exact=True)


COUNTS: list[object] = []


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[Cell]:
    """The cells that are taken to be done."""
    cells: list[Cell] = []
    monkeypatch.setattr(cost, "is_done", lambda study, cell, *_: cell in cells)
    monkeypatch.setattr(running, "is_done", lambda study, cell, *_: cell in cells)
    monkeypatch.setattr(counting, "count", counted)
    COUNTS.clear()
    return cells


def test_data_are_counted_once_for_each_model_and_less_data_take_less_time(
    grid: Study, done: list[Cell]
) -> None:
    done.append(grid.cells[0])
    found = cost.predict(grid, RUNS, "a100-40")
    assert len(COUNTS) == 2 and all(recipe.data[0].samples is None for recipe in COUNTS)  # type: ignore[attr-defined]
    assert [one.is_done for one in found] == [True] + [False] * 7
    first, small, large, _ = found[:4]
    assert first.on is None and small.on and large.on
    assert small.on.seconds["training"] < large.on.seconds["training"]


def test_the_list_has_every_cell_with_time_and_won_and_a_total(
    grid: Study, done: list[Cell], capsys: pytest.CaptureFixture[str]
) -> None:
    done.append(grid.cells[0])
    command.start(grid.file, command.StudyOptions(dry_run=True, gpu="a100-40", price=6000), print)
    said = capsys.readouterr().out
    lines = [line.split() for line in said.splitlines() if "seed=" in line]
    assert [line[3] for line in lines] == ["done"] + ["missing"] * 7
    assert [line[4] for line in lines] == [str(grid.folder(cell, RUNS)) for cell in grid.cells]
    (total,) = [line for line in said.splitlines() if "8 cells, 7 of them missing" in line]
    assert float(total.split()[-1].replace(",", "")) == pytest.approx(
        sum(float(line[6]) for line in lines[1:]), abs=7
    )
    assert "PREDICTED" in said and not RUNS.exists()


def test_the_list_is_korean_with_lang_ko(
    grid: Study, done: list[Cell], capsys: pytest.CaptureFixture[str]
) -> None:
    done.append(grid.cells[0])
    for gpu in (None, "a100-40"):
        options = command.StudyOptions(
            dry_run=True, gpu=gpu, price=6000 if gpu else None, lang="ko"
        )
        command.start(grid.file, options, print)
        said = capsys.readouterr().out
        assert "셀 8개 중 7개 미실행" in said
        states = [line.split()[3] for line in said.splitlines() if "seed=" in line]
        assert states == ["완료"] + ["미실행"] * 7
        table = [line for line in said.splitlines() if "seed=" not in line]
        words = re.findall(
            r"[A-Za-z-]{2,}", re.sub(r"docs/\S+|--gpu NAME|--price WON", "", "\n".join(table))
        )
        assert {*words} <= {"GPU", "CPU", grid.name}


def test_what_is_estimated_or_not_counted_is_told_once(
    grid: Study,
    done: list[Cell],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        counting, "count", lambda recipe: Counted(9, 9, [9], exact=False, why="no tokenizer")
    )
    command.start(grid.file, command.StudyOptions(dry_run=True, gpu="a100-40"), print)
    assert capsys.readouterr().out.count("Tokens are ESTIMATED: no tokenizer.") == 1


def test_without_a_gpu_nothing_is_predicted(
    grid: Study, done: list[Cell], capsys: pytest.CaptureFixture[str]
) -> None:
    command.start(grid.file, command.StudyOptions(dry_run=True), print)
    assert "not for a CPU: give --gpu NAME" in capsys.readouterr().out and not COUNTS


def test_a_budget_that_is_too_small_starts_nothing(
    grid: Study, done: list[Cell], runs: list[str]
) -> None:
    found = cost.predict(grid, RUNS, "a100-40")
    needed = sum(one.seconds for one in found) / 3600 * 6000
    cost.check(grid, found, needed + 1, Price(6000))
    with pytest.raises(
        RecipeError,
        match=r"its 8 missing cells are predicted to cost [\d,]+ won, more than --budget",
    ):
        command.start(
            grid.file, command.StudyOptions(budget=needed - 1, gpu="a100-40", price=6000), print
        )
    with pytest.raises(RecipeError, match="more than --budget"):
        cost.check(grid, found, float("nan"), Price(6000))
    assert runs == []


def test_where_nothing_is_missing_any_budget_will_do(
    grid: Study, done: list[Cell], runs: list[str], reported: list[Any]
) -> None:
    done += grid.cells
    for cell in grid.cells:
        finished(grid.folder(cell, RUNS))
    command.start(grid.file, command.StudyOptions(budget=0.0), print)
    assert len(reported[0][0]) == 8


def test_a_base_model_that_was_asked_is_not_counted_again_unless_cells_start_at_once(
    write: Callable[[str], Path], done: list[Cell], capsys: pytest.CaptureFixture[str]
) -> None:
    study = file.load(write(GRID + "  adapter: [lora, qlora]\n"))
    in_turn, at_once = (cost.predict(study, RUNS, "a100-40", at) for at in (False, True))
    assert [one.cell.arm for one in in_turn if one.asks_base] == [
        "a, lora",
        "a, qlora",
        "b, lora",
        "b, qlora",
    ]
    assert all(one.asks_base and one.on and one.seconds == one.on.total for one in at_once)
    for one in in_turn[4:]:
        assert one.on and one.seconds == one.on.total - one.on.base and one.on.base > 0
        # It has no adapter to wait for.
        assert 2 * one.on.base < one.on.seconds["likelihood"] + one.on.seconds["generation"]
    for engine, note in ((None, cost.ONCE), ("sky", cost.ONCE), ("slurm", cost.EACH)):
        write_text(Path("cli.py"), "")
        words = command.StudyOptions(
            dry_run=True, gpu="a100-40", engine=engine, bucket="s3://x" if engine == "sky" else None
        )
        command.start(study.file, words, print)
        assert note in capsys.readouterr().out


def test_the_limit_of_a_study_is_counted(write: Callable[[str], Path], done: list[Cell]) -> None:
    base = [
        cost.predict(file.load(write(GRID + more)), RUNS, "a100-40")[0].on
        for more in ("", "limit: 9\n", "limit: quick\n")
    ]
    whole, nine, quick = (on.base if on else 0 for on in base)
    assert 0 < nine < quick < whole  # by batches, of which nine items are one


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"budget": 9.0, "price": 6000.0}, "--budget 9: needs --gpu NAME and --price WON"),
        ({"budget": 9.0, "gpu": "a100-40"}, "--budget 9: needs --gpu NAME and --price WON"),
        ({"gpu": "a1000"}, "--gpu a1000: unknown GPU"),
        ({"report_only": True, "gpu": ""}, "--gpu : unknown GPU"),
        (
            {"budget": math.nan, "gpu": "a100-40", "price": 6000.0},
            "--budget nan: give a number of won, 0 or more",
        ),
        (
            {"budget": math.inf, "gpu": "a100-40", "price": 6000.0},
            "--budget inf: give a number of won, 0 or more",
        ),
        ({"price": math.nan}, "--price nan: give a number of won above 0"),
        ({"dry_run": True, "price": -1.0}, "--price -1.0: give a number of won above 0"),
        ({"report_only": True, "engine": "slurm"}, "--report-only: runs nothing"),
        ({"device": "cpu", "engine": "slurm"}, "--device cpu: not for an engine"),
        ({"fresh_base": True, "engine": "slurm"}, "--fresh-base: not for an engine"),
        ({"bucket": "s3://x"}, "--bucket s3://x: is for an engine; add --on"),
        ({"passed": ("--time=1",)}, "-- --time=1: is for an engine; add --on"),
        ({"engine": "slurm", "runs_dir": Path("x")}, "--runs-dir x: an engine's runs are in runs/"),
        ({"engine": "slrum"}, "--on slrum: unknown engine; did you mean slurm?"),
    ],
)
def test_bad_words_are_refused(
    grid: Study, done: list[Cell], runs: list[str], options: dict[str, Any], told: str
) -> None:
    with pytest.raises(RecipeError) as error:
        command.start(grid.file, command.StudyOptions(**options), print)
    assert told in str(error.value) and not RUNS.exists()


@pytest.mark.parametrize("engine", ["docker", "slurm", "sky"])
def test_the_missing_cells_are_handed_to_an_engine(
    grid: Study, done: list[Cell], capsys: pytest.CaptureFixture[str], engine: str
) -> None:
    done += grid.cells[:6]
    write_text(Path("cli.py"), "")
    bucket = "s3://mine" if engine == "sky" else None
    command.start(
        grid.file,
        command.StudyOptions(engine=engine, bucket=bucket, dry_run=True, lang="ko"),
        print,
    )
    said, place = (
        capsys.readouterr().out,
        {"docker": "docker.env", "slurm": "kotune-grid.sbatch", "sky": "kotune-grid.sky.yaml"},
    )
    told = said + (RUNS / "launch" / place[engine]).read_text(encoding="utf-8")
    for name in "ab":
        assert told.count(f"{name}.yml --set data.0.samples=null --set seed=1 --lang ko") == 1
    assert (
        "data.0.samples=80 --" not in told
        and "보고서를 생성하세요: ./cli.py study grid.yml --report-only" in said
    )


def test_nothing_is_handed_over_where_nothing_is_missing(
    grid: Study, done: list[Cell], capsys: pytest.CaptureFixture[str]
) -> None:
    done += grid.cells
    command.start(grid.file, command.StudyOptions(engine="slurm"), print)
    assert "nothing is missing" in capsys.readouterr().out and not RUNS.exists()


def test_a_done_cell_is_known_by_its_record_whatever_machine_it_ran_on(grid: Study) -> None:
    cell = grid.cells[0]
    job = running._job(grid, cell, RUNS)
    assert not running.is_done(grid, cell, RUNS)
    write_json(job.run.path("run.json"), {"device": "cuda", "launcher": ["torchrun"], "stages": {}})
    job = running._job(grid, cell, RUNS)
    assert (job.device, job.launcher) == ("cuda", ("torchrun",))
    for stage in ("prepare", "render", "train", "score"):
        for name in OUTPUTS[stage]:
            write_text(
                job.run.path(name) / "x" if name.startswith("samples/") else job.run.path(name),
                "{}",
            )
        inputs = stages.inputs(job, stage)
        with Run(job.run.root).stage(stage, inputs):
            pass
    assert running.is_done(grid, cell, RUNS)
    job.run.path("scores.json").unlink()
    assert not running.is_done(grid, cell, RUNS)


def test_a_bad_study_is_one_message_of_the_command_line(
    cli: Cli, write: Callable[[str], Path]
) -> None:
    assert_one_message(cli("study", "gird.yml"), 2, "gird.yml: no such file")
    path = write("recipes: [a.yml]\nvary: {sead: [1]}")
    assert_one_message(
        cli("study", path, "--dry-run"), 2, "a sead=1: a.yml: sead: unknown key; did you mean seed?"
    )


def test_a_cell_is_shown_with_the_time_left_for_those_that_are_to_be_run(
    grid: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, out, done = [0.0], io.StringIO(), grid.cells[:2]

    def run(cell: Cell, *_: object) -> str:
        now[0] += 0 if cell in done else 60  # what is done is skipped at once
        return ""

    monkeypatch.setattr(running, "_failure", run)
    monkeypatch.setattr(running, "is_done", lambda _, cell, *__: cell in done)
    running._each(grid, pipeline.RunOptions(), Screen(Console(file=out, width=200), lambda: now[0]))
    titles = [line for line in out.getvalue().splitlines() if line]
    assert len(titles) == 8 and not any("left" in title for title in titles[:3])
    assert titles[3].startswith("grid 4/8: ") and titles[3].endswith(" (about 5 min left)")
    assert titles[-1].endswith(" (about 60 s left)")
