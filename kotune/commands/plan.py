"""Predict what a recipe takes."""

from pathlib import Path

import click

from kotune.commands.boundary import unwind_when_terminated
from kotune.commands.options import (
    json_option,
    price_option,
    rate_option,
    recipe_argument,
    set_option,
)
from kotune.display.terminal import echo


@click.command()
@recipe_argument
@set_option
@click.option(
    "--gpu",
    "gpus",
    multiple=True,
    metavar="NAME",
    help="Plan for this GPU; again for another. All without it.",
)
@price_option
@rate_option
@json_option
def plan(
    recipe: Path,
    overrides: tuple[str, ...],
    gpus: tuple[str, ...],
    price: float | None,
    won_per_dollar: float | None,
    as_json: bool,
) -> None:
    """Predict what RECIPE takes before you pay: tokens, steps, memory by part, time and cost on
    each GPU. Needs no GPU and no weights. Exit code 1 where it fits on none of them."""
    import json

    from kotune.compare.efficiency import Price
    from kotune.errors import KotuneError
    from kotune.plan import plan as plans
    from kotune.plan import screen
    from kotune.plan.as_json import as_json as in_json

    unwind_when_terminated()
    made = plans.make(recipe, overrides, gpus, Price.of(price, won_per_dollar))
    if as_json:
        echo(json.dumps(in_json(made), ensure_ascii=False, indent=2, allow_nan=False))
    else:
        screen.show(made)
    if not made.fits:
        raise KotuneError(
            f"{recipe}: does not fit, not even one example at a time; change: {made.advice}"
        )
