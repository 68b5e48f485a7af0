"""A training step with peft's own layers and one with Axolotl's LoRA kernels, on the same model and
tokens, on a CPU.

`python -m tests.train.interpreted DTYPE` prints as JSON, by model, how far both are from peft in
float32. It is a process of its own: Triton interprets a kernel on a CPU only if TRITON_INTERPRET=1
was set before Triton was imported."""

import json
import sys
from typing import Any

import torch
from axolotl.kernels import swiglu
from axolotl.monkeypatch.lora_kernels import apply_lora_kernel_patches, patch_self_attn_lora
from axolotl.utils.dict import DictDefault
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from kotune.models import presets

MODELS = ("quickstart-llama", "quickstart-deepseek")  # a tied head, no biases; biases of q, k and v
LAYERS = 2
# 2 x 7 x 384 elements of an MLP are five whole blocks of the kernel and a part of one.
BATCH, LENGTH = (2, 7)
SCALE = 1024.0  # of the loss, as fp16 is trained; without it small gradients would be zero
SEED = 0
# Logits (BATCH, LENGTH, vocabulary) and the gradient of each A and B, in float32.
Step = dict[str, torch.Tensor]


class OnCpu:
    """torch for Axolotl's SwiGLU kernel, which allocates its output on "cuda" whatever its inputs;
    counts how often."""

    made = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def empty(self, *size: Any, device: str, **more: Any) -> torch.Tensor:
        assert device == "cuda"
        self.made += 1
        return torch.empty(*size, **more)


def adapted(base: str, dtype: torch.dtype) -> Any:
    """The model with an adapter whose B is not zero. Its weights are those of fp16 in every
    `dtype`, the adapter's float32."""
    model = AutoModelForCausalLM.from_pretrained(
        base, dtype=torch.float16, num_hidden_layers=LAYERS
    ).to(dtype)
    torch.manual_seed(SEED)
    model = get_peft_model(
        model, LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
    ).train()
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.02)
    return model


def step(model: Any, dtype: torch.dtype) -> Step:
    """Forward and backward as Axolotl's trainer does them: under autocast where the precision is
    not float32."""
    ids = torch.randint(
        0, model.config.vocab_size, (BATCH, LENGTH), generator=torch.Generator().manual_seed(SEED)
    )
    with torch.autocast("cpu", dtype=torch.float16, enabled=dtype == torch.float16):
        out = model(input_ids=ids, labels=ids, use_cache=False)
    (out.loss * SCALE).backward()
    weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    return {
        "logits": out.logits.detach().float(),
        **{name: weight.grad / SCALE for name, weight in weights.items()},
    }


def use_kernels(model: Any, base: str) -> list[str]:
    """Put Axolotl's kernels into the model, with checkpointing as recipes have it on a GPU. Returns
    the names of the functions that replace layers."""
    cfg = DictDefault(
        base_model=base, lora_mlp_kernel=True, lora_qkv_kernel=True, lora_o_kernel=True
    )
    patch_self_attn_lora(cfg)
    apply_lora_kernel_patches(model, cfg)
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": True})
    model.enable_input_require_grads()
    layers = model.get_base_model().model.layers
    methods = [
        method
        for at in layers
        for method in (at.mlp.forward, at.self_attn.apply_qkv, at.self_attn.apply_o)
    ]
    return sorted({method.__func__.__name__ for method in methods})


def distance(made: Step, truth: Step) -> dict[str, float]:
    """The largest relative distance of a tensor from its truth, in the norm of all its elements: of
    logits, and of gradients."""
    far = {name: float((made[name] - right).norm() / right.norm()) for name, right in truth.items()}
    return {"logits": far.pop("logits"), "gradients": max(far.values())}


def compared(name: str, dtype: torch.dtype) -> dict[str, Any]:
    """One model's distances, of peft's layers and of the kernels in `dtype`."""
    base = presets.PRESETS[name].base
    truth, plain = (step(adapted(base, each), each) for each in (torch.float32, dtype))
    model = adapted(base, dtype)
    used = use_kernels(model, base)
    swiglu.torch = counter = OnCpu()
    kernels = step(model, dtype)
    told = {
        "used": used,
        "launched": counter.made,
        "tied": model.config.tie_word_embeddings,
        "tensors": len(truth),
    }
    told["biases"] = sorted(
        {key.split(".")[-3] for key, _ in model.named_parameters() if key.endswith("bias")}
    )
    return {**told, "peft": distance(plain, truth), "kernels": distance(kernels, truth)}


if __name__ == "__main__":
    print(json.dumps({name: compared(name, getattr(torch, sys.argv[1])) for name in MODELS}))
