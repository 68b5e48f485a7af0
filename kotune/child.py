"""Heavy jobs (proof of parity, scoring, preview, a plan's count) in a process of their own: torch and its logs stay out of
the command's screen.

`python -m kotune.child JOB` reads its arguments as JSON from stdin. A user's error comes back as a marked last line and an
exit code; anything else is our bug and comes back as the log's last lines.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kodata.errors import DataError
from kotune import tether, warm
from kotune.errors import KotuneError, StageError, exit_code
from kotune.recipe import Limit, Recipe
from kotune.training import environment, tail

MARK = "kotune-error: "


def call(job: str, root: Path, **arguments: Any) -> None:
    """Run `job` in the run folder; its output goes to `<job>.log` there. Raises what the job raised."""
    given, log = json.dumps(arguments, default=str), root / f"{job}.log"
    code = warm.run(job, root, given) if warm.is_up() else _run(job, root, given)
    if code == 0:
        return
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    told = next((line for line in reversed(lines) if line.startswith(MARK)), None)
    if told is None:
        raise StageError(f"{job}: the process ended with {code}\n{tail(log)}")
    error = KotuneError(json.loads(told.removeprefix(MARK)))
    error.exit_code = code
    raise error


def _run(job: str, root: Path, arguments: str) -> int:
    """The exit code of a job in a process of its own."""
    with (root / f"{job}.log").open("w", encoding="utf-8") as out:
        child = tether.start(
            [sys.executable, "-m", "kotune.child", job], root, out, stdin=subprocess.PIPE, env=environment()
        )
        try:
            child.communicate(arguments)
        finally:
            tether.end(child)
    return int(child.returncode)


def main(job: str) -> int:
    """The child's side of `call`."""
    arguments = json.load(sys.stdin)
    try:
        JOBS[job](Path.cwd(), **arguments)
    except (KotuneError, DataError) as error:
        print(MARK + json.dumps(str(error), ensure_ascii=False), flush=True)
        return exit_code(error)
    return 0


def _parity(root: Path, base: str, revision: str | None, tasks: dict[str, str | None], trained: list[str]) -> None:
    """The proof, then, in the same process, what a task's scoring would stumble over."""
    from kotune import parity, scoring
    from kotune.models import hub
    from kotune.run import write_json

    hub.write_own_template(base, root)
    paths = _paths(tasks)
    tokenizer, proof = parity.prove(root, paths, trained)
    scoring.rehearse(root, base, revision, tokenizer, paths)
    write_json(root / "parity.json", proof)


def _score(root: Path, tasks: dict[str, str | None], base: dict[str, str | None], limit: Limit) -> None:
    from kotune import scoring

    scoring.score(root, _paths(tasks), base, limit)


def _paths(tasks: dict[str, str | None]) -> dict[str, Path | None]:
    return {task: Path(path) if path else None for task, path in tasks.items()}


def _preview(root: Path, bases: dict[str, str], items: int) -> None:
    """`bases`: for each run folder below the root its model."""
    from contextlib import chdir

    from kotune import tokens
    from kotune.models import hub
    from kotune.run import write_json

    for name, base in bases.items():
        run = root / name
        hub.write_own_template(base, run)
        with chdir(run):  # Axolotl's paths are relative
            write_json(run / "tokens.json", tokens.look(run, items))


def _count(root: Path, recipe: dict[str, Any], here: str) -> None:
    """`here`: the folder that a recipe's paths start from."""
    import os
    from contextlib import chdir

    os.environ["HF_HUB_OFFLINE"] = "1"  # a plan fetches nothing
    from kotune.plan import counting
    from kotune.run import write_json

    with chdir(here):
        found = counting.in_folder(Recipe.model_validate(recipe), root)
    write_json(root / "counted.json", found)


JOBS: dict[str, Callable[..., None]] = {"parity": _parity, "score": _score, "preview": _preview, "count": _count}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
