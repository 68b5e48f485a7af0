"""The folder of a run that is done, read back: everything that a comparison or a report tells is in its files.

A file that is missing, damaged, edited since its stage made it, or of another version is one message that names it.
"""

import json
from collections.abc import Sequence
from functools import cached_property, lru_cache
from glob import escape
from pathlib import Path
from typing import Any

from pydantic import Field

from kotune import recipe as recipes
from kotune.errors import KotuneError, RecipeError
from kotune.run import Run, command, read_json, sha256
from kotune.shape import Shape, Stage, fits
from kotune.training import read_metrics
from tasks.card import cards

Sample = dict[str, Any]


class Stages(Shape):
    train: Stage
    score: Stage
    __pydantic_extra__: dict[str, Stage]


class Record(Shape):
    seed: int
    limit: int | str | None
    device: str
    base_precision: str
    versions: dict[str, str | None]
    python: str
    machine: str
    model_revision: str | None
    code_revision: str | None
    trainable_parameters: int
    stages: Stages


class Value(Shape):
    value: float | None
    stderr: float | None
    n: int


class Sums(Shape):
    base: str
    tuned: str
    items: str


class Scored(Shape):
    version: float
    n: int
    chance: dict[str, float]
    sha256: Sums
    base: dict[str, Value]
    tuned: dict[str, Value]


class File(Shape):
    file: str
    sha256: str


class Rows(Shape):
    train: int
    validation: int


class Entry(Shape):
    source: str
    form: str
    samples: int | None
    weight: float
    origin: dict[str, Any] = Field(alias="from")
    licence: str
    obliges: str
    files: list[File]
    kept: Rows
    dropped: dict[str, int]
    labels: dict[str, Any]


class Manifest(Shape):
    entries: list[Entry] = Field(min_length=1)
    rows: Rows
    leaks: dict[str, Any]


class Labels(Shape):
    rows: int
    status: str


class Lengths(Shape):
    rows: int
    longest: int
    sequence_len: int
    too_long: int


class Compared(Shape):
    status: str


class Parity(Shape):
    tasks: dict[str, Compared]
    labels: Labels
    lengths: Lengths


class Event(Shape):
    event: str
    step: int
    __pydantic_extra__: dict[str, str | float]


class Resolved(Shape):
    model: str
    adapter: str


