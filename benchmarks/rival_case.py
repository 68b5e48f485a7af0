"""Prepares what benchmarks.rivals gives to every engine: kotune's data and configuration, the token
ids, and a tokenizer with the run's chat template."""

import contextlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import yaml

from benchmarks.rival_engines import (
    ACCUMULATION,
    LEARNING_RATE,
    MICRO_BATCH,
    PADDING,
    RANK,
    ROOT,
    ROWS,
    SEED,
    Case,
)
from kotune.layout import CONFIG, TEMPLATE, TRAIN
from kotune.models import presets
from kotune.worker.environment import FIXED

# Before the hub's library and Axolotl are imported.
os.environ |= {"HF_HUB_OFFLINE": "1", "AXOLOTL_DO_NOT_TRACK": "1"}

QUICKSTART = "quickstart-llama"


class Setting(NamedTuple):
    """The options of the command."""

    model: Path | None
    template: str
    data: Path | None
    rows: int
    steps: int
    limit: int

    @property
    def task(self) -> str:
        return "klue_nli_ko" if self.data else "nli_sample_ko"


def recipe_of(setting: Setting) -> dict[str, object]:
    """The recipe of the case. Plain Axolotl gets its configuration without our plugin."""
    source = {"source": "klue_nli", "path": str(setting.data)} if setting.data else {}
    template = {"template": setting.template} if setting.model else {}
    return {
        "model": str(setting.model or QUICKSTART),
        **template,
        "adapter": "lora",
        "data": [{"source": "nli_sample", "form": "label", "samples": setting.rows, **source}],
        "tasks": [setting.task],
        "validation_rows": 30,
        "seed": SEED,
        "axolotl": {
            "max_steps": setting.steps,
            "micro_batch_size": MICRO_BATCH,
            "batch_size": MICRO_BATCH * ACCUMULATION,
            "pad_to_multiple_of": PADDING,
            "lora_r": RANK,
            "lora_alpha": 2 * RANK,
            "learning_rate": LEARNING_RATE,
            "lr_scheduler": "constant",
            "warmup_steps": 0,
            "logging_steps": 1,
            "eval_strategy": "no",
            # Every trainer shuffles the rows again, all in the same way with the same seed.
            "shuffle_merged_datasets": False,
        },
    }


def prepare(setting: Setting, folder: Path) -> Case:
    """Make the data, the configuration and the token ids with kotune, and a tokenizer with the
    run's chat template. A real model is copied as float32, because LLaMA-Factory trains in the
    precision of the file."""
    if setting.model:
        setting = setting._replace(model=as_float32(setting.model, folder / "model"))
    file = folder / "rivals.yml"
    file.write_text(yaml.safe_dump(recipe_of(setting), allow_unicode=True), encoding="utf-8")
    recipe = [str(file), "--limit", str(setting.limit), "--device", "cpu"]
    runs = folder / "prepared"
    words = [str(ROOT / "cli.py"), "run", *recipe, "--until", "render", "--runs-dir", str(runs)]
    subprocess.run(words, check=True, env=environment())
    (run,) = runs.iterdir()
    model = setting.model or Path(presets.find(QUICKSTART, None).base)
    write_ids(run, folder / "ids", folder / "tokenizer")
    return Case(recipe, run, folder / "ids", model, setting.steps)


def as_float32(model: Path, folder: Path) -> Path:
    """A copy of a model's folder with float32 weights."""
    import torch
    from transformers import AutoModelForCausalLM

    shutil.copytree(model, folder, ignore=shutil.ignore_patterns("*.safetensors*"))
    AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).save_pretrained(folder)
    return folder


def write_ids(run: Path, ids: Path, saved: Path) -> None:
    """Write the training rows as Axolotl's own strategy tokenizes them, and the tokenizer."""
    from datasets import Dataset, DatasetDict

    from kotune.parity.trained import load_strategy, tokenize_rows
    from kotune.runs.reading import rows_of

    with contextlib.chdir(run):
        tokenizer, strategy = load_strategy(Path(CONFIG))
        trained = tokenize_rows(strategy, [row for _, row in rows_of(Path(TRAIN))])
    rows = [
        {"input_ids": row.ids, "attention_mask": [1] * len(row.ids), "labels": row.labels}
        for row in trained
    ]
    DatasetDict({"train": Dataset.from_list(rows)}).save_to_disk(str(ids))
    (ids / ROWS).write_text("".join(json.dumps(row) + "\n" for row in rows))
    tokenizer.chat_template = (run / TEMPLATE).read_text(encoding="utf-8")
    tokenizer.save_pretrained(saved)


def environment() -> dict[str, str]:
    """The environment of every engine: offline, without telemetry, and with logs as they come."""
    own = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return {**own, **FIXED, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
