"""The folder of a run that is done, read back: everything that a comparison or a report tells is in
its files.

A file that is missing, damaged, edited since its stage made it, or of another version is one
message that names it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from glob import escape
from pathlib import Path
from typing import Any

from kodata.errors import DataError, brief
from kotune import layout
from kotune.errors import TRACEBACK, KotuneError, RecipeError, os_error
from kotune.layout import CONFIG, MANIFEST, METRICS, PARITY, RECIPE, RECORD, SCORES
from kotune.recipe import reading as recipes
from kotune.runs import guard
from kotune.runs.again import again
from kotune.runs.events import read_metrics
from kotune.runs.folder import Run, command, read_json, sha256
from kotune.runs.reading import MAX_LINES, lines_of, yaml_of
from kotune.runs.records import (
    Answered,
    Begun,
    Event,
    Item,
    Manifest,
    Parity,
    Record,
    Resolved,
    TaskScores,
    fits,
)
from kotune_tasks.card import cards

Sample = dict[str, Any]
# What a value of another kind or size raises, wherever it is used.
UNFIT = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError)


class Finished:
    """A run folder whose score stage is done. KotuneError tells what is missing or was changed
    since."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, folder.resolve().name
        guard.check(folder)
        try:
            self.record = _read(folder / RECORD, "no run folder; give one, or its recipe")
        except KotuneError as error:
            raise RecipeError(str(error)) from None
        self.command = again(self.record)
        if not fits(self.record, Begun) or "score" not in self.record.get("stages", {}):
            raise KotuneError(f"{folder}: not scored yet; go on with `{self.command}`")
        self.scores: dict[str, Any] = _read(folder / SCORES, f"run `{self.command}` again")
        known = fits(self.record, Record) and fits(self.scores, dict[str, TaskScores])
        if (
            not known
            or not self.scores.keys() <= cards().keys()
            or not (self.scores or self._has_nothing_to_score)
        ):
            raise KotuneError(
                f"{folder}: scored by another version of kotune; run `{self.command}` again"
            )
        self._check(SCORES)

    @property
    def _has_nothing_to_score(self) -> bool:
        return bool(self.manifest.get("not_scored"))

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """The recipe as it was resolved."""
        return self._yaml(RECIPE, Resolved)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The Axolotl configuration that it was trained with."""
        return self._yaml(CONFIG, dict[str, Any])

    @cached_property
    def manifest(self) -> dict[str, Any]:
        return self._json(MANIFEST, Manifest)

    @cached_property
    def parity(self) -> dict[str, Any]:
        """The proof that training and scoring ask the same."""
        return self._json(PARITY, Parity)

    @cached_property
    def logs(self) -> list[dict[str, Any]]:
        """The events of its training."""
        self._check(METRICS)
        try:
            found = read_metrics(self.folder / METRICS)
        except (OSError, KotuneError):
            found = [{}]
        return list(self._shaped(METRICS, found, list[Event]))

    def samples(self, task: str, kind: str) -> dict[str, Sample]:
        """What the `base` or `tuned` model made of every item, or the `items` themselves, by their
        documents' hashes. KotuneError where the file is not the one that was scored."""
        path = self._scored(task, kind)
        try:
            return _samples(
                path, self.scores[task]["sha256"][kind], Item if kind == "items" else Answered
            )
        except (OSError, ValueError):
            raise self._damaged(layout.samples(kind, task)) from None

    def check(self) -> None:
        """KotuneError for any file that a report reads later and that is missing or not as its
        stage left it."""
        _ = self.recipe, self.config, self.manifest, self.parity, self.logs
        for task, entry in self.scores.items():
            for kind in entry["sha256"]:
                self._scored(task, kind)

    def _scored(self, task: str, kind: str) -> Path:
        """A samples file, which is the one that was scored."""
        path = self.folder / layout.samples(kind, task)
        if not path.is_file() or _digest(path) != self.scores[task]["sha256"][kind]:
            again = f"remove {self.folder / SCORES} and run `{self.command}`"
            raise KotuneError(f"{path}: missing or changed since it was scored; {again}")
        return path

    def _check(self, name: str) -> None:
        """KotuneError for a file that is not as its stage left it. Copies without the adapter are
        whole enough."""
        made = {
            file: digest
            for stage in self.record["stages"].values()
            for file, digest in (stage.get("made") or {}).items()
        }
        path = self.folder / name
        if name in made and path.exists() and _digest(path) != made[name]:
            raise KotuneError(f"{path}: changed since it was made; run `{self.command}` again")

    def _yaml(self, name: str, shape: Any) -> dict[str, Any]:
        self._check(name)
        try:
            found = yaml_of(self.folder / name)
        except (OSError, ValueError):
            found = None
        return dict(self._shaped(name, found, shape))

    def _json(self, name: str, shape: Any) -> dict[str, Any]:
        self._check(name)
        return dict(
            self._shaped(
                name, _read(self.folder / name, f"remove it and run `{self.command}`"), shape
            )
        )

    def _shaped(self, name: str, found: Any, shape: Any) -> Any:
        """What a file holds, where it is what this version writes."""
        if not fits(found, shape):
            raise self._damaged(name)
        return found

    def _damaged(self, name: str) -> KotuneError:
        return KotuneError(
            f"{self.folder / name}: missing or not whole; remove it and run `{self.command}`"
        )


