"""Queries the library of the NVIDIA driver, libcuda, for the CUDA version that the driver supports
and for its GPUs. So problems with a GPU are reported before anything is downloaded.

`python -m kotune.worker.driver` queries libcuda and prints the answer as JSON. The query is made in
a separate process, because libcuda may crash or hang. Importing torch instead would take
seconds."""

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

from kodata.errors import Translatable, shown
from kotune.shipped import INSTALL, INSTALL_OLDER_CUDA
from kotune.worker.device import CHOOSES, named
from kotune.worker.environment import environment

LIBRARY = "libcuda.so.1"
BF16 = (8, 0)  # the lowest compute capability with native bf16
SECONDS = 30  # time limit of a query; an idle driver needs some seconds to start
# Error codes in cuda.h, and their meanings for a message.
ERRORS = {
    3: "not initialized",
    100: "no device",
    101: "no such device",
    803: "a library of another version",
    804: "the compatibility package does not support this GPU",
    999: "an unknown error",
}
MIG = "MIG-"  # prefix of the name of a GPU partition; a process can use only one partition
MAJOR, MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*
# The CUDA major version of the build of torch that INSTALL_OLDER_CUDA installs. Every driver that
# supports this major version can run that build.
OLDER = 12


class Driver(NamedTuple):
    """The result of a query.

    - `cuda`: the CUDA version that the driver supports, such as (13, 0); (0, 0) if unknown
    - `capabilities`: the compute capability of each GPU that was found, such as (8, 0)
    - `error`: the reason why no GPU was found; empty if there is a GPU
    - `memories`: the bytes of memory of each GPU"""

    cuda: tuple[int, int]
    capabilities: list[tuple[int, int]]
    error: str
    memories: Sequence[int] = ()


class GpuProblem(NamedTuple):
    """Why torch cannot use the GPU (`what`), and what the user can do about it (`do`)."""

    what: str
    do: str

    def __str__(self) -> str:
        return self.message

    @property
    def message(self) -> Translatable:
        """The problem, what the user can do, and that the CPU can be used instead."""
        return Translatable(
            "{what}: {do}, or use the CPU: --device cpu", what=self.what, do=self.do
        )


