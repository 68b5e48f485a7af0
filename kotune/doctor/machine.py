"""Checks the machine: Python, packages, torch, GPU, compiler, memory, disk, font.

A function that returns a Finding does one check. Other functions, such as gpus() and find_torch(),
collect what is checked."""

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

from kodata.errors import Translatable, brief, joined
from kotune.doctor.finding import REINSTALL, SETUP, Finding
from kotune.shipped import IS_CHECKOUT, PROGRAM, ROOT
from kotune.stages import versions
from kotune.worker import driver
from kotune.worker.compiler import INSTALL

GIB = 2**30
USE_PYTHON = (
    Translatable("use Python 3.11 or 3.12: make setup PYTHON=python3.11")
    if IS_CHECKOUT
    else Translatable("use Python 3.11 or 3.12")
)
TO_RUN = Translatable("{setup} to run recipes", setup=SETUP)
SMI = [
    "nvidia-smi",
    "--query-gpu=name,driver_version,memory.total,memory.free",
    "--format=csv,noheader,nounits",
]


@dataclass(frozen=True)
class InstalledGpu:
    """A GPU as nvidia-smi lists it. `driver`: the version of its driver; `memory`, `free`: its
    whole and its free memory in MiB."""

    name: str
    driver: str
    memory: int
    free: int


def python(version: tuple[int, int]) -> Finding:
    """Check the Python version, such as (3, 12). The packages in requirements.lock are resolved for
    3.11 and 3.12."""
    what = ".".join(map(str, version))
    if (3, 11) <= version <= (3, 12):
        return Finding("python", "ok", what)
    return Finding(
        "python",
        "fix",
        what,
        USE_PYTHON,
    )


def packages(installed: Mapping[str, str | None]) -> Finding:
    """Check that the packages for training are installed. In a checkout, their versions are
    compared with requirements.lock, and a difference is a `warning`. `installed`: the result of
    installed().

    Missing packages are a `fix` if Axolotl is installed. Otherwise this is the light install, and
    they are a `warning`."""
    missing = [name for name, version in installed.items() if version is None]
    lock = _lock() if IS_CHECKOUT else {}
    other = [
        f"{name} {version} (locked: {', '.join(sorted(lock[name]))})"
        for name, version in installed.items()
        if version and name in lock and version.partition("+")[0] not in lock[name]
    ]
    if missing and find_spec("axolotl"):
        return Finding(
            "packages",
            "fix",
            Translatable("not installed: {missing}", missing=", ".join(missing)),
            SETUP,
        )
    if other:
        return Finding(
            "packages",
            "warning",
            Translatable("other versions: {versions}", versions=", ".join(other)),
            Translatable("{setup} to install the locked versions", setup=SETUP),
        )
    if missing:
        return Finding(
            "packages",
            "warning",
            Translatable("the light install: check, render, plan and doctor"),
            TO_RUN,
        )
    number = len(installed)
    what = (
        Translatable("{number} as in requirements.lock", number=number)
        if IS_CHECKOUT
        else Translatable(
            "{number} installed; only a checkout has a lock file to compare with", number=number
        )
    )
    return Finding("packages", "ok", what)