@lru_cache(
    maxsize=12
)  # enough for two runs of a task and their lines; fifty would not fit into memory
def _samples(path: Path, digest: str, shape: Any) -> dict[str, Sample]:
    """The lines of the samples file that has this digest, by their documents' hashes. ValueError
    where one has another shape."""
    found = lines_of(path)
    if not all(fits(sample, shape) for sample in found):
        raise ValueError("not as this version writes them")
    return {sample["doc_hash"]: sample for sample in found}


@contextmanager
def made_of(*folders: Path, instead: str = "make the run again") -> Iterator[None]:
    """Around what is made of runs that are there. Their values may be a stranger's, and no shape
    (records.py) says all that is asked of them together: what they break is one KotuneError that
    names the folders and what to do (`instead`), with the error itself as its cause."""
    try:
        yield
    except DataError:  # a ValueError that is a message already
        raise
    except UNFIT as error:
        names = ", ".join(map(str, folders))
        told = f"not as this version of kotune writes it ({type(error).__name__}: {brief(error)})"
        raise KotuneError(
            f"{names}: {told}; {instead}, or set {TRACEBACK}=1 to see where"
        ) from error


def find(given: Path, runs_dir: Path) -> Path:
    """The run folder that is meant: `given`, or the newest scored run of the recipe `given`, of
    those over all items where there is one. RecipeError if there is none."""
    if given.is_dir():
        return given
    if not given.exists():
        raise RecipeError(f"{given}: neither a run folder nor a recipe; give one that exists")
    recipe = recipes.load(given)
    scored, refused = [], []
    for folder in runs_dir.glob(f"{escape(given.stem)}-*"):
        try:
            guard.check(folder)
        except (KotuneError, PermissionError) as error:  # another's: there may be one of one's own
            refused.append(error)
            continue
        record = Run(folder).record()
        name = recipes.run_name(given, recipe, record.get("limit"))
        if "score" in record.get("stages", {}) and folder.name == name:
            scored.append(
                (record.get("limit") is None, record["stages"]["score"]["finished"], folder)
            )
    if not scored and refused:
        raise refused[0]
    if not scored:
        there = ", ".join(
            sorted(str(folder) for folder in runs_dir.glob(f"{escape(given.stem)}-*"))
        )
        meant = f", or name one that was made with other settings: {there}" if there else ""
        makes = command(given, runs_dir=runs_dir)
        raise RecipeError(
            f"{given}: no scored run of it as it stands in {runs_dir}; `{makes}` makes one{meant}"
        )
    return max(scored)[2]


def load(folders: Sequence[Path]) -> list[Finished]:
    """The runs, each once and under a name of its own. KotuneError names the first that cannot be
    compared."""
    seen: dict[Path, Path] = {}
    for folder in folders:
        if (place := folder.resolve()) in seen:
            raise KotuneError(f"{folder}: the same run as {seen[place]}; give each run once")
        seen[place] = folder
    found = [Finished(folder) for folder in folders]
    names = [run.name for run in found]
    for run in found:
        run.name = str(run.folder) if names.count(run.name) > 1 else run.name
    return found


def _digest(path: Path) -> str:
    """The digest of a file that is read later. KotuneError where it has more than is read of
    any."""
    try:
        return sha256(path, most=MAX_LINES)
    except OSError as error:
        raise KotuneError(os_error(error)) from None


def _read(path: Path, otherwise: str) -> dict[str, Any]:
    try:
        return dict(read_json(path))
    except (OSError, ValueError, TypeError, KotuneError):
        raise KotuneError(f"{path}: missing or not whole; {otherwise}") from None
