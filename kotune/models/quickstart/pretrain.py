"""Makes one quickstart model from scratch: the tokenizer, the configuration, and weights pretrained
on generated Korean.

The seed determines the corpus, the initial weights and the order of batches. The corpus does not
contain the task on which the model is tuned and scored (see corpus.py). Pretraining takes about 25
minutes on one CPU core.

    python -m kotune.models.quickstart.pretrain llama --out kotune/models/quickstart_llama
    python -m kotune.models.quickstart.pretrain qwen --out kotune/models/quickstart_deepseek
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterator
from importlib.resources import files
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kotune.models.quickstart import corpus, vocabulary

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

SEED = 42
TOKENS_PER_BATCH = 960
POOL = 1024  # documents that are sorted by length together, so that batches need little padding
LEARNING_RATE = 3e-3
INITIAL_DEVIATION = 0.08  # standard deviation of initial weights
TEXT_WEIGHT = 0.1  # weight in the loss of a token outside answers; a token of an answer has 1

# Each stage has the relative frequencies of document kinds, and the number of steps.
STAGES = ((corpus.FINDING, 5000), (corpus.JUDGING, 5000))
STEPS = sum(steps for _, steps in STAGES)

SHAPE: dict[str, Any] = {
    "vocab_size": vocabulary.VOCABULARY_SIZE,
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 2048,
}
TEMPLATES = {"llama": "llama3.jinja", "qwen": "deepseek_r1.jinja"}


class Row(NamedTuple):
    """A document as token ids, with the weight of each id in the loss."""

    ids: list[int]
    weights: list[float]


def config_of(name: str, tokenizer: PreTrainedTokenizerFast) -> PretrainedConfig:
    """The model's configuration. `name`: `llama` or `qwen`. As in the real models, Llama's output
    layer is tied to the embedding and Qwen2's is not."""
    from transformers import LlamaConfig, Qwen2Config

    make, tied = (LlamaConfig, True) if name == "llama" else (Qwen2Config, False)
    return make(
        **SHAPE,
        tie_word_embeddings=tied,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


class Encoder:
    """Converts documents to rows, with the chat template of the model family `name`. `opening`: the
    token ids with which the template begins an answer."""

    def __init__(self, name: str, tokenizer: PreTrainedTokenizerFast) -> None:
        self.tokenizer = tokenizer
        self.template = (
            files("kotune.models").joinpath("templates", TEMPLATES[name]).read_text("utf-8")
        )
        closed, opened = (self.rendered((("x",),), opens) for opens in (False, True))
        self.opening = self.encoded(opened.removeprefix(closed))

    def rendered(self, turns: tuple[tuple[str, ...], ...], opens: bool = False) -> str:
        """The turns as text, rendered with the chat template. If `opens` is true, the text ends
        with the beginning of an answer that follows."""
        messages = [
            {"role": role, "content": content}
            for turn in turns
            for role, content in zip(("user", "assistant"), turn, strict=False)
        ]
        text = self.tokenizer.apply_chat_template(
            messages, chat_template=self.template, tokenize=False, add_generation_prompt=opens
        )
        return str(text)

    def encoded(self, text: str) -> list[int]:
        """The token ids of a text. No BOS token is added, because the template writes it."""
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def row(self, document: corpus.Document) -> Row:
        """The row of a document. All tokens of answers have weight 1, including the token that ends
        an answer. The first token of each word in corpus.POLAR also has weight 1, wherever it
        occurs. All other tokens have weight TEXT_WEIGHT."""
        if document.text:  # an answer is the line after a question mark
            ids = [*self.tokenizer.encode(document.text), int(self.tokenizer.eos_token_id or 0)]
            opening, closing = self.encoded("?\n"), self.encoded("\n")
        else:
            ids, opening = self.encoded(self.rendered(document.turns)), self.opening
            closing = [int(self.tokenizer.eos_token_id or 0)]
        answers = {
            self.encoded(prefix + word)[0] for prefix in ("", " ") for word in corpus.POLAR.values()
        }
        weights, answering = [], False
        for index, token in enumerate(ids):
            weights.append(1.0 if answering or token in answers else TEXT_WEIGHT)
            if [token] == closing:
                answering = False
            elif ids[index + 1 - len(opening) : index + 1] == opening:
                answering = True
        return Row(ids, weights)


def batches(encoder: Encoder, seed: int, shares: tuple[int, ...]) -> Iterator[list[Row]]:
    """An endless sequence of batches. The rows of a batch have similar lengths. With padding, a
    batch has at most TOKENS_PER_BATCH tokens."""
    rng, stream = random.Random(seed), corpus.documents(seed, shares)
    while True:
        unsorted = [encoder.row(document) for document in islice(stream, POOL)]
        rows = sorted(unsorted, key=lambda row: len(row.ids))
        pool: list[list[Row]] = [[]]
        for row in rows:
            if (len(pool[-1]) + 1) * len(row.ids) > TOKENS_PER_BATCH:
                pool.append([])
            pool[-1].append(row)
        rng.shuffle(pool)
        yield from pool


def loss_of(model: PreTrainedModel, rows: list[Row], pad: int) -> torch.Tensor:
    """The weighted mean next-token loss of a batch. Rows are padded on the right, so causal
    attention needs no mask."""
    import torch
    from torch.nn import functional

    width = max(len(row.ids) for row in rows)
    ids = torch.tensor([row.ids + [pad] * (width - len(row.ids)) for row in rows])
    weights = torch.tensor([row.weights + [0.0] * (width - len(row.ids)) for row in rows])[
        :, 1:
    ].flatten()
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1].flatten(0, 1)
    is_real = weights > 0
    logits = model.lm_head(hidden[is_real])
    losses = functional.cross_entropy(logits, ids[:, 1:].flatten()[is_real], reduction="none")
    return (losses * weights[is_real]).sum() / weights.sum()


