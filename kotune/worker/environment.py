"""The environment of every child process: telemetry off, no kernels from the hub, our packages
importable, no colour codes in logs, and nothing that lies in the folder where the child is started
takes the place of a module or a program."""

import sys
from pathlib import Path

from kodata.children import python_environment, search_path
from kotune.worker.device import detect_device

# Its sitecustomize.py runs first in every child and a child's own.
STARTUP = Path(__file__).parent / "startup"


def environment() -> dict[str, str]:
    """This process's environment with what a child needs laid over it."""
    quiet = {
        "AXOLOTL_DO_NOT_TRACK": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    # Beside the import that startup/ blocks: transformers' own switch, not bitsandbytes'.
    quiet["USE_HUB_KERNELS"] = "NO"
    quiet["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "0"  # a checkpoint is data: nothing in it may run
    # None: it would be a folder below /tmp, from which anybody's words would be read.
    quiet["TIKTOKEN_CACHE_DIR"] = ""
    # What was at work when a library falls (SIGSEGV), for the log.
    quiet["PYTHONFAULTHANDLER"] = "1"
    # Where a config says dataset_num_proc: 0, Axolotl saves its prepared data with this many worker
    # processes all the same.
    alone = {"AXOLOTL_DATASET_NUM_PROC": "0"} if detect_device() == "cpu" else {}
    path = search_path("PATH", Path(sys.executable).parent)  # torchrun's is on it
    return {**python_environment(STARTUP), **quiet, **alone, "PATH": path, "NO_COLOR": "1"}
