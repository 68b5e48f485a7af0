"""One recipe in its run folder: what goes in, what is scored, and which of that the model is trained on."""

from dataclasses import dataclass
from pathlib import Path

from kodata.prepare.entries import Entry, Scored
from kotune.display.phrases import LANGUAGES
from kotune.recipe.schema import Limit, Recipe
from kotune.runs.folder import Run
from kotune.worker.device import Device
from kotune_tasks.card import cards

LAUNCHERS = ("python", "accelerate", "torchrun")  # Axolotl's own
Launcher = tuple[str, ...]  # one of Axolotl's own and its arguments; empty: python, one process


@dataclass(frozen=True)
class Job:
    """One recipe on its way through the stages."""

    recipe: Recipe
    run: Run
    device: Device
    limit: Limit
    lang: str = LANGUAGES[0]  # of the report
    launcher: Launcher = ()

    def entries(self) -> list[Entry]:
        """The recipe's data entries for kodata."""
        return [
            Entry(entry.source, str(entry.form), entry.place, entry.samples, entry.weight, entry.system)
            for entry in self.recipe.data
        ]

    def scored(self) -> Scored:
        """What the recipe is scored on, for kodata's leak check."""
        places = {task: (cards()[task].source, path) for task, path in self.task_paths().items()}
        return Scored(places, self.recipe.leaks)

    def merging(self) -> list[str]:
        """The sources whose system turns become part of the first user's turn, trained and asked."""
        return sorted({entry.source for entry in self.recipe.data if entry.system == "merge"})

    def task_paths(self) -> dict[str, Path | None]:
        """Every task with the place of its source: that of the data entry (Data.place), or of `data_path`; None: the hub."""
        places = {source: path.resolve() for source, path in self.recipe.data_path.items()}
        for entry in self.recipe.data:
            if entry.place:
                places[entry.source] = entry.path.resolve() if entry.path else entry.place
        return {task: places.get(cards()[task].source) for task in self.recipe.tasks}

    def trained_tasks(self) -> list[str]:
        """The tasks whose source is trained on the prompt that the task asks."""
        trained = {(entry.source, entry.form) for entry in self.recipe.data}
        return [task for task in self.recipe.tasks if (cards()[task].source, cards()[task].form) in trained]
