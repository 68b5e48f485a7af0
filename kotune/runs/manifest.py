"""data/manifest.json as frozen pydantic models: the origin of a run's training data, and the number
of rows."""

from typing import Annotated

from pydantic import Field

from kotune.runs.records import Amount, Count, FileModel, Name


class InputFile(FileModel):
    file: str
    sha256: str


class Rows(FileModel):
    """The number of rows of each split."""

    train: Count
    validation: Count

    def both(self) -> tuple[int, int]:
        """The values of train and validation, in the order of kodata.prepare.output.SPLITS."""
        return self.train, self.validation


class LabelCounts(FileModel):
    """The number of rows with each label, for each split."""

    train: dict[str, Count]
    validation: dict[str, Count]

    def both(self) -> tuple[dict[str, int], dict[str, int]]:
        """The values of train and validation, in the order of kodata.prepare.output.SPLITS."""
        return self.train, self.validation


class ManifestEntry(FileModel):
    """A data entry of the recipe. It lists the files that were read, and the numbers of rows that
    were kept, dropped or rewritten."""

    source: str
    form: str
    samples: Count | None
    weight: Amount
    origin: dict[str, object] = Field(alias="from")
    licence: str
    obliges: str
    files: list[InputFile]
    kept: Rows
    dropped: dict[str, Count]
    rewritten: dict[str, Count] = Field(default_factory=dict)
    not_read: dict[str, Count] = Field(
        default_factory=dict
    )  # the number of rows with each key that is not read; missing in runs of earlier versions
    unread_files: list[str] = Field(default_factory=list)
    labels: LabelCounts


class Leak(FileModel):
    """Training data of a source that repeat test data of a task.

    - `kind`: how the texts match, for example `exact` or `near`; `pair` if both parts of a question
      stand in one training example
    - `rows`: the number of training rows with such a text
    - `texts`: the number of distinct training texts
    """

    source: str
    task: str
    kind: str
    rows: Count
    texts: Count


class SharedPart(FileModel):
    """The training rows of a source that share a hypothesis, a question or a single turn with a
    task's test data. They are no leaks. `texts` is the number of distinct shared texts."""

    source: str
    task: str
    rows: Count
    texts: Count


class Compared(FileModel):
    """The number of a task's test texts, and of its pairs (such as premise and hypothesis), that
    training rows were compared with."""

    texts: Count
    pairs: Count


class SharedText(FileModel):
    """The number of test texts that a task shares with the test split of another source."""

    source: str
    task: str
    texts: Count


class Leaks(FileModel):
    """The result of the leak check. Runs of earlier versions have neither `compared` nor
    `shared`."""

    policy: str
    compared: dict[Name, Compared] = Field(default_factory=dict)
    found: list[Leak]
    shared: list[SharedPart] = Field(default_factory=list)
    between_tests: list[SharedText]


class NotScored(FileModel):
    """A task without test rows.

    - `groups`: the number of groups in the task's data; None if no share is kept for test
    - `needed`: the number of groups from which on some are kept for test
    """

    groups: Count | None
    needed: Count


class ScoredTask(FileModel):
    """How the test data of a task were prepared."""

    test_share: Annotated[float, Field(ge=0, le=1)] | None = None
    left_out: dict[str, Count] = Field(default_factory=dict)
    not_read: dict[str, Count] = Field(default_factory=dict)
    rewritten: dict[str, Count] = Field(default_factory=dict)


class UncheckedManifest(FileModel):
    """The content of data/manifest.json without a leak check."""

    entries: list[ManifestEntry] = Field(min_length=1)
    rows: Rows


class Manifest(UncheckedManifest):
    """The content of data/manifest.json in a run folder."""

    leaks: Leaks
    scored: dict[Name, ScoredTask] = Field(default_factory=dict)
    not_scored: dict[Name, NotScored] = Field(default_factory=dict)
