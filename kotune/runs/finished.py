"""Reads finished runs from their folders. Comparisons and reports read runs only through this
module.

Raises KotuneError for a file that is missing, damaged, written by another version of kotune, or
changed after its stage wrote it. The message names the file."""

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
from kotune.layout import (
    ADAPTER,
    ADAPTER_CONFIG,
    CONFIG,
    MANIFEST,
    METRICS,
    MODEL,
    PARITY,
    RECIPE,
    RECORD,
    SCORES,
    TEMPLATE,
    TOKENIZER,
    TOKENIZER_CONFIG,
)
from kotune.recipe import reading as recipes
from kotune.recipe.axolotl_keys import AxolotlConfig
from kotune.recipe.existing import NO_ADAPTER
from kotune.recipe.schema import Seed
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
    fits,
    parsed,
)
from kotune_tasks.card import cards

# Errors that code can raise if values of run files have an unexpected type or size, or contradict
# each other.
UNFIT = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError)
# The tuned model's files. A key is the name of the score stage's input that has the file's digest.
SCORED_FILES = {
    "adapter": ADAPTER,
    "adapter_config": ADAPTER_CONFIG,
    "template": f"{MODEL}/{TEMPLATE}",
    "tokenizer": TOKENIZER,
    "tokenizer_config": TOKENIZER_CONFIG,
}
T = TypeVar("T")
Line = TypeVar("Line", Item, Answer)


class Finished:
    """A run folder whose score stage is done.

    run.json and scores.json are read at once, the other files when they are first needed. Raises
    KotuneError if a file is missing, damaged or changed, or if the run is not scored yet. Raises
    RecipeError, a KotuneError, if run.json cannot be read."""

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
        """The content of run.json and scores.json. `record`: the value in run.json.

        Raises KotuneError if a file does not fit this version's models, or has a task that this
        version does not have. scores.json may be empty only if the manifest lists tasks without
        test rows. Otherwise this is an error too."""
        known = parsed(record, Record)
        scores = parsed(
            _read(self.folder / SCORES, f"run `{self.command}` again"), dict[str, TaskScores]
        )
        if known is not None and scores is not None and scores.keys() <= cards().keys():
            self.record = known  # `manifest` needs it to check the file's digest
            has_tuned = all("tuned" in entry.sha256 for entry in scores.values())
            if (has_tuned or not self.is_tuned) and (scores or self.manifest.not_scored):
                return known, scores
        raise KotuneError(
            f"{self.folder}: scored by another version of kotune; run `{self.command}` again"
        )

    @cached_property
    def recipe(self) -> Resolved:
        """The resolved recipe."""
        return self._yaml(RECIPE, Resolved)

    @property
    def is_tuned(self) -> bool:
        """Whether the run has a tuned model. False if a model without an adapter was scored."""
        return self.recipe.adapter != NO_ADAPTER

    @property
    def variant(self) -> str:
        """The variant that stands for the run in comparisons: `tuned`, or `base` without an
        adapter."""
        return "tuned" if self.is_tuned else "base"

    @cached_property
    def config(self) -> AxolotlConfig:
        """The Axolotl configuration of the run's training."""
        return self._yaml(CONFIG, AxolotlConfig)

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest of the run's training data. It has no entries if nothing was trained."""
        manifest = self._json(MANIFEST, Manifest)
        if bool(manifest.entries) != self.record.trained:
            raise self._damaged(MANIFEST)
        return manifest

    @cached_property
    def parity(self) -> Parity:
        """The content of parity.json: the proof that training and scoring use the same prompts."""
        return self._json(PARITY, Parity)

    @cached_property
    def logs(self) -> list[Event]:
        """The events of the run's training. Empty if metrics.jsonl is missing."""
        self._check(METRICS)
        try:
            return read_metrics(self.folder / METRICS)
        except (OSError, KotuneError):
            raise self._damaged(METRICS) from None

    def samples(self, task: str, kind: str) -> Answers:
        """The answers to the items of a task, by document hash. `kind`: `base`, `tuned` or the name
        of a baseline. Raises KotuneError if the file is missing, damaged or changed since
        scoring."""
        return self._lines(task, kind, Answer)

    def items(self, task: str) -> Items:
        """The items of a task, by document hash. Raises KotuneError if the file is missing, damaged
        or changed since scoring."""
        return self._lines(task, "items", Item)

    def _lines(self, task: str, kind: str, shape: type[Line]) -> dict[str, Line]:
        path = self._scored(task, kind)
        try:
            digest = self.scores[task].sha256[kind]
            return _lines(path, digest, shape)  # type: ignore[arg-type]  # every class is hashable
        except (OSError, ValueError):  # any line may be damaged or edited
            raise self._damaged(layout.samples(kind, task)) from None

    def check(self) -> None:
        """Check every file that comparisons and reports read, and the tuned model's files.

        Raises KotuneError if a file changed after its stage wrote or scored it, or if a file is
        missing. Only metrics.jsonl and the model's files may be missing."""
        _ = self.recipe, self.config, self.manifest, self.parity, self.logs
        for task, entry in self.scores.items():
            for kind in entry.sha256:
                self._scored(task, kind)
        for file in self.replaced():
            raise KotuneError(
                f"{self.folder / file}: changed since it was scored; put the scored file back, or"
                f" run `{self.command}` again"
            )

    def replaced(self) -> Iterator[str]:
        """The names of the tuned model's files that changed after they were scored.

        Missing files are not listed, because a run may be copied without its model. Files whose
        digest is not recorded are not listed either. Raises KotuneError if a file cannot be
        read."""
        inputs = self.record.score.inputs
        for name, file in SCORED_FILES.items():
            path = self.folder / file
            if name in inputs and path.exists() and _digest(path, guard.MOST) != inputs[name]:
                yield file

    def _scored(self, task: str, kind: str) -> Path:
        """The path of a samples file. `kind`: as for samples(), or `items`. Raises KotuneError if
        the file is missing or changed since scoring."""
        path = self.folder / layout.samples(kind, task)
        if not path.is_file() or _digest(path) != self.scores[task].sha256[kind]:
            remedy = f"remove {self.folder / SCORES} and run `{self.command}`"
            raise KotuneError(f"{path}: missing or changed since it was scored; {remedy}")
        return path

    def _check(self, name: str) -> None:
        """Raise KotuneError if the file `name` has another digest than its stage recorded.

        A file without a recorded digest is accepted. So is a missing file, because the caller reads
        the file next and handles its absence."""
        made = {
            file: digest
            for stage in self.record.stages.values()
            for file, digest in stage.files.items()
        }
        path = self.folder / name
        if name in made and path.exists() and _digest(path) != made[name]:
            raise KotuneError(f"{path}: changed since it was made; run `{self.command}` again")

    def _yaml(self, name: str, shape: type[T]) -> T:
        """The content of the YAML file `name`, as an instance of `shape`. Raises KotuneError if the
        file is missing, damaged or changed."""
        self._check(name)
        try:
            value = yaml_of(self.folder / name)
        except (OSError, ValueError):  # missing, or not YAML
            raise self._damaged(name) from None
        return self._parsed(name, value, shape)

    def _json(self, name: str, shape: type[T]) -> T:
        """Like _yaml(), but for a JSON file."""
        self._check(name)
        value = _read(self.folder / name, f"remove it and run `{self.command}`")
        return self._parsed(name, value, shape)

    def _parsed(self, name: str, value: object, shape: type[T]) -> T:
        if (model := parsed(value, shape)) is None:
            raise self._damaged(name)
        return model

    def _damaged(self, name: str) -> KotuneError:
        """The error for a file that is missing or damaged, to be raised by the caller."""
        return KotuneError(
            f"{self.folder / name}: missing or damaged; remove it and run `{self.command}`"
        )


