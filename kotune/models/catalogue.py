"""The rows of presets.yml: what is known of each model that has a short name, and the licences of
the models' weights. Every row is checked when it is read."""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

Text = Annotated[str, Field(min_length=1)]
Size = Annotated[int, Field(gt=0)]
OWN = "own"  # the name of the tokenizer's own template


class StrictRow(BaseModel):
    """The base class of the rows. Instances cannot be changed. Unknown keys and values of another
    type are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Licence(StrictRow):
    """A licence, with what it requires of those who publish a model made from the model.

    - `commercial`: whether commercial use is allowed
    - `prefix`: how the name of the published model must begin
    - `display`: what must be displayed with it
    - `notice`: the text of the notice that must be included"""

    name: Text
    commercial: Literal["free", "limited", "forbidden"] = "free"
    prefix: Text | None = None
    display: Text | None = None
    notice: Text | None = None


class ShapeKeys(StrictRow):
    """The keys of a config.json from which `plan` computes sizes (kotune.plan.shapes)."""

    model_type: Text
    vocab_size: Size
    hidden_size: Size
    intermediate_size: Size
    num_hidden_layers: Size
    num_attention_heads: Size
    num_key_value_heads: Size
    head_dim: Size | None = None
    tie_word_embeddings: bool


class Preset(StrictRow):
    """A model that has a short name. presets.yml describes the fields. `licence` is the licence
    itself, not its key in the file."""

    base: Text
    licence: Licence
    template: Text
    end_of_turn: Text | None = None
    pad: Text | None = None
    context: Size | None = None
    thinking: Text | None = None
    shape: ShapeKeys | Literal["unknown"] | None = None
    verified: Literal["rendered", "card", "inferred"]
    source: Text
    unusable: Text | None = None

    @field_validator("template", "thinking")
    @classmethod
    def _known_template(cls, name: str | None, info: ValidationInfo) -> str | None:
        known: list[str] = [OWN, *(info.context or ())]
        if name is not None and name not in known:
            raise ValueError(f"`{name}` is not a template of kotune's; known: {', '.join(known)}")
        return name

    @property
    def is_shipped(self) -> bool:
        """Whether the model's folder ships with kotune. Otherwise `base` is a hub id."""
        return "/" not in self.base

    def shape_keys(self) -> dict[str, Any]:
        """The keys of `shape` that are set, as in a config.json. Empty if the shape is not known,
        or if `plan` cannot compute it."""
        return self.shape.model_dump(exclude_none=True) if isinstance(self.shape, StrictRow) else {}


def read(file: Path, templates: Collection[str]) -> dict[str, Preset]:
    """The presets in a file like presets.yml, by name.

    `templates`: the names of kotune's templates. Raises pydantic's ValidationError for an invalid
    row, and KeyError for an unknown licence."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    content: dict[str, Any] = yaml.load(file.read_text(encoding="utf-8"), loader)
    licences = {key: Licence.model_validate(row) for key, row in content["licences"].items()}
    return {
        name: Preset.model_validate({**row, "licence": licences[row["licence"]]}, context=templates)
        for name, row in content["models"].items()
    }
