"""GPUs that are not there: torch's answers about them, for code that asks and never computes, and
what Axolotl makes of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

GIB = 2**30
# What a launcher tells each process that it starts.
PROCESSES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "ACCELERATE_USE_CPU")


class Answering:
    """torch for accelerate, which makes a tensor on each GPU to see that it answers. torch itself
    must keep its own `tensor`: it remembers, when it is first asked, which functions make
    tensors."""

    def __getattr__(self, name: str) -> Any:
        import torch

        return getattr(torch, name)

    def tensor(self, data: list[int], device: int) -> None:
        """A GPU that answers."""


@contextmanager
def pretended(
    capability: tuple[int, int] = (8, 0), free: tuple[float, ...] = (80.0,), **process: str
) -> Iterator[None]:
    """One GPU of this compute capability for each entry of `free`, its free memory in GiB, in a
    process that its launcher told what `process` says. torch has its own say in what follows, but
    for bf16 below 8.0: it makes a tensor there and finds that it can, since a T4 imitates it."""
    import accelerate.utils.modeling
    import torch

    imported_before_there_is_a_gpu()
    answers = {
        "is_available": lambda: True,
        "device_count": lambda: len(free),
        "current_device": lambda: 0,
        "get_device_properties": lambda *_: SimpleNamespace(
            major=capability[0], minor=capability[1]
        ),
        "get_device_capability": lambda *_: capability,
        "_check_bf16_tensor_supported": lambda *_: True,
        "mem_get_info": lambda number: (int(free[number] * GIB), int(free[number] * GIB)),
    }
    with pytest.MonkeyPatch.context() as patch, _restored():
        patch.setattr(torch.version, "cuda", "13.0")
        for name, answer in answers.items():
            patch.setattr(torch.cuda, name, answer)
        patch.setattr(accelerate.utils.modeling, "torch", Answering())
        for name in PROCESSES:
            patch.delenv(name, raising=False)
        for name, value in process.items():
            patch.setenv(name, value)
        yield


def imported_before_there_is_a_gpu() -> None:
    """bitsandbytes looks for CUDA's libraries as it is imported, and Axolotl imports it late."""
    import axolotl.loaders.model
    import axolotl.utils.config  # noqa: F401


def resolved(
    keys: dict[str, Any], has_flash: bool = False, model: dict[str, Any] | None = None
) -> Any:
    """What Axolotl makes of a configuration on the GPUs that are there, as `axolotl train` does.
    `model`: the config.json of one that is on the hub."""
    import transformers.utils
    from axolotl.cli.config import gpu_capabilities
    from axolotl.monkeypatch.attention import fa2_hub_kernel
    from axolotl.utils import config
    from axolotl.utils.dict import DictDefault
    from transformers import AutoConfig

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "log_gpu_memory_usage", lambda *_: None)
        patch.setattr(transformers.utils, "is_flash_attn_2_available", lambda: has_flash)
        # No child of ours loads one.
        patch.setattr(fa2_hub_kernel, "is_fa2_hub_kernel_available", lambda: False)
        if model:
            patch.setattr(config, "load_model_config", lambda _: AutoConfig.for_model(**model))
        # Our plugin would be registered for the whole process.
        cfg = config.validate_config(DictDefault({**keys, "plugins": []}), *gpu_capabilities())
        config.normalize_config(cfg)
        return cfg


@contextmanager
def _restored() -> Iterator[None]:
    """What transformers remembers of the GPU, and how Axolotl sets torch's products, are as
    before."""
    import torch
    from transformers.utils import import_utils

    asked = [import_utils.is_torch_bf16_gpu_available, import_utils.is_torch_tf32_available]
    backends = torch.backends
    places: list[Any] = [
        backends,
        backends.cuda.matmul,
        backends.cudnn,
        backends.mkldnn,
        backends.mkldnn.matmul,
    ]
    before, precision = (
        [place.fp32_precision for place in places],
        torch.get_float32_matmul_precision(),
    )
    for question in asked:
        question.cache_clear()
    yield
    for question in asked:
        question.cache_clear()
    torch.set_float32_matmul_precision(precision)
    for place, value in zip(places, before, strict=True):
        place.fp32_precision = value
