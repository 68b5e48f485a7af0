"""Predict a recipe's memory, time and cost."""

from pathlib import Path

import click

from kotune.commands.boundary import unwind_when_terminated
from kotune.commands.options import (
    json_option,
    lang_option,
    price_option,
    rate_option,
    recipe_argument,
    seeds_option,
    set_option,
)
from kotune.display.language import TranslatedCommand
from kotune.display.terminal import echo


@click.command(cls=TranslatedCommand)
@recipe_argument
@set_option
@seeds_option
@click.option(
    "--gpu",
    "gpus",
    multiple=True,
    metavar="NAME",
    help="Plan only for this GPU. Can be given several times.",
)
@price_option
@rate_option
@json_option
@lang_option
def plan(
    recipe: Path,
    overrides: tuple[str, ...],
    seeds: int | None,
    gpus: tuple[str, ...],
    price: float | None,
    won_per_dollar: float | None,
    as_json: bool,
    lang: str,
) -> None:
    """Predict tokens, steps, memory, time and cost of RECIPE on each GPU.

    Times are those of one seed and of all seeds.

    This needs neither a GPU nor the model's weights. The exit code is 1 if RECIPE fits on none of
    the GPUs."""
    import json

    from kodata.errors import Translatable
    from kotune.compare.efficiency import Price
    from kotune.errors import KotuneError
    from kotune.plan import plan as plans
    from kotune.plan import screen
    from kotune.plan.as_json import as_json as in_json

    unwind_when_terminated()
    hourly = Price.of(price, won_per_dollar)
    result = plans.make(recipe, overrides, gpus, hourly, seeds=seeds)
    if as_json:
        echo(json.dumps(in_json(result), ensure_ascii=False, indent=2, allow_nan=False))
    else:
        screen.show(result, language=lang)
    if not result.fits:
        raise KotuneError(
            Translatable(
                "{recipe}: does not fit, not even with a micro-batch of 1; change: {advice}",
                recipe=recipe,
                advice=result.advice,
            )
        )
