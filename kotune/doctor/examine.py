"""Whether this machine can do what kotune asks of it: one finding a check, each ok, a warning, or
to be fixed, with what to do.

Works in the light install and without a network. No finding shows a token. A warning stops some
recipes, a fix all of them."""

import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from kotune.doctor import hub, machine
from kotune.doctor.finding import COLOURS, Finding
from kotune.worker import compiler
from kotune.worker.device import detect_device

__all__ = ["COLOURS", "Finding", "as_json", "examine"]


def examine(runs_dir: Path) -> Iterator[Finding]:
    """Every finding, in the order in which a person would look."""
    found, token = machine.gpus(), hub.token_at_hand()
    yield machine.python(sys.version_info[:2])
    yield machine.locked(machine.installed())
    yield machine.torch_build(machine.torch_at_hand(), found)
    yield from map(machine.gpu, found) if found else [machine.no_gpu(detect_device() == "cuda")]
    yield machine.compiler(compiler.missing(), bool(found))
    yield machine.memory(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    yield machine.disk("disk (runs)", runs_dir)
    yield machine.disk("disk (cache)", hub.cache())
    yield machine.shared_memory(Path("/dev/shm"))
    yield machine.font()
    yield from hub.findings(os.environ, token)


def as_json(findings: list[Finding]) -> dict[str, object]:
    """All of it for a machine."""
    return {
        "ok": all(one.state != "fix" for one in findings),
        "checks": [asdict(one) for one in findings],
    }
