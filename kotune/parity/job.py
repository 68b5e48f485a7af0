"""The render stage's job: the proof of parity, then, in the same process, a rehearsal of what scoring will do."""

from pathlib import Path

from kotune.layout import PARITY
from kotune.models import hub
from kotune.parity import proof
from kotune.runs.folder import write_json
from kotune.score import scoring
from kotune.worker import bounds


def run(
    root: Path, base: str, revision: str | None, tasks: dict[str, str | None], trained: list[str], merge: list[str]
) -> None:
    """Writes parity.json into the run folder `root`. `tasks`: each with the local path of its source, None: the hub;
    `trained`: those of them that ask what is trained; `merge`: as load_task() has it."""
    with bounds.tokenizing():
        hub.write_own_template(base, root, revision)
    paths = {task: Path(path) if path else None for task, path in tasks.items()}
    tokenizer, proven = proof.prove(root, paths, trained, merge)
    scoring.rehearse(root, base, revision, tokenizer, paths, merge)
    write_json(root / PARITY, proven)
