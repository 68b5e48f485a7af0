"""Loads the models to be scored: the base model and the adapter, in the precision of training and
in lm-evaluation-harness's HF class. The class also records which generated answers ended."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

from kodata.scored import opened_thought
from kotune import layout
from kotune.errors import StageError
from kotune.models import generation, sizes
from kotune.models.adapters import refuse_saved
from kotune.models.loading import config_of, model_errors
from kotune.models.refusals import CONFIG
from kotune.score import batches, turns
from kotune.score.likelihood import shared
from kotune.train.precision import loading
from kotune.train.upstream import float32_softmax_arguments, hold_kernels
from kotune.worker import bounds

BATCH_SIZE = 32
# The attention implementation of transformers. It overrides the one in config.json. Training on a
# CPU uses it, too.
ATTENTION = "sdpa"
TOKEN_IDS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")


def load_model(root: Path, base: dict[str, str | None], is_tuned: bool = True) -> Any:
    """lm-eval's HF model with the base model and the adapter of the run folder `root`. Tokenizer
    and template are those saved with the adapter. `base`: as in scoring.score(). `is_tuned`:
    whether there is an adapter.

    The base model is the one that the recipe names. The base model that adapter_config.json names
    is ignored, because that file may be untrusted. Raises StageError if a part cannot be loaded."""
    from peft import PeftModel
    from transformers import AutoTokenizer

    adapter, name = root / layout.MODEL, f"{root.name}/{layout.MODEL}"
    refuse_saved(name, adapter, is_tuned)
    with model_errors(name, "its tokenizer cannot be loaded"), bounds.tokenizing():
        # An untrusted tokenizer may differ from the one in the parity proof, and may expand texts
        # without limit.
        tokenizer = bounds.bound_tokenizer(
            AutoTokenizer.from_pretrained(adapter, trust_remote_code=False)
        )
    base_model = load_base(str(base["model"]), base)
    if not is_tuned:
        return harness_model(base_model, tokenizer)
    before = _digests(base_model)
    with model_errors(
        name, "its adapter cannot be loaded", "move the run folder away and run again"
    ):
        model = PeftModel.from_pretrained(base_model, str(adapter)).eval()
    _refuse_changed(name, before)
    return harness_model(model, tokenizer)


def _digests(base: Any) -> dict[str, tuple[Any, int]]:
    """Each tensor of a model by name, with a digest of its values. The digests take 0.1 seconds per
    GB, measured on a CPU."""
    return {
        name: (tensor, _digest(tensor)) for name, tensor in base.state_dict(keep_vars=True).items()
    }


def _digest(tensor: Any) -> int:
    import torch
    from xxhash import xxh3_128_intdigest

    return xxh3_128_intdigest(tensor.detach().reshape(-1).view(torch.uint8).cpu().numpy())


def _refuse_changed(name: str, before: dict[str, tuple[Any, int]]) -> None:
    """Raise StageError if an adapter changed tensors of the base model. These tensors would stay
    changed when the adapter is switched off. `name`: the adapter's path, for the message.
    `before`: _digests() before the adapter was loaded.

    peft (0.20) changes base tensors for some adapter initializations. It also overwrites every base
    tensor that the adapter's file contains."""
    if changed := [key for key, (tensor, digest) in before.items() if _digest(tensor) != digest]:
        raise StageError(
            f"model {name}: its adapter changes {len(changed):,} tensors of the base model"
            f" ({changed[0]}, ...), so the base could not be scored; move the run folder away and"
            " run again"
        )


def harness_model(model: Any, tokenizer: Any) -> Any:
    """lm-eval's HF model around a loaded model.

    Some templates, such as DeepSeek's, end the prompt with the opening tag of a thought. The tag is
    then put in front of each answer. Otherwise a thought that is cut off would be scored as the
    answer. Generation has its own batch sizes (kotune.score.batches).

    The model has these attributes:

    - `most`: the maximum batch size of generation; lowered if memory runs out
    - `longest`: the maximum tokens of an answer; None for the task's own maximum
    - `generation_batches`: the batch sizes of the last call of generate_until()
    - `ended`: for each answer of that call, whether the model ended it; None if not known
    """

    class HarnessModel(shared.model_class(turns.model_class())):  # type: ignore[misc]
        most = batches.MOST
        longest: int | None = None
        generation_batches: list[int]
        ended: list[bool | None]
        endings: Endings
        cache_hook: Any
        batch_size_per_gpu: int

        def _model_generate(self, context: Any, *given: Any, **options: Any) -> Any:
            generated = super()._model_generate(context, *given, **options)
            self.endings.read(generated, context.shape[1], options["max_length"], end_ids(self))
            if self.meter:  # each answer counts as long as the longest one of its batch
                rows, length = generated.shape
                self.meter.add(rows, rows * (length - context.shape[1]))
            return generated

        def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
            requests = [_shortened(request, self) for request in requests]
            if self.meter:
                self.meter.expect(len(requests))
            reading, self.generation_batches, hook = self.batch_size_per_gpu, [], self.cache_hook
            self.cache_hook = self.endings = Endings(hook)
            plain = super().generate_until
            answers = _in_parts(self, requests, lambda part: plain(part, disable_tqdm))
            self.batch_size_per_gpu, self.cache_hook = reading, hook
            self.ended = [self.endings.take(request.args[0]) for request in requests]
            return answers

    return HarnessModel(
        pretrained=model, tokenizer=tokenizer, batch_size=BATCH_SIZE, **float32_softmax_arguments()
    )


