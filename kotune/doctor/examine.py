"""Checks whether this machine can run kotune. The result of each check is a finding with one of
three states:

- `ok`: there is nothing to do.
- `warning`: something is missing or scarce, such as a GPU, a token or disk space. Some recipes or
  commands may need it.
- `fix`: something is broken, unsupported or unusable. It must be corrected before a run.

The checks also work without a network, and in the light install, which has no packages for
training. No finding contains a token."""

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
    """Run all checks and yield their findings. The machine is checked first, the hub last.
    `runs_dir`: the folder for runs, whose disk space is checked."""
    gpus, token = machine.gpus(), hub.find_token()
    yield machine.python(sys.version_info[:2])
    yield machine.packages(machine.installed())
    yield machine.torch_build(machine.find_torch(), gpus)
    yield from map(machine.gpu, gpus) if gpus else [machine.no_gpu(detect_device() == "cuda")]
    yield machine.compiler(compiler.missing(), bool(gpus))
    yield machine.memory(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    yield machine.disk("disk (runs)", runs_dir)
    yield machine.disk("disk (cache)", hub.cache())
    yield machine.shared_memory(Path("/dev/shm"))
    yield machine.font()
    yield from hub.findings(os.environ, token)


def as_json(findings: list[Finding]) -> dict[str, object]:
    """The findings as a dict that json.dumps accepts. `ok` is False if at least one finding has the
    state `fix`. Warnings do not change `ok`."""
    return {
        "ok": all(finding.state != "fix" for finding in findings),
        "checks": [asdict(finding) for finding in findings],
    }
