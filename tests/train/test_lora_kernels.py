"""Axolotl's LoRA kernels, which a GPU trains with, compute what peft's layers do: held on a CPU, in
Triton's interpreter."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from kotune.worker.environment import environment
from tests.conftest import ROOT

pytest.importorskip("axolotl")
# A relative distance of 1e-4 is 1,700 roundings of float32 (2^-24). Sums of up to 384 products in
# another order, through two layers and back, take some 100 of them; a scaling that is wrong by 2%
# in one of 14 maps takes 5,000 in the logits (tried).
FLOAT32 = 1e-4


def stepped(dtype: str) -> dict[str, dict[str, Any]]:
    """What tests/train/interpreted.py finds in a process of its own."""
    env = environment()
    env |= {
        "TRITON_INTERPRET": "1",
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{env['PYTHONPATH']}",
    }
    command = [sys.executable, "-m", "tests.train.interpreted", dtype]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.few(1)
def test_axolotls_kernels_give_peft_layers_outputs_and_gradients(dtype: str) -> None:
    """With checkpointing and a scaled loss, as on a GPU. bf16 is left out: the interpreter cannot
    be used with it. In float16 the kernels may round where peft's layers do not, so that they are
    held to peft's own distance from float32."""
    found = stepped(dtype)
    assert [(at["tied"], at["biases"]) for at in found.values()] == [
        (True, []),
        (False, ["k_proj", "q_proj", "v_proj"]),
    ]
    for name, at in found.items():
        assert at["used"] == ["apply_lora_mlp_swiglu", "apply_lora_o", "apply_lora_qkv"], name
        assert at["launched"] == 4, name  # two layers, forward and once more for the backward pass
        assert at["tensors"] == 1 + 2 * 7 * 2, name  # logits; A and B of seven maps in two layers
        for what in ("logits", "gradients"):
            bound = FLOAT32 if dtype == "float32" else 1.5 * at["peft"][what]
            assert 0 < at["kernels"][what] < bound, f"{name}, {what}"
        assert at["peft"]["gradients"] < 0.1, name  # so that the bound of float16 means something
