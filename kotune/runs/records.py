"""What a JSON file of a run folder holds at least. What it holds besides is not looked at."""

from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError


class FileModel(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class Stage(FileModel):
    """A stage's record in run.json."""

    inputs: dict[str, Any]
    seconds: float
    finished: float
    made: dict[str, str] | None = None


class Begun(FileModel):
    """run.json from a run's first moment on."""

    device: Literal["cpu", "cuda"] | None = None
    launcher: list[str] | None = None
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


class Record(FileModel):
    seed: int
    limit: int | str | None
    device: str
    base_precision: str
    versions: dict[str, str | None]
    python: str
    machine: str
    model_revision: str | None
    code_revision: str | None
    trainable_parameters: int
    stages: Stages


class Value(FileModel):
    value: float | None
    stderr: float | None
    n: int


class Sums(FileModel):
    base: str
    tuned: str
    items: str


class TaskScores(FileModel):
    version: float
    n: int
    chance: dict[str, float]
    sha256: Sums
    base: dict[str, Value]
    tuned: dict[str, Value]


class InputFile(FileModel):
    file: str
    sha256: str


class Rows(FileModel):
    train: int
    validation: int


class ManifestEntry(FileModel):
    source: str
    form: str
    samples: int | None
    weight: float
    origin: dict[str, Any] = Field(alias="from")
    licence: str
    obliges: str
    files: list[InputFile]
    kept: Rows
    dropped: dict[str, int]
    rewritten: dict[str, int] = {}
    not_read: dict[str, int] = {}  # runs of earlier versions do not say
    unread_files: list[str] = []
    labels: dict[str, Any]


class Manifest(FileModel):
    entries: list[ManifestEntry] = Field(min_length=1)
    rows: Rows
    leaks: dict[str, Any]


class Labels(FileModel):
    rows: int
    status: str


class Lengths(FileModel):
    rows: int
    longest: int
    sequence_len: int
    too_long: int


class Compared(FileModel):
    status: str


class Parity(FileModel):
    tasks: dict[str, Compared]
    labels: Labels
    lengths: Lengths


class Event(FileModel):
    event: str
    step: int
    __pydantic_extra__: dict[str, str | float]


class Resolved(FileModel):
    model: str
    adapter: str
