"""Runs a recipe with all its seeds, one after another, and reports them as one model.

Each seed is an ordinary run in its own folder. So finished seeds are skipped, and a failed or
killed seed does not affect the others. The base model is scored only in the first run, because the
other runs reuse its answers (kotune.score.base_answers)."""

import os
from dataclasses import replace
from pathlib import Path

from kodata.errors import Translatable
from kotune import pipeline
from kotune.compare.siblings import siblings
from kotune.display.phrases import Phrases
from kotune.display.progress import Screen
from kotune.pipeline import RunOptions
from kotune.recipe.overrides import with_seed
from kotune.recipe.reading import load
from kotune.report import writing
from kotune.runs.finished import Finished
from kotune.runs.folder import STAGES, Run
from kotune.worker import server
from kotune.worker.device import chosen


def run(recipe_file: Path, options: RunOptions, screen: Screen) -> list[Run]:
    """Run a recipe with each of its seeds. `options.seeds`: the number of seeds; None for as many
    as the recipe has (Recipe.all_seeds). Returns the runs.

    After each seed, the report in the first seed's folder is written again. It covers all scored
    seeds of the recipe. The first error stops the command. The same command continues later."""
    recipe = load(recipe_file, options.overrides)
    seeds = recipe.all_seeds(options.seeds)
    if seeds == recipe.all_seeds() == (recipe.seed,):
        return [_one(recipe_file, replace(options, seeds=None), screen, None)]
    runs: list[Run] = []
    try:
        with chosen(options.device), server.up():
            for number, seed in enumerate(seeds, 1):
                screen.title(
                    Translatable(
                        "{recipe}, seed {seed} ({number} of {total})",
                        recipe=recipe_file.stem,
                        seed=seed,
                        number=number,
                        total=len(seeds),
                    )
                )
                overrides = with_seed(options.overrides, seed)
                of_seed = replace(options, overrides=overrides, seeds=None)
                runs.append(_one(recipe_file, of_seed, screen, runs[0] if runs else None))
    except KeyboardInterrupt as stop:
        stop.__notes__ = [
            Translatable(
                "what is done is kept; go on with: {command}", command=options.command(recipe_file)
            )
        ]
        raise
    return runs


def _one(recipe_file: Path, options: RunOptions, screen: Screen, first: Run | None) -> Run:
    """Run one seed, then write the report in the folder of the run `first` again. `first` is None
    if this is the first seed."""
    run = pipeline.run(recipe_file, options, screen)
    if options.until == STAGES[-1] and not options.dry_run:
        folder = options.runs_dir / (first or run).root.name
        if others := [other.folder for other in siblings(Finished(folder))]:
            with Run(folder).lock():
                page, *_ = writing.write(folder, Phrases(options.lang), others=others)
            screen.say(
                Translatable(
                    "report on all {number} seeds: {page}",
                    number=1 + len(others),
                    page=os.path.relpath(page),
                )
            )
    return run
