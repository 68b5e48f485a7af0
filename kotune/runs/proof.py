"""parity.json as frozen models: the proof that training and scoring use the same prompts."""

from pydantic import Field

from kotune.runs.records import Count, FileModel

# The status of a task in the proof:
#
# - EQUAL: the token ids of its prompts are the same in training and in scoring
# - NOT_TRAINED: its own prompt is not trained, but another task scores a trained prompt of its
#   source
# - NOT_PROVEN: no task scores a trained prompt of its source
EQUAL, NOT_TRAINED, NOT_PROVEN = "equal", "not trained", "not proven"


class LabelProof(FileModel):
    """The comparison of training labels with Axolotl's.

    `checked`: the number of rows that were compared. None in runs of earlier versions, which
    compared all rows."""

    rows: Count
    checked: Count | None = None
    status: str


class Shapes(FileModel):
    """The shapes of the training rows.

    - `number`: the number of distinct shapes
    - `rows_kept`: the number of rows that are kept as samples of the shapes
    - `rows_beyond`: the number of rows whose shape is beyond the limit
    """

    number: Count
    rows_kept: Count
    rows_beyond: Count


class Lengths(FileModel):
    """The lengths of the training examples in tokens. `trimmed`: the number of rows from which the
    template removes white space."""

    rows: Count
    longest: Count
    longest_guid: str | None = None
    sequence_len: Count
    too_long: Count
    trimmed: Count = 0  # runs of earlier versions lack it


class Content(FileModel):
    """The number of tokens and characters of all messages, without the chat template."""

    tokens: Count
    characters: Count


class ComparedIds(FileModel):
    """The token ids of one item, as trained and as scored."""

    guid: str
    trained_ids: list[int]
    scored_ids: list[int]


class TaskProof(FileModel):
    """The proof of one task. `items`: the number of equal prompts. `trained`: the prompt forms that
    are trained but that no task scores."""

    status: str
    items: Count | None = None
    example: ComparedIds | None = None
    trained: list[str] = Field(default_factory=list)


class Parity(FileModel):
    """The content of parity.json."""

    labels: LabelProof
    shapes: Shapes | None = None
    lengths: Lengths
    content: Content = Content(tokens=0, characters=0)  # runs of earlier versions lack it
    tasks: dict[str, TaskProof]
