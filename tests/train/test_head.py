"""Losses and gradients are those of the whole head, for each class that is known, however few
tokens are trained."""

import os
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
peft = pytest.importorskip("peft")

from kotune.train import head  # noqa: E402

WORDS, LENGTH = 97, 40
SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": WORDS,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
}
MODELS: dict[str, Callable[[], Any]] = {
    "llama, tied": lambda: transformers.LlamaConfig(**SIZES, tie_word_embeddings=True),
    "llama": lambda: transformers.LlamaConfig(**SIZES, tie_word_embeddings=False),
    "mistral": lambda: transformers.MistralConfig(**SIZES, tie_word_embeddings=False),
    "qwen2": lambda: transformers.Qwen2Config(**SIZES, tie_word_embeddings=False),
    "qwen3, tied": lambda: transformers.Qwen3Config(**SIZES, tie_word_embeddings=True),
    "gemma3": lambda: transformers.Gemma3TextConfig(**SIZES, sliding_window=16),
    "gemma3, capped": lambda: transformers.Gemma3TextConfig(
        **SIZES, sliding_window=16, final_logit_softcapping=30.0
    ),
}
# Which tokens of two rows are trained.
TRAINED: dict[str, Callable[[Any], Any]] = {
    "answers": lambda at: (at >= LENGTH - 4) & (at < LENGTH - 1),
    "other lengths": lambda at: torch.stack([at[0] == 7, at[1] > 20]),
    "all": lambda at: at >= 0,
    "the first token, which nothing predicts": lambda at: at == 0,
}


def model(config: Any, dtype: Any = torch.float32) -> Any:
    torch.manual_seed(0)
    plain = transformers.AutoModelForCausalLM.from_config(config).to(dtype)
    lora = peft.LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    made = peft.get_peft_model(plain, lora)
    for name, tensor in made.named_parameters():
        if "lora_B" in name:  # else no gradient reaches A
            torch.nn.init.normal_(tensor, std=0.1)
    return made.train()


def batch(trained: Callable[[Any], Any]) -> dict[str, Any]:
    torch.manual_seed(1)
    ids, at = torch.randint(3, WORDS, (2, LENGTH)), torch.arange(LENGTH).expand(2, LENGTH)
    mask = torch.ones_like(ids)
    mask[0, 30:] = 0
    is_trained = trained(at) & ((mask == 1) | (at > 35))
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "labels": torch.where(is_trained, ids, head.IGNORED),
    }


def learned(made: Any, inputs: dict[str, Any], **more: Any) -> tuple[float, dict[str, Any]]:
    made.zero_grad()
    loss = made(**inputs, **more).loss
    loss.backward()
    return loss.item(), {
        name: tensor.grad for name, tensor in made.named_parameters() if tensor.grad is not None
    }


@pytest.mark.parametrize(
    "number", [None, 7, torch.tensor(7)], ids=["mean", "sum", "sum of a tensor"]
)
@pytest.mark.parametrize("chunk", [256, 3])
@pytest.mark.parametrize("config", MODELS)
@pytest.mark.few(12)
def test_losses_and_gradients_are_those_of_the_whole_head(
    config: str, chunk: int, number: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head, "CHUNK", chunk)
    more = {} if number is None else {"num_items_in_batch": number}
    plain, ours = model(MODELS[config]()), model(MODELS[config]())
    assert head.only_where_trained(ours)
    for name, trained in list(TRAINED.items())[:3]:
        wanted, gradients = learned(plain, batch(trained), **more)
        got, found = learned(ours, batch(trained), **more)
        assert got == pytest.approx(wanted, rel=1e-5), name
        assert gradients.keys() == found.keys()
        for key, gradient in gradients.items():
            assert torch.linalg.vector_norm(
                gradient - found[key]
            ) <= 1e-4 * torch.linalg.vector_norm(gradient), key


