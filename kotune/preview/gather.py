"""Collects the training examples of one or several recipes, in the form in which each model will
see them.

Data, configuration and template are made in a temporary folder, in the same way as in a run. The
models' weights are not downloaded. Recipes that prepare the same data share one copy. The
tokenizers of these recipes are compared on the shared data."""

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
    """A recipe's model and the data in its tokens. `tokens`: the result of tokens.describe()."""

    recipe: str
    model: str
    template: str
    tokens: Tokens

    @property
    def per_character(self) -> float:
        """Tokens per character of all messages' contents, without template and special tokens
        (lengths.of_contents)."""
        return self.tokens.content.tokens / self.tokens.content.characters


class Ratio(NamedTuple):
    """A recipe, and the ratio of its number of tokens to that of the cheapest recipe for the same
    text."""

    seen: Seen
    times: float


@dataclass(frozen=True)
class PreparedData:
    """One set of prepared data with every recipe that trains on it."""

    manifest: Manifest
    seen: list[Seen]

    @property
    def cheapest(self) -> Seen:
        """The recipe that needs the fewest tokens for the text."""
        return min(self.seen, key=lambda seen: seen.per_character)

    def costs(self) -> list[Ratio]:
        """For every recipe except the cheapest, the ratio of its number of tokens to the cheapest
        recipe's number for the same text."""
        least = self.cheapest
        return [
            Ratio(seen, seen.per_character / least.per_character)
            for seen in self.seen
            if seen is not least
        ]


class SeenExample(NamedTuple):
    """An example in the tokens of one recipe's model."""

    seen: Seen
    example: Shown


def examples(sets: list[PreparedData]) -> Iterator[list[SeenExample]]:
    """For each shown example, a list of its views: one for every recipe that trains on it."""
    for data in sets:
        for views in zip(*(seen.tokens.shown for seen in data.seen), strict=True):
            yield list(map(SeenExample, data.seen, views))


def gather(files: tuple[Path, ...], overrides: tuple[str, ...], items: int) -> list[PreparedData]:
    """Collect everything that a preview of these recipes shows. `items`: the number of examples of
    each data entry."""
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
    """Prepare the data of every job in its run folder. Jobs that prepare the same data share one
    conversion."""
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
    """Jobs that prepare the same data."""

    inputs: Inputs
    manifest: Manifest
    jobs: list[Job]


def _seen(job: Job, name: str) -> Seen:
    template = presets.find(job.recipe.model, job.recipe.template).template
    return Seen(
        name,
        job.recipe.model,
        template.stem if template else "own",
        TypeAdapter(Tokens).validate_python(read_json(job.run.path("tokens.json"))),
    )
