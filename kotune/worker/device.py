"""Detects the device that kotune uses on this machine, and the GPUs that a process sees."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

CHOOSES = "CUDA_VISIBLE_DEVICES"  # selects the GPUs that a process sees
WSL = "/usr/lib/wsl/lib/libcuda.so.1"
Device = Literal["cpu", "cuda"]


def visible() -> list[str]:
    """The GPUs that a process sees, as named in CUDA_VISIBLE_DEVICES. If the variable is not set,
    the GPUs are numbered from 0."""
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
    return sum(1 for _ in Path("/dev").glob("nvidia[0-9]*"))


def detect_device() -> Device:
    """`cuda` if an NVIDIA driver is loaded and its GPUs are not hidden, else `cpu`. It only looks
    for files, because importing torch takes seconds. driver.py checks whether a GPU is usable."""
    if os.environ.get(CHOOSES) in ("", "-1"):
        return "cpu"
    return "cuda" if _is_loaded() else "cpu"


def _is_loaded() -> bool:
    """Whether a file of the driver exists. On WSL2 the driver is part of Windows, so only its
    library is visible."""
    return any(Path(path).exists() for path in ("/proc/driver/nvidia/version", "/dev/nvidia0", WSL))
