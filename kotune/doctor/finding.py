"""The result of one check."""

from dataclasses import dataclass
from typing import Literal

from kotune.shipped import INSTALL, IS_CHECKOUT

State = Literal["ok", "warning", "fix"]
COLOURS = {"ok": "green", "warning": "yellow", "fix": "red"}
SETUP = f"run {INSTALL}"
REINSTALL = f"remove .venv, then {SETUP}" if IS_CHECKOUT else f"in a new environment {SETUP}"


@dataclass(frozen=True)
class Finding:
    """The result of one check. `told` describes the result. If `state` is not `ok`, `do` is what
    the user can do about it."""

    name: str
    state: State
    told: str
    do: str = ""

    def __str__(self) -> str:
        line = f"{self.state:8} {self.name:14} {self.told}"
        return f"{line}\n{'':23} -> {self.do}" if self.do else line
