"""Every tensor that torch makes, counted without making it: the peak of one training step of a
model far larger than memory."""

import weakref
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from kotune.plan.shapes import Shape
from kotune.train import head


class Peak(TorchDispatchMode):
    """Bytes of all storages alive, now and at most."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self._seen: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

    def add(self, tensor: torch.Tensor) -> None:
        """Count a tensor's storage until it is freed; views of it cost nothing."""
        storage = tensor.untyped_storage()
        if storage not in self._seen:
            self._seen[storage] = size = storage.nbytes()
            self.now += size
            self.most = max(self.most, self.now)
            weakref.finalize(storage, self._free, size)

    def _free(self, size: int) -> None:
        self.now -= size

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                self.add(tensor)
        return made


def on_meta(shape: Shape, kind: str, r: int = 16, targets: Any = "all-linear") -> Any:
    """A model of this shape with a LoRA adapter as Axolotl lays it, without memory. `kind`:
    transformers' name for it."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM

    more = {"attention_bias": shape.qkv_bias, "mlp_bias": shape.mlp_bias} if kind == "llama" else {}
    config = AutoConfig.for_model(
        kind,
        vocab_size=shape.vocab,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        tie_word_embeddings=shape.tied,
        use_cache=False,
        **more,
    )
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
        return get_peft_model(
            model, LoraConfig(r=r, lora_alpha=2 * r, target_modules=targets, task_type="CAUSAL_LM")
        )


def of_step(
    model: Any, batch: int, length: int, checkpointing: bool, trained: int, monkeypatch: Any
) -> tuple[int, int]:
    """Bytes of a meta model's parameters, and of the most that one training step under bf16
    autocast adds to them, of which so many tokens are `trained`: tensors without values do not tell
    which."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    monkeypatch.setattr(head, "positions", lambda _: torch.arange(trained))
    assert head.only_where_trained(model)

    if checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    model.train()
    peak = Peak()
    with FakeTensorMode(allow_non_fake_inputs=True):
        for parameter in _given_fake_tensors(model):
            peak.add(parameter)
        stored = peak.now
        ids = torch.zeros(batch, length, dtype=torch.long)
        with peak:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=ids).loss
            loss.backward()
    return stored, peak.most - stored


def of_answers(model: Any, batch: int, prompt: int, written: int) -> tuple[int, int]:
    """The most bytes that a meta model with its adapter adds to its parameters while it reads a
    padded batch of prompts, and then while it writes the last token of each answer, as
    transformers' generate() has it."""
    from torch._subclasses.fake_tensor import FakeTensorMode
    from transformers import DynamicCache

    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.float()  # as peft keeps it
    model.base_model.model.config._attn_implementation = "sdpa"
    peak = Peak()
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        for parameter in _given_fake_tensors(model.eval()):
            peak.add(parameter)
        stored, found = peak.now, []
        cache = DynamicCache(config=model.config)
        with peak:
            for length, number in (
                (prompt, prompt),
                (prompt + written - 1, written - 1),
                (prompt + written, 1),
            ):
                peak.most = peak.now
                ids, mask = (
                    torch.zeros(batch, size, dtype=torch.long) for size in (number, length)
                )
                told = {
                    "attention_mask": mask + 1,
                    "past_key_values": cache,
                    "use_cache": True,
                    "logits_to_keep": 1,
                }
                logits = (
                    model(input_ids=ids, **told).logits[:, -1].to(copy=True, dtype=torch.float32)
                )
                found.append(peak.most - stored)
                del logits
    return found[0], found[2]


def _given_fake_tensors(model: Any) -> list[torch.Tensor]:
    """The model's parameters, replaced in place by fake ones; a tied one stays tied."""
    made: dict[int, Any] = {}
    for module in model.modules():
        for held, kind in ((module._parameters, torch.nn.Parameter), (module._buffers, None)):
            for name, tensor in held.items():
                if tensor is not None and id(tensor) not in made:
                    fake = torch.empty(tensor.shape, dtype=tensor.dtype)
                    made[id(tensor)] = kind(fake, tensor.requires_grad) if kind else fake
                held[name] = None if tensor is None else made[id(tensor)]
    return list(model.parameters())
