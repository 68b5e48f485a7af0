"""What a JSON file of a run folder holds at least. What it holds besides is not looked at."""

from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError


class Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class Stage(Shape):
    """A stage's record in run.json."""

    inputs: dict[str, Any]
    seconds: float
    finished: float
    made: dict[str, str] | None = None


class Begun(Shape):
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
