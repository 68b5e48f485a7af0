"""What a JSON file of a run folder holds at least: all that is read of it, with numbers that can be
added and multiplied. What it holds besides is not looked at."""

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

# What sums and products of a few hundred of them cannot make infinite. Losses are bound by nothing:
# they may be NaN.
Count = Annotated[int, Field(ge=0, lt=2**60)]
Positive = Annotated[int, Field(ge=1, lt=2**60)]
Number = Annotated[float, Field(ge=-1e18, le=1e18, allow_inf_nan=False)]
Amount = Annotated[Number, Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^\w+$")]  # of a folder


class FileModel(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class Stage(FileModel):
    """A stage's record in run.json."""

    inputs: dict[str, Any]
    seconds: Amount
    finished: Amount
    made: dict[str, str] | None = None


class Begun(FileModel):
    """run.json from a run's first moment on."""

    device: Literal["cpu", "cuda"] | None = None
    launcher: list[str] | None = None
    model_revision: str | None = None
    stages: dict[str, Stage] = {}


def fits(value: Any, shape: Any) -> bool:
    """Whether a value has a shape."""
    try:
        _adapter(shape).validate_python(value)
    except ValidationError:
        return False
    return True


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


class Stages(FileModel):
    train: Stage
    score: Stage
    __pydantic_extra__: dict[str, Stage]


class Doubted(FileModel):
    """What training should be doubted for, with what its phrase asks for."""

    kind: str
    __pydantic_extra__: dict[str, str | Number]


class Halved(FileModel):
    step: Count
    micro_batch_size: Positive
    gradient_accumulation_steps: Positive


class Record(FileModel):
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    limit: Count | str | None
    device: str
    base_precision: str
    versions: dict[str, str | None]
    python: str
    machine: str
    model_revision: str | None
    code_revision: str | None
    trainable_parameters: Count
    gradient_checkpointing: bool | None = None  # as training needed it; it changes no result
    # The tokens that it was computed for in training; no more does this.
    head: Literal["trained", "all"] | None = None
    stages: Stages
    warnings: list[Doubted] | None = None
    halvings: list[Halved] | None = None
    generation_unused: dict[str, Any] | None = None


class Value(FileModel):
    value: Number | None
    stderr: Amount | None
    n: Count


Values = dict[str, Value]


class Sums(FileModel):
    base: str
    tuned: str
    items: str
    __pydantic_extra__: dict[Name, str]  # of reference lines


class Cited(FileModel):
    """What others measured."""

    name: str
    metric: str
    value: Number
    split: str
    source: str


class LineScores(FileModel):
    absent: str | None = None
    lines: dict[Name, Values] = {}


class TaskScores(FileModel):
    version: Number
    n: Count
    chance: dict[str, Number]
    sha256: Sums
    base: Values
    tuned: Values
    published: list[Cited] = []
    references: LineScores = LineScores()
    base_from: str | None = None
    batches: dict[
        str, list[Count]
    ] = {}  # of each variant's written answers; runs of earlier versions do not say
    # EQUAL, NOT_TRAINED or NOT_PROVEN; runs of earlier versions do not say.
    proven: str | None = None


class InputFile(FileModel):
    file: str
    sha256: str


class Rows(FileModel):
    train: Count
    validation: Count
    __pydantic_extra__: dict[str, Count]


class LabelCounts(FileModel):
    train: dict[str, Count]
    validation: dict[str, Count]


class ManifestEntry(FileModel):
    source: str
    form: str
    samples: Count | None
    weight: Amount
    origin: dict[str, Any] = Field(alias="from")
    licence: str
    obliges: str
    files: list[InputFile]
    kept: Rows
    dropped: dict[str, Count]
    rewritten: dict[str, Count] = {}
    not_read: dict[str, Count] = {}  # runs of earlier versions do not say
    unread_files: list[str] = []
    labels: LabelCounts


class Leak(FileModel):
    source: str
    task: str
    kind: str
    rows: Count
    texts: Count


class Shared(FileModel):
    source: str
    task: str
    texts: Count


class Leaks(FileModel):
    policy: str
    found: list[Leak]
    between_tests: list[Shared]


class NotScored(FileModel):
    groups: Count | None
    needed: Count


class ScoredTask(FileModel):
    test_share: Annotated[float, Field(ge=0, le=1)] | None = None
    left_out: dict[str, Count] = {}
    not_read: dict[str, Count] = {}
    rewritten: dict[str, Count] = {}


class Manifest(FileModel):
    entries: list[ManifestEntry] = Field(min_length=1)
    rows: Rows
    leaks: Leaks
    scored: dict[Name, ScoredTask] = {}
    not_scored: dict[Name, NotScored] = {}


class Labels(FileModel):
    rows: Count
    # Of them, as Axolotl trains them; runs of earlier versions have but these.
    checked: Count | None = None
    status: str


class Lengths(FileModel):
    rows: Count
    longest: Count
    sequence_len: Count
    too_long: Count
    trimmed: Count = 0  # runs of earlier versions do not count it


# What the proof says of a task: it asks as the model is trained, id by id; what is trained is for
# other tasks to ask; or no task asks its source as it is trained.
EQUAL, NOT_TRAINED, NOT_PROVEN = "equal", "not trained", "not proven"


class Compared(FileModel):
    status: str
    items: Count = 0


class Content(FileModel):
    tokens: Count
    characters: Count


class Parity(FileModel):
    tasks: dict[str, Compared]
    labels: Labels
    lengths: Lengths
    content: Content = Content(tokens=0, characters=0)  # runs of earlier versions do not count it


class Event(FileModel):
    """A line of metrics.jsonl."""

    event: Literal["start", "log", "end"]
    step: Count
    max_steps: Count = 0
    processes: Count = 1
    examples_a_step: Count = 0
    gradient_checkpointing: bool | None = None
    head: Literal["trained", "all"] | None = None  # the tokens that it was computed for
    loss: float = 0
    eval_loss: float = 0
    learning_rate: float = 0
    grad_norm: float = 0
    tokens: Count = 0
    epoch: Amount = 0
    tokens_per_second: Amount = 0
    padding: Amount = 0
    peak_memory_gib: Amount = 0
    __pydantic_extra__: dict[str, str | float]


class Item(FileModel):
    """What was asked, a line of samples/items."""

    doc_hash: str
    question: str
    choices: list[str] | None


class Answered(FileModel):
    """What a model, or a reference line, made of an item."""

    guid: str
    doc_hash: str
    cluster: str
    question_hash: str
    target_hash: str
    metrics: dict[str, Any]


class Resolved(FileModel):
    model: str
    adapter: str