def torch_build(
    build: tuple[str, str | None, bool] | str | None, gpus: list[InstalledGpu]
) -> Finding:
    """Check that the installed torch matches the GPU and its driver. `build`: the result of
    find_torch(); `gpus`: the result of gpus()."""
    if build is None:
        return Finding("torch", "warning", Translatable("not installed"), TO_RUN)
    if isinstance(build, str):
        return Finding(
            "torch", "fix", Translatable("cannot be imported: {reason}", reason=build), REINSTALL
        )
    version, cuda, is_usable = build
    if cuda is None:
        what = Translatable("{version}, CPU build", version=version)
        if not gpus:
            return Finding("torch", "ok", what)
        what = Translatable("{version}, CPU build, but there is an NVIDIA GPU", version=version)
        do = Translatable("{reinstall}: it installs the CUDA build", reinstall=REINSTALL)
        return Finding("torch", "fix", what, do)
    if not gpus:
        return Finding("torch", "ok", f"{version}, CUDA {cuda}")
    what = Translatable(
        "{version}, CUDA {cuda}, driver {driver}",
        version=version,
        cuda=cuda,
        driver=gpus[0].driver,
    )
    # The driver's version is not compared with the CUDA version. With a package such as
    # cuda-compat-13-0, CUDA works even if the driver is older than CUDA normally requires.
    if is_usable:
        return Finding("torch", "ok", what)
    problem = driver.problem() or driver.GpuProblem(
        Translatable("torch finds no GPU"),
        Translatable("run nvidia-smi, check CUDA_VISIBLE_DEVICES, restart the machine"),
    )
    return Finding("torch", "fix", joined(": ", (what, problem.what)), problem.do)


def gpu(installed: InstalledGpu) -> Finding:
    """Check the free memory of a GPU. The finding is a `warning` if over a tenth of the memory is
    in use."""
    size, free = installed.memory / 1024, installed.free / 1024
    what = Translatable(
        "{name}, {size:,.1f} GiB, {free:,.1f} free", name=installed.name, size=size, free=free
    )
    if installed.free < 0.9 * installed.memory:
        do = Translatable(
            "end other processes that use it (see nvidia-smi), or plan with less memory"
        )
        return Finding("gpu", "warning", what, do)
    return Finding("gpu", "ok", what)


def no_gpu(has_driver: bool) -> Finding:
    """The finding if nvidia-smi lists no GPU. `has_driver`: whether an NVIDIA driver is loaded. If
    it is, a missing GPU is a `fix`, otherwise a `warning`."""
    if has_driver:
        do = Translatable("run nvidia-smi to see why; a container needs --gpus all")
        return Finding(
            "gpu",
            "fix",
            Translatable("an NVIDIA driver is loaded, but nvidia-smi lists no GPU"),
            do,
        )
    do = Translatable(
        "quickstart recipes need no GPU; for larger models rent one (estimate: {program} plan"
        " RECIPE)",
        program=PROGRAM,
    )
    return Finding("gpu", "warning", Translatable("no NVIDIA GPU"), do)


def compiler(missing: str, is_needed: bool) -> Finding:
    """Check the C compiler and Python's headers, which Triton needs to launch its GPU kernels.
    `missing`: the result of worker.compiler.missing(); `is_needed`: whether this machine has a
    GPU."""
    if not missing:
        return Finding("compiler", "ok", Translatable("a C compiler and Python.h"))
    if not is_needed:
        return Finding(
            "compiler", "ok", Translatable("{missing}; not needed without a GPU", missing=missing)
        )
    what = Translatable("{missing}; Triton needs it to train on a GPU", missing=missing)
    return Finding("compiler", "fix", what, INSTALL)


def memory(size: float) -> Finding:
    """Check the size of main memory. `size`: bytes. A model's weights are loaded into main memory
    before they are copied to a GPU."""
    what = f"{size / GIB:,.1f} GiB"
    if size < 8 * GIB:
        do = Translatable(
            "use 8 GiB or more: loading the weights takes 3.6 GB, in addition to Python itself"
        )
        return Finding("memory", "warning", what, do)
    return Finding("memory", "ok", what)


