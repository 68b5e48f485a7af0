"""The examples as each model will see them, before anything is trained: for one recipe or for
several side by side.

PreparedData, configuration and template are made as a run makes them, in a folder that is gone
afterwards; the models' weights are not fetched. Recipes that prepare the same data share it, and
their models are compared on it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter

from kotune import pipeline, stages
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
    """One recipe's model over the data; `tokens` is what tokens.look() tells."""

    recipe: str
    model: str
    template: str
    tokens: Tokens

    @property
    def per_character(self) -> float:
        """Tokens of all messages' contents, without template and special tokens, by their
        characters (lengths.of_contents)."""
        return self.tokens.content.tokens / self.tokens.content.characters


class Ratio(NamedTuple):
    """A recipe, and how many times the cheapest one's tokens it needs for the same text."""

    seen: Seen
    times: float


@dataclass(frozen=True)
class PreparedData:
    """One set of prepared data with every recipe that trains on it."""

    manifest: Manifest
    seen: list[Seen]

    @property
    def cheapest(self) -> Seen:
        """The recipe whose model has the fewest tokens for the text."""
        return min(self.seen, key=lambda seen: seen.per_character)

    def costs(self) -> list[Ratio]:
        """The other recipes with how many times the cheapest one's tokens they need for the same
        text."""
        least = self.cheapest
        return [
            Ratio(seen, seen.per_character / least.per_character)
            for seen in self.seen
            if seen is not least
        ]


class SeenExample(NamedTuple):
    """An example as one recipe's model sees it."""

    seen: Seen
    example: Shown


def examples(sets: list[PreparedData]) -> Iterator[list[SeenExample]]:
    """Each example that is shown, as each recipe that trains on it sees it."""
    for data in sets:
        for sides in zip(*(seen.tokens.shown for seen in data.seen), strict=True):
            yield list(map(SeenExample, data.seen, sides))


def gather(files: tuple[Path, ...], overrides: tuple[str, ...], items: int) -> list[PreparedData]:
    """Everything that a preview shows of these recipes, `items` examples of each data entry."""
    recipes = [load(file, overrides) for file in files]
    pipeline.require_engines()
    device = detect_device()
    with temporary("preview") as root:
        jobs = [
            Job(recipe, Run(root / str(number)), device, None)
            for number, recipe in enumerate(recipes)
        ]
        # Models first: a hub that does not answer is told before the data are read.
        bases = {job.run.root.name: pipeline.configure(job, weights=False).base for job in jobs}
        groups = _prepared(jobs)
        call("preview", root, bases=bases, items=items)
        names = {job.run.root: file.stem for job, file in zip(jobs, files, strict=True)}
        return [
            PreparedData(group.manifest, [_seen(job, names[job.run.root]) for job in group.jobs])
            for group in groups
        ]


def _prepared(jobs: list[Job]) -> list["_Group"]:
    """The data of every job in its run folder, converted once for all that prepare the same."""
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
