"""The stages as a whole: what is missing or changed is done again, and nothing else. The heavy
bodies are stand-ins."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kodata.errors import DataError
from kotune import bodies, pipeline
from kotune.display.progress import Screen
from kotune.errors import KotuneError, StageError
from kotune.pipeline import RunOptions
from kotune.runs.folder import STAGES, Run, write_text
from kotune.runs.job import Job
from kotune.train import training
from tests.conftest import ROOT, Cli, write_recipe

ROW = {"premise": "비가 온다.", "hypothesis": "날이 맑다.", "gold_label": "contradiction"}
RECIPE = "model: quickstart-llama\ndata:\n  - source: klue_nli\n    path: data\n"


def stand_in(done: list[str], name: str, *made: str) -> Callable[[Job, Screen], None]:
    """A stage body that notes its name and makes the files that the stage promises."""

    def body(job: Job, _: Screen) -> None:
        done.append(name)
        for file in made:
            write_text(job.run.path(file), name)

    return body


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Run the recipe in an empty folder; the names of the stages that were done."""
    monkeypatch.chdir(tmp_path)
    for name, rows in (("train", 40), ("dev", 2)):
        items = [
            {**ROW, "guid": f"{name}{i}", "genre": "x", "premise": f"{ROW['premise']} {name}{i}"}
            for i in range(rows)
        ]
        write_text(
            tmp_path / "data" / f"klue-nli-v1.1_{name}.json", json.dumps(items, ensure_ascii=False)
        )
    recipe = write_recipe(tmp_path, RECIPE)
    done: list[str] = []
    prepare = bodies.BODIES["prepare"]

    def recorded(job: Job, screen: Screen) -> None:
        done.append("prepare")
        prepare(job, screen)

    monkeypatch.setitem(bodies.BODIES, "prepare", recorded)
    render = ("axolotl.yml", "chat_template.jinja", "parity.json")
    monkeypatch.setitem(bodies.BODIES, "render", stand_in(done, "render", *render))
    train = ("model/adapter_model.safetensors", "model/chat_template.jinja", "metrics.jsonl")
    monkeypatch.setitem(bodies.BODIES, "train", stand_in(done, "train", *train))
    score = (
        "scores.json",
        *(f"samples/{kind}/klue_nli_ko.jsonl" for kind in ("base", "tuned", "items")),
    )
    monkeypatch.setitem(bodies.BODIES, "score", stand_in(done, "score", *score))
    monkeypatch.setitem(
        bodies.BODIES, "report", stand_in(done, "report", "report.html", "report.md")
    )
    monkeypatch.setattr(pipeline, "find_spec", lambda _: True)

    def run(**options: Any) -> list[str]:
        done.clear()
        pipeline.run(recipe, RunOptions(**options), Screen())
        return list(done)

    return run


def folder(tmp_path: Path) -> Path:
    return next((tmp_path / "runs").iterdir())


def test_everything_is_done_once(start: Callable[..., list[str]]) -> None:
    assert start() == list(STAGES)
    assert start() == []


@pytest.mark.parametrize(
    ("lost", "again"),
    [
        ("data/train.jsonl", ["prepare"]),
        ("parity.json", ["render"]),
        ("model/adapter_model.safetensors", ["train"]),
        ("scores.json", ["score"]),
        ("report.md", ["report"]),
    ],
)
def test_what_was_lost_is_made_again_and_nothing_that_comes_out_the_same(
    start: Callable[..., list[str]], tmp_path: Path, lost: str, again: list[str]
) -> None:
    start()
    (folder(tmp_path) / lost).unlink()
    assert start() == again


def test_edited_training_data_is_prepared_trained_and_scored_again(
    start: Callable[..., list[str]], tmp_path: Path
) -> None:
    start()
    path = tmp_path / "data" / "klue-nli-v1.1_train.json"
    path.write_text(path.read_text(encoding="utf-8").replace("온다", "왔다"), encoding="utf-8")
    assert start() == ["prepare", "render", "train", "score"]  # reference lines are made of it


