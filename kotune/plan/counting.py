"""Counts the examples of a recipe and their tokens.

Nothing is downloaded. If the model's tokenizer or the training data are not on this machine, both
numbers are estimated, and the plan marks them as estimates."""

import itertools
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import kodata
from kodata.card import NotRead, Refused, Rewritten
from kodata.errors import HubDeniedError, HubError, Translatable
from kodata.prepare.split import VALIDATION_SHARE
from kotune.models import presets
from kotune.models.template_kwargs import with_kwargs
from kotune.plan.assumptions import LABEL, TEMPLATE, TOKENS_PER_CHARACTER
from kotune.recipe import strict_yaml
from kotune.recipe.schema import Data, Recipe
from kotune.shipped import INSTALL, PROGRAM

CHARACTERS_FILE = Path(__file__).with_name("characters.yml")
READ = 10_000  # characters are counted in at most this many rows of a source
# Messages of the process that counts.
UNCHECKED = Translatable(
    "counted without the leak check, because the data of a task are not on this machine: a run may"
    " drop some rows"
)
ABSENT = Translatable(
    "the data are not on this machine; rows and characters are those of the published files"
)


@dataclass(frozen=True)
class Counted:
    """The counts of a recipe's data.

    - `rows`, `validation`: the number of training rows of an epoch, and of validation rows
    - `lengths`: the lengths in tokens, sorted, of all training examples or of a sample of them
    - `exact`: True if the model's own tokenizer counted the tokens of prepared data. False if the
      counts are estimates.
    - `why`: the reason for an estimate. For exact counts, a note if the leak check was left out.
    - `trained`, `most`: the mean and the maximum number of trained tokens of an example. If they
      are None, all tokens count as trained."""

    rows: int
    validation: int
    lengths: list[int]
    exact: bool
    why: str = ""
    trained: float | None = None
    most: int | None = None

    @property
    def share(self) -> float:
        """The share of tokens that are trained, from 0 to 1."""
        return 1.0 if self.trained is None else min(self.trained / self.mean, 1.0)

    @property
    def mean(self) -> float:
        """The mean number of tokens of an example."""
        return sum(self.lengths) / len(self.lengths)

    @property
    def tokens(self) -> int:
        """The number of tokens of an epoch, without padding."""
        return round(self.rows * self.mean)

    @property
    def longest(self) -> int:
        """The number of tokens of the longest example."""
        return self.lengths[-1]


def count(recipe: Recipe) -> Counted:
    """Count the examples and tokens of a recipe. If the tokenizer or the data are not on this
    machine, estimate both and give the reason in `why`. Raises DataError or KotuneError for
    unusable data."""
    why = _no_tokenizer(presets.find(recipe.model, recipe.template).base)
    if not why:
        counted = _in_child(recipe)
        if isinstance(counted, Counted):
            return counted
        why = counted
    return estimate(recipe, why)


