"""Frozen pydantic models of parity.json, which contains the proof that training and scoring use the
same prompts."""

from pydantic import Field

from kotune.runs.records import Count, FileModel

# The status of a task in the proof:
#
# - EQUAL: the token ids of the task's prompts are the same in training and in scoring
# - NOT_TRAINED: the task's form of its source is not trained. If other forms of the source are
#   trained, other tasks score all of them.
# - NOT_PROVEN: the source is trained in a form that no task scores, or it is trained in the task's
#   form but the task can score none of the compared rows
# - UNKNOWN: the model or adapter was not trained by kotune
EQUAL, NOT_TRAINED, NOT_PROVEN = "equal", "not trained", "not proven"
UNKNOWN = "unknown"


class LabelProof(FileModel):
    """The check of the labels that Axolotl assigns to the tokens of the training rows. A label
    decides whether a token is trained.

    - `rows`: the number of all rows
    - `checked`: the number of rows whose labels were checked. None in runs of earlier versions,
      which checked all rows.
    - `status`: which tokens are trained
    """

    rows: Count
    checked: Count | None = None
    status: str


class Shapes(FileModel):
    """The shapes of the training rows. A row's shape consists of the features that affect how the
    row is rendered (kotune.parity.shapes).

    - `number`: the number of distinct shapes, up to a limit
    - `rows_kept`: the number of rows in the sample, which has rows of each of these shapes
    - `rows_beyond`: the number of rows with another shape, after the limit was reached
    """

    number: Count
    rows_kept: Count
    rows_beyond: Count


class Lengths(FileModel):
    """The lengths of the training examples in tokens.

    - `rows`: the number of examples
    - `longest`, `longest_guid`: the length and the guid of the longest example
    - `sequence_len`: the maximum length in training
    - `too_long`: the number of examples that are longer
    - `trimmed`: the number of examples from which the template removes white space
    """

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
    """The proof of one task.

    - `status`: EQUAL, NOT_TRAINED, NOT_PROVEN or UNKNOWN
    - `items`: the number of items whose prompts were compared and are equal
    - `example`: the token ids of one of these items
    - `trained`: for NOT_PROVEN, the trained forms of the source that are the reason
    """

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
