"""Whether this machine can do what kotune asks of it: one finding a check, each ok, a warning, or to be fixed, with what to do.

Works in the light install and without a network; the hub is asked twice, for some seconds at most, and never told more than
the token it is meant for, which no finding shows. A warning stops some recipes, a fix all of them.
"""

import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from kodata.errors import brief
from kotune.axolotl_config import detect_device
from kotune.job import versions
from kotune.recipe import ROOT

State = Literal["ok", "warning", "fix"]
GIB = 2**30
PATIENCE = 5.0  # seconds for an answer of the hub, the search for its address included
OPEN, GATED = "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", "meta-llama/Llama-3.2-1B-Instruct"
COLOURS = {"ok": "green", "warning": "yellow", "fix": "red"}
SETUP = "run `make setup`"
# The oldest Linux driver for each CUDA major version: NVIDIA's CUDA compatibility documentation.
DRIVERS = {12: 525, 13: 580}
SMI = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,memory.free", "--format=csv,noheader,nounits"]


@dataclass(frozen=True)
class Finding:
    """What one check found; `do` says what to do, where it is not ok."""

    name: str
    state: State
    told: str
    do: str = ""

    def __str__(self) -> str:
        told = f"{self.state:8} {self.name:14} {self.told}"
        return f"{told}\n{'':23} -> {self.do}" if self.do else told


@dataclass(frozen=True)
class Gpu:
    """One line of nvidia-smi; MiB."""

    name: str
    driver: str
    memory: int
    free: int


