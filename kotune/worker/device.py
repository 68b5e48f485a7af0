"""Which device runs on this machine use."""

import os
from pathlib import Path
from typing import Literal

Device = Literal["cpu", "cuda"]


def detect_device() -> Device:
    """`cuda` where an NVIDIA driver is loaded and not hidden. Asks the kernel: importing torch costs seconds."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return "cpu"
    return "cuda" if Path("/proc/driver/nvidia/version").exists() or Path("/dev/nvidia0").exists() else "cpu"
