"""The models that are scored: base and adapter behind lm-evaluation-harness's own HF class, in the precision of training."""

import json
from pathlib import Path
from typing import Any

from kodata.scored import opened
from kotune import layout
from kotune.train.precision import loading
from kotune.train.upstream import hold_kernels

BATCH_SIZE = 32


def load_model(root: Path, base: dict[str, str | None]) -> Any:
    """lm-eval's HF model around base + adapter, with the tokenizer and template that were saved with the adapter."""
    from peft import PeftModel
    from transformers import AutoTokenizer

    adapter = root / layout.MODEL
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(adapter, trust_remote_code=False)
    plain = load_base(config["base_model_name_or_path"], base)
    model = PeftModel.from_pretrained(plain, str(adapter)).eval()
    return harness_model(model, tokenizer)


def harness_model(model: Any, tokenizer: Any) -> Any:
    """lm-eval's HF model around one that is loaded. An answer whose thought the template opened (DeepSeek's own does) has
    the tag before it: else a thought that was cut off would be read as the answer."""
    from lm_eval.models.huggingface import HFLM

    class HarnessModel(HFLM):  # type: ignore[misc]
        def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
            answers = super().generate_until(requests, disable_tqdm)
            return [opened(request.args[0]) + answer for request, answer in zip(requests, answers, strict=True)]

    return HarnessModel(pretrained=model, tokenizer=tokenizer, batch_size=BATCH_SIZE)


def load_base(name: str, base: dict[str, str | None]) -> Any:
    """The base model on the GPU where there is one, in the precision and with the kernels that training used."""
    import torch
    from transformers import AutoModelForCausalLM

    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    precision = loading(str(base["base_precision"]), str(base["compute_dtype"]))
    model = AutoModelForCausalLM.from_pretrained(
        name, revision=base["model_revision"] or "main", device_map={"": device}, trust_remote_code=False,
        use_safetensors=True, **precision,
    )  # fmt: skip
    hold_kernels(model)
    return model.eval()
