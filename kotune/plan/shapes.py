"""A model's architecture from its config.json alone, and its parameters by arithmetic: no weights,
no torch.

tests/plan/test_plan.py builds the same architectures with transformers and peft and finds the same
counts to the last one."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kotune.errors import RecipeError
from kotune.models import presets
from kotune.models.refusals import CONFIG, object_of
from kotune.models.sizes import refuse_numbers
from kotune.recipe import strict_yaml
from kotune.recipe.strict_yaml import shown
from kotune.shipped import INSTALL

KNOWN = ("llama", "mistral", "qwen2", "gemma3_text")
SHAPES_FILE = Path(__file__).with_name("shapes.yml")
NEEDED = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
)
OPTIONAL = ("num_key_value_heads", "head_dim")
LARGEST = 100_000_000  # far above any model's; larger numbers would overflow in the arithmetic
Linears = dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Shape:
    """A decoder with gated MLPs and RMS norms. `qkv_bias`: q, k and v have one; `o_bias`,
    `mlp_bias` alike; `norms`: of a layer, as wide as the model; `qk_norms`: queries and keys have
    one, too."""

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
        """(in, out) of the linear maps of one layer, by transformers' names."""
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
        """Weights of all layers' linear maps: what 4-bit storage shrinks and an adapter is laid
        over."""
        return self.layers * sum(width * height for width, height in self.linears.values())

    @property
    def embeddings(self) -> int:
        """Parameters of the embedding and, where it is not the same tensor, of the head."""
        return self.vocab * self.hidden * (1 if self.tied else 2)

    @property
    def rest(self) -> int:
        """Norms and biases."""
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
        """All of the base model, a tied head once."""
        return self.in_linears + self.embeddings + self.rest

    @property
    def head(self) -> int:
        """Weights of the head, which a token is multiplied with where its successor counts."""
        return self.vocab * self.hidden

    def in_products(self, tokens: float, headed: float) -> float:
        """Weights that so many tokens are multiplied with: those of the linear maps, and of the
        head for `headed` of them. Looking up an embedding costs nothing."""
        return self.in_linears * tokens + self.head * headed

    def trainable(self, r: int, targets: tuple[str, ...] | None = None) -> int:
        """Parameters of a LoRA adapter of rank r on the linear maps called `targets`, all without
        them; never the head."""
        chosen = [size for name, size in self.linears.items() if targets is None or name in targets]
        return self.layers * sum(r * (width + height) for width, height in chosen)


def find(model: str, revision: str | None = None) -> Shape:
    """The shape of a recipe's `model`: a preset, a folder with its config.json, or a hub id.
    `revision`: a hub model's commit, None for the newest.

    A hub id is looked for in the hub's cache and then on the hub, where all but the weights are
    fetched: HubError, HubDeniedError. RecipeError for a kind of model whose arithmetic is not
    known."""
    return of(_config(model, revision), model)


def near(model: str) -> Shape:
    """As find(), but a kind of model whose arithmetic is not known is taken for Llama's: near
    enough for hours, not for bytes."""
    return of({**_config(model), "model_type": KNOWN[0]}, model)


def _config(model: str, revision: str | None = None) -> Mapping[str, Any]:
    known = strict_yaml.load(SHAPES_FILE)
    if model in known:
        return dict(known[model])
    base = presets.find(model, None).base
    file = Path(base) / CONFIG if presets.is_folder(base) else _of_hub(base, revision)
    config = object_of(base, file)
    refuse_numbers(base, config)
    return config


def of(config: Mapping[str, Any], model: str) -> Shape:
    """The shape that a config.json describes."""
    kind = config.get("model_type")
    if kind not in KNOWN:
        raise RecipeError(
            f"model {shown(model)}: its config.json is of kind `{shown(kind)}`, whose memory plan"
            f" cannot count; it knows {', '.join(KNOWN)}. `run` may know it all the same"
        )
    given = [key for key in OPTIONAL if config.get(key) is not None]
    if wrong := [
        key
        for key in (*NEEDED, *given)
        if type(config.get(key)) is not int or not 1 <= config[key] <= LARGEST
    ]:
        raise RecipeError(
            f"model {shown(model)}: config.json: {wrong[0]} must be a number above 0 and up to"
            f" {LARGEST:,}, not {shown(config.get(wrong[0]))}; get a whole copy"
        )
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
        tied=bool(
            config.get("tie_word_embeddings", is_gemma)
        ),  # what the kind's own class takes where nothing is said
        qkv_bias=kind == "qwen2" or bias,
        o_bias=kind in ("llama", "gemma3_text") and bias,
        mlp_bias=bool(config.get("mlp_bias")),
        norms=4 if is_gemma else 2,
        qk_norms=is_gemma,
    )


def commit(base: str) -> str | None:
    """The commit of a hub model whose config.json is in the hub's cache; None for a folder, or
    where none is."""
    if presets.is_folder(base) or not find_spec("huggingface_hub"):
        return None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(base, CONFIG)
    return Path(found).parent.name if isinstance(found, str) else None


def _of_hub(base: str, revision: str | None) -> Path:
    if not find_spec("huggingface_hub"):
        raise RecipeError(
            f"model {base}: the light install cannot ask the hub for its config.json; {INSTALL}, or"
            " give a folder with it"
        )
    from huggingface_hub import try_to_load_from_cache

    from kotune.models import hub

    found = try_to_load_from_cache(base, CONFIG, revision=revision)
    if not isinstance(found, str):
        fetched = hub.fetch(base, weights=False, revision=revision)
        found = try_to_load_from_cache(base, CONFIG, revision=fetched)
    return Path(str(found))