# Twelve files are enough to compare two runs on one task: for each run, the items, the answers of
# the base and the tuned model, and the answers of its baselines. Fifty parsed files would not fit
# into memory.
@lru_cache(maxsize=12)
def _lines(path: Path, digest: str, shape: type[Line]) -> dict[str, Line]:
    """The lines of a samples file, by document hash. `shape`: the type of a line.

    `digest`: the digest of the file. Only the cache uses it: after the file has changed, the cache
    does not return the old lines. Raises ValueError if a line does not fit `shape` or the file
    exceeds a limit, and OSError if the file cannot be read."""
    adapter = TypeAdapter(shape)
    lines = (adapter.validate_json(line) for line in raw_lines(path) if line.strip())
    return {line.doc_hash: line for line in lines}


@contextmanager
def explain_malformed(*folders: Path, remedy: str = "make the run again") -> Iterator[None]:
    """Context manager: turn an error caused by malformed run files into a KotuneError. Its message
    has the folders and the `remedy`. Its cause is the original error.

    When a file is read, the pydantic models in records.py check each value on its own. They do not
    notice if two values contradict each other. Such values raise one of the errors in UNFIT later,
    in the code that uses both."""
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
    """The folder of a run. `given`: a run folder, which is returned unchanged, or a recipe.

    For a recipe, the result is its newest scored run in `runs_dir`, with any seed. A run with
    --limit is used only if no run covers all items.

    Raises RecipeError if `given` does not exist or the recipe has no scored run. If there is no
    scored run, but a folder with the recipe's name could not be read, the error of that folder is
    raised instead (KotuneError or PermissionError)."""
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
        score, seed = record.stages.get("score"), record.as_json().get("seed")
        if not score or not fits(seed, Seed):
            continue
        of_seed = recipe.model_copy(update={"seed": seed})
        if folder.name == recipes.run_name(given, of_seed, record.limit):
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
    """A scored run of a recipe. find() returns the folder of the largest tuple. So runs over all
    items come before runs with --limit, and then the newest run is chosen.

    `finished`: the end of the score stage, in seconds since 1970."""

    is_whole: bool
    finished: float
    folder: Path


def load(folders: Sequence[Path]) -> list[Finished]:
    """The scored runs in `folders`, in the same order. If two folders have the same name, the
    `name` of their runs is the path.

    Raises KotuneError if a run is given twice, if a folder is not a scored run, or if its files are
    damaged or changed (Finished.check)."""
    seen: dict[Path, Path] = {}
    for folder in folders:
        if (path := folder.resolve()) in seen:
            raise KotuneError(f"{folder}: the same run as {seen[path]}; give each run once")
        seen[path] = folder
    runs = [Finished(folder) for folder in folders]
    names = [run.name for run in runs]
    for run in runs:
        run.check()
        run.name = str(run.folder) if names.count(run.name) > 1 else run.name
    return runs


def _digest(path: Path, most: int = MAX_LINES) -> str:
    """The digest of a file (folder.sha256). Raises KotuneError if the file has more than `most`
    bytes or cannot be read."""
    try:
        return sha256(path, most=most)
    except OSError as error:
        raise KotuneError(os_error(error)) from None


def _read(path: Path, remedy: str) -> object:
    """The dict in a JSON file. Raises KotuneError if the file is missing, damaged or contains
    another value. `remedy`: what to do then, for the message."""
    try:
        value = read_json(path)
    except (OSError, KotuneError):
        value = None
    if not isinstance(value, dict):
        raise KotuneError(f"{path}: missing or damaged; {remedy}")
    return value
