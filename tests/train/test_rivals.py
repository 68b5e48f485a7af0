"""The comparison with other engines: everything it claims to hold equal is equal, and its clocks
count what a command and its children do."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from benchmarks import rival_engines, rivals
from benchmarks.process_tree import Mark, Measured, measure
from benchmarks.rival_case import Setting, recipe_of
from benchmarks.rival_engines import Case
from benchmarks.rivals import Round
from kotune.recipe.reading import load
from kotune.train import config
from tests.conftest import ROOT

SETTING = Setting(None, "own", None, 96, 6, 20)
# A child that has 64 MiB and computes for one CPU second between two marks.
WORKER = """
import os, time
held = bytearray(os.urandom(1 << 20) * 64)
def note(n): open("marks", "a").write(f"{n}\\n")
note(1)
begun = time.process_time()
while time.process_time() < begun + 1: pass
note(2)
time.sleep(1)
"""


@dataclass
class Written:
    """What the command of a rival's start() reads."""

    file: str
    keys: dict


def started(engine: str, tmp_path: Path) -> Written:
    case = Case([], tmp_path, tmp_path, tmp_path, SETTING.steps)
    (found,) = (one for one in rival_engines.ENGINES if one.name.startswith(engine))
    found.start(case, tmp_path, tmp_path)
    (file,) = (path for path in tmp_path.iterdir() if path.suffix in (".yaml", ".json"))
    return Written(file.name, yaml.safe_load(file.read_text()))


def rendered(tmp_path: Path, setting: Setting = SETTING) -> dict:
    file = tmp_path / "rivals.yml"
    file.write_text(yaml.safe_dump(recipe_of(setting)))
    return dict(config.config(load(file, ()), "cpu"))


def test_all_engines_get_the_same_settings(tmp_path: Path) -> None:
    ours = rendered(tmp_path)
    llama = started("LLaMA", tmp_path).keys
    (tmp_path / "train.yaml").unlink()
    trl = started("TRL", tmp_path).keys
    for theirs in (llama, trl["arguments"]):
        assert theirs["per_device_train_batch_size"] == ours["micro_batch_size"]
        assert theirs["gradient_accumulation_steps"] == ours["gradient_accumulation_steps"]
        assert theirs["learning_rate"] == ours["learning_rate"]
        assert theirs["lr_scheduler_type"] == ours["lr_scheduler"]
        assert theirs["optim"] == ours["optimizer"]
        assert theirs["max_steps"] == ours["max_steps"] == SETTING.steps
        assert theirs["seed"] == ours["seed"]
        assert theirs["weight_decay"] == ours["weight_decay"]
        assert (theirs["bf16"], theirs["fp16"]) == (ours["bf16"], ours["fp16"])
    assert llama["lora_rank"] == trl["rank"] == ours["lora_r"]
    assert llama["lora_alpha"] == 2 * trl["rank"] == ours["lora_alpha"]
    assert llama["lora_dropout"] == ours["lora_dropout"] == 0
    assert llama["disable_gradient_checkpointing"] is not ours["gradient_checkpointing"]
    assert trl["arguments"]["gradient_checkpointing"] == ours["gradient_checkpointing"]
    assert trl["arguments"]["pad_to_multiple_of"] == ours["pad_to_multiple_of"] == 8


def test_a_real_model_is_trained_on_klue_nli_with_the_template_that_is_named(
    tmp_path: Path,
) -> None:
    setting = SETTING._replace(model=ROOT / "kotune/models/quickstart_llama", data=tmp_path)
    recipe = recipe_of(setting)
    assert (recipe["template"], recipe["tasks"]) == ("own", ["klue_nli_ko"])
    assert rendered(tmp_path, setting)["base_model"] == str(setting.model)


def test_plain_axolotl_reads_the_run_without_our_plugin(tmp_path: Path) -> None:
    run, copy = tmp_path / "run", tmp_path / "copy"
    (run / "data").mkdir(parents=True)
    copy.mkdir()
    (run / "data" / "train.jsonl").write_text("{}")
    (run / "chat_template.jinja").write_text("")
    (run / "axolotl.yml").write_text(yaml.safe_dump(rendered(tmp_path)))
    rival_engines.copy_run(run, copy, without=("plugins",))
    kept = yaml.safe_load((copy / "axolotl.yml").read_text())
    assert kept == {key: value for key, value in rendered(tmp_path).items() if key != "plugins"}
    assert (copy / "data" / "train.jsonl").exists()


def test_clocks_count_a_child_and_its_marks(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    (tmp_path / "worker.py").write_text(WORKER)
    parent = "import subprocess, sys; subprocess.run([sys.executable, 'worker.py'], check=True)"

    def reached() -> list[str]:
        return marks.read_text().splitlines() if marks.exists() else []

    found = measure([sys.executable, "-c", parent], tmp_path, os.environ, reached)
    first, second = found.marks
    assert (first.what, second.what) == ("1", "2")
    assert 0.5 < second.cpu - first.cpu < 1.5 and second.cpu <= found.cpu + 0.1
    assert found.seconds > 1 and first.seconds < second.seconds < found.seconds
    assert 64 / 1024 < found.peak_gib < 0.2


def test_a_failure_shows_the_end_of_the_log(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="ValueError: no such model"):
        measure([sys.executable, "-c", "raise ValueError('no such model')"], tmp_path, os.environ)


def test_losses_of_a_log_are_those_of_steps(tmp_path: Path) -> None:
    assert rivals.losses_of(tmp_path, "*/train.log") == []
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "train.log").write_text(
        "50%|     | 1/2 [00:01]   {'loss': '5.772', 'grad_norm': '7.252'}\n"
        "{'eval_loss': '0.3', 'epoch': '1'}{'loss': 1.5e-05, 'epoch': 1}\n{'train_loss': '2.2'}"
    )
    assert rivals.losses_of(tmp_path, "*/train.log") == [5.772, 1.5e-05]


def trained(step: float, losses: list[float]) -> Measured:
    """A training whose first step takes ten times as long as the others, after 30 s of start-up."""
    marks = [
        Mark(loss, 30 + (10 + i) * step, 20 + 2 * (10 + i) * step) for i, loss in enumerate(losses)
    ]
    return Measured(100.0, 90.0, 2.0, marks)


def test_figures_are_medians_and_ratios_without_the_first_step() -> None:
    names = [engine.name for engine in rival_engines.ENGINES]
    scored = Measured(40.0, 40.0, 1.0, [])
    rounds = [
        Round(
            {
                name: trained(slow * (1 + i), [2.0, 1.0, 0.5 + i / 100])
                for i, name in enumerate(names)
            },
            scored,
        )
        for slow in (9.0, 1.0, 2.0)
    ]
    found = {(figure.name, figure.unit): figure for figure in rivals.figures(rounds)}
    assert found["kotune: a step", "s"].value == 2.0
    assert found["kotune: a step", "CPU s"].value == 4.0
    assert found["kotune: to a scored adapter", "s"].value == 100.0
    assert found["TRL 1.9.0: to a scored adapter", "s"].value == 140.0
    ratio = found["a step, kotune / TRL 1.9.0, CPU", ""]
    assert ratio.value == pytest.approx(0.25) and ratio.most == 1.05
    assert found["losses apart from TRL 1.9.0: first step", ""].value == 0
    later = found["losses apart from TRL 1.9.0: all steps", ""].value
    assert later == pytest.approx(0.03 / 0.53)
