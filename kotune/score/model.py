"""The models that are scored: base and adapter behind lm-evaluation-harness's own HF class, in the
precision of training."""

from copy import deepcopy
from pathlib import Path
from typing import Any

from kodata.scored import opened_thought
from kotune import layout
from kotune.errors import StageError
from kotune.models import generation, sizes
from kotune.models.adapters import refuse_saved
from kotune.models.loading import config_of, model_errors
from kotune.models.refusals import CONFIG
from kotune.score import batches, shared, turns
from kotune.train.precision import loading
from kotune.train.upstream import exact_softmax, hold_kernels
from kotune.worker import bounds

BATCH_SIZE = 32
ATTENTION = "sdpa"  # never what a model's config.json names; on a CPU training has the same
TOKEN_IDS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")


def load_model(root: Path, base: dict[str, str | None]) -> Any:
    """lm-eval's HF model around base + adapter, with the tokenizer and template that were saved
    with the adapter. The base is what the recipe says: adapter_config.json, which names one too,
    may be a stranger's."""
    from peft import PeftModel
    from transformers import AutoTokenizer

    adapter, name = root / layout.MODEL, f"{root.name}/{layout.MODEL}"
    refuse_saved(name, adapter)
    with model_errors(name, "its tokenizer cannot be loaded"), bounds.tokenizing():
        # A stranger's need not be the one that was proven: its rules could double each text as
        # often as they like.
        tokenizer = bounds.bound_tokenizer(
            AutoTokenizer.from_pretrained(adapter, trust_remote_code=False)
        )
    plain = load_base(str(base["model"]), base)
    before = _digests(plain)
    with model_errors(
        name, "its adapter cannot be loaded", "move the run folder away and run again"
    ):
        model = PeftModel.from_pretrained(plain, str(adapter)).eval()
    _refuse_changed(name, before)
    return harness_model(model, tokenizer)


def _digests(base: Any) -> dict[str, tuple[Any, int]]:
    """Each tensor of a model with a digest of its numbers: a tenth of a second for each GB,
    measured on a CPU."""
    return {
        name: (tensor, _digest(tensor)) for name, tensor in base.state_dict(keep_vars=True).items()
    }


def _digest(tensor: Any) -> int:
    import torch
    from xxhash import xxh3_128_intdigest

    return xxh3_128_intdigest(tensor.detach().reshape(-1).view(torch.uint8).cpu().numpy())


def _refuse_changed(name: str, before: dict[str, tuple[Any, int]]) -> None:
    """StageError where an adapter put other numbers into the base model: they would stay when it is
    switched off. peft (0.20) does so for some ways to begin an adapter, and for whatever tensor of
    the base stands in the adapter's file."""
    if changed := [key for key, (tensor, digest) in before.items() if _digest(tensor) != digest]:
        raise StageError(
            f"model {name}: its adapter changes {len(changed):,} tensors of the base model"
            f" ({changed[0]}, ...), which would then be scored as the base; move the run folder"
            " away and run again"
        )


def harness_model(model: Any, tokenizer: Any) -> Any:
    """lm-eval's HF model around one that is loaded. An answer whose thought the template opened
    (DeepSeek's own does) has the tag before it: else a thought that was cut off would be read as
    the answer. Answers have batches of their own (kotune.score.batches): `written` says of which
    sizes they were, the last time."""

    class HarnessModel(shared.model_class(turns.model_class())):  # type: ignore[misc]
        most = batches.MOST
        written: list[int]
        batch_size_per_gpu: int

        def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
            answers, self.written, reading = [""] * len(requests), [], self.batch_size_per_gpu
            for size, numbers in batches.parts(self, requests, self.most).items():
                self.batch_size_per_gpu = size = min(size, self.most)
                found = super().generate_until(
                    [requests[number] for number in numbers], disable_tqdm
                )
                if self.batch_size_per_gpu < size:  # it ran out of memory
                    self.most = self.batch_size_per_gpu
                for number, answer in zip(numbers, found, strict=True):
                    answers[number] = opened_thought(requests[number].args[0]) + answer
            self.batch_size_per_gpu = reading
            return answers

    return HarnessModel(
        pretrained=model, tokenizer=tokenizer, batch_size=BATCH_SIZE, **exact_softmax()
    )


def load_base(name: str, base: dict[str, str | None]) -> Any:
    """The base model on the GPU where there is one, in the precision and with the kernels that
    training used. StageError where its weights lack tensors, which transformers fills with random
    numbers."""
    import torch
    from transformers import AutoModelForCausalLM

    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    precision = loading(str(base["base_precision"]), str(base["compute_dtype"]))
    where = {"revision": base["model_revision"] or "main", "trust_remote_code": False}
    if file := generation.file_of(name, base["model_revision"], CONFIG):
        sizes.refuse(name, file.parent)  # before transformers reads it
    with model_errors(name, "its config.json cannot be used"):
        config = config_of(name, base["model_revision"])
    # As an argument, it would give way to config.json's own (transformers 5.16)
    config._attn_implementation = ATTENTION
    with model_errors(name, "it cannot be loaded"):
        if file:
            _refuse_larger(name, file.parent, config)
        model, loaded = AutoModelForCausalLM.from_pretrained(
            name,
            config=config,
            device_map={"": device},
            use_safetensors=True,
            output_loading_info=True,
            **where,
            **precision,
        )
    _refuse_missing(name, sorted(loaded["missing_keys"]))
    hold_kernels(model)
    _keep_only_tokens(model)
    # torch multiplies by a weight that could learn otherwise, to the last bit.
    return model.eval().requires_grad_(False)


def _refuse_larger(name: str, folder: Path, config: Any) -> None:
    """RecipeError for a model whose weights do not make it as large as it is, which is told by one
    on `meta`, without memory."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        made = AutoModelForCausalLM.from_config(deepcopy(config), trust_remote_code=False)
    elements = sum(tensor.numel() for tensor in (*made.parameters(), *made.buffers()))
    sizes.refuse_elements(name, elements, folder)


def _refuse_missing(name: str, missing: list[str]) -> None:
    """Tied weights are not among the missing ones: transformers has tied them before it tells."""
    if missing:
        first = ", ".join(missing[:3])
        raise StageError(
            f"model {name}: its weights lack {len(missing):,} tensors of the model"
            f" ({first}{', ...' * (len(missing) > 3)}), which would be random numbers; fetch the"
            " model again, or choose another"
        )


def _keep_only_tokens(model: Any) -> None:
    """How answers are written is the tasks' to say, for every model alike: of a model's own
    settings (repetition_penalty, temperature, max_time, ...) only the ids of its tokens stay.
    run.json says what else it asked for."""
    from transformers import GenerationConfig

    asked = model.generation_config
    ids = {name: getattr(asked, name) for name in TOKEN_IDS} if asked else {}
    model.generation_config = GenerationConfig(**ids)