def _in_parts(
    model: Any, requests: list[Any], generate: Callable[[list[Any]], list[str]]
) -> list[str]:
    """The answer to each request, in order. Requests of equal batch size are generated together.
    `model`: the model of harness_model(); its `most` is lowered if memory runs out."""
    answers = [""] * len(requests)
    for size, numbers in batches.parts(model, requests, model.most).items():
        model.batch_size_per_gpu = size = min(size, model.most)
        generated = generate([requests[number] for number in numbers])
        if model.batch_size_per_gpu < size:  # it ran out of memory
            model.most = model.batch_size_per_gpu
        for number, answer in zip(numbers, generated, strict=True):
            answers[number] = opened_thought(requests[number].args[0]) + answer
    return answers


class Endings:
    """A wrapper around lm_eval's cache hook, which records which generated answers ended: the model
    wrote its end of turn before the task's limit of tokens. lm_eval returns only the text, from
    which this cannot be seen.

    lm_eval calls the hook with each new answer of a batch, in the order of its rows."""

    def __init__(self, hook: Any) -> None:
        self.hook = hook
        self._rows: list[bool] = []  # of the current batch, the answers that lm_eval has not named
        self._ended: dict[str, list[bool]] = {}

    def read(self, generated: Any, width: int, limit: int, ends: list[int]) -> None:
        """Read a generated batch: ids [row, id], of which the first `width` are the prompt.

        `limit`: the maximum number of ids in a row. `ends`: the ids that end a turn. If the batch
        is shorter than the limit, every row ended. Longer rows stop at the limit."""
        import torch

        written = generated[:, width:]
        ended = torch.isin(written, torch.tensor(ends, device=written.device)).any(1)
        self._rows = [generated.shape[1] < limit or is_end for is_end in ended.tolist()]

    def add_partial(self, kind: str, request: Any, answer: Any) -> None:
        """Note whether the next row of the batch ended. Its prompt is the first part of the
        request."""
        self._ended.setdefault(request[0], []).append(self._rows.pop(0))
        self.hook.add_partial(kind, request, answer)

    def take(self, prompt: str) -> bool | None:
        """Whether the next answer to a prompt ended. Equal prompts are returned in their order.
        None if lm_eval did not name an answer."""
        ended = self._ended.get(prompt)
        return ended.pop(0) if ended else None


def end_ids(lm: Any) -> list[int]:
    """The ids that end a turn: those of the model's generation settings, and its tokenizer's."""
    ids = lm.model.generation_config.eos_token_id
    own = ids if isinstance(ids, list) else [ids]
    return sorted({number for number in (*own, lm.eot_token_id) if number is not None})


def _shortened(request: Any, lm: Any) -> Any:
    """lm-eval's request with an answer of at most `lm.longest` tokens. A request that is too long
    for the model is not changed, because lm-eval must refuse it."""
    if lm.longest is None:
        return request
    context, options = request.args
    asked = options.get("max_gen_toks", lm.max_gen_toks)
    if not lm.longest < asked < lm.max_length:
        return request
    return replace(request, arguments=(context, {**options, "max_gen_toks": lm.longest}))


def load_base(name: str, base: dict[str, str | None]) -> Any:
    """The base model, on the GPU if there is one, with the precision and kernels of training.
    `name`: a hub id or a folder. `base`: as in scoring.score().

    Raises StageError if tensors are missing, because transformers would fill them with random
    numbers. Raises RecipeError if config.json describes a model larger than the weights."""
    import torch
    from transformers import AutoModelForCausalLM

    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    precision = loading(str(base["base_precision"]), str(base["compute_dtype"]))
    source = {"revision": base["model_revision"] or "main", "trust_remote_code": False}
    if file := generation.file_of(name, base["model_revision"], CONFIG):
        sizes.refuse(name, file.parent)  # before transformers reads it
    with model_errors(name, "its config.json cannot be used"):
        config = config_of(name, base["model_revision"])
    # The attention implementation is set in the config, because transformers (5.16) prefers the
    # config's value to an argument.
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
            **source,
            **precision,
        )
    _refuse_missing(name, sorted(loaded["missing_keys"]))
    hold_kernels(model)
    _keep_only_tokens(model)
    # If requires_grad is True, torch's matrix products differ in the last bit.
    return model.eval().requires_grad_(False)


def _refuse_larger(name: str, folder: Path, config: Any) -> None:
    """Raise RecipeError if a config describes a model that is larger than the weights in `folder`.
    To compare them, the model is built on the device `meta`, which takes no memory."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(deepcopy(config), trust_remote_code=False)
    elements = sum(tensor.numel() for tensor in (*model.parameters(), *model.buffers()))
    sizes.refuse_elements(name, elements, folder)


def _refuse_missing(name: str, missing: list[str]) -> None:
    """Raise StageError for missing tensors. Tied weights are never missing, because transformers
    ties them before it reports missing tensors."""
    if missing:
        first = ", ".join(missing[:3])
        raise StageError(
            f"model {name}: its weights lack {len(missing):,} tensors of the model"
            f" ({first}{', ...' * (len(missing) > 3)}), which would be random numbers; download the"
            " model again, or choose another"
        )


def _keep_only_tokens(model: Any) -> None:
    """Remove a model's generation settings (repetition_penalty, temperature, max_time, ...), but
    keep its token ids.

    The tasks set how answers are generated, equally for all models. run.json records the removed
    settings."""
    from transformers import GenerationConfig

    own = model.generation_config
    ids = {name: getattr(own, name) for name in TOKEN_IDS} if own else {}
    model.generation_config = GenerationConfig(**ids)
