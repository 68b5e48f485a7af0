"""The job of the render stage: the parity proof, then a rehearsal. The rehearsal scores a few
items, so that errors in scoring appear before training."""

from pathlib import Path
from typing import Any

from kotune.layout import CONFIG, PARITY
from kotune.models import hub
from kotune.parity import asked, proof
from kotune.runs.folder import write_json
from kotune.runs.reading import yaml_of
from kotune.runs.task_data import TaskData
from kotune.score import scoring
from kotune.score.harness import load_task
from kotune.worker import bounds


def run(
    root: Path, base: str, revision: str | None, tasks: dict[str, list[Any]], trained: list[str]
) -> None:
    """Write parity.json into the run folder `root`, which must be the current directory.

    `base`: a hub id or a folder. `revision`: the commit of a hub model, None for a folder. `tasks`:
    each task's TaskData as JSON. `trained`: as in proof.prove(). Raises StageError or RecipeError
    if the proof or the rehearsal fails."""
    with bounds.tokenizing():
        kwargs = yaml_of(root / CONFIG).get("chat_template_kwargs")
        hub.write_own_template(base, root, revision, kwargs)
    data_of = {task: TaskData.from_json(data) for task, data in tasks.items()}
    tokenizer, result = proof.prove(root, data_of, trained)
    loaded = [load_task(task, data) for task, data in data_of.items()]
    # The rehearsal comes first, because it raises the error for a tokenizer with too many tokens.
    scoring.rehearse(root, base, revision, tokenizer, loaded)
    asked.check_texts(loaded, tokenizer)
    write_json(root / PARITY, result.as_json())
