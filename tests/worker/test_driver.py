"""What the driver's library says, by libraries that are made here in its place: no GPU is needed,
and no torch is imported."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kotune import pipeline
from kotune.errors import StageError
from kotune.pipeline import RunOptions
from kotune.worker import compiler, device, driver
from kotune.worker.driver import Driver
from tests.conftest import silent, write_recipe
from tests.worker.test_compiler import RECIPE

GCC = shutil.which("gcc")
STUB = """
#include <stdlib.h>
#include <string.h>
/* As CUDA does: those that CUDA_VISIBLE_DEVICES names, up to the first that is not there. */
static int seen(void) {{
  char *named = getenv("CUDA_VISIBLE_DEVICES"), *name;
  int found = 0;
  if (!named) return {count};
  named = strdup(named);
  for (name = strtok(named, ","); name; name = strtok(NULL, ","), found++) {{
    char *end, last = 0;
    if (!strncmp(name, "MIG-1a", 6)) return 1;
    if (!strncmp(name, "GPU-", 4)) {{ if (strcmp(name, "GPU-1a")) break; else continue; }}
    if (strtol(name, &end, 10) >= {count} || end == name || *end != last) break;
  }}
  return found;
}}
int cuDriverGetVersion(int *version) {{ *version = {version}; return 0; }}
int cuInit(unsigned flags) {{ {init} }}
int cuDeviceGetCount(int *count) {{ *count = seen(); return *count || !{count} ? 0 : 100; }}
int cuDeviceGet(int *device, int number) {{ *device = number; return 0; }}
int cuDeviceGetAttribute(int *value, int attribute, int device) {{
  *value = attribute == 75 ? {major} - device : {minor}; return 0;
}}
int cuDeviceTotalMem_v2(unsigned long *bytes, int device) {{
  *bytes = (40 - device) * 1000000000ul; return 0;
}}
"""
GB = 10**9
Put = Callable[..., None]


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Put]:
    """Puts a library of a driver where a process finds it."""
    if not GCC:
        pytest.skip("no gcc here to make a library with")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def made(
        version: int = 13000,
        count: int = 1,
        major: int = 8,
        minor: int = 0,
        init: str = "return 0;",
    ) -> None:
        source = STUB.format(version=version, count=count, major=major, minor=minor, init=init)
        command = [
            str(GCC),
            "-shared",
            "-fPIC",
            "-x",
            "c",
            "-",
            "-o",
            str(tmp_path / driver.LIBRARY),
        ]
        subprocess.run(command, input=source, text=True, check=True)
        driver.look.cache_clear()

    driver.look.cache_clear()
    yield made
    driver.look.cache_clear()


@pytest.mark.parametrize(
    ("stub", "found"),
    [
        ({}, Driver((13, 0), [(8, 0)], "", (40 * GB,))),
        ({"version": 12040}, Driver((12, 4), [(8, 0)], "", (40 * GB,))),
        ({"major": 7, "minor": 5}, Driver((13, 0), [(7, 5)], "", (40 * GB,))),
        ({"count": 2, "major": 9}, Driver((13, 0), [(9, 0), (8, 0)], "", (40 * GB, 39 * GB))),
        ({"count": 0}, Driver((13, 0), [], "0 GPUs")),
        ({"init": "return 100;"}, Driver((13, 0), [], "100: no device")),
        ({"init": "return 999;"}, Driver((13, 0), [], "999: an unknown error")),
        ({"init": "return 46;"}, Driver((13, 0), [], "46: see cuda.h")),
        (
            {"init": "*(int *)0 = 1; return 0;"},
            Driver((0, 0), [], "its library ended the process that queried it (-11)"),
        ),
    ],
)
def test_what_a_driver_says_is_heard(put: Put, stub: dict[str, Any], found: Driver) -> None:
    put(**stub)
    assert driver.look() == found


def test_a_driver_that_waits_is_not_waited_for(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "SECONDS", 1)
    put(init="for (;;); return 0;")
    found = driver.look()
    assert found and found.error == "no answer in 1 seconds"


@pytest.mark.parametrize(
    ("named", "wrong"),
    [
        ("1", ""),
        ("1, 0", ""),
        ("GPU-1a", ""),
        ("MIG-1a,MIG-1b", ""),  # CUDA gives the first part alone
        ("MIG-2b,MIG-1a", "'MIG-2b' is none of this machine's 2 GPUs"),
        ("2", "'2' is none of this machine's 2 GPUs"),
        ("0,7", "'7' is none of this machine's 2 GPUs"),
        ("GPU-2b", "'GPU-2b' is none of this machine's 2 GPUs"),
        ("0,gpu1", "'gpu1' is none of this machine's 2 GPUs"),
        ("0,1,0", "'0' is named twice"),
    ],
)
def test_a_name_of_a_gpu_that_is_not_there_is_told(
    put: Put, monkeypatch: pytest.MonkeyPatch, named: str, wrong: str
) -> None:
    """CUDA would go on with fewer GPUs, or with none, and not say why."""
    put(count=2)
    monkeypatch.setattr(driver, "torch_cuda", lambda: (13, 0))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    told = driver.problem()
    assert (told.what if told else "").partition(": ")[2] == wrong


@pytest.mark.parametrize("stub", [{"count": 0}, {"count": 2, "init": "return 999;"}])
def test_a_driver_without_any_gpu_is_not_blamed_on_the_names(
    put: Put, monkeypatch: pytest.MonkeyPatch, stub: dict[str, Any]
) -> None:
    put(**stub)
    monkeypatch.setattr(driver, "torch_cuda", lambda: (13, 0))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert str(driver.problem()).startswith("the NVIDIA driver gives no GPU (")


@pytest.mark.parametrize(
    ("stub", "built", "told"),
    [
        ({}, (13, 0), ""),
        ({"version": 13010}, (13, 0), ""),
        ({"version": 12040}, (12, 6), ""),  # within a major version any driver does
        (
            {"version": 12040},
            (13, 0),
            "CUDA 12.4, but this torch needs 13.0: .*make setup CUDA=12.6.*cuda-compat-13-0",
        ),
        (
            {"version": 11080},
            (13, 0),
            "CUDA 11.8, but this torch needs 13.0: update the driver, or on a data-centre card",
        ),
        (
            {"version": 12080, "init": "return 3;"},
            (13, 0),
            "supports CUDA 12.8, but this torch needs 13.0",
        ),
        ({"count": 0}, (13, 0), r"gives no GPU \(0 GPUs\)"),
        ({"init": "return 999;"}, (13, 0), r"gives no GPU \(999: an unknown error\)"),
        ({}, None, "this torch is the build for CPUs"),
    ],
)
def test_a_run_ends_with_one_line_before_anything_is_written(
    put: Put,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stub: dict[str, Any],
    built: tuple[int, int] | None,
    told: str,
) -> None:
    put(**stub)
    monkeypatch.setattr(driver, "torch_cuda", lambda: built)
    monkeypatch.setattr(pipeline, "detect_device", lambda: "cuda")
    monkeypatch.setattr(compiler, "missing", lambda: "")
    begun: list[str] = []
    monkeypatch.setattr(pipeline, "_stage", lambda _, stage, *__: begun.append(stage))
    recipe, options = write_recipe(tmp_path, RECIPE), RunOptions(runs_dir=tmp_path / "runs")
    if not told:
        pipeline.run(recipe, options, silent())
        assert begun[0] == "prepare"
        return
    with pytest.raises(StageError, match=f"{told}.*--device cpu") as caught:
        pipeline.run(recipe, options, silent())
    assert "\n" not in str(caught.value) and not (tmp_path / "runs").exists()


def test_a_driver_without_its_library_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container that was not given the GPU."""
    driver.look.cache_clear()
    monkeypatch.setattr(driver, "LIBRARY", "libnone.so.1")
    monkeypatch.setattr(driver, "torch_cuda", lambda: (13, 0))
    monkeypatch.setattr(driver, "look", lambda: None)
    assert "its library (libnone.so.1) is not here" in str(driver.problem())


def test_the_cuda_of_torch_is_read_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    expected = tuple(map(int, torch.version.cuda.split("."))) if torch.version.cuda else None
    assert driver.torch_cuda() == expected
    (tmp_path / "torch").mkdir()
    for text in ("cuda: Optional[str] = '13.0'\n", "cuda = '13.0'\n"):
        (tmp_path / "torch" / "version.py").write_text(
            f"__version__ = '2.13.0'\n{text}git_version = 'x'\n"
        )
        spec = type("Spec", (), {"submodule_search_locations": [str(tmp_path / "torch")]})
        monkeypatch.setattr(driver, "find_spec", lambda _, spec=spec: spec)
        assert driver.torch_cuda() == (13, 0)


def test_a_desktop_with_windows_driver_has_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """WSL2: neither /proc/driver/nvidia nor /dev/nvidia0 is there."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(Path, "exists", lambda path: str(path) == device.WSL)
    assert device.detect_device() == "cuda"