def estimate(recipe: Recipe, why: str) -> Counted:
    """Estimate the counts of a recipe without a tokenizer, from the number of characters. Local
    data are read. For data from the hub, published counts are used.

    `why`: the reason for the estimate, for the plan. Raises DataError for unusable local data."""
    rows, validation, lengths = [], [], []
    most = max(recipe.validation_rows // len(recipe.data), 1)  # validation rows of one data entry
    for entry in recipe.data:
        total, entry_lengths = _train_split(entry)
        # Validation rows are those of the source's own split, or else are cut from its train split.
        own = None if entry.path else kodata.SOURCES[entry.source].CARD.rows.get("validation")
        cut = 0 if own else min(round(total * VALIDATION_SHARE), most)
        rows.append(round(min(total - cut, entry.samples or total) * entry.weight))
        validation.append(min(own or cut, most))
        lengths.append(entry_lengths)
    label = LABEL if {entry.form for entry in recipe.data} == {"label"} else None
    numbers = max(sum(rows), 1), max(sum(validation), 1)
    return Counted(
        *numbers, sorted(_mixed(rows, lengths)), exact=False, why=why, trained=label, most=label
    )


def characters(source: str, form: str | None) -> list[int] | None:
    """The lengths in characters of the examples of a source and form: the shortest, every tenth
    percentile and the longest. They come from characters.yml. If `form` is None or unlisted, the
    lengths are those of the source's first form. None for an unlisted source."""
    forms = _table().get(source, {})
    percentiles: list[int] | None = forms.get(form, next(iter(forms.values()), None))
    return percentiles


def in_tokens(number: float) -> int:
    """The estimated number of tokens of an example with `number` characters. The example has one
    question, and the tokens of the chat template are included."""
    return round(number * TOKENS_PER_CHARACTER) + TEMPLATE


@cache
def _table() -> strict_yaml.Written:
    return strict_yaml.load(CHARACTERS_FILE)


def _train_split(entry: Data) -> tuple[int, list[int]]:
    """The number of rows in the train split of a data entry, and estimated lengths in tokens of a
    sample of these rows. Published counts are used for a hub source without `path`. In all other
    cases the data are read."""
    source = kodata.SOURCES[entry.source]
    if entry.path or source.CARD.hub_id is None:
        return _read(entry)
    known = characters(entry.source, entry.form) or []
    return source.CARD.rows["train"], [in_tokens(number) for number in _spread(known)]


def _read(entry: Data) -> tuple[int, list[int]]:
    """Like _train_split(), but always reads the data. The lengths are those of the usable rows
    among the first READ rows."""
    source = kodata.source(entry.source, entry.test_share)
    rows, lengths = 0, []
    for record in source.read("train", entry.path):
        if isinstance(record, NotRead | Rewritten):
            continue
        rows += 1
        if isinstance(record, Refused) or rows > READ:
            continue
        messages = source.messages(record, str(entry.form))
        if isinstance(messages, list):
            turns = len(messages) / 2
            number = sum(len(message["content"]) for message in messages)
            lengths.append(round(number * TOKENS_PER_CHARACTER + TEMPLATE * max(turns, 1)))
    return rows, lengths or [TEMPLATE]


def _spread(percentiles: list[int]) -> list[float]:
    """A hundred lengths between these percentiles, evenly spaced in each interval, and the
    longest."""
    steps = len(percentiles) - 1
    return [
        low + (high - low) * (part + 0.5) / (100 / steps)
        for low, high in itertools.pairwise(percentiles)
        for part in range(100 // steps)
    ] + [percentiles[-1]]


def _mixed(rows: list[int], lengths: list[list[int]]) -> Iterator[int]:
    """A sample of the lengths of all data entries. `rows`: each entry's number of rows, which sets
    its share of the sample. `lengths`: each entry's lengths. The longest length of each entry is
    always in the sample."""
    most = max(*rows, 1)  # 1: weights may leave no row
    for number, entry_lengths in zip(rows, lengths, strict=True):
        size = max(round(1_000 * number / most), 1)
        ranked = sorted(entry_lengths)
        for i in range(size - 1):
            yield ranked[min(i * len(ranked) // size, len(ranked) - 1)]
        yield ranked[-1]


def _no_tokenizer(base: str) -> str:
    """The reason why the tokenizer of the base model `base` cannot be used; empty if it can."""
    if not find_spec("transformers"):
        return Translatable(
            "the light install has no tokenizer; for exact counts, run {install}", install=INSTALL
        )
    if presets.is_folder(base):
        return (
            ""
            if any(Path(base).glob("tokenizer*"))
            else Translatable("there is no tokenizer in {base}", base=base)
        )
    from huggingface_hub import try_to_load_from_cache

    if isinstance(try_to_load_from_cache(base, "tokenizer_config.json"), str):
        return ""
    return Translatable(
        "the tokenizer of {base} is not in the hub's cache; `{program} preview`"
        " downloads it, without the weights",
        base=base,
        program=PROGRAM,
    )


def _in_child(recipe: Recipe) -> Counted | str:
    """The result of in_folder(), which is called in a child process."""
    from kotune.runs.folder import read_json
    from kotune.worker.call import call, temporary

    with temporary("plan") as folder:
        call("plan", folder, recipe=recipe.model_dump(mode="json"), here=str(Path.cwd()))
        made = read_json(folder / "counted.json")
    # Messages from a child process are plain text, so they are replaced by the translatable ones.
    messages = {str(message): message for message in (UNCHECKED, ABSENT)}
    if "absent" in made:
        return messages[made["absent"]]
    return Counted(**{**made, "why": messages.get(made["why"], "")})


def in_folder(recipe: Recipe, run: Path) -> Counted | str:
    """Prepare the data in the folder `run`, as a run does, and count their examples and tokens. The
    plan's child process calls this function inside offline(), so that the hub is not contacted.

    Returns a message instead if the training data are not on this machine. Raises DataError for
    unusable data, and RecipeError if the model has no chat template."""
    from kotune.parity import lengths
    from kotune.runs.folder import Run
    from kotune.runs.job import Job

    job = Job(recipe, Run(run), "cpu", None)
    why = ""
    try:
        try:
            rows = job.prepare().rows
        except (HubError, HubDeniedError):  # perhaps only the test data of a task are missing
            why = UNCHECKED
            rows = job.prepare_unchecked().rows
    except (HubError, HubDeniedError):
        return ABSENT
    tokenizer = _tokenizer(recipe, run)
    every = [length for length, *_ in lengths.of_examples(run, tokenizer)]  # training rows first
    trained = lengths.of_answers(run, tokenizer)
    return Counted(
        rows=rows.train,
        validation=rows.validation,
        lengths=sorted(every[: rows.train]),
        exact=True,
        why=why,
        trained=sum(trained) / len(trained),
        most=max(trained),
    )


def _tokenizer(recipe: Recipe, run: Path) -> Any:
    """The model's tokenizer with the chat template that the recipe trains with. `run`: the run
    folder. Raises RecipeError if there is no template."""
    from kotune.models import hub
    from kotune.worker import bounds

    model = presets.find(recipe.model, recipe.template)
    # The tokenizer is loaded with the run's folder as current directory. In the user's directory,
    # transformers would load a subfolder whose path equals the hub id.
    with chdir(run), bounds.tokenizing():
        tokenizer = hub.tokenizer_of(model.base)
    text = (
        model.template.read_text(encoding="utf-8")
        if model.template
        else hub.own_template(model.base, tokenizer)
    )
    tokenizer.chat_template = with_kwargs(text, recipe.template_kwargs)
    return bounds.bound_tokenizer(tokenizer)
