"""What the machine itself has: Python, packages, GPU, memory, disk, font."""

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kodata.errors import brief
from kotune.doctor.finding import ANEW, SETUP, Finding
from kotune.shipped import IS_CHECKOUT, PROGRAM, ROOT
from kotune.stages import versions
from kotune.worker import driver
from kotune.worker.compiler import INSTALL

GIB = 2**30
SMI = [
    "nvidia-smi",
    "--query-gpu=name,driver_version,memory.total,memory.free",
    "--format=csv,noheader,nounits",
]


@dataclass(frozen=True)
class InstalledGpu:
    """One line of nvidia-smi; MiB."""

    name: str
    driver: str
    memory: int
    free: int


def python(version: tuple[int, int]) -> Finding:
    """3.11 and 3.12 are what the lock is resolved for."""
    told = ".".join(map(str, version))
    if (3, 11) <= version <= (3, 12):
        return Finding("python", "ok", told)
    return Finding(
        "python",
        "fix",
        told,
        "use Python 3.11 or 3.12" + ": make setup PYTHON=python3.11" * IS_CHECKOUT,
    )


def locked(installed: Mapping[str, str | None]) -> Finding:
    """The packages that kotune asks for, in a checkout against requirements.lock."""
    missing = [name for name, version in installed.items() if version is None]
    lock = _lock() if IS_CHECKOUT else {}
    other = [
        f"{name} {version} (locked: {', '.join(sorted(lock[name]))})"
        for name, version in installed.items()
        if version and name in lock and version.partition("+")[0] not in lock[name]
    ]
    if missing and find_spec("axolotl"):
        return Finding("packages", "fix", f"not installed: {', '.join(missing)}", SETUP)
    if other:
        return Finding(
            "packages",
            "warning",
            f"other versions: {', '.join(other)}",
            f"{SETUP} for those of the lock",
        )
    if missing:
        return Finding(
            "packages",
            "warning",
            "the light install: check, render, plan and doctor",
            f"{SETUP} to run recipes",
        )
    told = (
        "as requirements.lock has them"
        if IS_CHECKOUT
        else "installed; only a checkout has a lock to compare them with"
    )
    return Finding("packages", "ok", f"{len(installed)} {told}")


def torch_build(
    build: tuple[str, str | None, bool] | str | None, found: list[InstalledGpu]
) -> Finding:
    """torch's version, its CUDA (None: a CPU build) and whether it can use a GPU, against the
    driver; or why it cannot be imported."""
    if build is None:
        return Finding("torch", "warning", "not installed", f"{SETUP} to run recipes")
    if isinstance(build, str):
        return Finding("torch", "fix", f"cannot be imported: {build}", ANEW)
    version, cuda, usable = build
    told = f"{version}, {f'CUDA {cuda}' if cuda else 'CPU build'}"
    if not found:
        return Finding("torch", "ok", told)
    if cuda is None:
        return Finding(
            "torch",
            "fix",
            f"{told}, but there is an NVIDIA GPU",
            f"{ANEW}: it takes the CUDA build",
        )
    told += f", driver {found[0].driver}"
    if usable:  # also where a package of NVIDIA's stands between, as cuda-compat-13-0
        return Finding("torch", "ok", told)
    what, do = driver.problem() or (
        "torch finds no GPU",
        "run nvidia-smi, look at CUDA_VISIBLE_DEVICES, restart the machine",
    )
    return Finding("torch", "fix", f"{told}: {what}", do)


def gpu(found: InstalledGpu) -> Finding:
    """A GPU with its memory, a warning where somebody else is in it."""
    told = f"{found.name}, {found.memory / 1024:,.1f} GiB, {found.free / 1024:,.1f} free"
    if found.free < 0.9 * found.memory:
        return Finding(
            "gpu", "warning", told, "end what else uses it (nvidia-smi tells), or plan with less"
        )
    return Finding("gpu", "ok", told)


def no_gpu(loaded: bool) -> Finding:
    """nvidia-smi told of none; `loaded`: although a driver is there."""
    if loaded:
        do = "run nvidia-smi to see why; a container needs --gpus all"
        return Finding(
            "gpu", "fix", "an NVIDIA driver is loaded, but nvidia-smi tells of no GPU", do
        )
    do = f"the quickstart recipes need none; for others rent one ({PROGRAM} plan tells which)"
    return Finding("gpu", "warning", "no NVIDIA GPU", do)


