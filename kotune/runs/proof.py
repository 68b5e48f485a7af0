"""parity.json as frozen pydantic models: the proof that training and scoring use the same
prompts."""

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
    """The check of the labels that Axolotl assigns to the tokens of the training rows.

    `checked`: the number of rows whose labels were checked. None in runs of earlier versions, which
    checked all rows."""

    rows: Count
    checked: Count | None = None
    status: str


class Shapes(FileModel):
    """The shapes of the training rows. A shape is the features of a row that affect how the row is
    rendered (kotune.parity.shapes).

    - `number`: the number of distinct shapes
    - `rows_kept`: the number of rows in the sample, which has rows of every counted shape
    - `rows_beyond`: the number of rows whose shape is not counted, because the limit was reached
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