def disk(name: str, path: Path) -> Finding:
    """Check the free space of the folder `path`, and whether it is writable. If it does not exist,
    its nearest existing parent is checked. `name`: the name of the finding."""
    path = path.absolute()
    # Path.is_dir() raises if a parent cannot be read; os.path.isdir() does not.
    folder = next(part for part in (path, *path.parents) if os.path.isdir(part))  # noqa: PTH112
    free = shutil.disk_usage(folder).free
    what = Translatable("{free:,.1f} GiB free in {folder}", free=free / GIB, folder=folder)
    if not os.access(folder, os.W_OK):
        do = Translatable("choose another folder: --runs-dir for runs, HF_HOME for the cache")
        what = Translatable("{folder} is not writable", folder=folder)
        if path != folder:
            what = joined(": ", (Translatable("{path} cannot be created", path=path), what))
        return Finding(name, "fix", what, do)
    if free < 2 * GIB:
        return Finding(
            name, "fix", what, Translatable("free some space: a model needs more than 2 GiB")
        )
    if free < 20 * GIB:
        do = Translatable("20 GiB are enough for both models, their data and a few runs")
        return Finding(name, "warning", what, do)
    return Finding(name, "ok", what)


def shared_memory(folder: Path) -> Finding:
    """Check the size of shared memory, through which torch's data loaders pass batches. `folder`:
    where it is mounted. By default, a container has only 64 MB of shared memory."""
    if not folder.is_dir():
        return Finding("shared memory", "ok", Translatable("no {folder} here", folder=folder))
    size = shutil.disk_usage(folder).total
    what = Translatable("{size:,.2f} GiB in {folder}", size=size / GIB, folder=folder)
    if size < GIB:
        do = Translatable("start the container with --shm-size 10g or --ipc=host")
        return Finding("shared memory", "warning", what, do)
    return Finding("shared memory", "ok", what)


def font() -> Finding:
    """Check that the Korean font for reports is installed."""
    if not find_spec("pylopdf_fonts_ko"):
        what = Translatable("the Korean font for reports is not installed")
        return Finding(
            "font", "warning", what, Translatable("{setup} before writing a report", setup=SETUP)
        )
    from pylopdf_fonts_ko import sans_path

    if not Path(sans_path()).is_file():
        return Finding(
            "font", "fix", Translatable("{path} does not exist", path=sans_path()), REINSTALL
        )
    return Finding("font", "ok", Path(sans_path()).name)


def gpus(run: Callable[..., Any] = subprocess.run) -> list[InstalledGpu]:
    """The GPUs that nvidia-smi lists. Empty if nvidia-smi is not installed, fails, or takes over 30
    seconds. `run`: replaces subprocess.run in tests."""
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
    """The installed version of every package that training requires. The version is None if a
    package is not installed."""
    return versions(*(re.split(r"[<>=\[ ;]", word)[0] for word in _requirements()))


def _requirements() -> list[str]:
    """The requirements of kotune and of its extra `train`, such as `torch>=2.11,<2.14`. A checkout
    has them in pyproject.toml, an installation in the package's metadata."""
    if IS_CHECKOUT:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        return [*project["dependencies"], *project["optional-dependencies"]["train"]]
    requirements = metadata.requires("kotune") or []
    return [
        word
        for word in requirements
        if "extra ==" not in word or re.search(r"""extra == ['"]train['"]""", word)
    ]


def _lock() -> dict[str, set[str]]:
    """The versions of each package in requirements.lock. A package has several versions if its
    version depends on the platform."""
    lock: dict[str, set[str]] = {}
    for name, version in re.findall(
        r"^([\w.-]+)==([^\s;+]+)",
        (ROOT / "requirements.lock").read_text(encoding="utf-8"),
        re.MULTILINE,
    ):
        lock.setdefault(name, set()).add(version)
    return lock


def find_torch() -> tuple[str, str | None, bool] | str | None:
    """The build of the installed torch: its version, its CUDA version, and whether it can use a
    GPU. The CUDA version of a CPU build is None. Imports torch, which takes seconds.

    None if torch is not installed. If torch cannot be imported, the reason as a text."""
    if not find_spec("torch"):
        return None
    try:
        import torch

        return str(torch.__version__), torch.version.cuda, bool(torch.cuda.is_available())
    # A library that torch loads is missing, or is for another CUDA version.
    except (ImportError, OSError) as error:
        return brief(error)
