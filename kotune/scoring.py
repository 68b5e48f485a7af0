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


def score(root: Path, tasks: dict[str, Path | None], base: dict[str, str | None], limit: int | None) -> None:
    """Write `samples/<variant>/<task>.jsonl` and, last, scores.json.

    `tasks` maps a task to its local data folder (None: the hub). `base` says how the base model is loaded: base_precision
    (`nf4` or a dtype's name), compute_dtype, and model_revision (the hub commit that was trained on, None for a folder).
    """
    model = load_model(root, base)
    scores: dict[str, Any] = {}
    for name, path in tasks.items():
        task = load_task(name, path)
        scores[name] = {"chance": task.chance}
        for variant in VARIANTS:
            with model.model.disable_adapter() if variant == "base" else nullcontext():
                result = task.evaluate(model, limit)
            samples = result["samples"][name]
            write_samples(root / "samples" / variant / f"{name}.jsonl", samples)
            scores[name]["n"] = len(samples)
            scores[name][variant] = metrics(result["results"][name])
    write_json(root / "scores.json", scores)


def load_model(root: Path, base: dict[str, str | None]) -> Any:
    """lm-eval's HF model around base + adapter, with the tokenizer and template that were saved with the adapter."""
    from lm_eval.models.huggingface import HFLM
    from peft import PeftModel
    from transformers import AutoTokenizer

    adapter = root / "model"
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(adapter)
    plain = load_base(config["base_model_name_or_path"], base)
    model = PeftModel.from_pretrained(plain, str(adapter)).eval()
    return HFLM(pretrained=model, tokenizer=tokenizer, batch_size=BATCH_SIZE)


def load_base(name: str, base: dict[str, str | None]) -> Any:
    """The base model on the GPU where there is one, in the precision and with the kernels that training used."""
    import torch
    from transformers import AutoModelForCausalLM

    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    precision = loading(str(base["base_precision"]), str(base["compute_dtype"]))
    model = AutoModelForCausalLM.from_pretrained(
        name, revision=base["model_revision"] or "main", device_map={"": device}, **precision
    )
    hold_kernels(model)
    return model.eval()


def metrics(result: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    """lm-eval's `acc,none` / `acc_stderr,none` pairs as {metric: {value, stderr}}; stderr is null where it has none."""
    values = {}
    for key, value in result.items():
        name, _, filtered = key.partition(",")
        if not filtered or name.endswith("_stderr"):
            continue
        values[name] = {"value": _finite(value), "stderr": _finite(result.get(f"{name}_stderr,{filtered}"))}
    return values


def _finite(value: Any) -> float | None:
    """A number that JSON can hold; None for lm-eval's "N/A" and for NaN (no whole premise under --limit)."""
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def write_samples(path: Path, samples: list[dict[str, Any]]) -> None:
    """One line an item: guid, hashes of document, prompt and target, prediction, gold and the metrics' ingredients."""
    lines = [json.dumps(_sample(sample), ensure_ascii=False) for sample in samples]
    write_text(path, "\n".join(lines) + "\n")


def _sample(sample: dict[str, Any]) -> dict[str, Any]:
    kept = {key: sample[key] for key in ("doc_id", "doc_hash", "prompt_hash", "target_hash")}
    names = {key: value for key, value in sample["doc"].items() if key in ("guid", "source")}
    metrics = {name: sample[name] for name in sample["metrics"] if isinstance(sample[name], (int, float))}
    return {**names, **kept, **_predicted(sample["filtered_resps"]), "gold": sample["target"], "metrics": metrics}


def _predicted(responses: list[Any]) -> dict[str, Any]:
    """The text that the model wrote, or the index of the likeliest choice and all log-likelihoods."""
    if isinstance(responses[0], str):
        return {"prediction": responses[0]}
    likelihoods = [response[0] for response in responses]
    return {"prediction": max(range(len(likelihoods)), key=likelihoods.__getitem__), "logprobs": likelihoods}
