"""Tracking is off unless the recipe's own Axolotl keys switch it on, and then the screen says where
metrics go."""

import json
from pathlib import Path
from typing import Any

import pytest

from kotune.train import tracking
from tests.conftest import ROOT, Cli

QUICK = ROOT / "recipes" / "quickstart_llama.yml"


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*tracking.SPACES, "WANDB_MODE", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ({}, []),
        ({"use_wandb": False, "wandb_mode": "offline"}, []),
        ({"use_wandb": True}, ["this run sends its metrics to W&B"]),
        (
            {"wandb_project": "ko"},
            ["this run sends its metrics to W&B"],
        ),  # Axolotl takes a name for a yes
        ({"use_wandb": False, "wandb_project": "ko"}, ["this run sends its metrics to W&B"]),
        (
            {"use_wandb": True, "wandb_mode": "offline"},
            ["this run keeps its metrics for W&B on this machine"],
        ),
        ({"use_trackio": True}, ["this run keeps its metrics for trackio on this machine"]),
        ({"use_tensorboard": True}, ["this run keeps its metrics for TensorBoard on this machine"]),
        ({"use_comet": True}, ["this run sends its metrics to Comet"]),
        ({"use_mlflow": True}, ["this run keeps its metrics for MLflow on this machine"]),
        (
            {"use_wandb": True, "use_tensorboard": True},
            [
                "this run sends its metrics to W&B",
                "this run keeps its metrics for TensorBoard on this machine",
            ],
        ),
    ],
)
def test_every_service_that_is_on_is_said(block: dict[str, Any], told: list[str]) -> None:
    assert tracking.lines(block) == told


def test_a_trackio_that_the_environment_sends_away_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_SPACE_ID", "me/board")
    assert tracking.lines({"use_trackio": True}) == [
        "this run sends its metrics to trackio at me/board"
    ]


def test_an_mlflow_that_the_environment_names_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://m:5000")
    assert tracking.lines({"use_mlflow": True}) == [
        "this run sends its metrics to MLflow at http://m:5000"
    ]


@pytest.mark.parametrize("use", [service for service, name in tracking.NAMED.items() if name])
def test_a_projects_name_alone_switches_a_service_on_in_axolotl_itself(use: str) -> None:
    from importlib import import_module

    from axolotl.utils.dict import DictDefault

    config = DictDefault({tracking.NAMED[use]: "ko", f"use_{use}": False})
    getattr(import_module(f"axolotl.utils.{use}_"), f"setup_{use}_env_vars")(config)
    assert config[f"use_{use}"] is True


def test_the_runs_screen_says_it_and_is_silent_by_default(cli: Cli) -> None:
    assert "metrics" not in cli("run", QUICK, "--dry-run").stdout
    done = cli("run", QUICK, "--dry-run", "--set", "axolotl.use_wandb=true")
    assert "this run sends its metrics to W&B" in done.stdout


@pytest.mark.e2e
@pytest.mark.slow
def test_trackio_keeps_a_runs_losses_on_this_machine_without_a_network(
    cli: Cli, tmp_path: Path
) -> None:
    pytest.importorskip("trackio", reason="trackio cannot be imported here")
    import sqlite3

    place = tmp_path / "trackio"
    words: tuple[str, ...] = (
        "--set",
        "axolotl.use_trackio=true",
        "--set",
        "axolotl.trackio_project_name=ko",
        "--set",
        "axolotl.max_steps=4",
    )
    words += ("--set", "axolotl.logging_steps=1", "--until", "train")
    done = cli("run", QUICK, *words, TRACKIO_DIR=str(place))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "this run keeps its metrics for trackio on this machine" in done.stdout
    with sqlite3.connect(place / "ko.db") as kept:
        told = [json.loads(row) for (row,) in kept.execute("select metrics from metrics")]
    metrics = (tmp_path / "runs").glob("*/metrics.jsonl")
    losses = [
        json.loads(line).get("loss")
        for line in next(metrics).read_text(encoding="utf-8").splitlines()
    ]
    assert [row["train/loss"] for row in told if "train/loss" in row] == [
        loss for loss in losses if loss
    ]
    assert sum(map(bool, losses)) == 4
