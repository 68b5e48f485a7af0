"""Computes logits only for the tokens that are trained. In a KLUE-NLI example, these are only about
3 of 90 tokens. The logits of one token cost a multiplication with the whole language model head.

TRL's `chunked_nll` (1.9, `trl.trainer.sft_trainer._patch_chunked_ce_lm_head`) does the same. It is
not used for two reasons. It makes a float32 copy of the head, a gigabyte for Llama 3.2 1B. It also
reads the head's weights directly and so ignores a layer around the head, for example LoRA. Axolotl
(0.19) has no function for this."""

import os
from functools import wraps
from typing import Any

# The supported model classes. Their forward() consists of the backbone, `lm_head` and possibly a
# soft cap on the logits. Their loss is next-token cross-entropy. For each class, a test compares
# losses and gradients with those of the unpatched model.
KNOWN = (
    "LlamaForCausalLM",
    "MistralForCausalLM",
    "Qwen2ForCausalLM",
    "Qwen3ForCausalLM",
    "Gemma3ForCausalLM",
)
CHUNK = 256  # the number of trained tokens whose logits are in memory at a time
IGNORED = -100  # the label of a token that is not trained
# Environment variables with which Axolotl or a launcher makes accelerate split the weights.
SPLIT = ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED")


def only_where_trained(model: Any) -> bool:
    """Patch a model so that its loss is computed only from the logits of trained tokens. The model
    may have a peft adapter. After the patch, the output of a call with labels has no logits.

    Returns whether the model was patched. A model whose class is not in KNOWN, or whose weights are
    split, is not changed."""
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
    """Whether FSDP or DeepSpeed splits the weights across processes.

    Then the processes would have to gather the head for every chunk, all equally often. But their
    batches have different numbers of chunks, so training would fail or hang."""
    return any(os.environ.get(name, "").lower() not in ("", "0", "false") for name in SPLIT)


def _with_loss(model: Any, labels: Any, number: Any, named: dict[str, Any]) -> Any:
    """The model's output, with the loss over the trained tokens and without logits.

    The loss is the sum of the tokens' losses divided by `number`, as in transformers (5.16,
    loss/loss_utils.py). If `number` is None, it is their mean. It is 0 if no token is trained.
    `named`: the other arguments of forward()."""
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
    """The indices of the trained tokens among the labels `targets` [tokens]."""
    return (targets != IGNORED).nonzero().squeeze(1)


def _sum(model: Any, hidden: Any, targets: Any) -> Any:
    """The sum of the cross-entropy of `targets` [tokens] given `hidden` [tokens, hidden size], in
    float32.

    If there is more than one chunk, the backward pass computes the logits of each chunk again. So
    the logits of only one chunk are in memory at a time."""
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