def test_edited_test_data_is_looked_up_and_scored_again_but_not_trained_on(
    start: Callable[..., list[str]], tmp_path: Path
) -> None:
    start()
    path = tmp_path / "data" / "klue-nli-v1.1_dev.json"
    path.write_text(path.read_text(encoding="utf-8").replace("온다", "왔다"), encoding="utf-8")
    assert start() == ["prepare", "render", "score"]  # each task is rehearsed on its items


def test_a_touched_data_file_redoes_nothing(
    start: Callable[..., list[str]], tmp_path: Path
) -> None:
    start()
    for path in (tmp_path / "data").iterdir():
        os.utime(path, (1, 1))
    assert start() == []


def test_another_adapter_is_scored_again(start: Callable[..., list[str]], tmp_path: Path) -> None:
    start()
    (folder(tmp_path) / "model" / "adapter_model.safetensors").write_text("other")
    assert start() == ["score"]


def test_another_language_is_another_report_and_nothing_else(
    start: Callable[..., list[str]],
) -> None:
    start()
    assert start(lang="ko") == ["report"]
    assert RunOptions(lang="ko").command(Path("a.yml")) == "./cli.py run a.yml --lang ko"
    assert RunOptions(fresh_base=True).command(Path("a.yml")) == "./cli.py run a.yml --fresh-base"


@pytest.mark.parametrize(
    ("name", "again"),
    [("axolotl.yml", "render"), ("metrics.jsonl", "train"), ("scores.json", "score")],
)
def test_an_edited_result_is_made_again(
    start: Callable[..., list[str]], tmp_path: Path, name: str, again: str
) -> None:
    start()
    (folder(tmp_path) / name).write_text("edited")
    assert start()[0] == again


