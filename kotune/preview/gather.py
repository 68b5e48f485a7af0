"""Collects the training examples of one or several recipes, in the tokens of each recipe's model.

Data, configuration and template are made in a temporary folder, in the same way as in a run. The
models' weights are not downloaded. Recipes that prepare the same data share one copy of the data,
so their tokenizers can be compared on the same text."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter

from kotune import bodies, pipeline, stages
from kotune.models import presets
from kotune.preview.tokens import Shown, Tokens
from kotune.recipe.reading import load
from kotune.runs.folder import Inputs, Run, read_json
from kotune.runs.job import Job
from kotune.runs.manifest import Manifest
from kotune.worker.call import call, temporary
from kotune.worker.device import detect_device


@dataclass(frozen=True)
class Seen:
    """The training data of a recipe, as its model sees them.

    - `recipe`: the name of the recipe's file, without extension
    - `model`: the recipe's model
    - `template`: the name of the chat template; `own` for the tokenizer's own
    - `tokens`: the examples in the model's tokens, and statistics about them"""

    recipe: str
    model: str
    template: str
    tokens: Tokens

    @property
    def per_character(self) -> float:
        """Tokens per character of the messages. Tokens of the chat template and special tokens are
        not counted (lengths.of_contents)."""
        return self.tokens.content.tokens / self.tokens.content.characters


class Ratio(NamedTuple):
    """A recipe, and how many times as many tokens it needs for the same text as the cheapest
    recipe (PreparedData.cheapest). `times` is at least 1."""

    seen: Seen
    times: float


@dataclass(frozen=True)
class PreparedData:
    """One set of prepared data, with one entry in `seen` for each recipe that trains on it."""

    manifest: Manifest
    seen: list[Seen]

    @property
    def cheapest(self) -> Seen:
        """The recipe that needs the fewest tokens per character."""
        return min(self.seen, key=lambda seen: seen.per_character)

    def costs(self) -> list[Ratio]:
        """The ratio of every recipe except the cheapest. Empty if there is only one recipe."""
        cheapest = self.cheapest
        return [
            Ratio(seen, seen.per_character / cheapest.per_character)
            for seen in self.seen
            if seen is not cheapest
        ]


class SeenExample(NamedTuple):
    """An example in the tokens of one recipe's model."""

    seen: Seen
    example: Shown


def examples(sets: list[PreparedData]) -> Iterator[list[SeenExample]]:
    """All examples to show. An example is a list with one SeenExample for each recipe that trains
    on it."""
    for data in sets:
        for same_example in zip(*(seen.tokens.shown for seen in data.seen), strict=True):
            yield list(map(SeenExample, data.seen, same_example))


def gather(files: tuple[Path, ...], overrides: tuple[str, ...], items: int) -> list[PreparedData]:
    """Everything that a preview of these recipes shows, by set of prepared data. `files`: the
    recipes; `overrides`: the values of --set; `items`: the maximum number of examples to show of
    each data entry.

    Raises RecipeError for an invalid recipe, DataError for unusable data, and KotuneError if a
    model cannot be used or the packages for training are not installed."""
    recipes = [load(file, overrides) for file in files]
    pipeline.require_engines()
    device = detect_device()
    with temporary("preview") as root:
        jobs = [
            Job(recipe, Run(root / str(number)), device, None)
            for number, recipe in enumerate(recipes)
        ]
        # Models are configured first, so that an unreachable hub is reported before the data are
        # read.
        bases = {job.run.root.name: bodies.configure(job, weights=False).base for job in jobs}
        groups = _prepared(jobs)
        call("preview", root, bases=bases, items=items)
        names = {job.run.root: file.stem for job, file in zip(jobs, files, strict=True)}
        return [
            PreparedData(group.manifest, [_seen(job, names[job.run.root]) for job in group.jobs])
            for group in groups
        ]


def _prepared(jobs: list[Job]) -> list["_Group"]:
    """Prepare the data of every job in its run folder, and group the jobs by their data. If an
    earlier job has prepared the same data, the folder gets a link to them."""
    groups: list[_Group] = []
    for job in jobs:
        inputs = stages.inputs(job, "prepare")
        same = next((group for group in groups if group.inputs == inputs), None)
        if same:
            job.run.path("data").symlink_to(same.jobs[0].run.path("data"))
            same.jobs.append(job)
        else:
            groups.append(_Group(inputs, job.prepare(), [job]))
    return groups


class _Group(NamedTuple):
    """Jobs that prepare the same data. `inputs`: what the data depend on; `manifest`: the data's
    manifest."""

    inputs: Inputs
    manifest: Manifest
    jobs: list[Job]


def _seen(job: Job, name: str) -> Seen:
    """The data of one recipe, read from tokens.json in the job's folder. `name`: the recipe's
    name."""
    template = presets.find(job.recipe.model, job.recipe.template).template
    return Seen(
        name,
        job.recipe.model,
        template.stem if template else "own",
        TypeAdapter(Tokens).validate_python(read_json(job.run.path("tokens.json"))),
    )
