"""Small models of several classes with random weights and the quickstart model's tokenizer, behind
lm_eval's HF model class."""

from functools import cache
from typing import Any

from kotune.models import presets
from kotune.score.model import harness_model
from kotune.train.upstream import float32_softmax_arguments

WINDOW = 8  # ids that a sliding layer sees
SLIDING = ["sliding_attention", "full_attention", "sliding_attention"]
KINDS: dict[str, dict[str, Any]] = {
    "llama": {},
    "qwen2": {},
    "qwen3": {},
    "gemma3_text": {"sliding_window": WINDOW, "layer_types": SLIDING},
}


@cache
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    preset = presets.PRESETS["quickstart-llama"]
    assert preset.template
    made = AutoTokenizer.from_pretrained(preset.base)
    made.chat_template = preset.template.read_text(encoding="utf-8")
    return made


def made(kind: str, **more: Any) -> Any:
    """A model of transformers' `kind`, three layers deep. Its weights are large, so that its
    answers are far apart."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(3)
    config = AutoConfig.for_model(
        kind,
        vocab_size=len(tokenizer()),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        initializer_range=0.3,
        pad_token_id=0,
        **more,
    )
    return AutoModelForCausalLM.from_config(config).eval()


@cache
def model(kind: str) -> Any:
    return made(kind, **KINDS[kind])


def plain(model: Any, **more: Any) -> Any:
    """lm_eval's own."""
    from lm_eval.models.huggingface import HFLM

    return HFLM(
        pretrained=model,
        tokenizer=tokenizer(),
        **{"batch_size": 4, **float32_softmax_arguments(), **more},
    )


def ours(model: Any, batch_size: int = 2, max_length: int | None = None) -> Any:
    """That of a run."""
    made = harness_model(model, tokenizer())
    made.batch_size_per_gpu, made._max_length = batch_size, max_length
    return made
