"""Base and tuned are scored by lm-evaluation-harness in one process with one model load: the adapter is switched off
for base. Same items, same prompts, same batch shapes; the base has the precision that the adapter was trained on.
"""

import json
import math
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from kotune.harness import load_task
from kotune.precision import hold_kernels, loading
from kotune.run import write_json, write_text

BATCH_SIZE = 32
VARIANTS = ("base", "tuned")


def score(root: Path, tasks: dict[str, Path | None], precision: str, limit: int | None) -> dict[str, Any]:
    """Write `samples/<variant>/<task>.jsonl` and return scores.json's content.

    `tasks` maps a task to its local data folder (None: the hub); `precision` is `nf4` or a torch dtype's name.
    """
    model = load_model(root, precision)
    scores: dict[str, Any] = {}
    for name, path in tasks.items():
        task = load_task(name, path)
        scores[name] = {}
        for variant in VARIANTS:
            with model.model.disable_adapter() if variant == "base" else nullcontext():
                result = task.evaluate(model, limit)
            samples = result["samples"][name]
            write_samples(root / "samples" / variant / f"{name}.jsonl", samples)
            scores[name]["n"] = len(samples)
            scores[name][variant] = metrics(result["results"][name])
    write_json(root / "scores.json", scores)
    return scores


def load_model(root: Path, precision: str) -> Any:
    """lm-eval's HF model around base + adapter, with the tokenizer and template that were saved with the adapter."""
    from lm_eval.models.huggingface import HFLM
    from peft import PeftModel
    from transformers import AutoTokenizer

    adapter = root / "model"
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(adapter)
    base = load_base(config["base_model_name_or_path"], precision)
    model = PeftModel.from_pretrained(base, str(adapter)).eval()
    return HFLM(pretrained=model, tokenizer=tokenizer, batch_size=BATCH_SIZE)


def load_base(base: str, precision: str) -> Any:
    """The base model on the GPU where there is one, in the precision and with the kernels that training used."""
    import torch
    from transformers import AutoModelForCausalLM

    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    model = AutoModelForCausalLM.from_pretrained(base, device_map={"": device}, **loading(precision))
    hold_kernels(model)
    return model.eval()


def metrics(result: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    """lm-eval's `acc,none` / `acc_stderr,none` pairs as {metric: {value, stderr}}; stderr is null where it has none."""
    values = {}
    for key, value in result.items():
        name, _, filtered = key.partition(",")
        if not filtered or name.endswith("_stderr"):
            continue
        stderr = result.get(f"{name}_stderr,{filtered}")
        known = isinstance(stderr, float) and math.isfinite(stderr)
        values[name] = {"value": float(value), "stderr": stderr if known else None}
    return values


def write_samples(path: Path, samples: list[dict[str, Any]]) -> None:
    """One line an item: guid, hashes of document, prompt and target, prediction, gold and the metrics' ingredients."""
    lines = [json.dumps(_sample(sample), ensure_ascii=False) for sample in samples]
    write_text(path, "\n".join(lines) + "\n")


def _sample(sample: dict[str, Any]) -> dict[str, Any]:
    kept = {key: sample[key] for key in ("doc_id", "doc_hash", "prompt_hash", "target_hash")}
    likelihoods = [response[0] for response in sample["filtered_resps"]]
    prediction = max(range(len(likelihoods)), key=likelihoods.__getitem__)
    names = {key: value for key, value in sample["doc"].items() if key in ("guid", "source")}
    return {**names, **kept, "prediction": prediction, "gold": sample["target"], "logprobs": likelihoods}
