"""The environment of every child process: telemetry off, no kernels from the hub, our packages importable, no colour codes in
logs, and nothing that lies in the folder where the child is started takes the place of a module or a program."""

import os
import sys
from pathlib import Path

from kotune.worker.device import detect_device

STARTUP = Path(__file__).parent / "startup"  # its sitecustomize.py runs first in every child and a child's own


def environment() -> dict[str, str]:
    """This process's environment with what a child needs laid over it."""
    quiet = {"AXOLOTL_DO_NOT_TRACK": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}
    quiet["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "0"  # a checkpoint is data: nothing in it may run
    quiet["PYTHONSAFEPATH"] = "1"  # no module of the folder that a child is started in takes the place of a real one
    # Where a config says dataset_num_proc: 0, Axolotl saves its prepared data with this many worker processes all the same.
    alone = {"AXOLOTL_DATASET_NUM_PROC": "0"} if detect_device() == "cpu" else {}
    searched = {
        "PYTHONPATH": [str(STARTUP), *_places("PYTHONPATH")],
        "PATH": [str(Path(sys.executable).parent), *_places("PATH")],
    }
    paths = {name: os.pathsep.join(dict.fromkeys(places)) for name, places in searched.items()}  # torchrun's is on PATH
    return {**os.environ, **quiet, **alone, **paths, "NO_COLOR": "1"}


def _places(variable: str) -> list[str]:
    """The folders of a search path by their whole names: an empty one, as in `PATH=$PATH:`, means the folder that one is in,
    which for a child is another one than for whoever wrote it; it is left out."""
    given = os.environ.get(variable, os.defpath if variable == "PATH" else "")
    return [str(Path(place).absolute()) for place in given.split(os.pathsep) if place]
