"""Which device runs on this machine use."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

CHOOSES = (  # the variable with which CUDA is told which GPUs a process may see
    "CUDA_VISIBLE_DEVICES"
)
WSL = "/usr/lib/wsl/lib/libcuda.so.1"
Device = Literal["cpu", "cuda"]


def visible() -> list[str]:
    """The GPUs that a process here sees, as CUDA_VISIBLE_DEVICES names them."""
    if detect_device() == "cpu":
        return []
    names = named()
    return names if names is not None else [str(number) for number in range(max(_installed(), 1))]


def named() -> list[str] | None:
    """What CUDA_VISIBLE_DEVICES names; None where it is not set."""
    told = os.environ.get(CHOOSES)
    return None if told is None else [name.strip() for name in told.split(",") if name.strip()]


@contextmanager
def chosen(device: Device | None) -> Iterator[None]:
    """Where `device` is `cpu`, neither this process nor one that it starts sees a GPU meanwhile;
    None: all as it is."""
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
    """`cuda` where an NVIDIA driver is loaded and not hidden. Asks for files: importing torch costs
    seconds. Whether it can be used, driver.py tells before a run begins."""
    if os.environ.get(CHOOSES) in ("", "-1"):
        return "cpu"
    return "cuda" if _is_loaded() else "cpu"


def _is_loaded() -> bool:
    """On WSL2 the driver is Windows' own, and its library all that is seen of it."""
    return any(
        Path(place).exists() for place in ("/proc/driver/nvidia/version", "/dev/nvidia0", WSL)
    )
