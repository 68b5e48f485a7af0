"""The job of a preview's child process. It describes the examples of several run folders, each in
the tokens of its own model."""

from contextlib import chdir
from pathlib import Path

from pydantic import TypeAdapter

from kotune.layout import CONFIG
from kotune.models import hub
from kotune.preview import tokens
from kotune.runs.folder import Run, write_json
from kotune.runs.reading import yaml_of
from kotune.worker import bounds


def run(root: Path, bases: dict[str, str], items: int) -> None:
    """Write tokens.json, a Tokens record, into each run folder below `root`. `bases` maps the name
    of each run folder to its base model. `items`: the maximum number of examples to show of each
    data entry."""
    for name, base in bases.items():
        folder = root / name
        with bounds.tokenizing():
            kwargs = yaml_of(folder / CONFIG).get("chat_template_kwargs")
            hub.write_own_template(base, folder, Run(folder).record().model_revision, kwargs)
        with chdir(folder):  # the paths in Axolotl's configuration are relative to this folder
            write_json(
                folder / "tokens.json",
                TypeAdapter(tokens.Tokens).dump_python(tokens.describe(folder, items)),
            )
