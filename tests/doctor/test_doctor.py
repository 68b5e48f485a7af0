"""Each check says ok, warning or fix with what to do; the hub is a stand-in on loopback; a token is
never shown."""

import json
import re
import shutil
import subprocess
import threading
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kotune.doctor import hub as hub_checks
from kotune.doctor import machine
from kotune.doctor.finding import Finding
from kotune.doctor.hub import GATED, OPEN
from kotune.doctor.machine import GIB, InstalledGpu
from kotune.worker import driver
from kotune.worker.driver import GpuProblem
from tests.conftest import Cli
from tests.hub import Fault, StandInHub, running

CARD = InstalledGpu("NVIDIA L4", "580.65.06", 23_034, 22_500)
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInHub]:
    """A hub that gives both models' configurations."""
    monkeypatch.setattr(hub_checks, "TIMEOUT", 0.5)
    with running({(model, "config.json"): b"{}" for model in (OPEN, GATED)}) as server:
        yield server


def found(
    hub: StandInHub | str, token: str | None = None, **environment: str
) -> dict[str, Finding]:
    """What is found about the hub, by name."""
    endpoint = hub if isinstance(hub, str) else hub.endpoint
    return {
        one.name: one
        for one in hub_checks.findings({"HF_ENDPOINT": endpoint, **environment}, token)
    }


def states(findings: dict[str, Finding]) -> dict[str, str]:
    return {name: one.state for name, one in findings.items()}


def test_a_hub_that_gives_everything_is_ok_and_asked_for_nothing_but_two_heads(
    hub: StandInHub,
) -> None:
    assert states(found(hub, "hf_token", HF_TOKEN="hf_token")) == {
        "token": "ok",
        "hub": "ok",
        "llama": "ok",
    }
    assert hub.asked == [("HEAD", f"/{model}/resolve/main/config.json") for model in (OPEN, GATED)]


def test_an_empty_variable_is_not_the_source_of_a_token(hub: StandInHub) -> None:
    told = found(hub, "hf_token", HF_TOKEN=" ")["token"].told
    assert "HF_TOKEN is set" not in told


@pytest.mark.parametrize(
    ("fault", "token", "expected", "do"),
    [
        (Fault("gated"), None, "warning", "accept the licence at https://.*, then set HF_TOKEN"),
        (Fault("gated"), "hf_other", "warning", "accept the licence at https://[^,]*$"),
        (Fault("gated"), "hf_token", "ok", ""),
        (Fault(401), None, "warning", "set HF_TOKEN"),
        (Fault(401), "hf_old", "fix", "create one"),
        (Fault(404), "hf_token", "warning", "check https://"),
    ],
)
def test_permission_for_a_gated_model_is_told(
    hub: StandInHub, fault: Fault, token: str | None, expected: str, do: str
) -> None:
    hub.faults = [Fault(fault.kind)]
    told = found(hub, token)
    assert (told["hub"].state, told["llama"].state) == ("ok", expected)
    assert re.search(do, told["llama"].do)


@pytest.mark.parametrize(
    ("fault", "why"), [(Fault(503), "answers HTTP 503"), (Fault("silent"), "cannot be reached")]
)
def test_a_hub_in_trouble_is_a_warning(hub: StandInHub, fault: Fault, why: str) -> None:
    hub.faults = [Fault(fault.kind)]
    told = found(hub)["hub"]
    assert told.state == "warning" and why in told.told


def test_no_hub_at_all_is_a_warning_and_is_not_asked_for_a_gated_model() -> None:
    told = found("http://127.0.0.1:1")
    assert states(told) == {"token": "warning", "hub": "warning"}
    assert "127.0.0.1 cannot be reached" in told["hub"].told


def test_a_name_server_that_never_answers_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hub_checks, "TIMEOUT", 0.2)
    answered = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: answered.wait())
    assert "no answer within 0.2 s" in found("https://hub.example")["hub"].told
    answered.set()


