"""Axolotl's side of the proof: training rows as its own chat-template strategy makes them, with the
run's own tokenizer."""

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
    """One row as Axolotl will train on it: `ids` and `labels` of equal length, labels -100 where
    nothing is learned."""

    guid: str
    messages: list[Message]
    ids: list[int]
    labels: list[int]

    def turns(self) -> list[list[int]]:
        """The runs of trained token ids, in order."""
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
        """All ids before the last answer that is trained."""
        end = len(self.prompt_and_answer())
        return self.ids[
            : next((at + 1 for at in range(end - 1, -1, -1) if self.labels[at] == -100), 0)
        ]

    def prompt_and_answer(self) -> list[int]:
        """All ids up to, not including, the last trained token, which is the end of turn."""
        last = max(index for index, label in enumerate(self.labels) if label != -100)
        return self.ids[:last]


def load_strategy(config: Path) -> tuple[Any, Any]:
    """Axolotl's tokenizer and its chat-template strategy for the first data set of a rendered
    config."""
    from axolotl.cli.config import load_cfg
    from axolotl.loaders import load_tokenizer
    from axolotl.prompt_strategies.chat_template import StrategyLoader

    said = yaml_of(config)
    base = str(said["base_model"])
    checked_folder(base, said.get("revision_of_model"))
    mend = "take out of the recipe's `axolotl:` what it names, or choose another model"
    with model_errors(base, "Axolotl can make nothing of it", mend):
        try:
            cfg = load_cfg(str(config))
        except ValidationError as error:
            told = "\n".join(
                f"  {'.'.join(map(str, e['loc'])) or 'axolotl'}: {e['msg']}" for e in error.errors()
            )
            raise RecipeError(
                f"Axolotl refuses the configuration of this recipe:\n{told}"
            ) from None
    with model_errors(base, "its tokenizer cannot be loaded"), bounds.tokenizing():
        tokenizer = bounds.bound_tokenizer(load_tokenizer(cfg))
    with model_errors(base, "its tokenizer cannot be used"):
        _check_korean(tokenizer)
        return tokenizer, StrategyLoader()(tokenizer, cfg, cfg.datasets[0])


def train_side(strategy: Any, rows: list[TrainingRow]) -> list[Trained]:
    """What Axolotl makes of each row."""
    sides = []
    for row in rows:
        made = strategy.tokenize_prompt({"messages": row["messages"]})
        sides.append(
            Trained(row["guid"], row["messages"], list(made["input_ids"]), list(made["labels"]))
        )
    return sides


def end_ids(config: Path, tokenizer: Any) -> set[int]:
    """The ids that may close an answer: eos and the configured `eot_tokens`."""
    tokens = yaml_of(config).get("eot_tokens") or []
    return {tokenizer.eos_token_id, *tokenizer.convert_tokens_to_ids(tokens)}


def read_rows(path: Path, items: int) -> list[TrainingRow]:
    """The first `items` different rows of every data entry: train.jsonl holds them one entry after
    another."""
    rows: dict[tuple[str, str], list[TrainingRow]] = {}
    for _, row in rows_of(path):
        kept = rows.setdefault((row["source"], row["form"]), [])
        # A `weight` repeats rows.
        if len(kept) < items and not (kept and kept[-1]["guid"] == row["guid"]):
            kept.append(row)
    return [row for kept in rows.values() for row in kept]


def _check_korean(tokenizer: Any) -> None:
    """A wrong tokenizer class over a byte-level vocabulary drops Korean from the ids without a
    word."""
    text = "한국어 문장이 그대로 남는다."
    if tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)).strip() != text:
        raise StageError(
            f"tokenizer {tokenizer.name_or_path}: Korean does not survive encoding; is config.json"
            " beside it?"
        )
