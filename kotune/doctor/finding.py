"""What one check of a machine says."""

from dataclasses import dataclass
from typing import Literal

from kotune.shipped import INSTALL, IS_CHECKOUT

State = Literal["ok", "warning", "fix"]
COLOURS = {"ok": "green", "warning": "yellow", "fix": "red"}
SETUP = f"run {INSTALL}"
ANEW = f"remove .venv, then {SETUP}" if IS_CHECKOUT else f"in a new environment {SETUP}"


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
