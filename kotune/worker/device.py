"""Which device runs on this machine use."""

import os
from pathlib import Path
from typing import Literal

WSL = "/usr/lib/wsl/lib/libcuda.so.1"
Device = Literal["cpu", "cuda"]


def visible() -> list[str]:
    """The GPUs that a process here sees, as CUDA_VISIBLE_DEVICES names them."""
    if detect_device() == "cpu":
        return []
    if (named := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name.strip() for name in named.split(",") if name.strip()]
    return [str(number) for number in range(max(_installed(), 1))]


def _installed() -> int:
    return sum(1 for _ in Path("/dev").glob("nvidia[0-9]*"))


def detect_device() -> Device:
    """`cuda` where an NVIDIA driver is loaded and not hidden. Asks for files: importing torch costs seconds. Whether it can be
    used, driver.py tells before a run begins."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return "cpu"
    return "cuda" if _is_loaded() else "cpu"


def _is_loaded() -> bool:
    """On WSL2 the driver is Windows' own, and its library all that is seen of it."""
    return any(Path(place).exists() for place in ("/proc/driver/nvidia/version", "/dev/nvidia0", WSL))
