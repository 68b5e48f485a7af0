"""The GPUs that a plan supports, with the figures of their data sheets (gpus.yml)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kodata.errors import did_you_mean
from kotune.errors import RecipeError
from kotune.recipe import strict_yaml
from kotune.recipe.strict_yaml import shown
from kotune.worker.driver import BF16

GPUS_FILE = Path(__file__).with_name("gpus.yml")


@dataclass(frozen=True)
class Gpu:
    """A GPU's figures. `memory`: bytes; `tflops`: the speed of dense 16-bit matrix products;
    `bandwidth`: bytes per second; `capability`: CUDA compute capability, for example (8, 0)."""

    name: str
    title: str
    memory: float
    tflops: float
    tflops_fp32: float
    bandwidth: float
    capability: tuple[int, int]
    source: str

    @property
    def is_old(self) -> bool:
        """Whether the GPU has no native bf16. A run asks the driver instead."""
        return self.capability < BF16


@cache
def known() -> dict[str, Gpu]:
    """All supported GPUs, by the name that --gpu accepts."""
    sheets = strict_yaml.load(GPUS_FILE)
    return {name: of(name, sheet) for name, sheet in sheets.items()}


def of(name: str, sheet: Mapping[str, Any]) -> Gpu:
    """A GPU from its entry in gpus.yml."""
    units = {key: sheet[key] * 1e9 for key in ("memory", "bandwidth")}
    return Gpu(name=name, **{**sheet, **units, "capability": tuple(sheet["capability"])})


def select(names: Sequence[str]) -> list[Gpu]:
    """GPUs by name, without duplicates; all GPUs if no name is given. Raises RecipeError for an
    unknown name."""
    gpus = known()
    for name in names:
        if name.lower() not in gpus:
            starting = " or ".join(gpu for gpu in gpus if name and gpu.startswith(name.lower()))
            hint = (
                f"; did you mean {starting}?"
                if starting
                else did_you_mean(name.lower(), gpus).partition("; known")[0]
            )
            raise RecipeError(
                f"--gpu {shown(name)}: unknown GPU{hint or ';'} known are {', '.join(gpus)}"
            )
    return [gpus[name] for name in dict.fromkeys(map(str.lower, names))] or list(gpus.values())
