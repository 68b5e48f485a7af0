"""Finds the runs of one model: the scored runs that differ only in their seeds.

`run`, `report` and `compare` use this module, so all three count the same runs as one model. The
rule itself is in kotune.compare.seeds."""

from collections.abc import Sequence
from glob import escape
from pathlib import Path

from kodata.errors import UserError
from kotune.compare.seeds import others
from kotune.recipe import reading as recipes
from kotune.runs.finished import Finished, explain_malformed, find


def siblings(run: Finished) -> list[Finished]:
    """The scored runs beside a run's folder that differ from it only in their seeds, ordered by
    seed. Their folders have the same recipe name. A folder that is not scored, damaged, or from
    another version of kotune is skipped."""
    own = run.folder.resolve()
    # A report shows the paths as the user gave them, unless the path is a link or ends with a dot.
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
    """The run folders that `given` stands for: a run folder itself, or the scored runs of a recipe
    with all their seeds. The recipe's own seeds come first, in its order.

    Raises the errors of find()."""
    first = find(given, runs_dir)
    if given.is_dir():
        return [first]
    named = recipes.load(given).all_seeds()
    runs = [run := Finished(first), *siblings(run)]
    return [run.folder for run in sorted(runs, key=lambda run: _place(run.record.seed, named))]


def _place(seed: int, named: Sequence[int]) -> tuple[int, int]:
    """The sort key of a seed: its place in the recipe, then the seed itself."""
    return named.index(seed) if seed in named else len(named), seed


def known(runs: Sequence[Finished]) -> list[Finished]:
    """The siblings of all these runs. They show how much a score varies with the seed. Empty for a
    single run, because only a comparison of two models needs them."""
    return [sibling for run in runs for sibling in siblings(run)] if len(runs) > 1 else []
