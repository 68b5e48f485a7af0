"""The precision of the base weights: recorded in training, restored in scoring.

An adapter is scored on a base model with the same precision as in training. With another precision,
the base model would be a different model."""

from typing import Any


def base_precision(model: Any) -> str:
    """`nf4` for a 4-bit base, otherwise the dtype of its frozen weights (`float32`, ...)."""
    if any(hasattr(weight, "quant_state") for weight in model.parameters()):
        return "nf4"
    frozen = next(weight for weight in model.parameters() if not weight.requires_grad)
    return str(frozen.dtype).removeprefix("torch.")


def compute_dtype(model: Any) -> str:
    """The dtype in which 4-bit layers compute. Without 4-bit layers, the dtype of the frozen
    weights."""
    layers = [layer for layer in model.modules() if hasattr(layer, "compute_dtype")]
    return str(layers[0].compute_dtype).removeprefix("torch.") if layers else base_precision(model)


def loading(precision: str, compute: str) -> dict[str, Any]:
    """Arguments of `from_pretrained` for a base precision. `nf4` is quantized as in Axolotl's
    QLoRA. Otherwise the dtype is `compute`, where `auto` is the dtype of the stored weights."""
    import torch
    from transformers import BitsAndBytesConfig

    dtype = compute if compute == "auto" else getattr(torch, compute)
    if precision != "nf4":
        return {"dtype": dtype}
    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
    return {"quantization_config": quantization, "dtype": dtype}
