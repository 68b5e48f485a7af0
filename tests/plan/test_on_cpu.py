"""A run that would take days without a GPU ends with one message before anything is written;
--device cpu goes on."""

import os
from pathlib import Path
from typing import Any

import pytest

from kodata.errors import HubError
from kotune import pipeline
from kotune.errors import StageError
from kotune.models import hub, presets
from kotune.pipeline import RunOptions
from kotune.plan import on_cpu
from kotune.recipe.reading import load
from kotune.runs.folder import Run, write_json
from kotune.runs.job import Job
from kotune.worker import device, driver
from kotune.worker.environment import environment
from tests.conftest import ROOT, Cli, silent, write_recipe
from tests.test_cli import assert_one_message

REAL, QUICK = (ROOT / "recipes" / f"{name}.yml" for name in ("llama_lora", "quickstart_llama"))
HOUR = 3600


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The stages that are begun, of which none is done."""
    found: list[str] = []
    monkeypatch.setattr(pipeline, "_stage", lambda _, stage, *__: found.append(stage))
    monkeypatch.setattr(pipeline, "find_spec", lambda _: True)
    monkeypatch.setattr(pipeline, "detect_device", lambda: "cpu")
    return found


def job(recipe: Path, root: Path, *overrides: str) -> Job:
    return Job(load(recipe, overrides), Run(root), "cpu", None)


def test_days_on_a_cpu_are_told_in_one_line_and_nothing_is_written(
    begun: list[str], tmp_path: Path
) -> None:
    with pytest.raises(
        StageError, match=r"about \d+ (days|hours) on the CPU .*--device cpu"
    ) as told:
        pipeline.run(REAL, RunOptions(runs_dir=tmp_path / "runs"), silent())
    assert "\n" not in str(told.value) and not begun and not (tmp_path / "runs").exists()


def test_the_command_line_ends_so_too(cli: Cli) -> None:
    pytest.importorskip("axolotl")
    assert_one_message(cli("run", REAL), 1, "--device cpu")


@pytest.mark.parametrize(
    ("recipe", "options"),
    [
        (QUICK, {}),
        (QUICK, {"overrides": ("adapter=qlora",)}),
        (REAL, {"device": "cpu"}),
        (REAL, {"until": "render"}),
        (REAL, {"overrides": ("axolotl.max_steps=2",), "until": "train"}),
    ],
)
def test_what_is_short_or_meant_goes_on(
    begun: list[str], tmp_path: Path, recipe: Path, options: dict[str, Any]
) -> None:
    pipeline.run(recipe, RunOptions(runs_dir=tmp_path / "runs", **options), silent())
    assert begun[0] == "prepare"


def test_the_prediction_is_of_what_is_to_come_on_the_cores_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = job(REAL, tmp_path)
    monkeypatch.setattr(on_cpu, "cores", lambda: 4)
    whole, trained = on_cpu.seconds(real, "report"), on_cpu.seconds(real, "train")
    assert whole > trained > 24 * HOUR and on_cpu.seconds(real, "prepare") == 0
    monkeypatch.setattr(on_cpu, "cores", lambda: 8)
    assert on_cpu.seconds(real, "report") == pytest.approx(whole / 2)
    halved = job(REAL, tmp_path, "axolotl.num_epochs=1", "axolotl.eval_strategy='no'")
    assert on_cpu.seconds(halved, "train") == pytest.approx(trained / 4, rel=0.1)
    limited = Job(real.recipe, real.run, "cpu", "quick")
    assert on_cpu.seconds(limited, "report") < on_cpu.seconds(real, "report")
    write_json(
        tmp_path / "run.json",
        {"stages": {"train": {"inputs": {}, "made": {}, "seconds": 1.0, "finished": 1}}},
    )
    assert on_cpu.seconds(real, "report") == pytest.approx((whole - trained) / 2)


def test_a_kind_of_model_that_plan_does_not_know_is_taken_for_llamas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_cpu, "cores", lambda: 2)
    shape = {
        "vocab_size": 150_000,
        "hidden_size": 2048,
        "intermediate_size": 6144,
        "num_hidden_layers": 28,
    }
    write_json(
        tmp_path / "m" / "config.json", {"model_type": "phi3", **shape, "num_attention_heads": 16}
    )
    monkeypatch.setattr(presets, "is_folder", lambda _: True)
    real = job(REAL, tmp_path)
    other = Job(
        real.recipe.model_copy(update={"model": str(tmp_path / "m")}), real.run, "cpu", None
    )
    assert on_cpu.seconds(other, "train") > on_cpu.seconds(real, "train")


def test_what_cannot_be_predicted_is_left_to_the_stages(
    begun: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise HubError("the hub is out of reach")

    monkeypatch.setattr(hub, "fetch", away)
    text = "model: some/body\ntemplate: own\ndata: [{source: nli_sample}]\n"
    pipeline.run(write_recipe(tmp_path, text), RunOptions(runs_dir=tmp_path / "runs"), silent())
    assert begun[0] == "prepare"


def test_the_cpu_that_is_meant_hides_the_gpu_from_every_child_and_only_meanwhile(
    begun: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "_is_loaded", lambda: True)
    monkeypatch.setattr(pipeline, "detect_device", device.detect_device)
    monkeypatch.setattr(driver, "problem", lambda: pytest.fail("no driver is to be asked"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    seen: list[tuple[str, str]] = []
    monkeypatch.setattr(
        pipeline,
        "_stage",
        lambda job, *_: seen.append((job.device, environment()["CUDA_VISIBLE_DEVICES"])),
    )
    pipeline.run(QUICK, RunOptions(runs_dir=tmp_path / "runs", device="cpu"), silent())
    assert set(seen) == {("cpu", "")} and os.environ["CUDA_VISIBLE_DEVICES"] == "1"
