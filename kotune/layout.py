"""The paths of the files in a run folder, relative to the folder. They include files that exist
only during a stage. docs/run_folder.md describes the folder."""

RECIPE = "recipe.yml"
RECORD = "run.json"

DATA = "data"
TRAIN, VALIDATION, MANIFEST = "data/train.jsonl", "data/validation.jsonl", "data/manifest.json"

FEW_SHOT = "data/few_shot.json"  # the training rows in the base model's prompt, by task

CONFIG = "axolotl.yml"
TEMPLATE = "chat_template.jinja"  # training writes a copy into model/, next to the adapter
PARITY = "parity.json"

TRAIN_LOG = "train.log"
METRICS = "metrics.jsonl"
MODEL = "model"
WEIGHTS = "adapter_model.safetensors"
ADAPTER = f"{MODEL}/{WEIGHTS}"
ADAPTER_CONFIG = f"{MODEL}/adapter_config.json"
TOKENIZER, TOKENIZER_CONFIG = f"{MODEL}/tokenizer.json", f"{MODEL}/tokenizer_config.json"
# Further files from which a tokenizer may be loaded. For most models, transformers 5 saves none of
# these.
TOKENIZER_FILES = tuple(
    f"{MODEL}/{name}"
    for name in (
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.json",
        "vocab.txt",
        "merges.txt",
        "tokenizer.model",
        "spiece.model",
        "tekken.json",
        "config.json",
    )
)

SCORES = "scores.json"
SAMPLES = "samples"

REPORT_PAGE, REPORT_MARKDOWN = "report.html", "report.md"

# The files and folders from here on are removed when the result of their stage is recorded.

# Axolotl's output folder, and the folder of its tokenized data.
CHECKPOINTS, PREPARED = ("checkpoints", "prepared")
HALVINGS = f"{CHECKPOINTS}/halved.json"  # the reductions of the micro-batch size
# This file exists if the GPU's memory was too small without gradient checkpointing.
NEEDED = f"{CHECKPOINTS}/gradient_checkpointing.json"
# The folder for the caches of libraries whose usual folders are not writable
# (kotune.worker.places).
CACHES = "caches"
# The progress of a child process while it works (kotune.worker.meter).
PROGRESS = "progress.json"
# The folder of the notes on finished samples (note() below).
SCORED = "scored"


def samples(kind: str, task: str) -> str:
    """The path of a samples file, which has the answers to the items of a task. `kind`: `base`,
    `tuned` or the name of a baseline. `items` gives the path of the items themselves."""
    return f"{SAMPLES}/{kind}/{task}.jsonl"


def note(variant: str, task: str) -> str:
    """The path of the note, the file that marks one variant (`base` or `tuned`) of a task as
    scored. It is written after the variant's samples file."""
    return f"{SCORED}/{variant}/{task}.json"
