"""The render stage's job: the proof of parity, then, in the same process, a rehearsal of what
scoring will do."""

from pathlib import Path
from typing import Any

from kotune.layout import PARITY
from kotune.models import hub
from kotune.parity import asked, proof
from kotune.runs.folder import write_json
from kotune.runs.task_data import TaskData
from kotune.score import scoring
from kotune.score.harness import load_task
from kotune.worker import bounds


def run(
    root: Path, base: str, revision: str | None, tasks: dict[str, list[Any]], trained: list[str]
) -> None:
    """Writes parity.json into the run folder `root`. `tasks`: each with its TaskData; `trained`:
    those of them that ask what is trained."""
    with bounds.tokenizing():
        hub.write_own_template(base, root, revision)
    read = {task: TaskData.told(data) for task, data in tasks.items()}
    tokenizer, proven = proof.prove(root, read, trained)
    loaded = [load_task(task, data) for task, data in read.items()]
    # First, for it refuses a tokenizer with too many tokens.
    scoring.rehearse(root, base, revision, tokenizer, loaded)
    asked.check_texts(loaded, tokenizer)
    write_json(root / PARITY, proven.as_json())
