"""Detects whether kotune uses a CPU or GPUs on this machine, and which GPUs a process sees."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

CHOOSES = "CUDA_VISIBLE_DEVICES"  # the environment variable that selects the GPUs of a process
WSL = "/usr/lib/wsl/lib/libcuda.so.1"  # the driver's library on WSL2
Device = Literal["cpu", "cuda"]


def visible() -> list[str]:
    """The names of the GPUs that a process sees. They are the names in CUDA_VISIBLE_DEVICES, or, if
    the variable is not set, the numbers from 0. Empty if the device is a CPU."""
    if detect_device() == "cpu":
        return []
    names = named()
    return names if names is not None else [str(number) for number in range(max(_installed(), 1))]


def named() -> list[str] | None:
    """The names in CUDA_VISIBLE_DEVICES. None if the variable is not set."""
    value = os.environ.get(CHOOSES)
    return None if value is None else [name.strip() for name in value.split(",") if name.strip()]


@contextmanager
def chosen(device: Device | None) -> Iterator[None]:
    """Context manager that hides all GPUs from this process and its child processes if `device` is
    `cpu`. With `cuda` or None, it changes nothing."""
    before = os.environ.get(CHOOSES)
    if device == "cpu":
        os.environ[CHOOSES] = ""
    try:
        yield
    finally:
        os.environ.pop(CHOOSES, None)
        if before is not None:
            os.environ[CHOOSES] = before


def _installed() -> int:
    """The number of GPUs with a device file. 0 on WSL2, which has no such files."""
    return sum(1 for _ in Path("/dev").glob("nvidia[0-9]*"))


def detect_device() -> Device:
    """`cuda` if an NVIDIA driver is loaded and CUDA_VISIBLE_DEVICES does not hide all GPUs, else
    `cpu`. Only the driver's files are checked, because importing torch takes seconds. Whether a GPU
    is usable is checked in kotune.worker.driver."""
    if os.environ.get(CHOOSES) in ("", "-1"):
        return "cpu"
    return "cuda" if _is_loaded() else "cpu"


def _is_loaded() -> bool:
    """Whether a file of the NVIDIA driver exists. On WSL2 the driver is part of Windows, so only
    its library is visible."""
    return any(Path(path).exists() for path in ("/proc/driver/nvidia/version", "/dev/nvidia0", WSL))
