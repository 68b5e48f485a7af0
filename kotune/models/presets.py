"""Model presets: a model's hub id or shipped folder, and kotune's chat template that it is trained
and scored with.

kotune has its own template for each family, because the models' own templates break the comparison.
Llama 3.2's writes today's date into every prompt. DeepSeek-R1-Distill's adds `<think>` before
generation but not in training. kotune's templates do not trim a turn, as Llama 3's does, because
the indent of its first line is content (kodata.text.content)."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from kodata.reading.regular import opened
from kotune.models.rendering import GENERATION, template_problem

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
MAX_TEMPLATE = 100_000  # bytes; the longest template of a model on the hub has about 20,000
HERE = Path(__file__).parent
TEMPLATES = {path.stem: path for path in sorted((HERE / "templates").glob("*.jinja"))}


@dataclass(frozen=True)
class Model:
    """A model. `base` is a hub id or a folder. `template` is a jinja file; None means the
    tokenizer's own template.

    `end_of_turn` is the token that ends every answer; None means the tokenizer's eos. `pad` is the
    padding token, for a tokenizer without one."""

    base: str
    template: Path | None = None
    end_of_turn: str | None = None
    pad: str | None = None
    licence: str = "see the model's card"


LLAMA = "Llama 3.2 Community License"
DEEPSEEK_END = "<｜end▁of▁sentence｜>"
PRESETS = {
    "llama-3.2-1b-instruct": Model(
        "meta-llama/Llama-3.2-1B-Instruct",
        TEMPLATES["llama3"],
        "<|eot_id|>",
        "<|finetune_right_pad_id|>",
        LLAMA,
    ),
    # The base model was not trained on the header tokens of the chat format, so its template is
    # plain text.
    "llama-3.2-1b": Model(
        "meta-llama/Llama-3.2-1B",
        TEMPLATES["plain"],
        "<|end_of_text|>",
        "<|finetune_right_pad_id|>",
        LLAMA,
    ),
    "deepseek-r1-distill-qwen-1.5b": Model(
        "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B",
        TEMPLATES["deepseek_r1"],
        DEEPSEEK_END,
        None,
        "MIT over Apache-2.0",
    ),
    "quickstart-llama": Model(
        str(HERE / "quickstart_llama"), TEMPLATES["llama3"], "<|eot_id|>", None, "CC0-1.0"
    ),
    "quickstart-deepseek": Model(
        str(HERE / "quickstart_deepseek"), TEMPLATES["deepseek_r1"], DEEPSEEK_END, None, "CC0-1.0"
    ),
}


def find(name: str, template: str | None) -> Model:
    """The model of a preset, a hub id or a folder. `template`, if given, replaces its template: a
    name of kotune's templates, `own` for the tokenizer's, or a file."""
    base = name if name in PRESETS or not Path(name).is_dir() else str(Path(name).resolve())
    model = PRESETS.get(name, Model(base))
    if template is None:
        return model
    chosen = None if template == "own" else TEMPLATES.get(template, Path(template))
    return replace(
        model, template=chosen, end_of_turn=model.end_of_turn if name in PRESETS else None
    )


def is_folder(base: str) -> bool:
    """Whether a model's `base` is a folder: find() makes a folder's path absolute.

    A hub id is never looked up as a folder. Libraries do so, in the current folder or in the run
    folder, where child processes start."""
    return Path(base).is_absolute()


def pickled_weights(folder: Path) -> str | None:
    """The name of the first file of pickled weights, if a model folder has no safetensors; else
    None."""
    names = sorted(path.name for path in folder.iterdir())
    safe = any(name.endswith(".safetensors") for name in names)
    return None if safe else next((name for name in names if name.endswith(PICKLES)), None)


def template_file_problem(template: Path) -> str:
    """Why a file cannot be used as a chat template; empty if it can. Its text is copied into the
    run folder and into every prompt."""
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
    """The first symbolic link in a path; None if there is none.

    A relative path is checked only up to the current folder. A parent that is a link of root's is
    allowed for other users: it belongs to the system."""
    for part in (path, *path.parents):
        if part.is_symlink() and (part == path or part.lstat().st_uid or not os.geteuid()):
            return part
    return None


def _text_problem(template: Path, text: str) -> str:
    """Why jinja cannot parse or render the text of a template; empty if it can, or if jinja is not
    installed."""
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
