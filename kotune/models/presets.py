"""Model presets. A preset is the hub id or the shipped folder of a model, with the chat template
that kotune uses to train and score the model. presets.yml has one row for each.

kotune has its own template for each model family, because the models' own templates make scores
incomparable. The template of Llama 3.2 writes today's date into every prompt. The template of
DeepSeek-R1-Distill adds `<think>` before generation but not in training. The template of Llama 3
removes white space around each turn. kotune's templates keep it, because the indent of a text's
first line is content (kodata.text.content)."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from kodata.reading.regular import opened
from kotune.models import catalogue
from kotune.models.catalogue import OWN, Preset
from kotune.models.rendering import GENERATION, template_problem

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")  # the endings of pickled weights
MAX_TEMPLATE = 100_000  # bytes; the longest template of a model on the hub has about 20,000
HERE, FILE = Path(__file__).parent, Path(__file__).with_suffix(".yml")
TEMPLATES = {path.stem: path for path in sorted((HERE / "templates").glob("*.jinja"))}


@dataclass(frozen=True)
class Model:
    """A model.

    - `base`: a hub id, or the absolute path of a folder
    - `template`: a jinja file; None for the tokenizer's own template
    - `end_of_turn`: the token that ends every answer; None for the tokenizer's EOS token
    - `pad`: the padding token; None for the tokenizer's own
    """

    base: str
    template: Path | None = None
    end_of_turn: str | None = None
    pad: str | None = None


def _model(preset: Preset) -> Model:
    """The model of a row."""
    base = str(HERE / preset.base) if preset.is_shipped else preset.base
    return Model(base, TEMPLATES.get(preset.template), preset.end_of_turn, preset.pad)


# The presets that can be used, by name: their rows in presets.yml, and the models.
ROWS = catalogue.read(FILE, TEMPLATES)
PRESETS = {name: _model(row) for name, row in ROWS.items() if row.unusable is None}


def row_of(name: str) -> Preset | None:
    """What is known of the model `name`, which is a preset or the hub id of one. None for any other
    model."""
    of_base = (row for row in ROWS.values() if row.base == name and not row.is_shipped)
    return ROWS.get(name) or next(of_base, None)


def find(name: str, template: str | None) -> Model:
    """The model with the name `name`, which is a preset, a hub id or a folder.

    `template`: the name of one of kotune's templates, `own` for the tokenizer's own template, or
    the path of a file. None means the preset's template, or `own` without a preset."""
    base = name if name in PRESETS or not Path(name).is_dir() else str(Path(name).resolve())
    model = PRESETS.get(name, Model(base))
    if template is None:
        return model
    chosen = None if template == OWN else TEMPLATES.get(template, Path(template))
    return replace(
        model, template=chosen, end_of_turn=model.end_of_turn if name in PRESETS else None
    )


def is_folder(base: str) -> bool:
    """Whether a model's `base` is a folder and not a hub id. find() makes the path of a folder
    absolute, so a relative path is a hub id.

    This holds even if the current directory has a folder with the name of the hub id. Libraries
    would load that folder, so kotune.runs.guard refuses a run folder that has one."""
    return Path(base).is_absolute()


def pickled_weights(folder: Path) -> str | None:
    """The name of the first file of pickled weights in a model folder. None if there is none, or if
    the folder has safetensors."""
    names = sorted(path.name for path in folder.iterdir())
    safe = any(name.endswith(".safetensors") for name in names)
    return None if safe else next((name for name in names if name.endswith(PICKLES)), None)


def template_file_problem(template: Path) -> str:
    """The reason why a file cannot be used as a chat template, as text for a message. Empty if the
    file can be used. A run copies the file into the run folder, so it must not be a private file.

    Raises OSError if the file cannot be read."""
    if link := _link(template):
        return (
            f"`{template}`: `{link}` is a symbolic link, and its target would be copied into the"
            " run folder; give the file itself"
        )
    if template.suffix != ".jinja":
        return (
            f"`{template}` is not a .jinja file; give one: a run copies its template, so no other"
            " file is accepted"
        )
    with opened(template) as file:
        data = file.read(MAX_TEMPLATE + 1)
    if len(data) > MAX_TEMPLATE:
        return f"`{template}` has over {MAX_TEMPLATE:,} bytes; give a chat template"
    try:
        return _text_problem(template, data.decode("utf-8"))
    except UnicodeDecodeError as error:
        return f"`{template}` is not UTF-8 (byte {error.start}); save it as UTF-8"


def _link(path: Path) -> Path | None:
    """The first symbolic link in a path that is not allowed; None if there is none.

    A parent folder may be a link that root owns, because it is part of the system. If kotune runs
    as root, no link is allowed. The parents of a relative path are checked only up to the current
    directory."""
    for part in (path, *path.parents):
        if part.is_symlink() and (part == path or part.lstat().st_uid or not os.geteuid()):
            return part
    return None


def _text_problem(template: Path, text: str) -> str:
    """The reason why jinja cannot parse or render the `text` of the file `template`, as text for a
    message. Empty if jinja can, or if jinja is not installed."""
    try:
        from jinja2 import Environment, TemplateSyntaxError
    except ImportError:
        return ""
    try:
        Environment(extensions=["jinja2.ext.loopcontrols"]).parse(GENERATION.sub("", text))
    except TemplateSyntaxError as error:
        return f"`{template}`, line {error.lineno}: {error.message}; correct the template"
    except RecursionError:
        return f"`{template}`: nested too deeply; give a chat template"
    problem = template_problem(text)
    return f"`{template}` {problem}" if problem else ""
