"""The names of the files in a run folder, including those that exist only during a stage. README.md
describes the folder."""

RECIPE = "recipe.yml"
RECORD = "run.json"

DATA = "data"
TRAIN, VALIDATION, MANIFEST = "data/train.jsonl", "data/validation.jsonl", "data/manifest.json"

CONFIG = "axolotl.yml"
TEMPLATE = "chat_template.jinja"  # also in model/, next to the adapter
PARITY = "parity.json"

TRAIN_LOG = "train.log"
METRICS = "metrics.jsonl"
MODEL = "model"
WEIGHTS = "adapter_model.safetensors"
ADAPTER = f"{MODEL}/{WEIGHTS}"
ADAPTER_CONFIG = f"{MODEL}/adapter_config.json"
TOKENIZER, TOKENIZER_CONFIG = f"{MODEL}/tokenizer.json", f"{MODEL}/tokenizer_config.json"
# Other files from which a tokenizer may be loaded. For most models, transformers 5 saves none of
# them.
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

# The paths from here on are removed once their stage's result is recorded.
# Axolotl's output and its tokenized data.
CHECKPOINTS, PREPARED = ("checkpoints", "prepared")
HALVINGS = f"{CHECKPOINTS}/halved.json"  # the reductions of the micro-batch size
# This file exists if the GPU's memory was too small without gradient checkpointing.
NEEDED = f"{CHECKPOINTS}/gradient_checkpointing.json"
# The caches of libraries whose usual folders are not writable (kotune.worker.places).
CACHES = "caches"
# The progress of a child process, while it works (kotune.worker.meter).
PROGRESS = "progress.json"
SCORED = "scored"  # the folder has one file for each scored variant of each task


def samples(kind: str, task: str) -> str:
    """The path of the answers of a variant or a baseline to the items of a task. `kind`: the
    variant's or baseline's name, or `items` for the items themselves."""
    return f"{SAMPLES}/{kind}/{task}.jsonl"


def note(variant: str, task: str) -> str:
    """The path of the file that marks a variant of a task as scored. The file is written after the
    variant's answers."""
    return f"{SCORED}/{variant}/{task}.json"
