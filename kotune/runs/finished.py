"""Reads a finished run from its folder. Comparisons and reports read runs only through this module.

KotuneError is raised for a file that is missing, damaged, written by another version, or edited
after its stage wrote it. Its message names the file."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from glob import escape
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import TypeAdapter

from kodata.errors import UserError, brief
from kotune import layout
from kotune.errors import TRACEBACK, KotuneError, RecipeError, os_error
from kotune.layout import CONFIG, MANIFEST, METRICS, PARITY, RECIPE, RECORD, SCORES
from kotune.recipe import reading as recipes
from kotune.recipe.axolotl_keys import AxolotlConfig
from kotune.runs import guard
from kotune.runs.again import again
from kotune.runs.events import read_metrics
from kotune.runs.folder import Run, command, read_json, sha256
from kotune.runs.manifest import Manifest
from kotune.runs.proof import Parity
from kotune.runs.reading import MAX_LINES, raw_lines, yaml_of
from kotune.runs.records import (
    Answer,
    Answers,
    Begun,
    Event,
    Item,
    Items,
    Record,
    Resolved,
    TaskScores,
    parsed,
)
from kotune_tasks.card import cards

# Errors that code may raise if a value has an unexpected type or size.
UNFIT = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError)
T = TypeVar("T")
Line = TypeVar("Line", Item, Answer)


class Finished:
    """A run folder whose score stage is done. Raises KotuneError if a file is missing or
    changed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, folder.resolve().name
        guard.check(folder)
        try:
            record = _read(folder / RECORD, "not a run folder; give one, or its recipe")
        except KotuneError as error:
            raise RecipeError(str(error)) from None
        self.command = again(record)
        begun = parsed(record, Begun)
        if begun is None or "score" not in begun.stages:
            raise KotuneError(f"{folder}: not scored yet; continue with `{self.command}`")
        self.record, self.scores = self._known(record)
        self._check(SCORES)

    def _known(self, record: object) -> tuple[Record, dict[str, TaskScores]]:
        """The content of run.json and scores.json. Raises KotuneError if a file or a task is of
        another version."""
        known = parsed(record, Record)
        scores = parsed(
            _read(self.folder / SCORES, f"run `{self.command}` again"), dict[str, TaskScores]
        )
        if known is not None and scores is not None and scores.keys() <= cards().keys():
            self.record = known
            if scores or self.manifest.not_scored:
                return known, scores
        raise KotuneError(
            f"{self.folder}: scored by another version of kotune; run `{self.command}` again"
        )

    @cached_property
    def recipe(self) -> Resolved:
        """The resolved recipe."""
        return self._yaml(RECIPE, Resolved)

    @cached_property
    def config(self) -> AxolotlConfig:
        """The Axolotl configuration of the run's training."""
        return self._yaml(CONFIG, AxolotlConfig)

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest of the run's training data."""
        return self._json(MANIFEST, Manifest)

    @cached_property
    def parity(self) -> Parity:
        """The proof that training and scoring use the same prompts."""
        return self._json(PARITY, Parity)

    @cached_property
    def logs(self) -> list[Event]:
        """The events of the run's training."""
        self._check(METRICS)
        try:
            return read_metrics(self.folder / METRICS)
        except (OSError, KotuneError):
            raise self._damaged(METRICS) from None

    def samples(self, task: str, kind: str) -> Answers:
        """The answers of the `base` or `tuned` model, or of a baseline, to every item. Raises
        KotuneError if the file changed since scoring."""
        return self._lines(task, kind, Answer)

    def items(self, task: str) -> Items:
        """The items of a task. Raises KotuneError if the file changed since scoring."""
        return self._lines(task, "items", Item)

    def _lines(self, task: str, kind: str, shape: type[Line]) -> dict[str, Line]:
        path = self._scored(task, kind)
        try:
            digest = self.scores[task].sha256[kind]
            return _lines(path, digest, shape)  # type: ignore[arg-type]  # a class is hashable
        except (OSError, ValueError):  # any line may be damaged or edited
            raise self._damaged(layout.samples(kind, task)) from None

    def check(self) -> None:
        """Check every file that a report reads later. Raises KotuneError for a file that is
        missing, or that changed after its stage wrote it."""
        _ = self.recipe, self.config, self.manifest, self.parity, self.logs
        for task, entry in self.scores.items():
            for kind in entry.sha256:
                self._scored(task, kind)

    def _scored(self, task: str, kind: str) -> Path:
        """The path of a samples file. Raises KotuneError if it changed since scoring."""
        path = self.folder / layout.samples(kind, task)
        if not path.is_file() or _digest(path) != self.scores[task].sha256[kind]:
            remedy = f"remove {self.folder / SCORES} and run `{self.command}`"
            raise KotuneError(f"{path}: missing or changed since it was scored; {remedy}")
        return path

    def _check(self, name: str) -> None:
        """Raise KotuneError for a file that changed after its stage wrote it. A missing file is
        accepted, because a copy of a run may lack the adapter."""
        made = {
            file: digest
            for stage in self.record.stages.values()
            for file, digest in stage.files.items()
        }
        path = self.folder / name
        if name in made and path.exists() and _digest(path) != made[name]:
            raise KotuneError(f"{path}: changed since it was made; run `{self.command}` again")

    def _yaml(self, name: str, shape: type[T]) -> T:
        self._check(name)
        try:
            value = yaml_of(self.folder / name)
        except (OSError, ValueError):  # missing, or not YAML
            raise self._damaged(name) from None
        return self._parsed(name, value, shape)

    def _json(self, name: str, shape: type[T]) -> T:
        self._check(name)
        value = _read(self.folder / name, f"remove it and run `{self.command}`")
        return self._parsed(name, value, shape)

    def _parsed(self, name: str, value: object, shape: type[T]) -> T:
        if (model := parsed(value, shape)) is None:
            raise self._damaged(name)
        return model

    def _damaged(self, name: str) -> KotuneError:
        return KotuneError(
            f"{self.folder / name}: missing or damaged; remove it and run `{self.command}`"
        )


