"""Finds the siblings of a run: the scored runs that differ from it only in their seeds. A run and
its siblings count as one model.

`run`, `report` and `compare` use this module, so all three count the same runs as one model.
kotune.compare.seeds decides whether two runs differ only in their seeds."""

from collections.abc import Sequence
from glob import escape
from pathlib import Path

from kodata.errors import UserError
from kotune.compare.seeds import others
from kotune.recipe import reading as recipes
from kotune.runs.finished import Finished, explain_malformed, find


def siblings(run: Finished) -> list[Finished]:
    """The siblings of a run, ordered by seed.

    They are searched in the folder that contains the run's folder, among the folders with the same
    recipe name. A folder that is not scored, is damaged, or was written by another version of
    kotune is skipped."""
    own = run.folder.resolve()
    # The paths of siblings are shown in reports. They begin like the path that the user gave,
    # unless that path is a link or has no name of its own, such as `.`.
    parent = run.folder.parent if run.folder.name == own.name else own.parent
    name, _, _ = own.name.rpartition("-")
    found = []
    for folder in sorted(parent.glob(f"{escape(name)}-*")) if name else ():
        if folder.resolve() != own and (other := _sibling(folder, run)):
            found.append(other)
    return sorted(others([run], found), key=lambda other: other.record.seed)


def _sibling(folder: Path, run: Finished) -> Finished | None:
    """The run in `folder`, if it differs from `run` only in its seed."""
    try:
        with explain_malformed(folder):
            other = Finished(folder)
            return other if others([run], [other]) else None
    except (UserError, OSError):
        return None


def find_all(given: Path, runs_dir: Path) -> list[Path]:
    """The run folders that the path `given` stands for. A run folder stands for itself. A recipe
    stands for its newest scored run in `runs_dir` and the siblings of this run. Seeds that the
    recipe lists come first, in the recipe's order.

    Raises RecipeError if `given` does not exist or the recipe has no scored run, and the other
    errors of find()."""
    first = find(given, runs_dir)
    if given.is_dir():
        return [first]
    named = recipes.load(given).all_seeds()
    runs = [run := Finished(first), *siblings(run)]
    return [run.folder for run in sorted(runs, key=lambda run: _sort_key(run.record.seed, named))]


def find_model(given: Path, runs_dir: Path) -> list[Path]:
    """The run folders of the model that `given` stands for. They are those of find_all(), except
    that a run folder is followed by those of its siblings.

    Raises the errors of find_all(), and KotuneError if a given run folder cannot be read."""
    folder, *others = find_all(given, runs_dir)
    if given.is_dir():
        with explain_malformed(folder):
            others = [other.folder for other in siblings(Finished(folder))]
    return [folder, *others]


def _sort_key(seed: int, named: Sequence[int]) -> tuple[int, int]:
    """The sort key of a seed. `named`: the seeds that the recipe lists. They are sorted by their
    place in the list. Other seeds follow by size."""
    return named.index(seed) if seed in named else len(named), seed


def known(runs: Sequence[Finished]) -> list[Finished]:
    """The siblings of all these runs. They show how much a score varies with the seed. Empty for a
    single run, because only a comparison of two runs uses them."""
    return [sibling for run in runs for sibling in siblings(run)] if len(runs) > 1 else []
