"""Defines the engines that benchmarks.rivals compares: how each is installed, and the command that
trains it on a case. All get the same model, token ids, labels, order of rows and settings."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from benchmarks.process_tree import OUTPUT
from kotune.layout import CHECKPOINTS, CONFIG, DATA, MODEL, TEMPLATE, TRAIN_LOG

ROOT = Path(__file__).parent.parent
MICRO_BATCH, ACCUMULATION, PADDING = 4, 4, 8
RANK, LEARNING_RATE, SEED = 16, 5e-4, 42
ROWS = "rows.jsonl"  # the rows of Case.ids as JSON Lines


class Case(NamedTuple):
    """What every engine trains.

    - `recipe`: the recipe's file and the options that give this case
    - `run`: a run folder of kotune after its render stage
    - `ids`: a data set of the training rows' token ids and labels, as Axolotl makes them"""

    recipe: list[str]
    run: Path
    ids: Path
    model: Path
    steps: int


class Engine(NamedTuple):
    """An engine and its version.

    - `packages`: what pip installs for it; empty if it is in kotune's own environment
    - `start`: writes what the engine reads into a folder, and returns the command. Its arguments
      are the case, the folder, and the folder of the environment's programs.
    - `log`: the glob pattern of the file with the losses, in the folder
    - `adapter`: the folder of the adapter, in the folder"""

    name: str
    packages: tuple[str, ...]
    start: Callable[[Case, Path, Path], list[str]]
    log: str = OUTPUT
    adapter: str = "result"

    def programs(self, environments: Path) -> Path:
        """The folder of the engine's programs. Its environment is installed if it is missing."""
        if not self.packages:
            return Path(sys.executable).parent
        folder = environments / self.name.partition(" ")[0].lower()
        stamp = folder / "installed"
        if not stamp.exists() or stamp.read_text() != str(self.packages):
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            pip = str(folder / "bin" / "pip")
            subprocess.run([pip, "install", "--quiet", *self.packages], check=True)
            _drop_cuda(folder)
            stamp.write_text(str(self.packages))
        return folder / "bin"


def _drop_cuda(environment: Path) -> None:
    """Remove compiled parts of torchvision and torchaudio. LLaMA-Factory imports both. The index
    has them for CUDA, and they cannot be loaded beside a torch for the CPU."""
    for package in ("torchvision", "torchaudio/lib"):
        for folder in environment.glob(f"lib/python*/site-packages/{package}"):
            shutil.rmtree(folder)


def _kotune(case: Case, folder: Path, _programs: Path) -> list[str]:
    """The run up to scoring, with the proof and with scores of the base model."""
    options = ["--until", "score", "--runs-dir", str(folder), "--fresh-base"]
    return [str(ROOT / "cli.py"), "run", *case.recipe, *options]


def _axolotl(case: Case, folder: Path, programs: Path) -> list[str]:
    copy_run(case.run, folder, without=("plugins",))
    return [str(programs / "axolotl"), "train", CONFIG, "--launcher", "python"]


def copy_run(run: Path, folder: Path, without: tuple[str, ...]) -> None:
    """Copy what `axolotl train` reads of a run folder, without some keys of its configuration."""
    shutil.copy(run / TEMPLATE, folder)
    shutil.copytree(run / DATA, folder / DATA)
    keys = yaml.safe_load((run / CONFIG).read_text(encoding="utf-8"))
    kept = {key: value for key, value in keys.items() if key not in without}
    (folder / CONFIG).write_text(yaml.safe_dump(kept, allow_unicode=True), encoding="utf-8")


def common(case: Case) -> dict[str, Any]:
    """The arguments of transformers' trainer, the same for both engines that take them."""
    return {
        "output_dir": "result",
        "per_device_train_batch_size": MICRO_BATCH,
        "gradient_accumulation_steps": ACCUMULATION,
        "max_steps": case.steps,
        "learning_rate": LEARNING_RATE,
        "lr_scheduler_type": "constant",
        "weight_decay": 0.0,
        "optim": "adamw_torch",
        "logging_steps": 1,
        "save_strategy": "no",
        "bf16": False,
        "fp16": False,
        "use_cpu": True,
        "report_to": "none",
        "seed": SEED,
        "dataloader_pin_memory": False,
    }


def _llamafactory(case: Case, folder: Path, programs: Path) -> list[str]:
    keys = {
        **common(case),
        "model_name_or_path": str(case.model),
        "tokenized_path": str(case.ids),
        "dataset": "ids",  # required, but not read
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora",
        "lora_rank": RANK,
        "lora_alpha": 2 * RANK,
        "lora_dropout": 0.0,
        "lora_target": "all",
        "disable_gradient_checkpointing": True,
    }
    (folder / "train.yaml").write_text(yaml.safe_dump(keys), encoding="utf-8")
    return [str(programs / "llamafactory-cli"), "train", "train.yaml"]


def _trl(case: Case, folder: Path, programs: Path) -> list[str]:
    settings = {
        "model": str(case.model),
        "rows": str(case.ids / ROWS),
        "rank": RANK,
        "arguments": {
            **common(case),
            "pad_to_multiple_of": PADDING,
            "gradient_checkpointing": False,
            "max_length": None,
        },
    }
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    return [str(programs / "python"), str(ROOT / "benchmarks" / "rival_trl.py"), "settings.json"]


TORCH = "torch==2.13.0"
ENGINES = (
    Engine("kotune", (), _kotune, f"*/{TRAIN_LOG}", f"*/{MODEL}"),
    Engine("Axolotl 0.19.0", (), _axolotl, adapter=CHECKPOINTS),
    Engine("LLaMA-Factory 0.9.5", ("llamafactory==0.9.5", TORCH), _llamafactory),
    Engine("TRL 1.9.0", ("trl==1.9.0", "peft==0.20.0", "transformers==5.16.1", TORCH), _trl),
)
