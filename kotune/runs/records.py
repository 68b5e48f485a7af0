"""Frozen models of a run folder's run.json, scores.json, metrics.jsonl and samples, and functions
that check a value against a model. manifest.py and proof.py have the models of the other files.

A model declares every key of its file that kotune reads. Numbers are bounded, so sums and products
of a few hundred of them stay finite. Undeclared keys are kept but not read, because other versions
of kotune write other keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from kodata.metrics.resampling import Ingredients

# Sums and products of a few hundred of these stay finite. Losses have no bound: they may be NaN.
Count = Annotated[int, Field(ge=0, lt=2**60)]
Positive = Annotated[int, Field(ge=1, lt=2**60)]
Whole = Annotated[int, Field(ge=-(10**18), le=10**18)]
Number = Annotated[float, Field(ge=-1e18, le=1e18, allow_inf_nan=False)]
Amount = Annotated[Number, Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^\w+$")]  # of a folder
Fact = str | Whole | Number

T = TypeVar("T")


class FileModel(BaseModel):
    """A part of a JSON file. `as_json()` gives back the keys that it was made from."""

    model_config = ConfigDict(
        strict=True,
        extra="allow",
        frozen=True,
        populate_by_name=True,  # a field may have another name than its key, which may be a keyword
        protected_namespaces=(),  # allows a field named `model_revision`
    )

    def as_json(self) -> dict[str, object]:
        """The value for a JSON file, with exactly the keys that the model was made from."""
        return self.model_dump(by_alias=True, exclude_unset=True)


def parsed(value: object, shape: type[T]) -> T | None:
    """The value as `shape`: a model, or a dict or list of models. None if it does not fit."""
    try:
        model: T = _adapter(shape).validate_python(value)  # type: ignore[arg-type]  # is hashable
        return model
    except ValidationError:
        return None


def fits(value: object, shape: Any) -> bool:
    """Whether a value fits a shape: a model, or any type that pydantic checks."""
    try:
        _adapter(shape).validate_python(value)
    except ValidationError:
        return False
    return True


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


def _with(*keys: str) -> AfterValidator:
    """A validator of a dict that must have at least these keys."""

    def check(value: dict[str, T]) -> dict[str, T]:
        if not value.keys() >= set(keys):
            raise ValueError(f"without {' or '.join(keys)}")
        return value

    return AfterValidator(check)


class Stage(FileModel):
    """A stage's record in run.json. `made`: the digest of each file that the stage made."""

    inputs: dict[str, object]
    made: dict[str, str] | None = None
    seconds: Amount
    finished: Count | Amount

    @property
    def files(self) -> dict[str, str]:
        """`made`; empty in runs of versions that did not record it."""
        return self.made or {}


class Doubted(FileModel):
    """A warning about the training. The other keys are the values in the phrase for `kind`."""

    kind: str
    __pydantic_extra__: dict[str, Fact] = Field(init=False)


class Halved(FileModel):
    """A smaller micro-batch after the GPU's memory was exhausted at `step`."""

    step: Count
    micro_batch_size: Positive
    gradient_accumulation_steps: Positive


class Begun(FileModel):
    """run.json of a run that has begun, finished or not."""

    limit: Count | Literal["quick"] | None = None
    device: Literal["cpu", "cuda"] | None = None
    launcher: list[str] | None = None
    model_revision: str | None = None
    base_precision: str | None = None
    compute_dtype: str | None = None
    stages: dict[str, Stage] = {}


