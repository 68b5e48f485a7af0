"""Checks whether this machine can run kotune. The result of a check is a finding. It has a state
and, unless the state is `ok`, a remedy.

- `warning`: something is missing or scarce, such as a GPU, a token or disk space. Some recipes or
  commands may need it.
- `fix`: something is broken, unsupported or unusable. Correct it before a run.

The checks also work without a network. They also work in the light install, which has no packages
for training. No finding contains a token."""

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
    """Run all checks and yield their findings. The machine is checked first and the hub last.
    `runs_dir` is the folder for runs."""
    gpus, token = machine.gpus(), hub.find_token()
    yield machine.python(sys.version_info[:2])
    yield machine.locked(machine.installed())
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
    """The findings, in a form that json.dumps accepts. The key `ok` is False if a finding has the
    state `fix`. Warnings do not change it."""
    return {
        "ok": all(finding.state != "fix" for finding in findings),
        "checks": [asdict(finding) for finding in findings],
    }