def initialize(model: PreTrainedModel) -> None:
    """Initialize the weights of the attention and MLP layers in place.

    They get random weights with a standard deviation of about 1 / sqrt(hidden size). The
    default of transformers, 0.02, is for larger models. Half of the heads get equal query and key
    matrices, so a token attends to its own earlier occurrences. This is mimetic initialization
    (Trockman and Kolter 2023, arXiv:2305.09828). With it, a small model learns to look up earlier
    text in far fewer steps."""
    import torch

    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() == 2 and "embed" not in name and "lm_head" not in name:
                weight.normal_(std=INITIAL_DEVIATION)
        for layer in model.model.layers:
            half = torch.randn(SHAPE["hidden_size"] // 2, SHAPE["hidden_size"])
            half *= INITIAL_DEVIATION
            layer.self_attn.q_proj.weight[: len(half)] = half
            layer.self_attn.k_proj.weight[: len(half)] = half


def share_of_rate(step: int) -> float:
    """The share of the peak learning rate at a step. It is the lower of a linear warm-up over 100
    steps and a linear decay to 0 over all steps."""
    return min((step + 1) / 100, 1.0 - step / STEPS)


def train(model: PreTrainedModel, encoder: Encoder) -> Iterator[int]:
    """Train the model in place through all STAGES. Prints the mean loss every 100 steps. Yields the
    number of each finished step."""
    import torch

    stages = [
        islice(batches(encoder, SEED + stage, shares), steps)
        for stage, (shares, steps) in enumerate(STAGES)
    ]

    pad, began, recent = int(encoder.tokenizer.pad_token_id or 0), time.monotonic(), 0.0
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share_of_rate)
    for step, rows in enumerate(chain(*stages), start=1):
        loss = loss_of(model, rows, pad)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        recent += loss.item() / 100
        if step % 100 == 0:
            print(f"step {step}  loss {recent:.4f}  {time.monotonic() - began:.0f} s", flush=True)
            recent = 0.0
        yield step


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Save the weights in float32, the configuration and the tokenizer in one folder."""
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    file = out / "tokenizer_config.json"
    settings = json.loads(file.read_text("utf-8"))
    # Every version of transformers has a class of this name.
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    text = json.dumps(settings, ensure_ascii=False, indent=2) + "\n"
    file.write_text(text, encoding="utf-8")


def main() -> None:
    """Pretrain a model with the options of the command line, and save it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=sorted(vocabulary.FAMILIES), help="the model family")
    parser.add_argument("--out", type=Path, required=True, help="the folder to save to")
    parser.add_argument(
        "--every", type=int, help="also save after every EVERY steps, to the folder OUT-STEP"
    )
    arguments = parser.parse_args()
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(1)  # the number of threads affects sums, and so the weights
    torch.manual_seed(SEED)
    tokenizer = vocabulary.build(vocabulary.FAMILIES[arguments.name])
    model = AutoModelForCausalLM.from_config(config_of(arguments.name, tokenizer))
    initialize(model)
    print(f"{model.num_parameters():,} parameters", flush=True)
    encoder = Encoder(arguments.name, tokenizer)
    for step in train(model, encoder):
        if arguments.every and step % arguments.every == 0:
            save(model, tokenizer, arguments.out.with_name(f"{arguments.out.name}-{step}"))
    save(model, tokenizer, arguments.out)


if __name__ == "__main__":
    main()
