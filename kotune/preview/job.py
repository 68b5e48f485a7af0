"""The job of a preview's child process: describes the examples of several run folders in the tokens
of their models."""

from contextlib import chdir
from pathlib import Path

from pydantic import TypeAdapter

from kotune.models import hub
from kotune.preview import tokens
from kotune.runs.folder import Run, write_json
from kotune.worker import bounds


def run(root: Path, bases: dict[str, str], items: int) -> None:
    """Write tokens.json into each run folder below `root`. `bases`: the base model by folder
    name."""
    for name, base in bases.items():
        folder = root / name
        with bounds.tokenizing():
            hub.write_own_template(base, folder, Run(folder).record().model_revision)
        with chdir(folder):  # Axolotl's paths are relative
            write_json(
                folder / "tokens.json",
                TypeAdapter(tokens.Tokens).dump_python(tokens.describe(folder, items)),
            )
