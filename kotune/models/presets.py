"""Model presets: the hub id (or shipped folder) of a model, and the chat template of ours that it
is trained and scored with.

A template of ours exists for each family because the shipped ones break the comparison: Llama 3.2's
writes today's date into every prompt, DeepSeek-R1-Distill's prefills `<think>` when it generates
and not when it trains. Ours do not trim a turn, as Llama 3's does: the indent of its first line is
content (kodata.text.content)."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from kodata.reading.regular import opened
from kotune.models.rendering import GENERATION, harm

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
LONGEST_TEMPLATE = 100_000  # bytes; the longest that ships with a model on the hub has some 20,000
HERE = Path(__file__).parent
TEMPLATES = {path.stem: path for path in sorted((HERE / "templates").glob("*.jinja"))}


@dataclass(frozen=True)
class Model:
    """`base` is a hub id or a folder; `template` is a jinja file of ours, or None for the
    tokenizer's own.

    `end_of_turn` closes every answer (None: the tokenizer's eos); `pad` is named where the
    tokenizer has none."""

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
    # The base model never saw the header tokens of the chat format, so its template is plain text.
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
    """The preset called `name`, or any hub id or folder; `template` (a name of ours, `own` or a
    file) wins over both."""
    base = name if name in PRESETS or not Path(name).is_dir() else str(Path(name).resolve())
    model = PRESETS.get(name, Model(base))
    if template is None:
        return model
    chosen = None if template == "own" else TEMPLATES.get(template, Path(template))
    return replace(
        model, template=chosen, end_of_turn=model.end_of_turn if name in PRESETS else None
    )


def is_folder(base: str) -> bool:
    """Whether a model's `base` is a folder: find() makes a folder's path absolute. A hub id is
    never looked for as a folder, as libraries do: neither in the current one nor in a run's, in
    which children are started."""
    return Path(base).is_absolute()


def pickled(folder: Path) -> str | None:
    """The first pickled weights of a model folder that has no others; None where all is well."""
    names = sorted(path.name for path in folder.iterdir())
    safe = any(name.endswith(".safetensors") for name in names)
    return None if safe else next((name for name in names if name.endswith(PICKLES)), None)


def unreadable(template: Path) -> str:
    """Why a file cannot be a chat template, empty where it can. Its text goes into the run folder
    and every prompt."""
    if found := _link(template):
        return (
            f"`{template}`: `{found}` is a symbolic link, whose text the run folder would get; give"
            " the file itself"
        )
    if template.suffix != ".jinja":
        return (
            f"`{template}` is no .jinja file; a run copies its template, so other files are not"
            " taken for one"
        )
    with opened(template) as file:
        data = file.read(LONGEST_TEMPLATE + 1)
    if len(data) > LONGEST_TEMPLATE:
        return f"`{template}` has over {LONGEST_TEMPLATE:,} bytes; give a chat template"
    try:
        return _unparsed(template, data.decode("utf-8"))
    except UnicodeDecodeError as error:
        return f"`{template}` is not UTF-8 (byte {error.start}); save it as UTF-8"


def _link(path: Path) -> Path | None:
    """The symbolic link that a path is or leads through; those above the current folder do not
    count in one that is relative, and those of the system (of root, for whoever is not) count
    nowhere."""
    for place in (path, *path.parents):
        if place.is_symlink() and (place == path or place.lstat().st_uid or not os.geteuid()):
            return place
    return None


def _unparsed(template: Path, text: str) -> str:
    """What jinja cannot read in a template, or what never ends when it is rendered; empty where all
    is well, and in an install without jinja."""
    try:
        from jinja2 import Environment, TemplateSyntaxError
    except ImportError:
        return ""
    try:
        Environment(extensions=["jinja2.ext.loopcontrols"]).parse(GENERATION.sub("", text))
    except TemplateSyntaxError as error:
        return f"`{template}`, line {error.lineno}: {error.message}; mend the template"
    except RecursionError:
        return f"`{template}`: nested too deeply; give a chat template"
    told = harm(text)
    return f"`{template}` {told}" if told else ""
