"""The training side of the parity proof: rows tokenized with Axolotl's chat-template strategy and
the run's tokenizer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kodata.card import Message, TrainingRow
from kotune.errors import RecipeError, StageError
from kotune.models.loading import checked_folder, model_errors
from kotune.runs.reading import rows_of, yaml_of
from kotune.worker import bounds


@dataclass(frozen=True)
class Trained:
    """One row as it is used in training. `ids` are its token ids, and `labels` has one label for
    each. The label of a trained token is its id, the label of an untrained token is -100."""

    guid: str
    messages: list[Message]
    ids: list[int]
    labels: list[int]

    def turns(self) -> list[list[int]]:
        """The trained ids of each answer: the longest sequences of adjacent trained tokens."""
        runs: list[list[int]] = []
        previous = -100
        for label in self.labels:
            if label != -100:
                if previous == -100:
                    runs.append([])
                runs[-1].append(label)
            previous = label
        return runs

    def prompt(self) -> list[int]:
        """All ids before the last trained answer."""
        end = len(self.prompt_and_answer())
        while end and self.labels[end - 1] != -100:
            end -= 1
        return self.ids[:end]

    def prompt_and_answer(self) -> list[int]:
        """All ids before the last trained token, which is the end of turn. At least one token must
        be trained."""
        last = max(index for index, label in enumerate(self.labels) if label != -100)
        return self.ids[:last]


def load_strategy(config: Path) -> tuple[Any, Any]:
    """Axolotl's tokenizer and its chat-template strategy for the first data set of an axolotl.yml.

    Raises RecipeError if Axolotl refuses the configuration, or if the tokenizer cannot be loaded or
    used. Raises StageError if Korean text changes in the tokenizer."""
    from axolotl.cli.config import load_cfg
    from axolotl.loaders import load_tokenizer
    from axolotl.prompt_strategies.chat_template import StrategyLoader

    keys = yaml_of(config)
    base = str(keys["base_model"])
    checked_folder(base, keys.get("revision_of_model"))
    remedy = "remove the named key from the recipe's `axolotl:`, or choose another model"
    with model_errors(base, "Axolotl cannot load its configuration", remedy):
        try:
            cfg = load_cfg(str(config))
        except ValidationError as error:
            problems = "\n".join(
                f"  {'.'.join(map(str, e['loc'])) or 'axolotl'}: {e['msg']}" for e in error.errors()
            )
            raise RecipeError(
                f"Axolotl refuses the configuration of this recipe:\n{problems}"
            ) from None
    with model_errors(base, "its tokenizer cannot be loaded"), bounds.tokenizing():
        tokenizer = bounds.bound_tokenizer(load_tokenizer(cfg))
    with model_errors(base, "its tokenizer cannot be used"):
        _check_korean(tokenizer)
        return tokenizer, StrategyLoader()(tokenizer, cfg, cfg.datasets[0])


def tokenize_rows(strategy: Any, rows: list[TrainingRow]) -> list[Trained]:
    """The rows as Axolotl's chat-template strategy tokenizes them."""
    trained = []
    for row in rows:
        tokens = strategy.tokenize_prompt({"messages": row["messages"]})
        trained.append(
            Trained(row["guid"], row["messages"], list(tokens["input_ids"]), list(tokens["labels"]))
        )
    return trained


def end_ids(config: Path, tokenizer: Any) -> set[int]:
    """The token ids that can end an answer: EOS and the `eot_tokens` of an axolotl.yml."""
    tokens = yaml_of(config).get("eot_tokens") or []
    return {tokenizer.eos_token_id, *tokenizer.convert_tokens_to_ids(tokens)}


def read_rows(path: Path, items: int) -> list[TrainingRow]:
    """The first `items` rows of every data entry in a train.jsonl. Copies of a row, which a data
    entry's `weight` makes, are omitted."""
    rows: dict[tuple[str, str], list[TrainingRow]] = {}
    for _, row in rows_of(path):
        kept = rows.setdefault((row["source"], row["form"]), [])
        is_repeated = kept and kept[-1]["guid"] == row["guid"]
        if len(kept) < items and not is_repeated:
            kept.append(row)
    return [row for kept in rows.values() for row in kept]


def _check_korean(tokenizer: Any) -> None:
    """Raise StageError if Korean text changes when it is encoded and decoded. A wrong tokenizer
    class for a byte-level vocabulary silently drops Korean text."""
    text = "한국어 문장이 그대로 남는다."
    if tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)).strip() != text:
        raise StageError(
            f"tokenizer {tokenizer.name_or_path}: Korean text is lost in encoding; check that"
            " config.json is in the same folder"
        )
