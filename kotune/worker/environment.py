"""The environment variables of every child process.

Telemetry is off, kernels from the hub are off, kotune's packages are importable, and logs have no
colour codes. No file in the child's working folder can replace a module or a program."""

import sys
from pathlib import Path

from kodata.children import python_environment, search_path
from kotune.worker.device import detect_device

# Every child process, and every Python process that a child starts, first runs sitecustomize.py in
# this folder.
STARTUP = Path(__file__).parent / "startup"
FIXED = {
    "AXOLOTL_DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    # Forbids kernels from the hub in transformers. bitsandbytes ignores this variable, so startup/
    # also blocks the import of the package `kernels`.
    "USE_HUB_KERNELS": "NO",
    "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "0",  # code in a checkpoint must not run
    # No cache. The default cache is a folder below /tmp, where any user could put a vocabulary.
    "TIKTOKEN_CACHE_DIR": "",
    "PYTHONFAULTHANDLER": "1",  # logs the Python stack when a library crashes (SIGSEGV)
    "NO_COLOR": "1",
}


def environment() -> dict[str, str]:
    """The environment of this process, with the variables that a child process needs."""
    # On a CPU, Axolotl saves its prepared data without worker processes. In this step, Axolotl
    # ignores `dataset_num_proc: 0` in its config and reads only this variable.
    single = {"AXOLOTL_DATASET_NUM_PROC": "0"} if detect_device() == "cpu" else {}
    path = search_path("PATH", Path(sys.executable).parent)  # includes torchrun's folder
    return {**python_environment(STARTUP), **FIXED, **single, "PATH": path}
