"""The precision of the base model's weights. It is recorded in training and restored in scoring,
because the base model gives different outputs in another precision."""

from typing import Any


def base_precision(model: Any) -> str:
    """`nf4` for a 4-bit base model, otherwise the dtype of its frozen weights (`float32`, ...)."""
    if any(hasattr(weight, "quant_state") for weight in model.parameters()):
        return "nf4"
    frozen = next(weight for weight in model.parameters() if not weight.requires_grad)
    return str(frozen.dtype).removeprefix("torch.")


def compute_dtype(model: Any) -> str:
    """The dtype in which the 4-bit layers compute. For a model without 4-bit layers, the dtype of
    the frozen weights."""
    layers = [layer for layer in model.modules() if hasattr(layer, "compute_dtype")]
    return str(layers[0].compute_dtype).removeprefix("torch.") if layers else base_precision(model)


def loading(precision: str, compute: str) -> dict[str, Any]:
    """The arguments of `from_pretrained` that restore a precision.

    `precision`: a result of base_precision(). For `nf4`, weights are quantized as in Axolotl's
    QLoRA. `compute`: a result of compute_dtype(), or `auto` for the dtype of the stored weights."""
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