@cache
def look(everything: bool = False) -> Driver | None:
    """The result of a query of the driver; None if libcuda is not installed. `everything`: whether
    to include the GPUs that CUDA_VISIBLE_DEVICES hides."""
    command = [sys.executable, "-P", "-m", "kotune.worker.driver"]
    hiding = (CHOOSES,) if everything else ()
    try:
        done = subprocess.run(
            command,
            env={name: value for name, value in environment().items() if name not in hiding},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return Driver((0, 0), [], f"no answer in {SECONDS} seconds")
    if done.returncode:
        return Driver(
            (0, 0), [], f"its library ended the process that queried it ({done.returncode})"
        )
    answer = json.loads(done.stdout.splitlines()[-1])  # a library may print before the answer
    if answer is None:
        return None
    major, minor = answer["cuda"]
    capabilities = [(first, second) for first, second in answer["capabilities"]]
    memories = (*map(int, answer["memories"]),)
    return Driver((major, minor), capabilities, str(answer["error"]), memories)


def is_old() -> bool:
    """Whether the first visible GPU has no native bf16. False if no GPU was found."""
    driver = look()
    return driver is not None and driver.capabilities[:1] != [] and driver.capabilities[0] < BF16


def problem() -> GpuProblem | None:
    """The reason why the installed torch cannot use the GPU. To be called only if the driver is
    loaded and torch is installed. None if no reason is known."""
    needed = torch_cuda()
    if needed is None:
        return GpuProblem(
            Translatable("an NVIDIA driver is loaded, but this torch is the build for CPUs"),
            Translatable("install kotune again with {install}", install=INSTALL),
        )
    if not (driver := look()):
        return GpuProblem(
            Translatable(
                "an NVIDIA driver is loaded, but its library ({library}) is not here",
                library=LIBRARY,
            ),
            Translatable(
                "a container needs --gpus all and NVIDIA_DRIVER_CAPABILITIES=compute,utility"
            ),
        )
    if driver.cuda[0] and driver.cuda[0] < needed[0]:
        return _too_old(driver.cuda, needed)
    if missing := _missing_gpu(driver):
        return missing
    if driver.error:
        return GpuProblem(
            Translatable("the NVIDIA driver gives no GPU ({error})", error=driver.error),
            Translatable("check nvidia-smi and {variable}, restart the machine", variable=CHOOSES),
        )
    return None


def _too_old(supported: tuple[int, int], needed: tuple[int, int]) -> GpuProblem:
    """The problem if the driver supports only an older CUDA version than the one that torch
    needs."""
    what = Translatable(
        "the NVIDIA driver supports CUDA {supported}, but this torch needs {needed}",
        supported="{}.{}".format(*supported),
        needed="{}.{}".format(*needed),
    )
    package = "cuda-compat-{}-{}".format(*needed)
    if supported[0] == OLDER < needed[0]:
        do = Translatable(
            "update the driver, or run {install}, which installs a torch for this driver, or on a"
            " data-centre card install {package}",
            install=INSTALL_OLDER_CUDA,
            package=package,
        )
    else:
        do = Translatable(
            "update the driver, or on a data-centre card install {package}", package=package
        )
    return GpuProblem(what, do)


def _missing_gpu(driver: Driver) -> GpuProblem | None:
    """The problem if CUDA_VISIBLE_DEVICES names a GPU that this machine does not have, or names a
    GPU twice; else None. `driver`: the GPUs that CUDA found.

    CUDA reports no error for an unknown name. It silently ignores this name and all names after it
    (CUDA C++ Programming Guide, "CUDA Environment Variables")."""
    names, seen = named() or [], len(driver.capabilities)
    setting = f"{CHOOSES}={shown(','.join(names))}"
    do = Translatable("name GPUs of this machine, as `nvidia-smi -L` lists them")
    if twice := [name for number, name in enumerate(names) if name in names[:number]]:
        return GpuProblem(
            Translatable("{setting}: {name} is named twice", setting=setting, name=shown(twice[0])),
            do,
        )
    if (
        seen >= len(names)
        or (seen and names[seen].startswith(MIG))
        or not (whole := look(everything=True))
        or whole.error
    ):
        return None
    number = len(whole.capabilities)
    what = Translatable(
        "{setting}: {name} is none of this machine's {number} GPUs"
        if number > 1
        else "{setting}: {name} is none of this machine's {number} GPU",
        setting=setting,
        name=shown(names[seen]),
        number=number,
    )
    return GpuProblem(what, do)


def torch_cuda() -> tuple[int, int] | None:
    """The CUDA version of the installed torch, such as (13, 0). It is read from torch's version.py,
    without importing torch. None if torch is a build for CPUs or is not installed."""
    spec = find_spec("torch")
    for folder in spec.submodule_search_locations or () if spec else ():
        text = (Path(folder) / "version.py").read_text(encoding="utf-8")
        if match := re.search(r"^cuda\b.*= '(\d+)\.(\d+)'", text, re.MULTILINE):
            return int(match[1]), int(match[2])
    return None


def _query() -> dict[str, Any] | None:
    """The fields of Driver, in a form that json.dumps accepts. They come from libcuda. None if
    libcuda is not installed."""
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
    capabilities, memories, size = [], [], ctypes.c_size_t()
    for index in range(number.value):
        device = ctypes.c_int()
        library.cuDeviceGet(ctypes.byref(device), index)
        pair = []
        for attribute in (MAJOR, MINOR):
            library.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
            pair.append(value.value)
        capabilities.append(pair)
        library.cuDeviceTotalMem_v2(ctypes.byref(size), device)
        memories.append(size.value)
    return {"cuda": cuda, "capabilities": capabilities, "memories": memories, "error": ""}


if __name__ == "__main__":
    print(json.dumps(_query()))