@pytest.mark.parametrize("value", ["1", "true", "YES"])
def test_offline_asks_nobody_and_says_so(hub: StandInHub, value: str) -> None:
    told = found(hub, HF_HUB_OFFLINE=value)["hub"]
    assert (told.state, told.told) == ("warning", "not checked: HF_HUB_OFFLINE is set")
    assert hub.asked == []


@pytest.mark.parametrize(
    "endpoint", ["hub.example", "ftp://hub.example", "http://[", "https://hub.example:port", ""]
)
def test_an_endpoint_that_is_no_address_is_to_be_fixed(endpoint: str) -> None:
    assert found(endpoint)["hub"] == Finding(
        "hub",
        "fix",
        "HF_ENDPOINT is not an address",
        "give one that begins with https://, or unset it",
    )


def test_a_token_is_never_shown_nor_sent_where_the_hub_redirects(
    hub: StandInHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "hf_secretsecretsecret"
    with running({}) as elsewhere:
        hub.faults = [Fault(302, headers={"Location": f"{elsewhere.endpoint}/x"})]
        told = found(hub, secret, HF_TOKEN=secret)
        assert told["llama"].state == "ok"
        assert elsewhere.asked == []
    broken = found(hub, f"{secret}\nX-More: 1", HF_TOKEN=secret)
    assert broken["token"].state == "fix"
    assert secret not in str([*told.values(), *broken.values()])
    assert secret not in "".join(map(str, [*told.values(), *broken.values()]))


def test_the_token_is_the_one_that_the_hubs_own_client_would_send(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_TOKEN", "HF_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert hub_checks.find_token() is None
    (tmp_path / "token").write_text("hf_of_file\n", encoding="utf-8")
    assert hub_checks.find_token() == "hf_of_file"
    monkeypatch.setenv("HF_TOKEN", " hf_of_environment ")
    assert hub_checks.find_token() == "hf_of_environment"


@pytest.mark.parametrize(
    ("version", "state"), [((3, 10), "fix"), ((3, 11), "ok"), ((3, 12), "ok"), ((3, 13), "fix")]
)
def test_python_is_one_that_the_lock_is_for(version: tuple[int, int], state: str) -> None:
    assert machine.python(version).state == state


@pytest.mark.parametrize(
    ("build", "cards", "state", "told"),
    [
        (None, [], "warning", "not installed"),
        (("2.13.0+cpu", None, False), [], "ok", "CPU build"),
        (("2.13.0+cpu", None, False), [CARD], "fix", "CPU build, but there is an NVIDIA GPU"),
        (("2.13.0", "13.0", True), [CARD], "ok", "CUDA 13.0, driver 580.65.06"),
        (
            ("2.13.0", "13.0", False),
            [InstalledGpu("L4", "550.1", 1, 1)],
            "fix",
            "driver 550.1: the driver's own words",
        ),
        (
            ("2.13.0", "13.0", True),
            [InstalledGpu("L4", "550.1", 1, 1)],
            "ok",
            "driver 550.1",
        ),  # with cuda-compat
        (("2.12.0", "12.8", True), [InstalledGpu("L4", "550.1", 1, 1)], "ok", "driver 550.1"),
        (("2.13.0", "13.0", False), [CARD], "fix", "driver 580.65.06: torch finds no GPU"),
        (
            "libcudart.so.13: cannot open shared object file",
            [CARD],
            "fix",
            "cannot be imported: libcudart",
        ),
    ],
)
def test_torch_its_cuda_and_the_driver_must_match(
    monkeypatch: pytest.MonkeyPatch, build: Any, cards: list[InstalledGpu], state: str, told: str
) -> None:
    """What the driver's library says of it stands in tests/worker/test_driver.py."""
    said = GpuProblem("the driver's own words", "do") if "own words" in told else None
    monkeypatch.setattr(driver, "problem", lambda: said)
    finding = machine.torch_build(build, cards)
    assert finding.state == state and told in finding.told
    assert bool(finding.do) == (state != "ok")


def test_gpus_are_those_of_nvidia_smi_and_none_where_it_fails() -> None:
    def said(text: str, code: int = 0) -> list[InstalledGpu]:
        return machine.gpus(lambda *_, **__: subprocess.CompletedProcess([], code, text, ""))

    assert said("NVIDIA L4, 580.65.06, 23034, 22500\nNVIDIA L4, 580.65.06, 23034, 100\n") == [
        CARD,
        InstalledGpu("NVIDIA L4", "580.65.06", 23034, 100),
    ]
    assert said("NVIDIA-SMI has failed", 9) == []
    assert said("GRID, 1, [N/A], [N/A]\n") == []

    def absent(*_: Any, **__: Any) -> Any:
        raise FileNotFoundError("nvidia-smi")

    assert machine.gpus(absent) == []


def test_a_gpu_that_somebody_uses_is_a_warning() -> None:
    assert machine.gpu(CARD).state == "ok"
    assert machine.gpu(InstalledGpu("L4", "580", 23_034, 9_000)).state == "warning"
    assert machine.no_gpu(False).state == "warning"
    assert machine.no_gpu(True).state == "fix" and "--gpus all" in machine.no_gpu(True).do


@pytest.mark.parametrize(("free", "state"), [(1, "fix"), (10, "warning"), (100, "ok")])
def test_room_on_the_disk_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(200 * GIB, 0, free * GIB))
    assert machine.disk("disk (runs)", tmp_path).state == state
    monkeypatch.setattr("os.access", lambda *_: False)
    assert machine.disk("disk (runs)", tmp_path).state == "fix"


@pytest.mark.parametrize(("total", "state"), [(64 * 2**20, "warning"), (10 * GIB, "ok")])
def test_a_containers_small_shared_memory_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, total: int, state: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(total, 0, total))
    finding = machine.shared_memory(tmp_path)
    assert finding.state == state and ("--shm-size" in finding.do) == (state == "warning")
    assert machine.shared_memory(tmp_path / "absent").state == "ok"


