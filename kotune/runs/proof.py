"""parity.json as frozen models: the proof that training and scoring use the same prompts."""

from pydantic import Field

from kotune.runs.records import Count, FileModel

# The proof's result for a task. EQUAL: its prompts have the same token ids in training and scoring.
# NOT_TRAINED: its prompt is not trained; other tasks score the trained prompts of its source.
# NOT_PROVEN: no task scores a trained prompt of its source.
EQUAL, NOT_TRAINED, NOT_PROVEN = "equal", "not trained", "not proven"


class LabelProof(FileModel):
    """`checked`: the rows whose labels were compared with Axolotl's; None in runs of earlier
    versions, which compared all."""

    rows: Count
    checked: Count | None = None
    status: str


class Shapes(FileModel):
    """The number of distinct shapes of rows, of rows kept as samples of them, and of rows whose
    shape is beyond the limit."""

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
    """`items`: the number of equal prompts; `trained`: the trained forms that no task scores."""

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
