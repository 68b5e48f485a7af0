"""The GPUs that a plan knows, by their data sheets (gpus.yml)."""

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
    """`memory` in bytes, `tflops` of dense 16-bit products, `bandwidth` in bytes a second;
    `capability`: its CUDA compute capability, as (8, 0)."""

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
        """Whether it has no bf16 of its own, as a run asks the driver."""
        return self.capability < BF16


@cache
def known() -> dict[str, Gpu]:
    """Every GPU by the name that --gpu takes."""
    found = strict_yaml.load(GPUS_FILE)
    return {name: of(name, told) for name, told in found.items()}


def of(name: str, told: Mapping[str, Any]) -> Gpu:
    """A GPU as gpus.yml describes it."""
    units = {key: told[key] * 1e9 for key in ("memory", "bandwidth")}
    return Gpu(name=name, **{**told, **units, "capability": tuple(told["capability"])})


def select(names: Sequence[str]) -> list[Gpu]:
    """The GPUs of these names in their order, each once; all without names. RecipeError for a name
    that is none."""
    gpus = known()
    for name in names:
        if name.lower() not in gpus:
            begun = " or ".join(gpu for gpu in gpus if name and gpu.startswith(name.lower()))
            near = (
                f"; did you mean {begun}?"
                if begun
                else did_you_mean(name.lower(), gpus).partition("; known")[0]
            )
            raise RecipeError(
                f"--gpu {shown(name)}: unknown GPU{near or ';'} plan knows {', '.join(gpus)}"
            )
    return [gpus[name] for name in dict.fromkeys(map(str.lower, names))] or list(gpus.values())