class Record(FileModel):
    """run.json of a run that is scored."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    limit: Count | str | None
    device: str
    launcher: list[str] | None = None
    base_precision: str
    compute_dtype: str | None = None
    versions: dict[str, str | None]
    python: str
    machine: str
    model_revision: str | None
    code_revision: str | None
    trainable_parameters: Count
    gradient_checkpointing: bool | None = None  # whether training used it; it changes no result
    # the tokens for which training computed the head; it changes no result
    head: Literal["trained", "all"] | None = None
    stages: Annotated[dict[str, Stage], _with("train", "score")]
    warnings: list[Doubted] | None = None
    halvings: list[Halved] | None = None
    generation_unused: dict[str, object] | None = None  # the model's own settings

    @property
    def train(self) -> Stage:
        return self.stages["train"]

    @property
    def score(self) -> Stage:
        return self.stages["score"]


class MetricValue(FileModel):
    """A metric of one variant: its value, standard error and number of items."""

    value: Number | None
    stderr: Amount | None
    n: Count


Values = dict[str, MetricValue]  # by metric
UNDEFINED = MetricValue(value=None, stderr=None, n=0)


class PublishedFigure(FileModel):
    """A published value of a metric, with its source."""

    name: str
    metric: str
    value: Number
    split: str
    source: str


class Baselines(FileModel):
    """The baselines of a task. `rows`: the training rows that they were made from; `absent`: why
    there are none."""

    rows: Count | None = None
    absent: str | None = None
    lines: dict[Name, Values] = {}


class TaskScores(FileModel):
    """A task in scores.json. `sha256`: the digest of each samples file: base, tuned, items and
    baselines. Runs of earlier versions lack the fields that have a default."""

    version: Number
    criterion: str | None = None
    chance: dict[str, Number]
    published: list[PublishedFigure] = []
    sha256: Annotated[dict[Name, str], _with("base", "tuned", "items")]
    n: Count
    base: Values
    tuned: Values
    base_from: str | None = None  # the run that the base answers were copied from
    batches: dict[str, list[Count]] = {}  # the sizes of the batches of each variant's answers
    proven: str | None = None  # EQUAL, NOT_TRAINED or NOT_PROVEN
    references: Baselines = Baselines()

    def variant(self, name: str) -> Values:
        """The values of `base` or `tuned`."""
        return {"base": self.base, "tuned": self.tuned}[name]


def _refuse_null(value: float | None) -> float | None:
    if value is None:
        raise ValueError("null")
    return value


# A number whose key may be missing but not null. NaN is allowed.
NotNull = Annotated[float | None, AfterValidator(_refuse_null)]


class Event(FileModel):
    """A line of metrics.jsonl: the start of training, a logged step, or its end."""

    event: Literal["start", "log", "end"]
    step: Count
    max_steps: Count | None = None
    processes: Count = 1
    examples_a_step: Count | None = None
    trainable_parameters: Count | None = None
    base_precision: str | None = None
    compute_dtype: str | None = None
    gradient_checkpointing: bool | None = None
    head: Literal["trained", "all"] | None = None  # the tokens for which it was computed
    loss: NotNull = None
    eval_loss: NotNull = None
    learning_rate: NotNull = None
    grad_norm: NotNull = None
    tokens: Count = 0
    epoch: Amount = 0
    tokens_per_second: Amount = 0
    padding: Amount = 0
    peak_memory_gib: Amount = 0
    __pydantic_extra__: dict[str, str | float] = Field(init=False)


_STRICT = ConfigDict(strict=True, extra="ignore")


@dataclass(frozen=True, slots=True)
class Item:
    """A line of samples/items: a question with its choices."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    doc_hash: str
    question: str
    choices: list[str] | None
    agreement: int | str | None = None  # how many annotators agreed; some data sets have it


@dataclass(frozen=True, slots=True)
class Answer:
    """A line of samples/base, samples/tuned or a baseline's samples: an answer and its metrics.
    `prediction` and `gold` are the index of a choice or a text; None if a baseline has neither."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    guid: str
    doc_hash: str
    cluster: str
    question_hash: str
    target_hash: str
    metrics: Ingredients
    prediction: int | str | None = None
    gold: int | str | None = None
    source: str | None = None

    @property
    def question(self) -> tuple[str, str]:
        """Equal for two items with the same question and the same right answer."""
        return self.question_hash, self.target_hash


Items = Mapping[str, Item]  # by the documents' hashes
Answers = Mapping[str, Answer]  # by the documents' hashes


class Resolved(FileModel):
    """The keys of the resolved recipe.yml that are read here. kotune.recipe.schema has all."""

    model: str
    adapter: str
