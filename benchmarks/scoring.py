"""Compares log-likelihoods with shared contexts with lm_eval's own HF model, in one process with
one model load. Base and tuned are scored; the measurements alternate, and the best CPU seconds of
one thread count.

The quickstart models score a whole task, including requests and tokenization. Each choice is one
token there, which lm_eval also reads once. A random model of Llama 3.2 1B's shape with fewer layers
scores random ids with klue_nli_ko's lengths for Llama 3: a context and, for each choice, the
template's line end and two tokens. There the vocabulary of 128,256 words dominates the cost."""

import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.table import Figure, show
from benchmarks.tasks import bare
from kotune.models import presets
from kotune.score.harness import load_task
from kotune.score.model import BATCH_SIZE, harness_model
from kotune.train.upstream import float32_softmax_arguments

os.environ["HF_HUB_OFFLINE"] = "1"  # before the hub's library is imported

MODELS = ("quickstart-llama", "quickstart-deepseek")
TASK, LIMIT, ROUNDS = "nli_sample_ko", 300, 3
LAYERS, ITEMS, CONTEXT = 2, 8, 88
NATS = 1e-4  # in float32
Answers = list[tuple[float, bool]]
Work = Callable[[Any], Answers]


class Compared(NamedTuple):
    """CPU seconds of both, and the differences of their answers."""

    ours: float
    plain: float
    nats: float
    greedy: int  # answers whose flag "most likely" differs


def with_adapter(model: Any) -> Any:
    """A LoRA adapter of random numbers on all linear layers."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=16, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False
    )
    return get_peft_model(model, config).eval()


def compared(model: Any, tokenizer: Any, work: Work, rounds: int) -> Compared:
    """Both do the same work, for base and tuned."""
    from lm_eval.models.huggingface import HFLM

    ours = harness_model(model, tokenizer)
    plain = HFLM(
        pretrained=model, tokenizer=tokenizer, batch_size=BATCH_SIZE, **float32_softmax_arguments()
    )
    seconds: dict[int, list[float]] = {id(ours): [], id(plain): []}
    answers: dict[int, Answers] = {}
    for _ in range(rounds):
        for lm in (ours, plain):
            begun = time.process_time()
            with model.disable_adapter():
                base = work(lm)
            answers[id(lm)] = base + work(lm)
            seconds[id(lm)].append(time.process_time() - begun)
    pairs = [*zip(answers[id(ours)], answers[id(plain)], strict=True)]
    apart = max(abs(a - b) for (a, _), (b, _) in pairs)
    return Compared(
        min(seconds[id(ours)]),
        min(seconds[id(plain)]),
        apart,
        sum(a != b for (_, a), (_, b) in pairs),
    )


def quickstart(name: str) -> Compared:
    """A quickstart model on a task of the shipped data."""
    model, tokenizer = bare(name)
    task = load_task(TASK)

    def work(lm: Any) -> Answers:
        samples = task.evaluate(lm, LIMIT)["samples"][TASK]
        return [answer for sample in samples for answer in sample["filtered_resps"]]

    return compared(with_adapter(model), tokenizer, work, ROUNDS)


def large_vocabulary() -> Compared:
    """A random model of a real shape on random ids."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig

    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=128_256,
        hidden_size=2048,
        intermediate_size=8192,
        num_hidden_layers=LAYERS,
        num_attention_heads=32,
        num_key_value_heads=8,
        head_dim=64,
        tie_word_embeddings=True,
    )
    model = with_adapter(AutoModelForCausalLM.from_config(config))
    line_end, *words = torch.randint(config.vocab_size, (1 + 6,)).tolist()
    contexts = torch.randint(config.vocab_size, (ITEMS, CONTEXT)).tolist()
    choices = [[line_end, *words[i : i + 2]] for i in (0, 2, 4)]
    requests = [(None, context, choice) for context in contexts for choice in choices]
    tokenizer = AutoTokenizer.from_pretrained(presets.find(MODELS[0], None).base)
    return compared(
        model, tokenizer, lambda lm: list(lm._loglikelihood_tokens(requests, disable_tqdm=True)), 1
    )


def figures(name: str, result: Compared, most: float) -> list[Figure]:
    nats = 1e6 * result.nats
    return [
        Figure(f"{name}: ours", result.ours, "CPU s"),
        Figure(f"{name}: plain lm_eval", result.plain, "CPU s"),
        Figure(f"{name}: ours / plain", result.ours / result.plain, most=most),
        Figure(f"{name}: log-likelihoods differ by", nats, "millionths of a nat", most=1e6 * NATS),
        Figure(f"{name}: most likely or not, changed", result.greedy, "answers", most=0),
    ]


if __name__ == "__main__":
    import torch

    # Several wait for each other where the machine has other work, which counts as theirs.
    torch.set_num_threads(1)
    rows = [
        row for name in MODELS for row in figures(f"{name}, {LIMIT} items", quickstart(name), 1.0)
    ]
    rows += figures(
        f"Llama 3.2 1B's shape, {LAYERS} layers, {ITEMS} items", large_vocabulary(), 0.35
    )
    show(f"Base and tuned, batches of {BATCH_SIZE}", rows)
