"""Where Axolotl puts a model on GPUs, by its own functions and transformers': one process that sees
one GPU uses that alone."""

from typing import Any

import pytest

from kotune.models import presets
from kotune.recipe import reading
from kotune.train import config as axolotl_config
from kotune.train import training
from kotune.worker import device
from tests.conftest import ROOT
from tests.gpus import pretended, resolved

torch = pytest.importorskip("torch")
pytest.importorskip("axolotl")
SHAPES = {name: row.shape_keys() for name, row in presets.ROWS.items()}
MODELS = ("llama-3.2-1b-instruct", "deepseek-r1-distill-qwen-1.5b")


def placed(model: str, **more: Any) -> set[Any]:
    """The devices on which Axolotl, on pretended GPUs, would put the tensors of a real
    architecture. None is made."""
    from axolotl.loaders.model import ModelLoader
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.integrations.accelerate import _get_device_map, check_and_set_device_map

    recipe = reading.load(ROOT / "recipes" / "llama_lora.yml", (f"model={model}",))
    loader: Any = ModelLoader.__new__(ModelLoader)
    loader.cfg, loader.model_kwargs = (
        resolved({**axolotl_config.config(recipe, "cuda"), **more}, model=SHAPES[model]),
        {},
    )
    loader._set_device_map_config()
    with torch.device("meta"):
        made = AutoModelForCausalLM.from_config(
            AutoConfig.for_model(**SHAPES[model]), dtype=loader.model_kwargs["dtype"]
        )
    chosen = check_and_set_device_map(loader.model_kwargs["device_map"])
    return set(_get_device_map(made, chosen, None, None).values())


def seen(
    monkeypatch: pytest.MonkeyPatch, installed: int, named: str | None, *launcher: str
) -> list[Any]:
    """The GPUs that torch sees in what kotune starts on a machine with `installed` ones, where the
    user says `named`."""
    monkeypatch.setattr(device, "_is_loaded", lambda: True)
    monkeypatch.setattr(device, "_installed", lambda: installed)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if named is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    for name, value in training.environment(launcher).items():
        monkeypatch.setenv(name, value)
    # Torch counts 64 where nothing is said.
    return list(torch.cuda._parse_visible_devices()[:installed])


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("launcher", [(), ("python",)])
@pytest.mark.parametrize("named", [None, "1", "3, 1", "GPU-1a,GPU-2b"])
def test_a_run_of_one_process_has_its_whole_model_on_one_gpu(
    monkeypatch: pytest.MonkeyPatch, model: str, launcher: tuple[str, ...], named: str | None
) -> None:
    """On a machine with four, as torch reads CUDA_VISIBLE_DEVICES."""
    gpus = seen(monkeypatch, 4, named, *launcher)
    assert len(gpus) == 1
    with pretended(free=(80.0,) * len(gpus)):
        assert placed(model) == {0}


@pytest.mark.parametrize("model", MODELS)
def test_axolotl_spreads_the_model_of_one_process_over_all_gpus_that_it_sees(model: str) -> None:
    """Where this fails, neither `device_map` need be said nor one GPU alone be shown."""
    with pretended(free=(80.0, 80.0)):
        assert placed(model, device_map="auto") == {0, 1}
        assert placed(model) == {0}


@pytest.mark.parametrize("rank", [0, 1])
def test_each_process_of_a_launcher_sees_all_gpus_and_has_the_whole_model_on_its_own(
    monkeypatch: pytest.MonkeyPatch, rank: int
) -> None:
    gpus = seen(monkeypatch, 2, None, "torchrun", "--nproc_per_node=2")
    assert len(gpus) == 2
    with pretended(free=(80.0,) * len(gpus), WORLD_SIZE="2", LOCAL_RANK=str(rank), RANK=str(rank)):
        assert placed(MODELS[0]) == {rank}


@pytest.mark.parametrize(("free", "where"), [(14.0, {0}), (4.5, {0}), (2.0, {0, "cpu"})])
def test_axolotl_leaves_layers_on_the_cpu_where_a_gpu_has_no_room_for_the_weights(
    free: float, where: set[Any]
) -> None:
    """DeepSeek-R1-Distill-Qwen-1.5B weighs 3.3 GiB in 16 bits. Ours is out of memory then, and says
    so."""
    with pretended(free=(free,)):
        assert placed(MODELS[1], device_map="auto") == where
        assert placed(MODELS[1]) == {0}
