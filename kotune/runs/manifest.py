"""Frozen pydantic models of data/manifest.json, which has the origin of a run's training data, the
numbers of rows, and the result of the leak check."""

from typing import Annotated

from pydantic import Field

from kotune.runs.records import Amount, Count, FileModel, Name


class InputFile(FileModel):
    """A data file that was read, with its SHA-256 digest."""

    file: str
    sha256: str


class Rows(FileModel):
    """The number of rows of each split."""

    train: Count
    validation: Count

    def both(self) -> tuple[int, int]:
        """The numbers of train and validation, in the order of kodata.prepare.output.SPLITS."""
        return self.train, self.validation


class LabelCounts(FileModel):
    """The number of rows with each label, for each split."""

    train: dict[str, Count]
    validation: dict[str, Count]

    def both(self) -> tuple[dict[str, int], dict[str, int]]:
        """The counts of train and validation, in the order of kodata.prepare.output.SPLITS."""
        return self.train, self.validation


class ManifestEntry(FileModel):
    """A data entry of the recipe, with the files that were read and the numbers of rows.

    - `origin`: where the data come from, such as the hub id and the commit
    - `obliges`: what the licence requires of users of the data
    - `kept`: the number of training examples of each split
    - `dropped`: the number of rows, by reason
    - `rewritten`: the number of rows, by kind of change
    - `not_read`: for each key that is not read, the number of rows that have it; missing in runs of
      earlier versions
    - `unread_files`: the files in the folder that are not read
    """

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
    not_read: dict[str, Count] = Field(default_factory=dict)
    unread_files: list[str] = Field(default_factory=list)
    labels: LabelCounts


class Leak(FileModel):
    """A kind of leak: training rows of a source that repeat test data of a task.

    - `kind`: how the texts match (kodata.prepare.leaks); `pair` if both parts of a question, such
      as premise and hypothesis, are in one training example
    - `rows`: the number of training rows with such a text
    - `texts`: the number of distinct training texts
    """

    source: str
    task: str
    kind: str
    rows: Count
    texts: Count


class SharedPart(FileModel):
    """The number of training rows that share a hypothesis, a question or a single turn with a
    task's test data. Such rows are not leaks. `texts`: the number of distinct shared texts."""

    source: str
    task: str
    rows: Count
    texts: Count


class Compared(FileModel):
    """What the leak check compared training rows with: the number of a task's test texts, and of
    its pairs of texts (such as premise and hypothesis)."""

    texts: Count
    pairs: Count


class SharedText(FileModel):
    """The number of test texts of a task that are also in the test split of another source."""

    source: str
    task: str
    texts: Count


class Leaks(FileModel):
    """The result of the leak check. Runs of earlier versions have neither `compared` nor `shared`.

    `policy`: what was done with leaked rows (kodata.prepare.entries.Scored.leaks). `compared` has
    the tasks as keys."""

    policy: str
    compared: dict[Name, Compared] = Field(default_factory=dict)
    found: list[Leak]
    shared: list[SharedPart] = Field(default_factory=list)
    between_tests: list[SharedText]


class NotScored(FileModel):
    """A task without test rows.

    - `groups`: the number of groups in the task's data; None if no share is kept for test
    - `needed`: the smallest number of groups with which some are kept for test
    """

    groups: Count | None
    needed: Count


class ScoredTask(FileModel):
    """How the test data of a task were prepared.

    - `test_share`: the share of groups that is kept for test; None if the data have a test part
    - `left_out`: the number of test rows that are not scored, by reason
    - `rewritten`: the number of test rows, by kind of change
    - `not_read`: for each key that is not read, the number of test rows that have it
    """

    test_share: Annotated[float, Field(ge=0, le=1)] | None = None
    left_out: dict[str, Count] = Field(default_factory=dict)
    not_read: dict[str, Count] = Field(default_factory=dict)
    rewritten: dict[str, Count] = Field(default_factory=dict)


class UncheckedManifest(FileModel):
    """The content of data/manifest.json without a leak check."""

    entries: list[ManifestEntry]  # empty if nothing was trained
    rows: Rows


class Manifest(UncheckedManifest):
    """The content of data/manifest.json in a run folder. `scored` and `not_scored` have the tasks
    as keys."""

    leaks: Leaks
    scored: dict[Name, ScoredTask] = Field(default_factory=dict)
    not_scored: dict[Name, NotScored] = Field(default_factory=dict)
