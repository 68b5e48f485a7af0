"""Frozen pydantic models of files that are read before a run is finished. An interrupted run
continues from some of them. A stage writes the others for a later stage.

records.py has the models of the files of finished runs."""

from typing import Annotated, Literal

from pydantic import Field

from kotune.runs.records import Count, Event, FileModel, Values


class TrainedRecord(FileModel):
    """The keys of run.json that say how training loaded the base model. The score stage loads it in
    the same way. The render stage writes `model_revision`, the train stage the others."""

    base_precision: str
    compute_dtype: str
    model_revision: str | None


class Started(Event):
    """The event that is logged whenever training starts, from the beginning or from a
    checkpoint."""

    event: Literal["start"]
    base_precision: str
    compute_dtype: str
    trainable_parameters: Count
    examples_a_step: Count


class TrainerState(FileModel):
    """The content of a checkpoint's trainer_state.json, which Hugging Face's Trainer writes.
    `global_step`: the number of optimizer steps so far."""

    global_step: Count


class Tensor(FileModel):
    """The description of a tensor in the header of a safetensors file. `data_offsets`: the start
    and the end of the tensor's data, in bytes after the header."""

    dtype: str
    shape: Annotated[list[Count], Field(max_length=16)]
    data_offsets: Annotated[list[Count], Field(min_length=2, max_length=2)]


class Note(FileModel):
    """A file in the folder scored/. It marks one variant (base or tuned) of one task as scored.

    - `n`: the number of items
    - `values`: the value of each metric
    - `sha256`: the digest of the samples file
    - `items`: the digest of the task's items file
    - `batches`: the batch sizes of generated answers
    - `origin`: the run from which the samples were copied, if any
    - `checked`: the items that this run's base model answered again to verify the copied answers.
      Each item is given by its number in the task.
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
    """A file in the folder scored/ about base answers that were copied and then rejected.
    `origin`: the run that they were copied from. `why`: the reason."""

    origin: str = Field(alias="from")
    why: str


class Turn(FileModel):
    """A message of a chat."""

    role: str
    content: str


class StoredRow(FileModel):
    """A line of data/train.jsonl or data/validation.jsonl. `doc`: the record from which the chat
    was made, as JSON.

    Rows are checked against this model, but they stay dicts (kodata.card.TrainingRow). There may be
    hundreds of thousands of them, and an instance for each would take too long."""

    guid: str
    source: str
    form: str
    messages: list[Turn]
    doc: str
