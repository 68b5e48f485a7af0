"""One recipe in its run folder: its data, the tasks that are scored, and which of them the model is
trained on."""

from dataclasses import dataclass
from functools import cached_property

from kodata.errors import DataError, NoTestError
from kodata.prepare.convert import convert
from kodata.prepare.entries import DataLocation, Entry, Scored, source_at
from kotune.display.phrases import LANGUAGES
from kotune.recipe.schema import Limit, Recipe
from kotune.runs.folder import Run
from kotune.runs.manifest import Manifest, UncheckedManifest
from kotune.runs.task_data import TaskData
from kotune.worker import driver
from kotune.worker.device import Device
from kotune_tasks.card import cards

LAUNCHERS = ("python", "accelerate", "torchrun")  # Axolotl's own
Launcher = tuple[str, ...]  # one of LAUNCHERS and its arguments; empty: python, one process


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
        """Whether it runs on a GPU without native bf16."""
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

    def prepare(self) -> Manifest:
        """Write the run folder's data; their manifest. DataError."""
        return Manifest.model_validate(self._converted(self.scored()))

    def prepare_unchecked(self) -> UncheckedManifest:
        """prepare() without the leak check, which needs the data of all tasks."""
        return UncheckedManifest.model_validate(self._converted(None))

    def _converted(self, scored: Scored | None) -> object:
        folder, recipe = self.run.path("data"), self.recipe
        return convert(self.entries(), folder, recipe.seed, scored, recipe.validation_rows)

    def scored(self) -> Scored:
        """The data that the recipe is scored on, for kodata's leak check."""
        places = {task: self._place(task) for task in self.tasks}
        return Scored(places, self.recipe.leaks, self.not_scored)

    @cached_property
    def tasks(self) -> dict[str, TaskData]:
        """Every task that is scored, with how its source is read: as in its data entry, or from
        `data_path`."""
        return {task: data for task, data in self._asked.items() if task not in self.not_scored}

    @cached_property
    def not_scored(self) -> dict[str, int | None]:
        """The recipe's tasks that have no test rows, as in Scored: the groups that there are, or
        None."""
        groups = {}
        for task in self._asked:
            source, path = source_at(self._place(task)), self._asked[task].path
            try:
                if source.CARD.test_share is not None:
                    source.files("test", path)
            except NoTestError as error:
                groups[task] = error.groups
            except DataError:  # reported where the data are read
                continue
        return groups

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
        """The tasks whose source is trained in the form of the task's prompt."""
        trained = {(entry.source, entry.form) for entry in self.recipe.data}
        return [
            task for task in self.tasks if (cards()[task].source, cards()[task].form) in trained
        ]
