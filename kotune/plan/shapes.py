"""Reads a model's architecture from its config.json and computes the number of parameters. Neither
the weights nor torch are needed.

The numbers are exact. tests/plan/test_plan.py compares them with models that transformers and peft
build."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kotune.errors import RecipeError
from kotune.models import presets
from kotune.models.refusals import CONFIG, object_of
from kotune.models.sizes import refuse_numbers
from kotune.recipe.strict_yaml import shown
from kotune.shipped import INSTALL

# Supported values of model_type.
KNOWN = ("llama", "mistral", "qwen2", "qwen3", "gemma3_text")
NORMALIZED = ("qwen3", "gemma3_text")  # model types that normalize queries and keys
# The sizes that a config.json must have, and those that have defaults.
NEEDED = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
)
OPTIONAL = ("num_key_value_heads", "head_dim")
LARGEST = 100_000_000  # the largest size that is accepted; all real models are far below
# The number of inputs and of outputs of each linear layer, by the layer's name.
Linears = dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Shape:
    """The sizes of a decoder with gated MLPs and RMS norms.

    - `tied`: whether the head and the embedding share one tensor
    - `qkv_bias`, `o_bias`, `mlp_bias`: whether these linear layers have biases
    - `norms`: the number of norms of width `hidden` in each layer
    - `qk_norms`: whether each layer also has a norm for queries and one for keys, of width
      `head_dim`"""

    vocab: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    tied: bool
    qkv_bias: bool = False
    o_bias: bool = False
    mlp_bias: bool = False
    norms: int = 2
    qk_norms: bool = False

    @property
    def linears(self) -> Linears:
        """The number of inputs and of outputs of each linear layer in one decoder layer. The names
        are those of transformers."""
        query, key = self.heads * self.head_dim, self.kv_heads * self.head_dim
        return {
            "q_proj": (self.hidden, query),
            "k_proj": (self.hidden, key),
            "v_proj": (self.hidden, key),
            "o_proj": (query, self.hidden),
            "gate_proj": (self.hidden, self.intermediate),
            "up_proj": (self.hidden, self.intermediate),
            "down_proj": (self.intermediate, self.hidden),
        }

    @property
    def in_linears(self) -> int:
        """The number of weights of the linear layers in all decoder layers, without head and
        biases. QLoRA stores these weights in 4 bits, and adapters are attached to these layers."""
        return self.layers * sum(width * height for width, height in self.linears.values())

    @property
    def embeddings(self) -> int:
        """The number of parameters of the embedding, plus those of the head if it is not tied to
        the embedding."""
        return self.vocab * self.hidden * (1 if self.tied else 2)

    @property
    def rest(self) -> int:
        """The number of parameters of norms and biases."""
        linears = self.linears
        biases = self.qkv_bias * sum(linears[name][1] for name in ("q_proj", "k_proj", "v_proj"))
        biases += self.o_bias * linears["o_proj"][1]
        biases += self.mlp_bias * sum(
            linears[name][1] for name in ("gate_proj", "up_proj", "down_proj")
        )
        norms = self.norms * self.hidden + 2 * self.qk_norms * self.head_dim
        return self.layers * (norms + biases) + self.hidden

    @property
    def parameters(self) -> int:
        """The number of parameters of the base model. A tied head is not counted again."""
        return self.in_linears + self.embeddings + self.rest

    @property
    def head(self) -> int:
        """The number of weights of the head, also if it is tied to the embedding. Only tokens whose
        logits are computed are multiplied with the head."""
        return self.vocab * self.hidden

    def in_products(self, tokens: float, headed: float) -> float:
        """The number of weights that each token is multiplied with, summed over the tokens. All
        `tokens` are multiplied with the linear layers, and `headed` of them with the head. An
        embedding lookup is not a multiplication."""
        return self.in_linears * tokens + self.head * headed

    def trainable(self, r: int, targets: tuple[str, ...] | None = None) -> int:
        """The number of parameters of a LoRA adapter of rank r. The adapter is on the linear layers
        named in `targets`, or on all of them if `targets` is None. The head has no adapter."""
        sizes = [size for name, size in self.linears.items() if targets is None or name in targets]
        return self.layers * sum(r * (width + height) for width, height in sizes)


def find(model: str, revision: str | None = None) -> Shape:
    """The shape of a recipe's `model`: a preset, a folder that has a config.json, or a hub id.
    `revision`: a commit of a hub model; None for the newest commit in the cache, or on the hub if
    none is cached.

    If the config.json of a hub model is not in the cache, the model's configuration and tokenizer
    files are downloaded. Raises HubError or HubDeniedError if the hub does not provide them. Raises
    RecipeError for an unknown model type, or a config.json that cannot be used."""
    row = presets.row_of(model)
    if row and row.shape == "unknown":
        raise RecipeError(
            f"model {model}: `plan` cannot predict the memory of this kind of model; known are"
            f" {', '.join(KNOWN)}. `run` may still support it"
        )
    return of(_config(model, revision), model)


def near(model: str) -> Shape:
    """Like find(), but every model type is treated as Llama, so an unknown type is no error. This
    is accurate enough to predict time, but not memory."""
    return of({**_config(model), "model_type": KNOWN[0]}, model)


def _config(model: str, revision: str | None = None) -> Mapping[str, Any]:
    """The config.json of a recipe's model. A preset's sizes come from its row in presets.yml, if
    they are there. `revision` and errors: as in find()."""
    row = presets.row_of(model)
    if row and (keys := row.shape_keys()):
        return keys
    base = presets.find(model, None).base
    file = Path(base) / CONFIG if presets.is_folder(base) else _of_hub(base, revision)
    config = object_of(base, file)
    refuse_numbers(base, config)
    return config


def of(config: Mapping[str, Any], model: str) -> Shape:
    """The shape that a config.json describes. `model`: its name, for messages. Raises RecipeError
    for an unknown model type, or for a size that is not a usable number."""
    kind = config.get("model_type")
    if kind not in KNOWN:
        raise RecipeError(
            f"model {shown(model)}: `plan` cannot predict the memory of model_type `{shown(kind)}`"
            f" in its config.json; known are {', '.join(KNOWN)}. `run` may still support it"
        )
    _check_numbers(config, model)
    heads, bias, is_gemma = (
        config["num_attention_heads"],
        bool(config.get("attention_bias")),
        kind == "gemma3_text",
    )
    return Shape(
        vocab=config["vocab_size"],
        hidden=config["hidden_size"],
        intermediate=config["intermediate_size"],
        layers=config["num_hidden_layers"],
        heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        head_dim=config.get("head_dim") or config["hidden_size"] // heads,
        tied=bool(config.get("tie_word_embeddings", is_gemma)),  # the default of each class
        qkv_bias=kind == "qwen2" or bias,
        o_bias=kind in ("llama", "qwen3", "gemma3_text") and bias,
        mlp_bias=bool(config.get("mlp_bias")),
        norms=4 if is_gemma else 2,
        qk_norms=kind in NORMALIZED,
    )


def _check_numbers(config: Mapping[str, Any], model: str) -> None:
    """Raise RecipeError if a size is missing or is not an integer from 1 to LARGEST."""
    present = [key for key in OPTIONAL if config.get(key) is not None]
    for key in (*NEEDED, *present):
        if type(config.get(key)) is not int or not 1 <= config[key] <= LARGEST:
            raise RecipeError(
                f"model {shown(model)}: config.json: {key} must be a number above 0 and up to"
                f" {LARGEST:,}, not {shown(config.get(key))}; get a complete copy"
            )


def commit(base: str) -> str | None:
    """The commit of the hub model `base`, if its config.json is in the hub's cache. None for a
    folder, if the file is not cached, or in the light install."""
    if presets.is_folder(base) or not find_spec("huggingface_hub"):
        return None
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(base, CONFIG)
    return Path(path).parent.name if isinstance(path, str) else None


def _of_hub(base: str, revision: str | None) -> Path:
    """The path of a hub model's config.json in the cache. Downloads the file if it is not there."""
    if not find_spec("huggingface_hub"):
        raise RecipeError(
            f"model {base}: the light install cannot download its config.json from the hub;"
            f" {INSTALL}, or name a folder that has it"
        )
    from huggingface_hub import try_to_load_from_cache

    from kotune.models import hub

    path = try_to_load_from_cache(base, CONFIG, revision=revision)
    if not isinstance(path, str):
        fetched = hub.fetch(base, weights=False, revision=revision)
        path = try_to_load_from_cache(base, CONFIG, revision=fetched)
    return Path(str(path))
