"""4-bit layers keep their gradient after an evaluation, on every CPU."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")
bitsandbytes = pytest.importorskip("bitsandbytes")

from kotune.train.precision import base_precision, compute_dtype, loading  # noqa: E402
from kotune.train.upstream import hold_kernels  # noqa: E402


def layer(bias: bool) -> Any:
    """One NF4 layer with random weights."""
    torch.manual_seed(0)
    made = bitsandbytes.nn.Linear4bit(
        64, 64, bias=bias, compute_dtype=torch.float32, quant_type="nf4"
    )
    made.load_state_dict(torch.nn.Linear(64, 64, bias=bias).state_dict())
    made.requires_grad_(False)
    return made.to("cpu")


def gradient(made: Any) -> Any:
    """The input's gradient of one training step."""
    given = torch.ones(2, 64, requires_grad=True)
    made.train()(given * 2).sum().backward()
    return given.grad


@pytest.mark.parametrize("bias", [False, True])
def test_evaluating_a_held_layer_changes_neither_its_output_nor_its_gradient(bias: bool) -> None:
    held = layer(bias)
    hold_kernels(held)
    expected = gradient(held)
    with torch.no_grad():
        trained = held.train()(torch.ones(2, 64))
        assert torch.equal(held.eval()(torch.ones(2, 64)), trained)
    assert torch.equal(gradient(held), expected)
    assert expected.abs().sum() > 0


def test_precision_is_read_from_the_weights_and_names_how_to_load_them() -> None:
    linear = torch.nn.Linear(4, 4).requires_grad_(False)
    assert base_precision(linear) == "float32"
    assert base_precision(linear.to(torch.bfloat16)) == "bfloat16"
    assert base_precision(layer(False)) == "nf4"
    assert (compute_dtype(linear), compute_dtype(layer(False))) == ("bfloat16", "float32")
    assert loading("bfloat16", "bfloat16") == {"dtype": torch.bfloat16}
    quantization = loading("nf4", "float16")["quantization_config"]
    assert (quantization.bnb_4bit_quant_type, quantization.bnb_4bit_compute_dtype) == (
        "nf4",
        torch.float16,
    )
