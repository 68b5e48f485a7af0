"""Defines the work of the stages before scoring, for a model or an adapter that is not trained
here. The files have the same names as those of a trained run, so that readers need no other
code."""

import shutil
from pathlib import Path

import yaml

from kodata.reading.regular import opened
from kodata.test_part import FEWEST
from kotune import layout
from kotune.display.progress import Screen
from kotune.models import generation, hub, presets
from kotune.models.adapters import refuse_saved
from kotune.recipe.existing import Existing
from kotune.runs.folder import write_json, write_text
from kotune.runs.job import Job
from kotune.runs.proof import UNKNOWN, Content, LabelProof, Lengths, Parity, TaskProof
from kotune.worker.call import call

# The files of an adapter, and those of its tokenizer, by their names in the adapter's folder.
ADAPTER = (layout.WEIGHTS, Path(layout.ADAPTER_CONFIG).name)
TOKENIZER = (
    *(
        Path(file).name
        for file in (layout.TOKENIZER, layout.TOKENIZER_CONFIG, *layout.TOKENIZER_FILES)
    ),
    layout.TEMPLATE,
)
REMEDY = "give a plain LoRA adapter"


def prepare(job: Job, screen: Screen) -> None:
    """Write data files without rows, and their manifest."""
    for name in (layout.TRAIN, layout.VALIDATION):
        write_text(job.run.path(name), "")
    not_scored = {
        task: {"groups": groups, "needed": FEWEST} for task, groups in job.not_scored.items()
    }
    leaks: dict[str, object] = {
        "policy": job.recipe.leaks,
        "compared": {},
        "found": [],
        "between_tests": [],
    }
    manifest = {"entries": [], "rows": {"train": 0, "validation": 0}, "leaks": leaks}
    write_json(job.run.path(layout.MANIFEST), {**manifest, "not_scored": not_scored})


def render(job: Job, screen: Screen) -> None:
    """Fetch the model, and write the chat template. Nothing is trained, so axolotl.yml has only the
    base model, and the proof of each task says that it is unknown whether its prompt is trained."""
    recipe, model = job.recipe, presets.find(job.recipe.model, job.recipe.template)
    assert isinstance(recipe, Existing)
    if recipe.adapter_path is None or not _has_tokenizer(recipe.adapter_path):
        hub.require_tokenizer(model.base)
    revision = hub.fetch(model.base)
    unused = generation.unused_settings(model.base, revision)
    job.run.update(model_revision=revision, generation_unused=unused or None)
    keys = {"base_model": model.base, "revision_of_model": revision}
    write_text(
        job.run.path(layout.CONFIG),
        "# Nothing was trained here.\n" + yaml.safe_dump(keys, allow_unicode=True),
    )
    job.run.path(layout.TEMPLATE).unlink(missing_ok=True)
    if model.template:
        write_text(job.run.path(layout.TEMPLATE), model.template.read_text(encoding="utf-8"))
    proof = Parity(
        labels=LabelProof(rows=0, checked=0, status=UNKNOWN),
        lengths=Lengths(rows=0, longest=0, sequence_len=0, too_long=0),
        content=Content(tokens=0, characters=0),
        tasks={task: TaskProof(status=UNKNOWN) for task in job.tasks},
    )
    write_json(job.run.path(layout.PARITY), proof.as_json())


def take(job: Job, screen: Screen) -> None:
    """Copy the adapter into model/, with its tokenizer and template if it has both. Otherwise write
    the base model's. A template that the user chose replaces the adapter's. Records how the base
    model is loaded: as a run of this device trains it."""
    recipe, folder = job.recipe, job.run.path(layout.MODEL)
    assert isinstance(recipe, Existing)
    source, model = recipe.adapter_path, presets.find(recipe.model, recipe.template)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    has_tokenizer = source is not None and _has_tokenizer(source)
    if source:
        refuse_saved(str(source), source, remedy=REMEDY)
        _copy(source, folder, (*ADAPTER, *(TOKENIZER if has_tokenizer else ())))
    what = f"the adapter is {source}" if source else "the model is scored as it is"
    screen.say(f"nothing is trained; {what}")
    if has_tokenizer and recipe.template and model.template:
        write_text(folder / layout.TEMPLATE, model.template.read_text(encoding="utf-8"))
    if not has_tokenizer:
        call(
            "existing",
            job.run.root,
            base=model.base,
            revision=job.run.record().model_revision,
            pad=model.pad,
        )
    precision = "bfloat16" if job.device == "cuda" and not job.is_old_gpu else "float32"
    job.run.update(
        trained=False,
        base_precision=precision,
        compute_dtype=precision,
        trainable_parameters=0,
    )


def _has_tokenizer(folder: Path) -> bool:
    """Whether an adapter's folder has a tokenizer with a chat template."""
    return (folder / layout.TEMPLATE).exists() and (folder / Path(layout.TOKENIZER).name).exists()


def _copy(source: Path, target: Path, names: tuple[str, ...]) -> None:
    """Copy those of these files that exist. refuse_saved() refuses links."""
    for name in names:
        if (source / name).exists():
            with opened(source / name) as file, (target / name).open("xb") as copy:
                shutil.copyfileobj(file, copy)
