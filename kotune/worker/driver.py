"""What the NVIDIA driver's own library says before anything is downloaded: which CUDA it supports, and which GPUs it gives.

`python -m kotune.worker.driver` asks libcuda and prints the answer as JSON. It does so in a process of its own: a library that
falls over, or waits, takes nobody with it, and importing torch would cost seconds.
"""

import ctypes
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from kotune.worker.environment import environment

LIBRARY = "libcuda.so.1"
BF16 = (8, 0)  # the compute capability from which on a GPU has it
SECONDS = 30  # to answer; a driver that wakes up takes some
ERRORS = {3: "not initialized", 100: "no device", 101: "no such device", 803: "a library of another version", 804: "the "
                   "compatibility package does not support this GPU", 999: "an unknown error"}  # fmt: skip
MAJOR, MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*
INSTEAD = "or hide the GPU, to go on with the CPU: CUDA_VISIBLE_DEVICES= before the command"


class Driver(NamedTuple):
    """`cuda`: the version that it supports, as (13, 0); of each GPU that a process sees its compute capability, as (8, 0), and
    its memory in bytes; `error`: what it answered instead of GPUs, empty where it gave some."""

    cuda: tuple[int, int]
    capabilities: list[tuple[int, int]]
    error: str
    memories: Sequence[int] = ()


@cache
def look() -> Driver | None:
    """What the driver says; None where it has no library here."""
    command = [sys.executable, "-P", "-m", "kotune.worker.driver"]
    try:
        done = subprocess.run(
            command,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return Driver((0, 0), [], f"no answer in {SECONDS} seconds")
    if done.returncode:
        return Driver((0, 0), [], f"its library ended the process that asked it ({done.returncode})")
    told = json.loads(done.stdout)
    if told is None:
        return None
    major, minor = told["cuda"]
    capabilities = [(first, second) for first, second in told["capabilities"]]
    return Driver((major, minor), capabilities, str(told["error"]), (*map(int, told["memories"]),))


def is_old() -> bool:
    """Whether the GPU that is used has no bf16 of its own."""
    found = look()
    return found is not None and found.capabilities[:1] != [] and found.capabilities[0] < BF16


def trouble() -> str:
    """Why this torch could not use the GPU that is there, and what to do; empty where it could, or where nothing is known."""
    needed = torch_cuda()
    if needed is None:
        return f"an NVIDIA driver is loaded, and this torch is the build for CPUs: set kotune up anew, {INSTEAD}"
    if not (driver := look()):
        return (
            f"an NVIDIA driver is loaded, and its library ({LIBRARY}) is not here; a container needs --gpus all and "
            f"NVIDIA_DRIVER_CAPABILITIES=compute,utility, {INSTEAD}"
        )
    if driver.cuda[0] and driver.cuda[0] < needed[0]:
        has, wants = (".".join(map(str, version)) for version in (driver.cuda, needed))
        return (
            f"the NVIDIA driver supports CUDA {has}, and this torch needs {wants}: update the driver, or on a data-centre card "
            f"install cuda-compat-{needed[0]}-{needed[1]}, {INSTEAD}"
        )
    if driver.error:
        return (
            f"the NVIDIA driver gives no GPU ({driver.error}): look at nvidia-smi and CUDA_VISIBLE_DEVICES, {INSTEAD}"
        )
    return ""


def torch_cuda() -> tuple[int, int] | None:
    """The CUDA that the installed torch is built for, out of its own file; None for a build for CPUs, or none."""
    spec = find_spec("torch")
    for place in spec.submodule_search_locations or () if spec else ():
        text = (Path(place) / "version.py").read_text(encoding="utf-8")
        if found := re.search(r"^cuda\b.*= '(\d+)\.(\d+)'", text, re.MULTILINE):
            return int(found[1]), int(found[2])
    return None


def _ask() -> dict[str, Any] | None:
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        return None
    version, number, value = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    library.cuDriverGetVersion(ctypes.byref(version))
    cuda = version.value // 1000, version.value % 1000 // 10
    code = library.cuInit(0) or library.cuDeviceGetCount(ctypes.byref(number))
    if code or not number.value:
        return {
            "cuda": cuda,
            "capabilities": [],
            "memories": [],
            "error": f"{code}: {ERRORS.get(code, 'see cuda.h')}" if code else "0 GPUs",
        }
    capabilities, memories, held = [], [], ctypes.c_size_t()
    for index in range(number.value):
        device = ctypes.c_int()
        library.cuDeviceGet(ctypes.byref(device), index)
        pair = []
        for attribute in (MAJOR, MINOR):
            library.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
            pair.append(value.value)
        capabilities.append(pair)
        library.cuDeviceTotalMem_v2(ctypes.byref(held), device)
        memories.append(held.value)
    return {"cuda": cuda, "capabilities": capabilities, "memories": memories, "error": ""}


if __name__ == "__main__":
    print(json.dumps(_ask()))
