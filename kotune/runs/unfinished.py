"""Frozen models of the files that an unfinished run continues from, or that one stage leaves for
another. records.py has those of finished runs."""

from typing import Annotated, Literal

from pydantic import Field

from kotune.runs.records import Count, Event, FileModel, Values


class TrainedRecord(FileModel):
    """Facts in run.json that the train stage writes for scoring: how the base model is loaded."""

    base_precision: str
    compute_dtype: str
    model_revision: str | None


class Started(Event):
    """The first event of each start of training."""

    event: Literal["start"]
    base_precision: str
    compute_dtype: str
    trainable_parameters: Count
    examples_a_step: Count


class TrainerState(FileModel):
    """trainer_state.json of a checkpoint, a file of Hugging Face's."""

    global_step: Count


class Tensor(FileModel):
    """A tensor in the header of a safetensors file. `data_offsets`: its begin and end, in bytes
    after the header."""

    dtype: str
    shape: Annotated[list[Count], Field(max_length=16)]
    data_offsets: Annotated[list[Count], Field(min_length=2, max_length=2)]


class Note(FileModel):
    """A file of scored/: a variant's samples of a task are done. `batches`: the sizes of the
    batches in which answers were written; `origin`: the run that the samples were copied from, if
    any; `checked`: the items of it that this model was asked again."""

    n: Count
    values: Values
    sha256: str
    items: str | None = None
    batches: list[Count] | None = None
    origin: str | None = Field(default=None, alias="from")
    checked: list[Count] | None = None

    @property
    def is_unchecked(self) -> bool:
        """Whether another run's answers were not compared with this model's yet."""
        return self.origin is not None and self.checked is None


class RefusedNote(FileModel):
    """A file of scored/: the run whose answers were not believed, and why."""

    origin: str = Field(alias="from")
    why: str


class Turn(FileModel):
    role: str
    content: str


class StoredRow(FileModel):
    """The shape of a line of data/train.jsonl or data/validation.jsonl. A row itself stays a dict
    (kodata.card.TrainingRow): there are hundreds of thousands."""

    guid: str
    source: str
    form: str
    messages: list[Turn]
    doc: str