def examine(runs_dir: Path) -> Iterator[Finding]:
    """Every finding, in the order in which a person would look."""
    found, token = gpus(), hub_token()
    yield python(sys.version_info[:2])
    yield locked(_installed())
    yield torch_build(_torch(), found)
    yield from map(gpu, found) if found else [no_gpu(detect_device() == "cuda")]
    yield memory(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    yield disk("disk (runs)", _existing(runs_dir))
    yield disk("disk (cache)", _existing(cache()))
    yield shared_memory(Path("/dev/shm"))
    yield font()
    yield from hub(os.environ, token)


def python(version: tuple[int, int]) -> Finding:
    """3.11 and 3.12 are what the lock is resolved for."""
    told = ".".join(map(str, version))
    if (3, 11) <= version <= (3, 12):
        return Finding("python", "ok", told)
    return Finding("python", "fix", told, "use Python 3.11 or 3.12: make setup PYTHON=python3.11")


def locked(installed: Mapping[str, str | None]) -> Finding:
    """The packages that pyproject.toml names against requirements.lock."""
    missing = [name for name, version in installed.items() if version is None]
    lock = _lock()
    other = [
        f"{name} {version} (locked: {', '.join(sorted(lock[name]))})"
        for name, version in installed.items()
        if version and name in lock and version.partition("+")[0] not in lock[name]
    ]
    if missing and find_spec("axolotl"):
        return Finding("packages", "fix", f"not installed: {', '.join(missing)}", SETUP)
    if other:
        return Finding("packages", "warning", f"other versions: {', '.join(other)}", f"{SETUP} for those of the lock")
    if missing:
        return Finding(
            "packages", "warning", "the light install: check, render, plan and doctor", f"{SETUP} to run recipes"
        )
    return Finding("packages", "ok", f"{len(installed)} as requirements.lock has them")


def torch_build(build: tuple[str, str | None, bool] | str | None, found: list[Gpu]) -> Finding:
    """torch's version, its CUDA (None: a CPU build) and whether it can use a GPU, against the driver; or why it cannot
    be imported."""
    if build is None:
        return Finding("torch", "warning", "not installed", f"{SETUP} to run recipes")
    if isinstance(build, str):
        return Finding("torch", "fix", f"cannot be imported: {build}", f"remove .venv, then {SETUP}")
    version, cuda, usable = build
    told = f"{version}, {f'CUDA {cuda}' if cuda else 'CPU build'}"
    if not found:
        return Finding("torch", "ok", told)
    if cuda is None:
        return Finding(
            "torch",
            "fix",
            f"{told}, but there is an NVIDIA GPU",
            f"remove .venv, then {SETUP}: it takes the CUDA build",
        )
    driver = found[0].driver
    least = DRIVERS.get(int(cuda.partition(".")[0]), 0)
    if (
        int(driver.partition(".")[0]) < least and not usable
    ):  # a package of NVIDIA's may stand between, as cuda-compat-13-0
        do = f"update the driver to {least} or newer, or take a machine or image that has it"
        return Finding("torch", "fix", f"{told}, but the driver is {driver}", do)
    if not usable:
        do = "see that no other process broke it: run nvidia-smi, look at CUDA_VISIBLE_DEVICES, restart the machine"
        return Finding("torch", "fix", f"{told}, driver {driver}, but torch finds no GPU", do)
    return Finding("torch", "ok", f"{told}, driver {driver}")


def gpu(found: Gpu) -> Finding:
    """A GPU with its memory, a warning where somebody else is in it."""
    told = f"{found.name}, {found.memory / 1024:,.1f} GiB, {found.free / 1024:,.1f} free"
    if found.free < 0.9 * found.memory:
        return Finding("gpu", "warning", told, "end what else uses it (nvidia-smi tells), or plan with less")
    return Finding("gpu", "ok", told)


def no_gpu(loaded: bool) -> Finding:
    """nvidia-smi told of none; `loaded`: although a driver is there."""
    if loaded:
        do = "run nvidia-smi to see why; a container needs --gpus all"
        return Finding("gpu", "fix", "an NVIDIA driver is loaded, but nvidia-smi tells of no GPU", do)
    do = "the quickstart recipes need none; for others rent one (./cli.py plan tells which)"
    return Finding("gpu", "warning", "no NVIDIA GPU", do)


def memory(size: float) -> Finding:
    """Main memory in bytes: a model's weights pass through it."""
    told = f"{size / GIB:,.1f} GiB"
    if size < 8 * GIB:
        return Finding(
            "memory", "warning", told, "8 GiB or more: weights of 3.6 GB pass through it beside Python's own"
        )
    return Finding("memory", "ok", told)


def disk(name: str, folder: Path) -> Finding:
    """Room, and whether it may be written to."""
    free = shutil.disk_usage(folder).free
    told = f"{free / GIB:,.1f} GiB free in {folder}"
    if not os.access(folder, os.W_OK):
        return Finding(
            name, "fix", f"{folder} may not be written to", "give another: --runs-dir for runs, HF_HOME for the cache"
        )
    if free < 2 * GIB:
        return Finding(name, "fix", told, "free some: 2 GiB is too little for any real model")
    if free < 20 * GIB:
        return Finding(name, "warning", told, "20 GiB hold both models, their data and a few runs")
    return Finding(name, "ok", told)


def shared_memory(folder: Path) -> Finding:
    """Data loaders of torch pass batches through it; a container has 64 MB unless told otherwise."""
    if not folder.is_dir():
        return Finding("shared memory", "ok", f"no {folder} here")
    size = shutil.disk_usage(folder).total
    told = f"{size / GIB:,.2f} GiB in {folder}"
    if size < GIB:
        return Finding("shared memory", "warning", told, "start the container with --shm-size 10g or --ipc=host")
    return Finding("shared memory", "ok", told)


def font() -> Finding:
    """Reports carry a Korean font of their own."""
    if not find_spec("pylopdf_fonts_ko"):
        return Finding(
            "font", "warning", "the Korean font of reports is not installed", f"{SETUP} before a report is written"
        )
    from pylopdf_fonts_ko import sans_path

    if not Path(sans_path()).is_file():
        return Finding("font", "fix", f"{sans_path()} is gone", f"remove .venv, then {SETUP}")
    return Finding("font", "ok", Path(sans_path()).name)


def hub(environment: Mapping[str, str], token: str | None) -> Iterator[Finding]:
    """Whether the hub answers, and whether it would give Llama's weights."""
    said = _token_finding(token, "HF_TOKEN" in environment)
    yield said
    token = token if said.state == "ok" else None  # a broken one would stand in an error message
    endpoint = environment.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    if environment.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        do = "what lies in the hub's cache is used; unset HF_HUB_OFFLINE to fetch more"
        yield Finding("hub", "warning", "not asked: HF_HUB_OFFLINE is set", do)
        return
    if not (host := _host(endpoint)):
        yield Finding("hub", "fix", "HF_ENDPOINT is no address", "give one that begins with https://, or unset it")
        return
    answer = ask(endpoint, OPEN, None)
    yield _hub_finding(answer, host)
    if isinstance(answer, int):
        yield gated(ask(endpoint, GATED, token), token is not None)


def gated(answer: int | str, has_token: bool) -> Finding:
    """What the hub's answer for a gated model means: an HTTP status, or why there was none."""
    page = f"https://huggingface.co/{GATED}"
    if isinstance(answer, str):
        return Finding("llama", "warning", f"not known: {answer}", "try again")
    if answer < 400:
        return Finding("llama", "ok", f"the hub gives {GATED}")
    if answer == 401 and has_token:
        return Finding(
            "llama",
            "fix",
            "the hub does not accept the token",
            "make a new one with the right to read, and set HF_TOKEN",
        )
    if answer in (401, 403):
        do = f"for Llama recipes: accept the licence at {page}" + ("" if has_token else ", then set HF_TOKEN")
        return Finding("llama", "warning", f"no permission for {GATED} (HTTP {answer})", do)
    return Finding("llama", "warning", f"the hub answers HTTP {answer} for {GATED}", f"try again, or look at {page}")


def ask(endpoint: str, model: str, token: str | None) -> int | str:
    """The hub's HTTP status for a model's configuration, or why there is none. Never longer than PATIENCE; follows no
    redirect, so that the token goes nowhere else."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = Request(f"{endpoint}/{model}/resolve/main/config.json", headers=headers, method="HEAD")
    said: list[int | str] = []

    def wait() -> None:
        try:
            said.append(int(build_opener(_Stay).open(request, timeout=PATIENCE).status))
        except HTTPError as error:
            said.append(error.code)
        except (URLError, HTTPException, OSError, ValueError) as error:
            said.append(_why(error))

    thread = threading.Thread(target=wait, daemon=True)  # the search for an address heeds no timeout
    thread.start()
    thread.join(PATIENCE)
    return said[0] if said else f"no answer within {PATIENCE:g} s"


def gpus(run: Callable[..., Any] = subprocess.run) -> list[Gpu]:
    """What nvidia-smi tells; none where it is not there or fails."""
    try:
        done = run(SMI, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = [[cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines() if done.returncode == 0]
    return [
        Gpu(name, driver, int(size), int(free))
        for name, driver, size, free in lines
        if size.isdecimal() and free.isdecimal()
    ]


def hub_token() -> str | None:
    """The token that huggingface_hub would send: of the environment, or of its file."""
    if given := os.environ.get("HF_TOKEN", "").strip():
        return given
    file = Path(os.environ.get("HF_TOKEN_PATH", _home() / "token"))
    try:
        return file.read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def cache() -> Path:
    """Where huggingface_hub keeps what it fetched."""
    return Path(os.environ.get("HF_HUB_CACHE", _home() / "hub"))


def as_json(findings: list[Finding]) -> dict[str, Any]:
    """All of it for a machine."""
    return {"ok": all(one.state != "fix" for one in findings), "checks": [asdict(one) for one in findings]}


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """A redirect is an answer."""


def _token_finding(token: str | None, of_environment: bool) -> Finding:
    if not token:
        return Finding("token", "warning", "no HF_TOKEN", "for Llama recipes: export HF_TOKEN=..., never in a recipe")
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        return Finding("token", "fix", "HF_TOKEN holds a space or a character that no token has", "copy it again")
    return Finding(
        "token", "ok", "HF_TOKEN is set (not shown)" if of_environment else "logged in with `hf auth login` (not shown)"
    )


def _hub_finding(answer: int | str, host: str) -> Finding:
    if isinstance(answer, str):
        do = "look at the network, the proxy and HF_ENDPOINT; what lies in the hub's cache and `path:` need no hub"
        return Finding("hub", "warning", f"{host} cannot be reached: {answer}", do)
    if answer >= 500 or answer in (407, 429):
        return Finding("hub", "warning", f"{host} answers HTTP {answer}", "try again later")
    return Finding("hub", "ok", f"{host} answers")


def _host(endpoint: str) -> str | None:
    """The host of an address, which may hold a name and a password too; None for what is no address."""
    try:
        parts = urlsplit(endpoint)
        return parts.hostname if parts.scheme in ("http", "https") and parts.port != 0 else None
    except ValueError:
        return None


def _why(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    return " ".join(str(getattr(reason, "strerror", None) or reason).split())[:100]


def _home() -> Path:
    return Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    folder = folder.absolute()
    return next(place for place in (folder, *folder.parents) if place.is_dir())


def _installed() -> dict[str, str | None]:
    """The installed version of every package that pyproject.toml names for training, None where it is not there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["train"]]
    return versions(*(re.split(r"[<>=\[ ]", word)[0] for word in asked))


def _lock() -> dict[str, set[str]]:
    """The versions that requirements.lock has of each package: several, where they differ by machine."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(
        r"^([\w.-]+)==([^\s;+]+)", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE
    ):
        found.setdefault(name, set()).add(version)
    return found


def _torch() -> tuple[str, str | None, bool] | str | None:
    if not find_spec("torch"):
        return None
    try:
        import torch

        return str(torch.__version__), torch.version.cuda, bool(torch.cuda.is_available())
    except (ImportError, OSError) as error:  # libraries that are missing or of another CUDA
        return brief(error)
