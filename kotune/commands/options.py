"""The arguments and options that several commands share."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kotune.display.language import TranslatedCommand, choose
from kotune.display.phrases import LANGUAGES
from kotune.runs.folder import RUNS

if TYPE_CHECKING:
    from kotune.recipe.schema import Limit


class PassThrough(TranslatedCommand):
    """A command that passes the arguments after `--` unchanged to another program. The command's
    function gets them as the parameter `passed`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        ctx.params["passed"] = tuple(args[end + 1 :])
        return super().parse_args(ctx, args[:end])

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[-- ARGS]"]


class LimitType(click.ParamType):  # type: ignore[type-arg]  # generic only in newer click versions
    """The type of --limit: a number of items, or `quick`."""

    name = "limit"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> "Limit":
        from kotune.recipe.schema import limit

        try:
            return limit(int(value) if value.isdecimal() else value)
        except ValueError as error:  # from limit()
            self.fail(str(error), param, ctx)


class RecipeFile(click.Path):
    """The path of a recipe, or the name of a shipped recipe, such as quickstart_llama. An existing
    file takes precedence over a shipped recipe with the same name."""

    def __init__(self, folder: str = "") -> None:
        """`folder`: the folder inside recipes/ that has the shipped files."""
        super().__init__(path_type=Path)
        self._folder = folder

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Path:
        """The path of the recipe. A shipped recipe has a path relative to the current folder, if it
        is inside that folder."""
        from kotune.shipped import RECIPES

        path = Path(str(super().convert(value, param, ctx)))
        shipped = RECIPES / self._folder / f"{path}.yml"
        is_name = path.name == str(path) and not path.suffix and not path.exists()
        if not is_name or not shipped.is_file():
            return path
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
    help="Score only the first N items of each task; `quick`: each task's own small number.",
)
seeds_option = click.option(
    "--seeds",
    type=int,
    metavar="N",
    help="Train the recipe's first N seeds; 1, 2, 3, ... follow if it names fewer.",
)
html_option = click.option(
    "--html", type=click.Path(path_type=Path), metavar="FILE", help="Also write an HTML page."
)
md_option = click.option(
    "--md", type=click.Path(path_type=Path), metavar="FILE", help="Also write Markdown."
)
price_option = click.option(
    "--price", type=float, metavar="WON", help="Show costs in won, at this price per machine hour."
)
rate_option = click.option(
    "--won-per-dollar",
    type=float,
    metavar="WON",
    help="Also show costs in dollars, at this exchange rate.",
)
device_option = click.option(
    "--device", type=click.Choice(["cpu"]), help="Use the CPU even if there is a GPU."
)
fresh_base_option = click.option(
    "--fresh-base",
    is_flag=True,
    help="Score the base model, even if another run or the cache has its answers.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
lang_option = click.option(
    "--lang",
    type=click.Choice(LANGUAGES),
    callback=choose,
    is_eager=True,  # so that the help after it is in this language
    help="Use this language instead of the locale's, for example LANG=ko_KR.UTF-8.",
)
runs_dir_option = click.option(
    "--runs-dir",
    type=click.Path(path_type=Path),
    default=RUNS,
    show_default=True,
    help="Use this folder of runs.",
)
