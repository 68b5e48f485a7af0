"""Defines Finding, the result of one check, and remedies that several checks suggest."""

from dataclasses import dataclass
from typing import Literal

from kotune.shipped import INSTALL, IS_CHECKOUT

State = Literal["ok", "warning", "fix"]
COLOURS = {"ok": "green", "warning": "yellow", "fix": "red"}
SETUP = f"run {INSTALL}"
REINSTALL = f"remove .venv, then {SETUP}" if IS_CHECKOUT else f"in a new environment {SETUP}"


@dataclass(frozen=True)
class Finding:
    """The result of one check. `name`: what was checked; `state`: as in kotune.doctor.examine;
    `told`: a description of the result; `do`: what the user can do, empty if `state` is `ok`."""

    name: str
    state: State
    told: str
    do: str = ""

    def __str__(self) -> str:
        line = f"{self.state:8} {self.name:14} {self.told}"
        return f"{line}\n{'':23} -> {self.do}" if self.do else line
