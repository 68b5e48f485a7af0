"""Compares our train and score stages with the plain tools doing the same work, in one run on one
machine.

Train: the stage, and `axolotl train` with the same YAML but without our plugin and our padding.
Score: the stage (base and tuned, one model load), and two plain `lm_eval` runs, one of the base
model and one with the adapter. The measurements alternate, and the best time counts, because other
work on the machine can only slow them down."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from benchmarks.table import Figure, show
from kotune.worker.device import detect_device
from kotune.worker.environment import environment

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
ROUNDS = 2
OURS = ("plugins", "pad_to_multiple_of")


def seconds(words: list[str], cwd: Path) -> float:
    """Wall seconds of one command; its output is shown only if it fails."""
    begun = time.monotonic()
    done = subprocess.run(
        words, cwd=cwd, env=environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(words)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.monotonic() - begun


def ours(folder: Path) -> tuple[Path, dict[str, float]]:
    """The run folder of a whole fresh run and the wall seconds of its stages."""
    words = [
        str(ROOT / "cli.py"),
        "run",
        str(ROOT / "recipes" / "quickstart_llama.yml"),
        "--runs-dir",
        str(folder),
        "--fresh-base",  # or the base model's answers may come from the user's cache
    ]
    seconds(words, ROOT)
    run = next(folder.iterdir())
    return run, {
        name: entry["seconds"]
        for name, entry in json.loads((run / "run.json").read_text())["stages"].items()
    }


def plain_train(run: Path) -> float:
    """Seconds of `axolotl train` on a copy of the run's config and data, without our own keys."""
    copy = run.parent / "plain"
    copy.mkdir()
    shutil.copy(run / "chat_template.jinja", copy)
    config = yaml.safe_load((run / "axolotl.yml").read_text(encoding="utf-8"))
    plain = {key: value for key, value in config.items() if key not in OURS}
    (copy / "axolotl.yml").write_text(yaml.safe_dump(plain, allow_unicode=True), encoding="utf-8")
    shutil.copytree(run / "data", copy / "data")
    return seconds([str(BIN / "axolotl"), "train", "axolotl.yml", "--launcher", "python"], copy)


def plain_score(run: Path) -> float:
    """Seconds of two `lm_eval` runs as in the harness's documentation, base and then adapter."""
    adapter = run / "model"
    base = json.loads((adapter / "adapter_config.json").read_text())["base_model_name_or_path"]
    total = 0.0
    for model in (
        f"pretrained={base},tokenizer={adapter}",
        f"pretrained={base},peft={adapter},tokenizer={adapter}",
    ):
        words = [
            "run",
            "--model",
            "hf",
            "--model_args",
            model,
            "--tasks",
            "nli_sample_ko",
            "--apply_chat_template",
        ]
        words += ["--include_path", str(ROOT / "tasks"), "--batch_size", "32"]
        words += ["--device", "cuda:0" if detect_device() == "cuda" else "cpu"]
        total += seconds([str(BIN / "lm_eval"), *words], run)
    return total


def one_round() -> dict[str, float]:
    """Seconds of our stages and of the plain tools on the same run."""
    with tempfile.TemporaryDirectory() as folder:
        run, stages = ours(Path(folder))
        return {
            "train": stages["train"],
            "plain_train": plain_train(run),
            "score": stages["score"],
            "plain_score": plain_score(run),
        }


if __name__ == "__main__":
    rounds = [one_round() for _ in range(ROUNDS)]
    best = {name: min(measured[name] for measured in rounds) for name in rounds[0]}
    show(
        f"Our stages beside the plain tools, best of {ROUNDS}",
        [
            Figure("train stage", best["train"], "s"),
            Figure("plain axolotl train", best["plain_train"], "s"),
            Figure("train stage / plain", best["train"] / best["plain_train"], most=1.0),
            Figure("score stage, base and tuned", best["score"], "s"),
            Figure("two plain lm_eval runs", best["plain_score"], "s"),
            Figure("score stage / plain", best["score"] / best["plain_score"], most=0.5),
        ],
    )
