"""Frozen pydantic models of a run folder's run.json, scores.json, metrics.jsonl and samples, and
functions that check a value against a model. manifest.py and proof.py have the models of
data/manifest.json and parity.json.

A model declares every key of its file that kotune reads. Other versions of kotune may write other
keys, which are kept but not read. Numbers are bounded, so that computing with them cannot
overflow."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from kodata.metrics.resampling import Ingredients

# With these bounds, sums of values and products of a few values stay finite. Losses have no bounds,
# because they can be NaN.
Count = Annotated[int, Field(ge=0, lt=2**60)]
Positive = Annotated[int, Field(ge=1, lt=2**60)]
Whole = Annotated[int, Field(ge=-(10**18), le=10**18)]
Number = Annotated[float, Field(ge=-1e18, le=1e18, allow_inf_nan=False)]
Amount = Annotated[Number, Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^\w+$")]  # the name of a folder
Fact = str | Whole | Number  # a value in the phrase of a warning

T = TypeVar("T")


class FileModel(BaseModel):
    """The base class of the models. An instance is a JSON object in a file of a run folder."""

    model_config = ConfigDict(
        strict=True,
        extra="allow",
        frozen=True,
        populate_by_name=True,  # for a field whose key is a Python keyword, such as `from`
        protected_namespaces=(),  # allows a field named `model_revision`
    )

    def as_json(self) -> dict[str, object]:
        """The instance as a dict for a JSON file, with exactly the keys that it was made from."""
        return self.model_dump(by_alias=True, exclude_unset=True)


def parsed(value: object, shape: type[T]) -> T | None:
    """`value` as an instance of `shape`; None if the value does not fit. `shape`: a pydantic model,
    or another type that pydantic can check, such as a dict of models."""
    try:
        model: T = _adapter(shape).validate_python(value)  # type: ignore[arg-type]  # is hashable
        return model
    except ValidationError:
        return None


def fits(value: object, shape: Any) -> bool:
    """Whether parsed() would accept a value. No instance is kept."""
    try:
        _adapter(shape).validate_python(value)
    except ValidationError:
        return False
    return True


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


def _requires(*keys: str) -> AfterValidator:
    """A pydantic validator for a dict that must contain at least `keys`."""

    def check(value: dict[str, T]) -> dict[str, T]:
        if not value.keys() >= set(keys):
            raise ValueError(f"without {' or '.join(keys)}")
        return value

    return AfterValidator(check)


class Stage(FileModel):
    """The record of a finished stage in run.json.

    - `inputs`: everything that the stage's result depends on (kotune.stages)
    - `made`: the digest of each file that the stage wrote, by path
    - `seconds`: how long the stage took
    - `finished`: when the stage finished, in seconds since 1970
    """

    inputs: dict[str, object]
    made: dict[str, str] | None = None
    seconds: Amount
    finished: Count | Amount

    @property
    def files(self) -> dict[str, str]:
        """The value of `made`. Empty for runs of versions that did not record it."""
        return self.made or {}


class Doubted(FileModel):
    """A warning about the training. `kind` selects the phrase (kotune.display.phrases). The other
    keys are the values in the phrase."""

    kind: str
    __pydantic_extra__: dict[str, Fact] = Field(init=False)


class Halved(FileModel):
    """A reduction of the micro-batch size, because the GPU ran out of memory after optimizer step
    `step`. The other fields have the values after the reduction."""

    step: Count
    micro_batch_size: Positive
    gradient_accumulation_steps: Positive


class Begun(FileModel):
    """The content of run.json of a run that has begun. The run may be unfinished, so every key may
    be missing."""

    limit: Count | Literal["quick"] | None = None
    device: Literal["cpu", "cuda"] | None = None
    launcher: list[str] | None = None
    model_revision: str | None = None
    base_precision: str | None = None
    compute_dtype: str | None = None
    stages: dict[str, Stage] = {}


class Record(FileModel):
    """The content of run.json of a scored run."""

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
    trained: bool = True  # False for a model or an adapter that was only scored
    # Whether training used gradient checkpointing, which does not change results.
    gradient_checkpointing: bool | None = None
    # Whether training computed the language model head for all tokens, or only for the trained
    # ones. The choice does not change results.
    head: Literal["trained", "all"] | None = None
    stages: Annotated[dict[str, Stage], _requires("train", "score")]
    warnings: list[Doubted] | None = None
    halvings: list[Halved] | None = None
    # The settings in the model's generation_config.json that kotune does not use.
    generation_unused: dict[str, object] | None = None

    @property
    def train(self) -> Stage:
        """The record of the train stage."""
        return self.stages["train"]

    @property
    def score(self) -> Stage:
        """The record of the score stage."""
        return self.stages["score"]


class MetricValue(FileModel):
    """The value of a metric for the base model, the tuned model or a baseline.

    `stderr`: the standard error. `n`: the number of items. Value and standard error are None if
    they are undefined."""

    value: Number | None
    stderr: Amount | None
    n: Count


Values = dict[str, MetricValue]  # by the name of the metric
UNDEFINED = MetricValue(value=None, stderr=None, n=0)


class PublishedFigure(FileModel):
    """A published value of a metric.

    - `name`: what has the value, such as a model or human annotators
    - `split`: the split of the data set on which it was measured
    - `source`: where it was published
    """

    name: str
    metric: str
    value: Number
    split: str
    source: str


class Baselines(FileModel):
    """The baselines of a task.

    - `rows`: the number of training rows that the baselines were made from
    - `absent`: the reason if there are no baselines
    - `lines`: for each baseline, the values of its metrics
    """

    rows: Count | None = None
    absent: str | None = None
    lines: dict[Name, Values] = {}


class FewShot(FileModel):
    """The examples in the base model's prompt. `guids`: the training rows. `absent`: the reason if
    the base model was not scored with examples: `too few` (training rows) or `too long` (prompts
    for the model)."""

    guids: list[str]
    absent: str | None = None


class TaskScores(FileModel):
    """The scores of a task in scores.json. Fields with a default are missing in runs of earlier
    versions.

    - `version`: the version of the task
    - `criterion`: what the task measures (kotune_tasks.card)
    - `chance`: for each metric, the value that random answers reach
    - `sha256`: the digests of the samples files base, tuned, items and of one file per baseline
    - `n`: the number of items
    - `tuned`: empty, like its digest, if a model without an adapter was scored
    """

    version: Number
    criterion: str | None = None
    chance: dict[str, Number]
    published: list[PublishedFigure] = []
    sha256: Annotated[dict[Name, str], _requires("base", "items")]
    n: Count
    base: Values
    tuned: Values = {}
    base_from: str | None = None  # the run from which the base answers were copied, if any
    batches: dict[str, list[Count]] = {}  # the batch sizes of generated answers, by variant
    proven: str | None = None  # a status of kotune.runs.proof
    references: Baselines = Baselines()
    few_shot: FewShot | None = None  # None if the recipe asks for no examples

    def variant(self, name: str) -> Values:
        """The values of `base` or `tuned`."""
        return {"base": self.base, "tuned": self.tuned}[name]


def _refuse_null(value: float | None) -> float | None:
    """`value`, if it is not None. Raises ValueError otherwise."""
    if value is None:
        raise ValueError("null")
    return value


# A number whose key may be missing. If the key is present, its value may be NaN but not null.
NotNull = Annotated[float | None, AfterValidator(_refuse_null)]


class Event(FileModel):
    """A line of metrics.jsonl. It records the start of training, a logged step, or the end of
    training. A step is an optimizer step.

    - `processes`: the number of training processes
    - `examples_a_step`: the effective batch size
    - `head`: as in Record
    - `tokens`: the number of input tokens so far, without padding
    - `epoch`: the number of passes through the data so far
    - `padding`: the number of computed tokens per real token; 0 if not measured
    """

    event: Literal["start", "log", "end"]
    step: Count
    max_steps: Count | None = None
    processes: Count = 1
    examples_a_step: Count | None = None
    trainable_parameters: Count | None = None
    base_precision: str | None = None
    compute_dtype: str | None = None
    gradient_checkpointing: bool | None = None
    head: Literal["trained", "all"] | None = None
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
    """A line of a file in samples/items: a question with its choices. `doc_hash`: the hash of the
    document. `choices`: None if the answer is generated."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    doc_hash: str
    question: str
    choices: list[str] | None
    agreement: int | str | None = None  # how many annotators agreed; None if that is not known


@dataclass(frozen=True, slots=True)
class Answer:
    """A line of a samples file of the base model, the tuned model or a baseline: the answer to one
    item.

    - `cluster`: the hash of the name of the item's cluster, a group of items that are resampled
      together
    - `question_hash`, `target_hash`: the hashes of the question and of its right answer
    - `metrics`: for each metric, the values from which it is computed
    - `prediction`, `gold`: the answer and the right answer, each as the index of a choice or as a
      text. None if a baseline has neither.
    - `logprobs`: the log-likelihood of each choice, if the task has choices
    - `ended`: whether the model ended its generated answer, instead of being cut at the task's
      limit of tokens. None for choices, and in runs of earlier versions.
    """

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
    logprobs: list[float] | None = None
    ended: bool | None = None

    @property
    def question(self) -> tuple[str, str]:
        """A key that is equal for two items if they have the same question and right answer."""
        return self.question_hash, self.target_hash


Items = Mapping[str, Item]  # by document hash
Answers = Mapping[str, Answer]  # by document hash


class Resolved(FileModel):
    """The keys of a finished run's recipe.yml that kotune reads. kotune.recipe.schema has all its
    keys."""

    model: str
    adapter: str
