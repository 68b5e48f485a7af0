"""The arguments and options that several commands share."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kotune.display.phrases import LANGUAGES
from kotune.runs.folder import RUNS

if TYPE_CHECKING:
    from kotune.recipe.schema import Limit


class PassThrough(click.Command):
    """What stands after `--` is for another program's command line and reaches it unchanged."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = args.index("--") if "--" in args else len(args)
        ctx.params["passed"] = tuple(args[at + 1 :])
        return super().parse_args(ctx, args[:at])

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[-- ARGS]"]


class LimitType(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions of click alone
    """A number of items, or `quick`."""

    name = "limit"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> "Limit":
        from kotune.recipe.schema import limit

        try:
            return limit(int(value) if value.isdecimal() else value)
        except ValueError as error:  # raised by limit() alone
            self.fail(str(error), param, ctx)


class RecipeFile(click.Path):
    """A recipe's file, or the name of one that ships: quickstart_llama. A file that is there
    wins."""

    def __init__(self, folder: str = "") -> None:
        super().__init__(path_type=Path)
        self._folder = folder

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Path:
        from kotune.shipped import RECIPES

        given = Path(str(super().convert(value, param, ctx)))
        shipped = RECIPES / self._folder / f"{given}.yml"
        is_name = given.name == str(given) and not given.suffix and not given.exists()
        if not is_name or not shipped.is_file():
            return given
        return shipped.relative_to(Path.cwd()) if shipped.is_relative_to(Path.cwd()) else shipped


recipe_argument = click.argument("recipe", type=RecipeFile())
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change one recipe key, for example axolotl.max_steps=60.",
)
limit_option = click.option(
    "--limit",
    type=LimitType(),
    metavar="N|quick",
    help="Score only the first N items of each task, or as many as each calls a quick look.",
)
html_option = click.option(
    "--html",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write it as a page to keep, too.",
)
md_option = click.option(
    "--md", type=click.Path(path_type=Path), metavar="FILE", help="Write it as Markdown, too."
)
price_option = click.option(
    "--price",
    type=float,
    metavar="WON",
    help="What an hour of the machine costs in won: tells costs in money too.",
)
rate_option = click.option(
    "--won-per-dollar",
    type=float,
    metavar="WON",
    help="What a dollar costs: tells costs in dollars too.",
)
device_option = click.option(
    "--device",
    type=click.Choice(["cpu"]),
    help="Use the CPU, whatever GPU there is and however long it takes.",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print it for a machine instead."
)
lang_option = click.option("--lang", type=click.Choice(LANGUAGES), default="en", show_default=True)
runs_dir_option = click.option(
    "--runs-dir",
    type=click.Path(path_type=Path),
    default=RUNS,
    show_default=True,
    help="Where runs lie.",
)