def compiler(missing: str, is_needed: bool) -> Finding:
    """What Triton makes its kernels' launchers with; `is_needed`: there is a GPU, which alone has
    such kernels."""
    if not missing:
        return Finding("compiler", "ok", "a C compiler and Python.h")
    if not is_needed:
        return Finding("compiler", "ok", f"{missing}; without a GPU none is needed")
    return Finding(
        "compiler", "fix", f"{missing}, with which Triton makes what trains on a GPU", INSTALL
    )


def memory(size: float) -> Finding:
    """Main memory in bytes: a model's weights pass through it."""
    told = f"{size / GIB:,.1f} GiB"
    if size < 8 * GIB:
        return Finding(
            "memory",
            "warning",
            told,
            "8 GiB or more: weights of 3.6 GB pass through it beside Python's own",
        )
    return Finding("memory", "ok", told)


def disk(name: str, wanted: Path) -> Finding:
    """Room for a folder, or in the nearest one above it that is there, and whether it may be
    written to."""
    wanted = wanted.absolute()
    # os.path.isdir() never raises.
    folder = next(at for at in (wanted, *wanted.parents) if os.path.isdir(at))  # noqa: PTH112
    free = shutil.disk_usage(folder).free
    told = f"{free / GIB:,.1f} GiB free in {folder}"
    if not os.access(folder, os.W_OK):
        what = f"{wanted} cannot be made: " if wanted != folder else ""
        do = "give another: --runs-dir for runs, HF_HOME for the cache"
        return Finding(name, "fix", f"{what}{folder} may not be written to", do)
    if free < 2 * GIB:
        return Finding(name, "fix", told, "free some: 2 GiB is too little for any real model")
    if free < 20 * GIB:
        return Finding(name, "warning", told, "20 GiB hold both models, their data and a few runs")
    return Finding(name, "ok", told)


def shared_memory(folder: Path) -> Finding:
    """Data loaders of torch pass batches through it; a container has 64 MB unless told
    otherwise."""
    if not folder.is_dir():
        return Finding("shared memory", "ok", f"no {folder} here")
    size = shutil.disk_usage(folder).total
    told = f"{size / GIB:,.2f} GiB in {folder}"
    if size < GIB:
        return Finding(
            "shared memory",
            "warning",
            told,
            "start the container with --shm-size 10g or --ipc=host",
        )
    return Finding("shared memory", "ok", told)


def font() -> Finding:
    """Reports carry a Korean font of their own."""
    if not find_spec("pylopdf_fonts_ko"):
        return Finding(
            "font",
            "warning",
            "the Korean font of reports is not installed",
            f"{SETUP} before a report is written",
        )
    from pylopdf_fonts_ko import sans_path

    if not Path(sans_path()).is_file():
        return Finding("font", "fix", f"{sans_path()} is gone", ANEW)
    return Finding("font", "ok", Path(sans_path()).name)


def gpus(run: Callable[..., Any] = subprocess.run) -> list[InstalledGpu]:
    """What nvidia-smi tells; none where it is not there or fails."""
    try:
        done = run(SMI, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = [
        [cell.strip() for cell in line.split(",")]
        for line in done.stdout.splitlines()
        if done.returncode == 0
    ]
    return [
        InstalledGpu(name, driver, int(size), int(free))
        for name, driver, size, free in lines
        if size.isdecimal() and free.isdecimal()
    ]


def installed() -> dict[str, str | None]:
    """The installed version of every package that kotune asks for to train, None where it is not
    there."""
    return versions(*(re.split(r"[<>=\[ ;]", word)[0] for word in _asked()))


def _asked() -> list[str]:
    """What pyproject.toml names, of which an installation has a copy in its metadata."""
    if IS_CHECKOUT:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        return [*project["dependencies"], *project["optional-dependencies"]["train"]]
    asked = metadata.requires("kotune") or []
    return [
        word
        for word in asked
        if "extra ==" not in word or re.search(r"""extra == ['"]train['"]""", word)
    ]


def _lock() -> dict[str, set[str]]:
    """The versions that requirements.lock has of each package: several, where they differ by
    machine."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(
        r"^([\w.-]+)==([^\s;+]+)",
        (ROOT / "requirements.lock").read_text(encoding="utf-8"),
        re.MULTILINE,
    ):
        found.setdefault(name, set()).add(version)
    return found


def torch_at_hand() -> tuple[str, str | None, bool] | str | None:
    if not find_spec("torch"):
        return None
    try:
        import torch

        return str(torch.__version__), torch.version.cuda, bool(torch.cuda.is_available())
    except (ImportError, OSError) as error:  # libraries that are missing or of another CUDA
        return brief(error)
