"""The language model head where a token is trained, and nowhere else: an answer of KLUE-NLI is 3
tokens of some 90, and each other one would cost as many products as the vocabulary has words.

The same is TRL's `chunked_nll` (1.9, `trl.trainer.sft_trainer._patch_chunked_ce_lm_head`). It is
not used: it multiplies with a copy of the head in float32, a gigabyte for Llama 3.2 1B, and reads
the head's weights itself, past whatever wraps them. Axolotl (0.19) has neither."""

import os
from functools import wraps
from typing import Any

# Classes whose forward() is the backbone, `lm_head` and a soft cap, if any, and whose loss is
# cross-entropy of the next token. Of each the test compares losses and gradients with its own.
KNOWN = (
    "LlamaForCausalLM",
    "MistralForCausalLM",
    "Qwen2ForCausalLM",
    "Qwen3ForCausalLM",
    "Gemma3ForCausalLM",
)
CHUNK = 256  # trained tokens whose logits are in memory at a time
IGNORED = -100  # the label of a token that is not trained
# Variables with which Axolotl, or a launcher, tells accelerate that weights are split.
SPLIT = ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED")


def only_where_trained(model: Any) -> bool:
    """Let the loss of a model, with or without an adapter of peft, be computed from the logits of
    trained tokens alone; its output has no logits then. False, and nothing is changed, for a class
    that is not among KNOWN, or where weights are split."""
    if is_split():
        return False
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    if type(base).__name__ not in KNOWN:
        return False
    plain = base.forward

    @wraps(plain)
    def forward(
        *arguments: Any, labels: Any = None, num_items_in_batch: Any = None, **named: Any
    ) -> Any:
        if arguments or labels is None or "shift_labels" in named or named.get("logits_to_keep"):
            more = {} if num_items_in_batch is None else {"num_items_in_batch": num_items_in_batch}
            return plain(*arguments, labels=labels, **more, **named)
        return _with_loss(base, labels, num_items_in_batch, named)

    base.forward = forward
    return True


def is_split() -> bool:
    """Whether FSDP or DeepSpeed splits the weights across processes. A head that is split is
    gathered each time it is computed, which all processes must do equally often. Their batches have
    different numbers of chunks, so that they would fail or hang."""
    return any(os.environ.get(name, "").lower() not in ("", "0", "false") for name in SPLIT)


def _with_loss(model: Any, labels: Any, number: Any, named: dict[str, Any]) -> Any:
    """The model's output with the loss: of trained tokens the mean, or the sum by `number`, as
    transformers (5.16, loss/loss_utils.py) has it; 0 where none is trained."""
    from transformers.modeling_outputs import CausalLMOutputWithPast

    named.pop("logits_to_keep", None)
    outputs = model.model(**named)
    hidden = outputs.last_hidden_state[:, :-1].flatten(0, 1)
    targets = labels[:, 1:].to(hidden.device).flatten()
    chosen = positions(targets)
    total = _sum(model, hidden[chosen], targets[chosen])
    number = len(chosen) if number is None else number
    return CausalLMOutputWithPast(
        loss=total / (number.clamp(min=1) if hasattr(number, "clamp") else max(number, 1)),
        past_key_values=outputs.past_key_values,
        hidden_states=outputs.hidden_states,
        attentions=outputs.attentions,
    )


def positions(targets: Any) -> Any:
    """Which of these tokens are trained."""
    return (targets != IGNORED).nonzero().squeeze(1)


def _sum(model: Any, hidden: Any, targets: Any) -> Any:
    """Cross-entropy of `targets` [tokens], after `hidden` [tokens, size]: its sum, in float32. The
    logits of a chunk are computed anew for its gradient, unless there is one chunk alone."""
    from torch.utils.checkpoint import checkpoint

    if len(targets) <= CHUNK:
        return _loss(model, hidden, targets)
    pieces = zip(hidden.split(CHUNK), targets.split(CHUNK), strict=True)
    return sum(checkpoint(_loss, model, *piece, use_reentrant=False) for piece in pieces)


def _loss(model: Any, hidden: Any, targets: Any) -> Any:
    from torch.nn.functional import cross_entropy

    logits = model.lm_head(hidden)
    if cap := getattr(model.config, "final_logit_softcapping", None):
        logits = (logits / cap).tanh() * cap
    return cross_entropy(logits.float(), targets, reduction="sum")
