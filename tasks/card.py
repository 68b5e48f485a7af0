"""Reads the facts about a task from its YAML file, most of them from the key `metadata`. lm_eval is
not needed, whose import would take seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

TaskFile = dict[str, Any]  # the content of a task's or a group's YAML file, as lm_eval defines it
FOLDER = Path(__file__).resolve().parent
CRITERIA = ("reasoning", "accuracy", "consistency", "naturalness")


@dataclass(frozen=True)
class Published:
    """A published result on a task's data."""

    name: str  # a model, `human` or `validator`
    metric: str
    value: float
    split: str  # the split that was scored, as the publication states it
    source: str  # the publication


@dataclass(frozen=True)
class TaskCard:
    """The facts about a task that a run and a comparison need."""

    name: str
    version: float  # raised when the prompt, the split or the scoring changes
    criterion: str  # one of CRITERIA
    source: str  # the source in kodata whose test split is scored
    form: str | None  # the form of the source that has the same prompt; None if no form has it
    cluster: str  # the field of a doc that names its cluster; clusters are resampled whole
    quick: int  # the number of items that a quick run scores
    primary: str  # the metric that a comparison tests, with correction for multiple tests
    chance: Mapping[str, float] = field(default_factory=dict)  # for a metric: its value by guessing
    scale: int = 100  # values of `primary` are shown times this factor: 100 for a share, else 1
    lower_is_better: frozenset[str] = frozenset()  # the metrics whose lower values are better
    # The baselines that the task scores itself. Each maps to the prefix of the names of its
    # metrics.
    lines: Mapping[str, str] = field(default_factory=dict)
    published: tuple[Published, ...] = ()
    # True if a run sends a doc's `messages` to the model as separate turns. Without kotune, lm_eval
    # sends them as one text.
    turns: bool = False

    @property
    def criterion_order(self) -> int:
        """The place of its criterion in CRITERIA, a key to sort tasks by."""
        return CRITERIA.index(self.criterion)

    @property
    def is_share(self) -> bool:
        """Whether `primary` is a share. Its differences are then shown in percentage points."""
        return self.scale == 100


# CSafeLoader, which is written in C, takes a tenth of the time of SafeLoader.
class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Loads lm_eval's YAML files. A value `!function file.name` becomes None."""


_Loader.add_multi_constructor("!function", lambda loader, suffix, node: None)


@cache
def cards() -> dict[str, TaskCard]:
    """The cards of all tasks by name, sorted by the paths of their files."""
    return {name: _card(name, yml) for name, yml in _files().items() if not _is_group(yml)}


@cache
def groups() -> dict[str, tuple[str, ...]]:
    """The names of the tasks of each group, by the name of the group."""
    return {name: tuple(yml["task"]) for name, yml in _files().items() if _is_group(yml)}


def settings(name: str) -> TaskFile:
    """The content of a task's file. Its missing keys are taken from the file that it includes, if
    any. Raises KeyError for an unknown task."""
    own = _files()[name]
    return {**_files().get(Path(own.get("include", "")).stem, {}), **own}


def file(name: str) -> Path:
    """The path of the file of a task or group. Raises StopIteration for an unknown name."""
    return next(FOLDER.glob(f"*/{name}.yaml"))


def _is_group(yml: TaskFile) -> bool:
    return isinstance(yml["task"], list)


@cache
def _files() -> dict[str, TaskFile]:
    """The content of every YAML file, by the name of its task or group."""
    paths = sorted(FOLDER.glob("*/*.yaml"))
    return {path.stem: yaml.load(path.read_text(encoding="utf-8"), _Loader) for path in paths}


def _card(name: str, yml: TaskFile) -> TaskCard:
    metrics = settings(name)["metric_list"]
    lower = frozenset(metric["metric"] for metric in metrics if not metric["higher_is_better"])
    published = tuple(Published(**result) for result in yml["metadata"].get("published", ()))
    return TaskCard(
        **{**yml["metadata"], "name": name, "lower_is_better": lower, "published": published}
    )
