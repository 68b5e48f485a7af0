"""Frozen models of run.json, scores.json, metrics.jsonl and samples of a run folder, and how a
value becomes one. manifest.py and proof.py have the other files.

A model declares everything that is read of its file. Numbers are bounded, so that sums and products
of a few hundred of them stay finite. Keys that no model declares are kept and not looked at: other
versions of kotune write others."""

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
    """Part of a JSON file. `as_json()` is its inverse: the keys that it was made with."""

    model_config = ConfigDict(
        strict=True,
        extra="allow",
        frozen=True,
        populate_by_name=True,  # a field whose key is a word of Python
        protected_namespaces=(),  # `model_revision` is ours
    )

    def as_json(self) -> dict[str, object]:
        """The value for a JSON file, with the keys that it was made with."""
        return self.model_dump(by_alias=True, exclude_unset=True)


def parsed(value: object, shape: type[T]) -> T | None:
    """The value as this model, or dict or list of models; None if it has another shape."""
    try:
        model: T = _adapter(shape).validate_python(value)  # type: ignore[arg-type]  # is hashable
        return model
    except ValidationError:
        return None


def fits(value: object, shape: Any) -> bool:
    """Whether a value has a shape."""
    try:
        _adapter(shape).validate_python(value)
    except ValidationError:
        return False
    return True


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


def _with(*keys: str) -> AfterValidator:
    """A dict has at least these keys."""

    def check(value: dict[str, T]) -> dict[str, T]:
        if not value.keys() >= set(keys):
            raise ValueError(f"without {' or '.join(keys)}")
        return value

    return AfterValidator(check)


class Stage(FileModel):
    """A stage's record in run.json. `made`: the digest of each file that it is responsible for."""

    inputs: dict[str, object]
    made: dict[str, str] | None = None
    seconds: Amount
    finished: Count | Amount

    @property
    def files(self) -> dict[str, str]:
        """`made`; empty in runs of versions that did not record it."""
        return self.made or {}


class Doubted(FileModel):
    """A reason to doubt the training, with what its phrase needs."""

    kind: str
    __pydantic_extra__: dict[str, Fact] = Field(init=False)


class Halved(FileModel):
    """A smaller micro-batch after the GPU's memory was exhausted at `step`."""

    step: Count
    micro_batch_size: Positive
    gradient_accumulation_steps: Positive


class Begun(FileModel):
    """run.json from a run's first moment on."""

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
    gradient_checkpointing: bool | None = None  # as training needed it; it changes no result
    # the tokens that the head was computed for in training; it changes no result
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
    """A value that others published."""

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


def _given(value: float | None) -> float | None:
    if value is None:
        raise ValueError("null")
    return value


# A number that may be absent, but not null; NaN is a number.
Given = Annotated[float | None, AfterValidator(_given)]


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
    head: Literal["trained", "all"] | None = None  # the tokens that it was computed for
    loss: Given = None
    eval_loss: Given = None
    learning_rate: Given = None
    grad_norm: Given = None
    tokens: Count = 0
    epoch: Amount = 0
    tokens_per_second: Amount = 0
    padding: Amount = 0
    peak_memory_gib: Amount = 0
    __pydantic_extra__: dict[str, str | float] = Field(init=False)


_STRICT = ConfigDict(strict=True, extra="ignore")


@dataclass(frozen=True, slots=True)
class Item:
    """A line of samples/items: what was asked."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    doc_hash: str
    question: str
    choices: list[str] | None
    agreement: int | str | None = None  # how many annotators agreed; some data sets have it


@dataclass(frozen=True, slots=True)
class Answer:
    """A line of samples/base, samples/tuned or a baseline's samples: what was answered. A
    `prediction` or `gold` of a choice is its index; None where a baseline knows neither."""

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
        """Equal for items that ask the same and have the same right answer."""
        return self.question_hash, self.target_hash


Items = Mapping[str, Item]  # by the documents' hashes
Answers = Mapping[str, Answer]  # by the documents' hashes


class Resolved(FileModel):
    """recipe.yml as it was resolved; kotune.recipe.schema has all of its keys."""

    model: str
    adapter: str