@pytest.mark.parametrize("config", ["llama, tied", "qwen2"])
@pytest.mark.few(1)
def test_adapters_are_the_same_after_sixty_steps(config: str) -> None:
    """Losses within 1e-5 of each other and adapters, by their norm, within 1e-4."""
    made = [model(MODELS[config]()) for _ in range(2)]
    assert head.only_where_trained(made[1])
    losses: list[list[float]] = []
    for each in made:
        torch.manual_seed(2)
        optimizer = torch.optim.AdamW(
            [tensor for tensor in each.parameters() if tensor.requires_grad], lr=1e-3
        )
        losses.append([])
        for step in range(60):
            ids = torch.randint(3, WORDS, (4, 24))
            labels = torch.where(torch.arange(24).expand(4, 24) >= 20 - step % 3, ids, head.IGNORED)
            losses[-1].append(learned(each, {"input_ids": ids, "labels": labels})[0])
            optimizer.step()
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    pairs = zip(made[0].named_parameters(), made[1].parameters(), strict=True)
    for (name, wanted), got in pairs:
        assert torch.linalg.vector_norm(wanted - got) <= 1e-4 * torch.linalg.vector_norm(wanted), (
            name
        )


@pytest.mark.parametrize(
    "more", [{}, *({"num_items_in_batch": number} for number in (7, 0, torch.tensor(0)))]
)
def test_a_batch_without_a_trained_token_costs_nothing_and_teaches_nothing(
    more: dict[str, Any],
) -> None:
    ours = model(MODELS["llama"]())
    assert head.only_where_trained(ours)
    loss, gradients = learned(
        ours, batch(TRAINED["the first token, which nothing predicts"]), **more
    )
    assert loss == 0
    assert gradients
    assert not any(gradient.any() for gradient in gradients.values())


def test_logits_are_those_of_trained_tokens_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, seen = model(MODELS["qwen2"]()), []
    assert head.only_where_trained(ours)
    ours.get_base_model().lm_head.register_forward_hook(
        lambda _, inputs, output: seen.append(len(output))
    )
    inputs = batch(TRAINED["answers"])
    ours(**inputs)
    assert seen == [int((inputs["labels"][:, 1:] != head.IGNORED).sum())]


def test_without_labels_a_model_answers_as_before_and_generates() -> None:
    plain, ours = (model(MODELS["llama"]()).eval() for _ in range(2))
    assert head.only_where_trained(ours)
    inputs = {key: value for key, value in batch(TRAINED["all"]).items() if key != "labels"}
    assert torch.equal(plain(**inputs).logits, ours(**inputs).logits)
    assert torch.equal(plain(inputs["input_ids"]).logits, ours(inputs["input_ids"]).logits)
    written = [made.generate(**inputs, max_new_tokens=3, do_sample=False) for made in (plain, ours)]
    assert torch.equal(*written)


def test_the_trainer_still_sees_that_the_model_takes_the_number_of_trained_tokens() -> None:
    import inspect

    ours = model(MODELS["llama"]()).get_base_model()
    before = inspect.signature(ours.forward)
    assert head.only_where_trained(ours)
    assert inspect.signature(ours.forward) == before


def test_a_class_that_is_not_known_is_left_alone() -> None:
    config = transformers.GPT2Config(n_embd=8, n_layer=1, n_head=2, vocab_size=WORDS)
    plain = transformers.AutoModelForCausalLM.from_config(config)
    assert not head.only_where_trained(plain)
    assert "forward" not in vars(plain)


@pytest.mark.parametrize("said", ["axolotl", *head.SPLIT])
def test_the_head_is_whole_where_weights_are_split(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen with two processes (gloo, torch's fully_shard with the head as a unit of its own, 1 and
    4 chunks): the plain head trained, ours broke off in the first backward pass."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    if said == "axolotl":
        trainer, dicts = (
            pytest.importorskip(f"axolotl.utils.{name}") for name in ("trainer", "dict")
        )
        trainer.prepare_optim_env(
            dicts.DictDefault(fsdp_version=2, fsdp_config={"reshard_after_forward": True})
        )
    else:
        os.environ[said] = "true"
    ours = model(MODELS["llama"]())
    assert not head.only_where_trained(ours)
    assert "forward" not in vars(ours.get_base_model())


def test_half_precision_is_that_of_the_whole_head() -> None:
    """As on a GPU: 16-bit weights under autocast."""
    plain, ours = (model(MODELS["qwen2"](), torch.bfloat16) for _ in range(2))
    assert head.only_where_trained(ours)
    with torch.autocast("cpu", torch.bfloat16):
        losses = [learned(made, batch(TRAINED["other lengths"]))[0] for made in (plain, ours)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
