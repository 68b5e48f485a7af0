"""The environment of every child process: telemetry off, no kernels from the hub, our packages importable, no colour codes in
logs."""

import os
import sys
from pathlib import Path

from kotune.shipped import IS_CHECKOUT, ROOT
from kotune.worker.device import detect_device

STARTUP = (
    Path(__file__).parent / "startup"
)  # its sitecustomize.py runs first in every child, and in a child's own children


def environment() -> dict[str, str]:
    """This process's environment with what a child needs laid over it."""
    ours = str(ROOT) if IS_CHECKOUT else None  # an installation is found by its interpreter
    path = os.pathsep.join(filter(None, (str(STARTUP), ours, os.environ.get("PYTHONPATH"))))
    quiet = {"AXOLOTL_DO_NOT_TRACK": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}
    quiet["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "0"  # a checkpoint is data: nothing in it may run
    quiet["PYTHONSAFEPATH"] = "1"  # no module of the folder that a child is started in takes the place of a real one
    # Where a config says dataset_num_proc: 0, Axolotl saves its prepared data with this many worker processes all the same.
    alone = {"AXOLOTL_DATASET_NUM_PROC": "0"} if detect_device() == "cpu" else {}
    programs = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))  # torchrun's
    return {**os.environ, **quiet, **alone, "PYTHONPATH": path, "PATH": programs, "NO_COLOR": "1"}
