"""How many examples there are and how long: counted with the real tokenizer where it and the data
are at hand, else estimated.

Nothing is fetched for it: what the hub's cache does not hold is estimated, and the plan says so.
"""

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
from kodata.errors import HubDeniedError, HubError
from kodata.prepare.split import VALIDATION_SHARE
from kotune.models import presets
from kotune.plan.assumptions import LABEL, TEMPLATE, TOKENS_PER_CHARACTER
from kotune.recipe import strict_yaml
from kotune.recipe.schema import Data, Recipe
from kotune.shipped import INSTALL, PROGRAM

CHARACTERS_FILE = Path(__file__).with_name("characters.yml")
READ = 10_000  # rows of a source, at most, whose characters are counted


@dataclass(frozen=True)
class Counted:
    """`rows` of an epoch and of validation; `lengths`: sorted tokens of all training examples, or
    of a fair sample of them.

    `trained`: tokens of an example that are trained, on average, and `most` of any; None where
    nobody can tell, so that all are. `exact`: counted with the model's tokenizer over the data as a
    run prepares them; `why`: why not, or what is missing."""

    rows: int
    validation: int
    lengths: list[int]
    exact: bool
    why: str = ""
    trained: float | None = None
    most: int | None = None

    @property
    def share(self) -> float:
        """Of the tokens that are trained."""
        return 1.0 if self.trained is None else min(self.trained / self.mean, 1.0)

    @property
    def mean(self) -> float:
        """Tokens of an example."""
        return sum(self.lengths) / len(self.lengths)

    @property
    def tokens(self) -> int:
        """Tokens of an epoch, without padding."""
        return round(self.rows * self.mean)

    @property
    def longest(self) -> int:
        return self.lengths[-1]


def count(recipe: Recipe) -> Counted:
    """Counted, or estimated with the reason."""
    why = _no_tokenizer(presets.find(recipe.model, recipe.template).base)
    if not why:
        counted = _in_child(recipe)
        if isinstance(counted, Counted):
            return counted
        why = counted
    return estimated(recipe, why)


