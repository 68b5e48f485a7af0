"""Sets the environment variables of every child process.

They switch off telemetry, kernels from the hub and colour codes in logs, and they make kotune's
packages importable. No file in the child's working folder can replace a module or a program."""

import sys
from pathlib import Path

from kodata.children import python_environment, search_path
from kotune.worker.device import detect_device

# The folder of sitecustomize.py, which runs first in every child process, and in every Python
# process that a child starts.
STARTUP = Path(__file__).parent / "startup"
FIXED = {
    "AXOLOTL_DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",  # tokenizers uses one thread
    # Forbids kernels from the hub in transformers. bitsandbytes ignores this variable, so startup/
    # also blocks the import of the package `kernels`.
    "USE_HUB_KERNELS": "NO",
    "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "0",  # code in a checkpoint must not run
    # Empty means no cache. The default is a folder below /tmp, where any user could put a
    # vocabulary.
    "TIKTOKEN_CACHE_DIR": "",
    "PYTHONFAULTHANDLER": "1",  # logs the Python stack when a library crashes (SIGSEGV)
    "NO_COLOR": "1",
}


def environment() -> dict[str, str]:
    """The environment of a child process: that of this process, with the changes above."""
    # On a CPU, Axolotl must save its prepared data without worker processes. In this step, Axolotl
    # ignores `dataset_num_proc: 0` in its config and reads only this variable.
    single = {"AXOLOTL_DATASET_NUM_PROC": "0"} if detect_device() == "cpu" else {}
    path = search_path("PATH", Path(sys.executable).parent)  # this folder has torchrun
    return {**python_environment(STARTUP), **FIXED, **single, "PATH": path}
