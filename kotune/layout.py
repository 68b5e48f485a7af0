"""The names of the files in a run folder, and of what lies there while a stage is at work.
README.md describes the folder."""

RECIPE = "recipe.yml"
RECORD = "run.json"

DATA = "data"
TRAIN, VALIDATION, MANIFEST = "data/train.jsonl", "data/validation.jsonl", "data/manifest.json"

CONFIG = "axolotl.yml"
TEMPLATE = "chat_template.jinja"  # also beside the adapter in model/
PARITY = "parity.json"

TRAIN_LOG = "train.log"
METRICS = "metrics.jsonl"
MODEL = "model"
WEIGHTS = "adapter_model.safetensors"
ADAPTER = f"{MODEL}/{WEIGHTS}"
ADAPTER_CONFIG = f"{MODEL}/adapter_config.json"
TOKENIZER, TOKENIZER_CONFIG = f"{MODEL}/tokenizer.json", f"{MODEL}/tokenizer_config.json"
# What else a tokenizer is read from, where it is there; transformers 5 saves none of them for most
# models.
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

# Removed once a stage's result is on record.
# Of training: Axolotl's output and its tokenized data.
CHECKPOINTS, PREPARED = ("checkpoints", "prepared")
HALVINGS = f"{CHECKPOINTS}/halved.json"  # micro-batches that were made smaller
NEEDED = f"{CHECKPOINTS}/gradient_checkpointing.json"  # without it, the GPU's memory was too small
# what libraries keep here where their own places cannot be written to (kotune.worker.places)
CACHES = "caches"
SCORED = "scored"  # a note on each variant of each task that is scored


def samples(kind: str, task: str) -> str:
    """What a variant, or a baseline, made of a task's items; of kind `items` what was asked."""
    return f"{SAMPLES}/{kind}/{task}.jsonl"


def note(variant: str, task: str) -> str:
    """That a variant of a task is scored; written last."""
    return f"{SCORED}/{variant}/{task}.json"
