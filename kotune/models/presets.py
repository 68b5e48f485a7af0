"""Model presets. A preset is a model's hub id or shipped folder, with the chat template that kotune
uses to train and score it.

kotune has its own template for each model family, because the models' own templates make scores
incomparable. The template of Llama 3.2 writes today's date into every prompt. The template of
DeepSeek-R1-Distill adds `<think>` before generation but not in training. The template of Llama 3
also trims the text of each turn. kotune's templates do not, because the indent of a text's first
line is content (kodata.text.content)."""

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

    `end_of_turn` is the token that ends every answer; None means the tokenizer's EOS token. `pad`
    is the padding token to use if the tokenizer has none."""

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
    """The model for `name`, which is a preset, a hub id or a folder. If `template` is given, it
    replaces the model's template. `template` is the name of one of kotune's templates, `own` for
    the tokenizer's own template, or the path of a file."""
    base = name if name in PRESETS or not Path(name).is_dir() else str(Path(name).resolve())
    model = PRESETS.get(name, Model(base))
    if template is None:
        return model
    chosen = None if template == "own" else TEMPLATES.get(template, Path(template))
    return replace(
        model, template=chosen, end_of_turn=model.end_of_turn if name in PRESETS else None
    )


def is_folder(base: str) -> bool:
    """Whether a model's `base` is a folder and not a hub id. The path of a folder is absolute here,
    because find() makes it absolute.

    A hub id is never a folder, even if the current folder contains a folder of that name. Libraries
    would use such a folder. In a child process, they look for it in the run folder, which is the
    current folder there."""
    return Path(base).is_absolute()


def pickled_weights(folder: Path) -> str | None:
    """The name of the first file of pickled weights in a model folder. None if there is none, or if
    the folder has safetensors."""
    names = sorted(path.name for path in folder.iterdir())
    safe = any(name.endswith(".safetensors") for name in names)
    return None if safe else next((name for name in names if name.endswith(PICKLES)), None)


def template_file_problem(template: Path) -> str:
    """The reason why a file cannot be used as a chat template; empty if it can be used. The check
    matters because the file's text is copied into the run folder and into every prompt."""
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

    A relative path is checked only up to the current folder. A parent folder that is a link owned
    by root is part of the system. It is allowed unless kotune itself runs as root."""
    for part in (path, *path.parents):
        if part.is_symlink() and (part == path or part.lstat().st_uid or not os.geteuid()):
            return part
    return None


def _text_problem(template: Path, text: str) -> str:
    """The reason why jinja cannot parse or render the text of a template. Empty if it can, or if
    jinja is not installed."""
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
