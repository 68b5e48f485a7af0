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
    """A GPU with the figures of its data sheet.

    - `name`, `title`: the name that --gpu accepts, and the full name
    - `memory`, `bandwidth`: bytes, and bytes per second
    - `tflops`: peak of dense 16-bit matrix products; `tflops_fp32`: peak without tensor cores
    - `capability`: CUDA compute capability, such as (8, 0)
    - `source`: the data sheet"""

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
        """Whether the GPU has no native bf16. A plan takes this from `capability`; a run asks the
        driver."""
        return self.capability < BF16


@cache
def known() -> dict[str, Gpu]:
    """All supported GPUs, by the name that --gpu accepts."""
    sheets = strict_yaml.load(GPUS_FILE)
    return {name: of(name, sheet) for name, sheet in sheets.items()}


def of(name: str, sheet: Mapping[str, Any]) -> Gpu:
    """The GPU `name` from its entry `sheet` in gpus.yml, where memory is in GB and bandwidth in
    GB/s."""
    units = {key: sheet[key] * 1e9 for key in ("memory", "bandwidth")}
    return Gpu(name=name, **{**sheet, **units, "capability": tuple(sheet["capability"])})


def select(names: Sequence[str]) -> list[Gpu]:
    """The GPUs with these names, without duplicates; all known GPUs if `names` is empty. Upper case
    is accepted. Raises RecipeError for an unknown name."""
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
