"""parity.json as frozen models: the proof that training and scoring use the same prompts."""

from pydantic import Field

from kotune.runs.records import Count, FileModel

# The proof's result for a task: it asks as the model is trained, id by id; what is trained is asked
# by other tasks; or no task asks its source as it is trained.
EQUAL, NOT_TRAINED, NOT_PROVEN = "equal", "not trained", "not proven"


class LabelProof(FileModel):
    """`checked`: the rows whose labels were compared with Axolotl's; None in runs of earlier
    versions, which compared all."""

    rows: Count
    checked: Count | None = None
    status: str


class Shapes(FileModel):
    """How many shapes the rows have, rows kept as samples of them, and rows of further shapes."""

    number: Count
    rows_kept: Count
    rows_beyond: Count


class Lengths(FileModel):
    """The examples' lengths in tokens. `trimmed`: rows from which the template removes white
    space."""

    rows: Count
    longest: Count
    longest_guid: str | None = None
    sequence_len: Count
    too_long: Count
    trimmed: Count = 0  # runs of earlier versions lack it


class Content(FileModel):
    """Tokens and characters of the messages alone, without template."""

    tokens: Count
    characters: Count


class ComparedIds(FileModel):
    """The token ids of one item, as trained and as scored."""

    guid: str
    trained_ids: list[int]
    scored_ids: list[int]


class TaskProof(FileModel):
    """`items`: how many were equal; `trained`: the forms that no task asks."""

    status: str
    items: Count | None = None
    example: ComparedIds | None = None
    trained: list[str] = Field(default_factory=list)


class Parity(FileModel):
    """parity.json."""

    labels: LabelProof
    shapes: Shapes | None = None
    lengths: Lengths
    content: Content = Content(tokens=0, characters=0)  # runs of earlier versions lack it
    tasks: dict[str, TaskProof]