# This is enough for one task of two runs and their baselines. Fifty files would not fit into
# memory.
@lru_cache(maxsize=12)
def _lines(path: Path, digest: str, shape: type[Line]) -> dict[str, Line]:
    """The lines of a samples file, by document hash. `digest` is only a part of the cache key.
    Raises ValueError if a line does not fit `shape`."""
    adapter = TypeAdapter(shape)
    lines = (adapter.validate_json(line) for line in raw_lines(path) if line.strip())
    return {line.doc_hash: line for line in lines}


@contextmanager
def explain_malformed(*folders: Path, remedy: str = "make the run again") -> Iterator[None]:
    """Context manager: turn an error caused by malformed run files into a KotuneError. The message
    has the folders and the `remedy`. The original error is the cause.

    The models (records.py) check each value on its own. Values that contradict each other cause an
    error only where they are used together."""
    try:
        yield
    except UserError:
        raise
    except UNFIT as error:
        names = ", ".join(map(str, folders))
        reason = f"not as this version of kotune writes it ({type(error).__name__}: {brief(error)})"
        raise KotuneError(
            f"{names}: {reason}; {remedy}, or set {TRACEBACK}=1 to see where"
        ) from error


def find(given: Path, runs_dir: Path) -> Path:
    """The folder of a run. `given` is a run folder or a recipe.

    A run folder is returned unchanged. For a recipe, the newest scored run is returned. A run with
    --limit is used only if no run covers all items. Raises RecipeError if there is no run."""
    if given.is_dir():
        return given
    if not given.exists():
        raise RecipeError(f"{given}: neither a run folder nor a recipe; give one that exists")
    recipe = recipes.load(given)
    scored, refused = [], []
    for folder in runs_dir.glob(f"{escape(given.stem)}-*"):
        try:
            guard.check(folder)
            record = Run(folder).record()
        except (
            KotuneError,
            PermissionError,
        ) as error:  # the folder is damaged, or another user owns it
            refused.append(error)
            continue
        score = record.stages.get("score")
        if score and folder.name == recipes.run_name(given, recipe, record.limit):
            scored.append(_Scored(record.limit is None, score.finished, folder))
    if not scored and refused:
        raise refused[0]
    if not scored:
        others = ", ".join(
            sorted(str(folder) for folder in runs_dir.glob(f"{escape(given.stem)}-*"))
        )
        choice = f", or give a run with other settings: {others}" if others else ""
        makes = command(given, runs_dir=runs_dir)
        raise RecipeError(
            f"{given}: {runs_dir} has no scored run of the recipe as it is now; make one with"
            f" `{makes}`{choice}"
        )
    return max(scored).folder


class _Scored(NamedTuple):
    """A scored run of a recipe, as a sort key. The largest one is used: runs over all items come
    before others, then the newest run."""

    is_whole: bool
    finished: float
    folder: Path


def load(folders: Sequence[Path]) -> list[Finished]:
    """The runs in the given order. If two folders have the same name, their runs are named by path.

    Raises KotuneError for a run that cannot be compared, and for a run that is given twice."""
    seen: dict[Path, Path] = {}
    for folder in folders:
        if (path := folder.resolve()) in seen:
            raise KotuneError(f"{folder}: the same run as {seen[path]}; give each run once")
        seen[path] = folder
    runs = [Finished(folder) for folder in folders]
    names = [run.name for run in runs]
    for run in runs:
        run.name = str(run.folder) if names.count(run.name) > 1 else run.name
    return runs


def _digest(path: Path) -> str:
    """The digest of a file that is read later. Raises KotuneError if the file is too large."""
    try:
        return sha256(path, most=MAX_LINES)
    except OSError as error:
        raise KotuneError(os_error(error)) from None


def _read(path: Path, remedy: str) -> object:
    """The object in a JSON file. Raises KotuneError with the remedy if there is no object."""
    try:
        value = read_json(path)
    except (OSError, KotuneError):
        value = None
    if not isinstance(value, dict):
        raise KotuneError(f"{path}: missing or damaged; {remedy}")
    return value