def test_axolotl_is_not_started_with_what_a_strangers_record_says_was_rendered(
    start: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record with its digests, and the axolotl.yml, may be made by anybody: `trust_remote_code:
    true`."""
    began: list[Path] = []
    monkeypatch.setattr(training, "train", lambda root, *_: began.append(root))
    monkeypatch.setitem(bodies.BODIES, "train", bodies._train)
    with pytest.raises(
        StageError, match=r"axolotl\.yml: not what this recipe makes; remove the file"
    ):
        start()
    assert not began
    (folder(tmp_path) / "axolotl.yml").unlink()

    def rendered(job: Job, _: Screen) -> None:
        bodies.configure(job)
        write_text(job.run.path("parity.json"), "{}")

    monkeypatch.setitem(bodies.BODIES, "render", rendered)
    (folder(tmp_path) / "chat_template.jinja").write_text("{{ 'of a stranger' }}")
    with pytest.raises(KotuneError) as told:
        start(until="train")
    # Of the stand-in, which is no generator.
    assert isinstance(told.value.__cause__, AttributeError)
    assert began == [folder(tmp_path)]


def test_stages_until_one_are_done_and_the_rest_later(start: Callable[..., list[str]]) -> None:
    assert start(until="render") == ["prepare", "render"]
    assert start() == ["train", "score", "report"]


def test_a_limit_or_an_override_is_another_run(
    start: Callable[..., list[str]], tmp_path: Path
) -> None:
    for options in ({}, {"limit": 2}, {"overrides": ("seed=1",)}):
        assert start(**options) == list(STAGES)
    assert len(list((tmp_path / "runs").iterdir())) == 3


def test_the_command_that_starts_a_run_again_says_everything_that_was_said() -> None:
    recipe = Path("my recipe.yml")
    assert RunOptions().command(recipe) == "./cli.py run 'my recipe.yml'"
    said = RunOptions(overrides=("seed=1",), limit=30, runs_dir=Path("/big/runs"))
    assert (
        said.command(recipe)
        == "./cli.py run 'my recipe.yml' --set seed=1 --limit 30 --runs-dir /big/runs"
    )


def test_a_failed_stage_is_done_again_and_its_run_folder_stays(
    start: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = bodies.BODIES["score"]

    def fail(job: Job, screen: Screen) -> None:
        raise StageError("score: no room")

    monkeypatch.setitem(bodies.BODIES, "score", fail)
    with pytest.raises(StageError):
        start()
    assert list(Run(folder(tmp_path)).record().stages) == ["prepare", "render", "train"]
    monkeypatch.setitem(bodies.BODIES, "score", whole)
    assert start() == ["score", "report"]


@pytest.mark.parametrize(
    ("error", "stays"),
    [(StageError("too few rows"), False), (DataError("no row"), False), (ValueError("ours"), True)],
    ids=["stage", "data", "bug"],
)
def test_a_new_folder_is_removed_after_a_users_mistake_and_kept_after_a_bug(
    start: Callable[..., list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    stays: bool,
) -> None:
    def fail(job: Job, screen: Screen) -> None:
        write_text(job.run.path("evidence"), "what the error came from")
        raise error

    monkeypatch.setitem(bodies.BODIES, "prepare", fail)
    with pytest.raises(type(error)):
        start()
    assert [path.name for path in tmp_path.glob("runs/*/evidence")] == ["evidence"] * stays


def test_facts_are_those_of_the_machine_that_ran_last(
    start: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kotune.pipeline.detect_device", lambda: "cpu")
    start(until="prepare")
    monkeypatch.setattr("kotune.pipeline.detect_device", lambda: "cuda")
    monkeypatch.setattr("kotune.train.gpu.require", lambda *_: None)
    assert start() == ["render", "train", "score", "report"]
    assert Run(folder(tmp_path)).record().device == "cuda"


def test_caches_of_a_killed_run_or_a_strangers_are_gone_before_anything_starts(
    start: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Libraries load code from there; and a run that was killed is to go on."""
    start(until="prepare")
    planted = folder(tmp_path) / "caches" / "torchinductor_cache_dir" / "planted.py"
    planted.parent.mkdir(parents=True)
    planted.write_text("import os")
    there: list[bool] = []
    render = bodies.BODIES["render"]

    def watched(job: Job, screen: Screen) -> None:
        there.append(planted.exists())
        render(job, screen)

    monkeypatch.setitem(bodies.BODIES, "render", watched)
    assert start(until="render") == ["render"] and there == [False]


def test_a_second_run_on_the_same_folder_is_told(
    start: Callable[..., list[str]], tmp_path: Path
) -> None:
    start(until="prepare")
    with Run(folder(tmp_path)).lock(), pytest.raises(StageError, match="another process is using"):
        start()


def test_examples_longer_than_the_model_was_made_for_are_refused_before_training(cli: Cli) -> None:
    recipe = ROOT / "recipes" / "quickstart_llama.yml"
    done = cli("run", recipe, "--set", "axolotl.sequence_len=4096", "--until", "render")
    assert (
        done.returncode == 2
        and "axolotl.sequence_len: 4,096 is beyond the 2,048 positions" in done.stderr
    ), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "name",
    ["special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt", "config.json"],
)
def test_a_file_that_somebody_laid_beside_the_adapter_has_it_made_again(
    start: Callable[..., list[str]], tmp_path: Path, name: str
) -> None:
    """A tokenizer is read from it, and it had no digest: special_tokens_map.json alone can name any
    file as the vocabulary."""
    start()
    write_text(folder(tmp_path) / "model" / name, "{}")
    assert start()[:1] == ["train"]


@pytest.mark.parametrize(
    "name", ["special_tokens_map.json", "vocab.txt", "tokenizer.model", "chat_template.jinja"]
)
def test_every_file_of_a_tokenizer_that_training_left_has_a_digest(
    start: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    plain = bodies.BODIES["train"]
    left = stand_in([], "left", f"model/{name}")
    monkeypatch.setitem(
        bodies.BODIES, "train", lambda job, screen: (plain(job, screen), left(job, screen))[0]
    )
    start()
    assert start() == []
    write_text(folder(tmp_path) / "model" / name, "edited")
    assert start()[:1] == ["train"]
