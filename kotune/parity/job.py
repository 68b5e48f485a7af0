"""The job of the render stage: the parity proof, then a rehearsal of scoring in the same
process."""

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
    """Write parity.json into the run folder `root`. `tasks`: each task's TaskData as JSON;
    `trained`: the tasks whose source is trained in the task's answer form."""
    with bounds.tokenizing():
        hub.write_own_template(base, root, revision)
    data_of = {task: TaskData.from_json(data) for task, data in tasks.items()}
    tokenizer, result = proof.prove(root, data_of, trained)
    loaded = [load_task(task, data) for task, data in data_of.items()]
    # The rehearsal comes before check_texts, because it refuses a tokenizer with too many tokens.
    scoring.rehearse(root, base, revision, tokenizer, loaded)
    asked.check_texts(loaded, tokenizer)
    write_json(root / PARITY, result.as_json())
