"""Defines Finding, the result of one check, and remedies that several checks suggest."""

from dataclasses import dataclass
from typing import Literal

from kodata.errors import Translatable
from kotune.display.phrases.translation import ENGLISH, lookup, translate
from kotune.display.words import padded
from kotune.shipped import INSTALL, IS_CHECKOUT

State = Literal["ok", "warning", "fix"]
COLOURS = {"ok": "green", "warning": "yellow", "fix": "red"}
SETUP = Translatable("run {install}", install=INSTALL)
REINSTALL = (
    Translatable("remove .venv, then {setup}", setup=SETUP)
    if IS_CHECKOUT
    else Translatable("in a new environment {setup}", setup=SETUP)
)


@dataclass(frozen=True)
class Finding:
    """The result of one check. `name`: what was checked; `state`: as in kotune.doctor.examine;
    `told`: a description of the result; `do`: what the user can do, empty if `state` is `ok`."""

    name: str
    state: State
    told: str
    do: str = ""

    def __str__(self) -> str:
        return self.line(ENGLISH)

    def line(self, language: str) -> str:
        """The finding in a language, with its remedy on a second line."""
        state = padded(lookup(self.state, language), 8)
        line = f"{state} {self.name:14} {translate(self.told, language)}"
        return f"{line}\n{'':23} -> {translate(self.do, language)}" if self.do else line
