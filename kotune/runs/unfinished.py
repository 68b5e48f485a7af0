"""Frozen pydantic models of files that are read before a run is finished.

They cover the files from which an interrupted run continues, and files that one stage writes for
another. records.py has the models of finished runs."""

from typing import Annotated, Literal

from pydantic import Field

from kotune.runs.records import Count, Event, FileModel, Values


class TrainedRecord(FileModel):
    """Facts in run.json from which the score stage knows how training loaded the base model. The
    render stage writes `model_revision`. The train stage writes the others."""

    base_precision: str
    compute_dtype: str
    model_revision: str | None


class Started(Event):
    """The event that is logged whenever training starts anew or continues from a checkpoint."""

    event: Literal["start"]
    base_precision: str
    compute_dtype: str
    trainable_parameters: Count
    examples_a_step: Count


class TrainerState(FileModel):
    """trainer_state.json of a checkpoint, written by Hugging Face's Trainer."""

    global_step: Count


class Tensor(FileModel):
    """A tensor in the header of a safetensors file. `data_offsets`: the start and the end of its
    data, in bytes after the header."""

    dtype: str
    shape: Annotated[list[Count], Field(max_length=16)]
    data_offsets: Annotated[list[Count], Field(min_length=2, max_length=2)]


class Note(FileModel):
    """A file in the folder scored/. It marks the samples of one variant of one task as done.

    - `batches`: the batch sizes of generated answers
    - `origin`: the run from which the samples were copied, if any
    - `checked`: the numbers of the items that this run's base model answered again, to compare the
      new answers with the copied ones
    """

    n: Count
    values: Values
    sha256: str
    items: str | None = None
    batches: list[Count] | None = None
    origin: str | None = Field(default=None, alias="from")
    checked: list[Count] | None = None

    @property
    def is_unchecked(self) -> bool:
        """Whether the answers come from another run and are not verified yet."""
        return self.origin is not None and self.checked is None


class RefusedNote(FileModel):
    """A file in the folder scored/. It names the run whose answers were rejected, and the
    reason."""

    origin: str = Field(alias="from")
    why: str


class Turn(FileModel):
    role: str
    content: str


class StoredRow(FileModel):
    """The structure of a line of data/train.jsonl or data/validation.jsonl.

    A row is only checked against this model. It stays a dict (kodata.card.TrainingRow), because
    there are hundreds of thousands of rows."""

    guid: str
    source: str
    form: str
    messages: list[Turn]
    doc: str
