"""Defines Job, which is a recipe with its run folder and the settings of one run. A Job finds out
which data the run reads and which tasks it scores."""

from dataclasses import dataclass
from functools import cached_property

from kodata.errors import DataError, NoTestError
from kodata.prepare.convert import convert
from kodata.prepare.entries import DataLocation, Entry, Scored, source_at
from kodata.progress import Watch, unwatched
from kotune.display.phrases import LANGUAGES
from kotune.recipe.existing import NO_ADAPTER
from kotune.recipe.schema import Limit, Recipe
from kotune.runs.folder import Run
from kotune.runs.manifest import Manifest, UncheckedManifest
from kotune.runs.task_data import TaskData
from kotune.worker import driver
from kotune.worker.device import Device
from kotune_tasks.card import cards

LAUNCHERS = ("python", "accelerate", "torchrun")  # the launchers that Axolotl supports
# One of LAUNCHERS, followed by its arguments. Empty if training is a single python process.
Launcher = tuple[str, ...]


@dataclass(frozen=True)
class Job:
    """A recipe, its run folder, and the settings of this run. `limit`: the number of items to score
    per task (kotune.recipe.schema.Limit)."""

    recipe: Recipe
    run: Run
    device: Device
    limit: Limit
    lang: str = LANGUAGES[0]  # the language of the report
    launcher: Launcher = ()
    fresh_base: bool = False  # score the base model; reuse no base answers of other runs

    @property
    def is_tuned(self) -> bool:
        """Whether there is an adapter to score, or there will be. False for a model alone."""
        return self.recipe.adapter != NO_ADAPTER

    @property
    def is_old_gpu(self) -> bool:
        """Whether the run uses a GPU without native bf16."""
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

    def prepare(self, watch: Watch = unwatched) -> Manifest:
        """Write the training data into the run folder. Returns their manifest. `watch` is called
        with the progress. Raises DataError for unusable data."""
        return Manifest.model_validate(self._converted(self.scored(), watch))

    def prepare_unchecked(self) -> UncheckedManifest:
        """Like prepare(), but without the leak check, which needs the data of all tasks."""
        return UncheckedManifest.model_validate(self._converted(None))

    def _converted(self, scored: Scored | None, watch: Watch = unwatched) -> object:
        """Write the training data. Returns the manifest as a dict. `scored`: the test data for the
        leak check; None for no check."""
        folder, recipe = self.run.path("data"), self.recipe
        return convert(self.entries(), folder, recipe.seed, scored, recipe.validation_rows, watch)

    def scored(self) -> Scored:
        """The test data of the recipe's tasks, for kodata's leak check."""
        locations = {task: self._location(task) for task in self.tasks}
        return Scored(locations, self.recipe.leaks, self.not_scored)

    @cached_property
    def tasks(self) -> dict[str, TaskData]:
        """For each scored task, how to read its source. Tasks without test rows are excluded."""
        return {task: data for task, data in self._task_data.items() if task not in self.not_scored}

    @cached_property
    def not_scored(self) -> dict[str, int | None]:
        """The recipe's tasks without test rows. The value is the number of groups in the task's
        data, if they are too few to keep some for test. It is None if the recipe keeps no share of
        the data for test."""
        groups = {}
        for task in self._task_data:
            source, path = source_at(self._location(task)), self._task_data[task].path
            try:
                if source.CARD.test_share is not None:
                    source.files("test", path)
            except NoTestError as error:
                groups[task] = error.groups
            except DataError:  # prepare() reports the error when it reads the data
                continue
        return groups

    @cached_property
    def _task_data(self) -> dict[str, TaskData]:
        """For each task of the recipe, how to read its source. Tasks without test rows are
        included."""
        by_source = {
            source: TaskData(path.resolve()) for source, path in self.recipe.data_path.items()
        }
        for entry in self.recipe.data:
            # Entries of one source have the same path and test_share; only `system` can differ.
            path = entry.path.resolve() if entry.path else entry.location
            merge = entry.system == "merge" or by_source.get(entry.source, TaskData()).merge
            by_source[entry.source] = TaskData(path, entry.test_share, merge)
        return {task: by_source.get(cards()[task].source, TaskData()) for task in self.recipe.tasks}

    def _location(self, task: str) -> DataLocation:
        """The location of a task's test data."""
        data = self._task_data[task]
        return DataLocation(cards()[task].source, data.path, data.test_share)

    def trained_tasks(self) -> list[str]:
        """The scored tasks whose prompts are trained. These are the tasks for which a data entry of
        the recipe has the task's source and form."""
        trained = {(entry.source, entry.form) for entry in self.recipe.data}
        return [
            task for task in self.tasks if (cards()[task].source, cards()[task].form) in trained
        ]