def estimated(recipe: Recipe, why: str) -> Counted:
    """From the characters of data that lie here, or from those of the source's published files."""
    rows, held, lengths = [], [], []
    most = max(recipe.validation_rows // len(recipe.data), 1)
    for entry in recipe.data:
        whole, found = _whole(entry)
        own = None if entry.path else kodata.SOURCES[entry.source].CARD.rows.get("validation")
        cut = 0 if own else min(round(whole * VALIDATION_SHARE), most)
        rows.append(round(min(whole - cut, entry.samples or whole) * entry.weight))
        held.append(min(own or cut, most))
        lengths.append(found)
    label = LABEL if {entry.form for entry in recipe.data} == {"label"} else None
    numbers = max(sum(rows), 1), max(sum(held), 1)
    return Counted(
        *numbers, sorted(_mixed(rows, lengths)), exact=False, why=why, trained=label, most=label
    )


def characters(source: str, form: str | None) -> list[int] | None:
    """What characters.yml has for a source's form, or for its only one."""
    forms = _table().get(source, {})
    found: list[int] | None = forms.get(form, next(iter(forms.values()), None))
    return found


def in_tokens(number: float) -> int:
    """Characters of an example as tokens, chat template included: an assumption."""
    return round(number * TOKENS_PER_CHARACTER) + TEMPLATE


@cache
def _table() -> strict_yaml.Written:
    return strict_yaml.load(CHARACTERS_FILE)


def _whole(entry: Data) -> tuple[int, list[int]]:
    """Rows of a source's train split, and tokens of a sample of them: read where the data lie here,
    else published."""
    source = kodata.SOURCES[entry.source]
    if entry.path or source.CARD.hub_id is None:
        return _read(entry)
    known = characters(entry.source, entry.form) or []
    return source.CARD.rows["train"], [in_tokens(number) for number in _spread(known)]


def _read(entry: Data) -> tuple[int, list[int]]:
    source = kodata.source(entry.source, entry.test_share)
    rows, lengths = 0, []
    for record in source.read("train", entry.path):
        if isinstance(record, NotRead | Rewritten):
            continue
        rows += 1
        made = (
            record
            if isinstance(record, Refused) or rows > READ
            else source.messages(record, str(entry.form))
        )
        if isinstance(made, list):
            turns = len(made) / 2
            told = sum(len(message["content"]) for message in made)
            lengths.append(round(told * TOKENS_PER_CHARACTER + TEMPLATE * max(turns, 1)))
    return rows, lengths or [TEMPLATE]


def _spread(known: list[int]) -> list[float]:
    """A hundred lengths with these percentiles."""
    steps = len(known) - 1
    return [
        low + (high - low) * (part + 0.5) / (100 / steps)
        for low, high in itertools.pairwise(known)
        for part in range(100 // steps)
    ] + [known[-1]]


def _mixed(rows: list[int], lengths: list[list[int]]) -> Iterator[int]:
    """The entries' lengths, each entry by its share of the rows."""
    most = max(rows)
    for number, found in zip(rows, lengths, strict=True):
        wanted = max(round(1_000 * number / most), 1)
        ranked = sorted(found)
        yield from (
            ranked[min(at * len(ranked) // wanted, len(ranked) - 1)] for at in range(wanted - 1)
        )
        yield ranked[-1]


def _no_tokenizer(base: str) -> str:
    """Why the model's tokenizer cannot be asked, empty where it can."""
    if not find_spec("transformers"):
        return f"the light install has no tokenizer; {INSTALL} counts exactly"
    if presets.is_folder(base):
        return "" if any(Path(base).glob("tokenizer*")) else f"there is no tokenizer in {base}"
    from huggingface_hub import try_to_load_from_cache

    if isinstance(try_to_load_from_cache(base, "tokenizer_config.json"), str):
        return ""
    return (
        f"the tokenizer of {base} is not in the hub's cache; `{PROGRAM} preview` fetches it,"
        " without the weights"
    )


def _in_child(recipe: Recipe) -> Counted | str:
    """What in_folder() returns in a process of its own."""
    from kotune.runs.folder import read_json
    from kotune.worker.call import call, temporary

    with temporary("plan") as folder:
        call("plan", folder, recipe=recipe.model_dump(mode="json"), here=str(Path.cwd()))
        made = read_json(folder / "counted.json")
    return str(made["absent"]) if "absent" in made else Counted(**made)


def in_folder(recipe: Recipe, run: Path) -> Counted | str:
    """The child's side: counts the data as a run prepares them, in the folder `run`; a reason if
    they are not at hand. The hub is not asked: it must be offline()."""
    from kotune.parity import lengths
    from kotune.runs.folder import Run
    from kotune.runs.job import Job

    job = Job(recipe, Run(run), "cpu", None)
    why = ""
    try:
        try:
            rows = job.prepare().rows
        except (HubError, HubDeniedError):  # a scored task's data: only the leak check needs them
            why = (
                "counted before the leak check, since the data of a task are not here: a run may"
                " leave some rows out"
            )
            rows = job.prepare_unchecked().rows
    except (HubError, HubDeniedError):
        return "the data are not here: rows and characters of the published files, not of yours"
    tokenizer = _tokenizer(recipe, run)
    found = [length for length, *_ in lengths.of_examples(run, tokenizer)]
    trained = lengths.of_answers(run, tokenizer)
    return Counted(
        rows=rows.train,
        validation=rows.validation,
        lengths=sorted(found[: rows.train]),
        exact=True,
        why=why,
        trained=sum(trained) / len(trained),
        most=max(trained),
    )


def _tokenizer(recipe: Recipe, run: Path) -> Any:
    """The model's tokenizer with the template that the recipe trains with. RecipeError where there
    is none."""
    from kotune.models import hub
    from kotune.worker import bounds

    model = presets.find(recipe.model, recipe.template)
    # In the run's folder: in the user's own, transformers would take a folder that has the hub id's
    # name for the model.
    with chdir(run), bounds.tokenizing():
        tokenizer = hub.tokenizer_of(model.base)
    if model.template:
        tokenizer.chat_template = model.template.read_text(encoding="utf-8")
    else:
        with chdir(run), bounds.tokenizing():
            hub.write_own_template(model.base, run)
    return bounds.bound_tokenizer(tokenizer)
