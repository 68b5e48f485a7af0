"""What a task tells about itself under `metadata` in its YAML file, read without lm_eval, whose
import takes seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

TaskFile = dict[str, Any]  # what a YAML file of lm_eval holds
FOLDER = Path(__file__).resolve().parent
CRITERIA = ("reasoning", "accuracy", "consistency", "naturalness")


@dataclass(frozen=True)
class Published:
    """A figure for a task's data that others measured. `split`: on what, as far as the source
    says."""

    name: str  # of a model; or `human`, `validator`
    metric: str
    value: float
    split: str
    source: str


@dataclass(frozen=True)
class TaskCard:
    """The facts of a task that a run and a comparison need."""

    name: str
    version: float  # changes with prompt, split or scoring
    criterion: str  # which of CRITERIA it answers
    source: str  # the source in kodata whose test split is scored
    # The form in which that source is trained on this very prompt, if there is one.
    form: str | None
    cluster: str  # the field of a doc that it shares with others: they are resampled together
    quick: int  # items of a quick look, whole clusters
    primary: str  # the metric that a comparison judges and corrects for
    chance: Mapping[str, float] = field(default_factory=dict)  # what guessing scores, by metric
    # what a value of `primary` is multiplied with to be told: 100 for a share, 1 for what is none
    scale: int = 100
    lower_is_better: frozenset[str] = frozenset()  # of its metrics
    # Of reference lines: what their metrics' names begin with.
    lines: Mapping[str, str] = field(default_factory=dict)
    published: tuple[Published, ...] = ()
    # a doc's `messages` are asked in their turns where a run asks, as one text by plain lm_eval
    turns: bool = False

    @property
    def is_share(self) -> bool:
        """Whether `primary` is a share, whose differences are shown in points."""
        return self.scale == 100


# The loader in C takes a tenth of the time.
class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads lm_eval's files; `!function file.name` stands for nothing here."""


_Loader.add_multi_constructor("!function", lambda loader, suffix, node: None)


@cache
def cards() -> dict[str, TaskCard]:
    """Every task by its name, in the order of their files."""
    return {name: _card(name, told) for name, told in _files().items() if not _is_group(told)}


@cache
def groups() -> dict[str, tuple[str, ...]]:
    """For the name of each group the names of its tasks."""
    return {name: tuple(told["task"]) for name, told in _files().items() if _is_group(told)}


def settings(name: str) -> TaskFile:
    """What a task's file says, with what it includes laid under it."""
    told = _files()[name]
    return {**_files().get(Path(told.get("include", "")).stem, {}), **told}


def file(name: str) -> Path:
    """The file of a task or group."""
    return next(FOLDER.glob(f"*/{name}.yaml"))


def _is_group(told: TaskFile) -> bool:
    return isinstance(told["task"], list)


@cache
def _files() -> dict[str, TaskFile]:
    """What every YAML file says: the name of each is the name of its task or group."""
    paths = sorted(FOLDER.glob("*/*.yaml"))
    return {path.stem: yaml.load(path.read_text(encoding="utf-8"), _Loader) for path in paths}


def _card(name: str, told: TaskFile) -> TaskCard:
    listed = settings(name)["metric_list"]
    lower = frozenset(metric["metric"] for metric in listed if not metric["higher_is_better"])
    published = tuple(Published(**figure) for figure in told["metadata"].get("published", ()))
    return TaskCard(
        **{**told["metadata"], "name": name, "lower_is_better": lower, "published": published}
    )
