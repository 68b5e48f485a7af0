"""One recipe in its run folder: what goes in, what is scored, and which of that the model is
trained on."""

from dataclasses import dataclass
from functools import cached_property

from kodata.errors import DataError, NoTestError
from kodata.prepare.convert import convert
from kodata.prepare.entries import DataLocation, Entry, Scored, source_at
from kodata.prepare.output import Manifest
from kotune.display.phrases import LANGUAGES
from kotune.recipe.schema import Limit, Recipe
from kotune.runs.folder import Run
from kotune.runs.task_data import TaskData
from kotune.worker import driver
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

    @property
    def is_old_gpu(self) -> bool:
        """Whether it runs on a GPU without bf16 of its own."""
        return self.device == "cuda" and driver.is_old()

    def entries(self) -> list[Entry]:
        """The recipe's data entries for kodata."""
        return [
            Entry(
                entry.source,
                str(entry.form),
                entry.location,
                entry.samples,
                entry.weight,
                entry.system,
                entry.test_share,
            )
            for entry in self.recipe.data
        ]

    def prepare(self, *, leaks: bool = True) -> Manifest:
        """The run folder's data, and their manifest; `leaks`: whether rows that are scored too are
        looked for. DataError."""
        scored = self.scored() if leaks else None
        return convert(
            self.entries(),
            self.run.path("data"),
            self.recipe.seed,
            scored,
            self.recipe.validation_rows,
        )

    def scored(self) -> Scored:
        """What the recipe is scored on, for kodata's leak check."""
        places = {task: self._place(task) for task in self.tasks}
        return Scored(places, self.recipe.leaks, self.not_scored)

    @cached_property
    def tasks(self) -> dict[str, TaskData]:
        """Every task that is scored, with how its source is read: as the data entry says, or
        `data_path`."""
        return {task: data for task, data in self._asked.items() if task not in self.not_scored}

    @cached_property
    def not_scored(self) -> dict[str, int | None]:
        """The tasks that the recipe names and that have nothing to score, as Scored has them."""
        found = {}
        for task in self._asked:
            source, path = source_at(self._place(task)), self._asked[task].path
            try:
                if source.CARD.test_share is not None:
                    source.files("test", path)
            except NoTestError as error:
                found[task] = error.groups
            except DataError:  # whoever reads the data tells it
                continue
        return found

    @cached_property
    def _asked(self) -> dict[str, TaskData]:
        places = {
            source: TaskData(path.resolve()) for source, path in self.recipe.data_path.items()
        }
        for entry in self.recipe.data:
            # Entries of one source say the same, but for what becomes of system turns.
            path = entry.path.resolve() if entry.path else entry.location
            merge = entry.system == "merge" or places.get(entry.source, TaskData()).merge
            places[entry.source] = TaskData(path, entry.test_share, merge)
        return {task: places.get(cards()[task].source, TaskData()) for task in self.recipe.tasks}

    def _place(self, task: str) -> DataLocation:
        data = self._asked[task]
        return DataLocation(cards()[task].source, data.path, data.test_share)

    def trained_tasks(self) -> list[str]:
        """The tasks whose source is trained on the prompt that the task asks."""
        trained = {(entry.source, entry.form) for entry in self.recipe.data}
        return [
            task for task in self.tasks if (cards()[task].source, cards()[task].form) in trained
        ]