class Finished:
    """A run folder whose score stage is done. KotuneError tells what is missing or was changed since."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, folder.resolve().name
        try:
            self.record = _read(folder / "run.json", "no run folder; give one, or its recipe")
        except KotuneError as error:
            raise RecipeError(str(error)) from None
        self.command = self.record.get("command", "./cli.py run RECIPE")
        if "score" not in (self.record.get("stages") or {}):
            raise KotuneError(f"{folder}: not scored yet; go on with `{self.command}`")
        self.scores: dict[str, Any] = _read(folder / "scores.json", f"run `{self.command}` again")
        known = fits(self.record, Record) and fits(self.scores, dict[str, Scored])
        if not known or not self.scores or not self.scores.keys() <= cards().keys():
            raise KotuneError(f"{folder}: scored by another version of kotune; run `{self.command}` again")
        self._check("scores.json")

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """The recipe as it was resolved."""
        return self._yaml("recipe.yml", Resolved)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The Axolotl configuration that it was trained with."""
        return self._yaml("axolotl.yml", dict[str, Any])

    @cached_property
    def manifest(self) -> dict[str, Any]:
        return self._json("data/manifest.json", Manifest)

    @cached_property
    def parity(self) -> dict[str, Any]:
        """The proof that training and scoring ask the same."""
        return self._json("parity.json", Parity)

    @cached_property
    def logs(self) -> list[dict[str, Any]]:
        """The events of its training."""
        self._check("metrics.jsonl")
        try:
            found = read_metrics(self.folder / "metrics.jsonl")
        except ValueError:
            found = [{}]
        return list(self._shaped("metrics.jsonl", found, list[Event]))

    def samples(self, task: str, kind: str) -> dict[str, Sample]:
        """What the `base` or `tuned` model made of every item, or the `items` themselves, by their documents' hashes.
        KotuneError where the file is not the one that was scored."""
        return _samples(self._scored(task, kind), self.scores[task]["sha256"][kind])

    def check(self) -> None:
        """KotuneError for any file that a report reads later and that is missing or not as its stage left it."""
        _ = self.recipe, self.config, self.manifest, self.parity, self.logs
        for task, entry in self.scores.items():
            for kind in entry["sha256"]:
                self._scored(task, kind)

    def _scored(self, task: str, kind: str) -> Path:
        """A samples file, which is the one that was scored."""
        path = self.folder / "samples" / kind / f"{task}.jsonl"
        if not path.is_file() or sha256(path) != self.scores[task]["sha256"][kind]:
            again = f"remove {self.folder / 'scores.json'} and run `{self.command}`"
            raise KotuneError(f"{path}: missing or changed since it was scored; {again}")
        return path

    def _check(self, name: str) -> None:
        """KotuneError for a file that is not as its stage left it. Copies without the adapter are whole enough."""
        made = {
            file: digest
            for stage in self.record["stages"].values()
            for file, digest in (stage.get("made") or {}).items()
        }
        path = self.folder / name
        if name in made and path.exists() and sha256(path) != made[name]:
            raise KotuneError(f"{path}: changed since it was made; run `{self.command}` again")

    def _yaml(self, name: str, shape: Any) -> dict[str, Any]:
        import yaml

        self._check(name)
        try:
            found = yaml.safe_load(self.folder.joinpath(name).read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError, ValueError):
            found = None
        return dict(self._shaped(name, found, shape))

    def _json(self, name: str, shape: Any) -> dict[str, Any]:
        self._check(name)
        return dict(self._shaped(name, _read(self.folder / name, f"remove it and run `{self.command}`"), shape))

    def _shaped(self, name: str, found: Any, shape: Any) -> Any:
        """What a file holds, where it is what this version writes."""
        if not fits(found, shape):
            raise self._damaged(name)
        return found

    def _damaged(self, name: str) -> KotuneError:
        return KotuneError(f"{self.folder / name}: missing or not whole; remove it and run `{self.command}`")


@lru_cache(maxsize=12)  # enough for two runs of a task and their lines; fifty would not fit into memory
def _samples(path: Path, digest: str) -> dict[str, Sample]:
    """The lines of the samples file that has this digest, by their documents' hashes."""
    lines = path.read_bytes().split(b"\n")  # splitlines() of text would break at U+2028, which stands in answers
    return {sample["doc_hash"]: sample for sample in map(_loads, filter(None, lines))}


def _loads(line: bytes) -> Any:
    """A line of JSON, by orjson where it is installed and the line has no NaN, which orjson refuses."""
    try:
        import orjson

        return orjson.loads(line)
    except (ImportError, ValueError):
        return json.loads(line)


def find(given: Path, runs_dir: Path) -> Path:
    """The run folder that is meant: `given`, or the newest scored run of the recipe `given`, of those over all items where
    there is one. RecipeError if there is none."""
    if given.is_dir():
        return given
    if not given.exists():
        raise RecipeError(f"{given}: neither a run folder nor a recipe; give one that exists")
    recipe = recipes.load(given)
    scored = []
    for folder in runs_dir.glob(f"{escape(given.stem)}-*"):
        record = Run(folder).record()
        name = recipes.run_name(given, recipe, record.get("limit"))
        if "score" in record.get("stages", {}) and folder.name == name:
            scored.append((record.get("limit") is None, record["stages"]["score"]["finished"], folder))
    if not scored:
        there = ", ".join(sorted(str(folder) for folder in runs_dir.glob(f"{escape(given.stem)}-*")))
        meant = f", or name one that was made with other settings: {there}" if there else ""
        makes = command(given, runs_dir=runs_dir)
        raise RecipeError(f"{given}: no scored run of it as it stands in {runs_dir}; `{makes}` makes one{meant}")
    return max(scored)[2]


def load(folders: Sequence[Path]) -> list[Finished]:
    """The runs, each once and under a name of its own. KotuneError names the first that cannot be compared."""
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


def _read(path: Path, otherwise: str) -> dict[str, Any]:
    try:
        return dict(read_json(path))
    except (OSError, ValueError, TypeError, KotuneError):
        raise KotuneError(f"{path}: missing or not whole; {otherwise}") from None