@pytest.mark.parametrize(("size", "state"), [(4 * GIB, "warning"), (16 * GIB, "ok")])
def test_main_memory_is_told(size: int, state: str) -> None:
    assert machine.memory(size).state == state


def test_versions_are_held_against_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    lock = machine._lock()
    version = next(iter(lock["torch"]))
    assert {"torch", "transformers", "click"} <= lock.keys()
    assert machine.packages({"torch": f"{version}+cpu"}).state == "ok"
    other = machine.packages({"torch": "1.0.0"})
    assert (other.state, other.told) == (
        "warning",
        f"other versions: torch 1.0.0 (locked: {version})",
    )
    monkeypatch.setattr(machine, "find_spec", lambda name: None)
    assert (
        "light install"
        in machine.packages({"torch": None, "click": next(iter(lock["click"]))}).told
    )
    monkeypatch.setattr(machine, "find_spec", lambda name: object())
    assert machine.packages({"torch": None}).state == "fix"


def test_what_is_asked_for_is_what_the_project_names() -> None:
    installed = machine.installed()
    assert {
        "axolotl",
        "torch",
        "bitsandbytes",
        "lm-eval",
        "click",
        "pylopdf-fonts-ko",
    } <= installed.keys()


def test_the_command_line_ends_with_zero_where_nothing_must_be_fixed(
    cli: Cli, tmp_path: Path
) -> None:
    done = cli("doctor", "--json", HF_TOKEN="hf_secretsecretsecret")
    told = json.loads(done.stdout)
    names = [one["name"] for one in told["checks"]]
    assert names == [
        "python",
        "packages",
        "torch",
        "gpu",
        "compiler",
        "memory",
        "disk (runs)",
        "disk (cache)",
        "shared memory",
        "font",
        "token",
        "hub",
    ]
    assert told["ok"] == all(one["state"] != "fix" for one in told["checks"])
    assert done.returncode == (0 if told["ok"] else 1)
    assert "hf_secret" not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_ends_with_one_where_something_must_be(cli: Cli) -> None:
    done = cli("doctor", HF_HUB_OFFLINE="0", HF_ENDPOINT="nowhere")
    assert done.returncode == 1
    assert re.search(
        r"^fix +hub +HF_ENDPOINT is not an address\n +-> give one", done.stdout, re.MULTILINE
    )
    assert "Traceback" not in done.stderr
