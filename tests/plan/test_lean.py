"""A run leaves gradient checkpointing out where the GPU at hand has the memory, whatever GPU that
is, and trains the same."""

import json
from pathlib import Path
from typing import Any

import pytest

from kotune.layout import PARITY
from kotune.models import hub
from kotune.plan import lean, shapes
from kotune.recipe.reading import load
from kotune.runs.folder import Run, write_json
from kotune.runs.job import Job
from kotune.worker import driver
from kotune.worker.driver import Driver
from tests.conftest import ROOT

GB = 10**9


def decided(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *memories: int,
    longest: int = 250,
    sets: Any = (),
) -> bool:
    lengths = {"rows": 1, "longest": longest, "sequence_len": longest, "too_long": 0}
    parity = {"labels": {"rows": 1, "status": "equal"}, "lengths": lengths, "tasks": {}}
    (tmp_path / PARITY).write_text(json.dumps(parity))
    monkeypatch.setattr(
        driver, "look", lambda: Driver((13, 0), [(8, 0)] * len(memories), "", memories)
    )
    recipe = load(ROOT / "recipes" / "llama_lora.yml", tuple(sets))
    return lean.is_lean(Job(recipe, Run(tmp_path), "cuda", None))


@pytest.mark.parametrize(
    ("memories", "more", "is_lean"),
    [
        ((40 * GB,), {}, True),
        ((8 * GB,), {}, False),
        ((80 * GB, 8 * GB), {}, False),  # each of several trains
        ((40 * GB,), {"longest": 1024}, False),
        (
            (40 * GB,),
            {"longest": 9999},
            False,
        ),  # no row is longer than sequence_len, where longer ones are left out
        ((80 * GB,), {"longest": 1024}, True),
        ((80 * GB,), {"longest": 9999}, True),
        ((40 * GB,), {"sets": ["axolotl.sample_packing=true"]}, False),
        ((80 * GB,), {"sets": ["axolotl.gradient_checkpointing=true"]}, False),
        ((80 * GB,), {"sets": ["axolotl.activation_offloading=true"]}, False),
        ((80 * GB,), {"sets": ['axolotl.deepspeed={"zero_optimization":{"stage":3}}']}, False),
        ((80 * GB,), {"sets": ['axolotl.fsdp_config={"reshard_after_forward":true}']}, False),
        ((16 * GB,), {"sets": ["axolotl.micro_batch_size=4"]}, True),
        ((), {}, False),
    ],
)
def test_what_a_run_decides(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    memories: tuple[int, ...],
    more: dict[str, Any],
    is_lean: bool,
) -> None:
    assert decided(tmp_path, monkeypatch, *memories, **more) == is_lean


def test_without_a_gpu_or_a_known_kind_of_model_nothing_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    assert not decided(
        tmp_path, monkeypatch, 80 * GB, sets=[f"model={tmp_path}", "template=llama3"]
    )
    recipe = load(ROOT / "recipes" / "llama_lora.yml")
    monkeypatch.setattr(driver, "look", lambda: pytest.fail("the driver is asked"))
    assert not lean.is_lean(Job(recipe, Run(tmp_path), "cpu", None))


def test_the_commit_that_is_trained_is_looked_up_and_the_hub_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run goes on where the hub's cache holds that commit alone, and no name `main`, as on a node
    without a network."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(hub, "fetch", lambda *_, **__: pytest.fail("the hub is asked"))
    commit = "a" * 40
    sizes = dict.fromkeys(shapes.NEEDED, 64)
    config = {"model_type": "llama", **sizes, "num_attention_heads": 2}
    write_json(
        tmp_path / "hub" / "models--some--body" / "snapshots" / commit / "config.json", config
    )
    write_json(tmp_path / "run.json", {"stages": {}, "model_revision": commit})
    assert decided(tmp_path, monkeypatch, 80 * GB, sets=["model=some/body", "template=llama3"])
