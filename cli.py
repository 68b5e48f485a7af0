#!/usr/bin/env python3
"""The command line: parse, call one function, print. `./cli.py COMMAND --help` tells the rest."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv" / "bin" / "python"
if sys.prefix == sys.base_prefix and VENV.exists():  # `./cli.py` works without activating what `make` built
    os.execv(VENV, [str(VENV), str(HERE / "cli.py"), *sys.argv[1:]])
sys.path.insert(0, str(HERE))

try:
    import click
except ModuleNotFoundError:
    light = "python3.11 -m venv .venv && .venv/bin/pip install -e . -c requirements.lock"
    print(f"error: kotune is not installed here; run `make setup`, or without torch `{light}`", file=sys.stderr)
    sys.exit(2)

from kotune.phrases import LANGUAGES  # noqa: E402
from kotune.run import RUNS, STAGES  # noqa: E402


class Commands(click.Group):
    """One boundary for every error: a user's mistake is one message and an exit code, never a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        from kodata.errors import DataError
        from kotune.errors import INTERRUPTED, PREEMPTED, KotuneError, Preempted, exit_code, os_error

        try:
            return super().invoke(ctx)
        except (KotuneError, DataError) as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(exit_code(error))
        except click.UsageError as error:
            click.echo(f"error: {error.format_message()}{_help(error.ctx)}", err=True)
            sys.exit(error.exit_code)
        except OSError as error:  # a full disk, a folder that cannot be written
            click.echo(f"error: {os_error(error)}", err=True)
            sys.exit(KotuneError.exit_code)
        except KeyboardInterrupt as stop:
            code = PREEMPTED if isinstance(stop, Preempted) else INTERRUPTED
            word = "terminated" if code == PREEMPTED else "interrupted"
            click.echo(": ".join([word, *getattr(stop, "__notes__", [])]), err=True)
            sys.exit(code)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from kodata.errors import did_you_mean
        from kotune.errors import RecipeError

        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise RecipeError(f"unknown command `{args[0]}`{did_you_mean(args[0], self.commands)}")
        return super().resolve_command(ctx, args)


def _help(ctx: click.Context | None) -> str:
    return f"; `{ctx.command_path} --help` tells more" if ctx else ""


class Passing(click.Command):
    """What stands after `--` is for another program's command line and reaches it unchanged."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = args.index("--") if "--" in args else len(args)
        ctx.params["passed"] = tuple(args[at + 1 :])
        return super().parse_args(ctx, args[:at])

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[-- ARGS]"]


class Limit(click.ParamType):
    """A number of items, or `quick`."""

    name = "limit"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> object:
        from kotune.recipe import limit

        try:
            return limit(int(value) if str(value).isdecimal() else value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


recipe_argument = click.argument("recipe", type=click.Path(path_type=Path))
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change one recipe key, for example axolotl.max_steps=60.",
)
limit_option = click.option(
    "--limit",
    type=Limit(),
    metavar="N|quick",
    help="Score only the first N items of each task, or as many as each calls a quick look.",
)
html_option = click.option(
    "--html", type=click.Path(path_type=Path), metavar="FILE", help="Write it as a page to keep, too."
)
md_option = click.option("--md", type=click.Path(path_type=Path), metavar="FILE", help="Write it as Markdown, too.")
price_option = click.option(
    "--price", type=float, metavar="WON", help="What an hour of the machine costs in won: tells costs in money too."
)
rate_option = click.option(
    "--won-per-dollar", type=float, metavar="WON", help="What a dollar costs: tells costs in dollars too."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print it for a machine instead.")
lang_option = click.option("--lang", type=click.Choice(LANGUAGES), default="en", show_default=True)
runs_dir_option = click.option(
    "--runs-dir", type=click.Path(path_type=Path), default=RUNS, show_default=True, help="Where runs lie."
)


def unwind_when_terminated() -> None:
    """SIGTERM, or a terminal that goes away, leaves no process of ours and no temporary folder behind."""
    from kotune.errors import Preempted

    heeded = [
        number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN
    ]  # nohup

    def stop(*_: object) -> None:
        for number in heeded:  # schedulers say it more than once; the last checkpoint is not to be cut short by that
            signal.signal(number, signal.SIG_IGN)
        raise Preempted

    for number in heeded:
        signal.signal(number, stop)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kotune")
def cli() -> None:
    """Which small model is better after fine-tuning on Korean, by how much, at what cost, and is it real?"""


@cli.command(cls=Passing)
@recipe_argument
@set_option
@click.option("--until", default="report", metavar="STAGE", help=f"Stop after this stage: {', '.join(STAGES)}.")
@limit_option
@runs_dir_option
@click.option("--dry-run", is_flag=True, help="Say what would be done and write nothing.")
@lang_option
@click.option(
    "--launcher", metavar="NAME", help="Axolotl's own launcher for several GPUs, torchrun or accelerate; ARGS are its."
)
def run(recipe: Path, launcher: str | None, passed: tuple[str, ...], **options: Any) -> None:
    """Take RECIPE from Korean data to a scored adapter; done stages are not done again. --lang is the report's language."""
    from kotune.pipeline import Options
    from kotune.pipeline import run as run_recipe
    from kotune.progress import Screen

    unwind_when_terminated()
    started = (launcher or "python", *passed) if launcher or passed else ()
    run_recipe(recipe, Options(**options, launcher=started), Screen())


@cli.command(cls=Passing)
@click.argument("recipes", metavar="RECIPE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--on", "engine", required=True, metavar="ENGINE", help="docker, slurm or sky.")
@set_option
@limit_option
@lang_option
@click.option("--bucket", metavar="URI", help="Where SkyPilot keeps runs, as s3://NAME; it must exist.")
@click.option("--dry-run", is_flag=True, help="Write the file and tell the command; start nothing.")
def launch(recipes: tuple[Path, ...], engine: str, overrides: tuple[str, ...], dry_run: bool, **words: Any) -> None:
    """Hand each RECIPE to an engine that runs it elsewhere; ARGS go to the engine's own command line."""
    from kotune import launch as launching

    jobs = [launching.Job(recipe, overrides) for recipe in recipes]
    launched = launching.prepare(jobs, engine, launching.Options(**words))
    launching.start(launched, engine, dry_run, click.echo)


@cli.command(cls=Passing)
@click.argument("file", metavar="STUDY", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="List the cells and what they would take; start nothing.")
@click.option(
    "--budget", type=click.FloatRange(min=0), metavar="WON", help="Start nothing that is predicted to cost more."
)
@click.option("--gpu", metavar="NAME", help="The GPU for which time and cost are predicted.")
@price_option
@rate_option
@click.option("--report-only", is_flag=True, help="Write the report of what is there; run nothing.")
@click.option("--on", "engine", metavar="ENGINE", help="Hand what is missing to docker, slurm or sky; ARGS are its.")
@click.option("--bucket", metavar="URI", help="Where SkyPilot keeps runs, as s3://NAME; it must exist.")
@runs_dir_option
@lang_option
def study(file: Path, **options: Any) -> None:
    """Run every cell of STUDY, recipes and what varies over them, and report on all of them; done cells are not done again."""
    from kotune.study import command

    unwind_when_terminated()
    command.start(file, command.Options(**options), click.echo)


@cli.command()
@recipe_argument
@set_option
def check(recipe: Path, overrides: tuple[str, ...]) -> None:
    """Read RECIPE strictly and tell every problem at once."""
    from kotune.recipe import load

    loaded = load(recipe, overrides)
    sources = ", ".join(f"{entry.source} ({entry.form})" for entry in loaded.data)
    click.echo(f"{recipe}: good. {loaded.model}, {loaded.adapter}, {sources}; scored by {', '.join(loaded.tasks)}")


@cli.command()
@recipe_argument
@set_option
@click.option("--device", type=click.Choice(["cpu", "cuda"]), help="Render for this device instead of the one at hand.")
def render(recipe: Path, overrides: tuple[str, ...], device: str | None) -> None:
    """Print the Axolotl configuration of RECIPE."""
    from kotune import axolotl_config
    from kotune.recipe import load

    chosen: axolotl_config.Device = device or axolotl_config.detect_device()  # type: ignore[assignment]
    click.echo(axolotl_config.render(load(recipe, overrides), chosen), nl=False)


@cli.command()
@recipe_argument
@set_option
@click.option(
    "--gpu", "gpus", multiple=True, metavar="NAME", help="Plan for this GPU; again for another. All without it."
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
    """Predict what RECIPE takes before you pay: tokens, steps, memory by part, time and cost on each GPU. Needs no GPU and no
    weights. Exit code 1 where it fits on none of them."""
    import json

    from kotune import plan as plans
    from kotune.efficiency import Price
    from kotune.errors import KotuneError
    from kotune.plan import screen

    unwind_when_terminated()
    made = plans.make(recipe, overrides, gpus, Price.of(price, won_per_dollar))
    if as_json:
        click.echo(json.dumps(plans.as_json(made), ensure_ascii=False, indent=2, allow_nan=False))
    else:
        screen.show(made)
    if not made.fits:
        raise KotuneError(f"{recipe}: does not fit, not even one example at a time; change: {made.advice}")


@cli.command()
@json_option
@runs_dir_option
def doctor(as_json: bool, runs_dir: Path) -> None:
    """Say what this machine lacks, each line ok, warning or fix, with what to do. Exit code 1 where something must be fixed."""
    import json

    from kotune import doctor as checks

    unwind_when_terminated()
    findings = []
    for one in checks.examine(runs_dir):
        findings.append(one)
        if not as_json:
            click.secho(str(one), fg=checks.COLOURS[one.state])
    told = checks.as_json(findings)
    if as_json:
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
    if not told["ok"]:
        sys.exit(1)


@cli.command()
@click.argument("recipes", metavar="RECIPE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@set_option
@click.option("--items", type=click.IntRange(min=1), default=3, show_default=True, help="Examples of each data entry.")
@html_option
@lang_option
def preview(recipes: tuple[Path, ...], overrides: tuple[str, ...], items: int, html: Path | None, lang: str) -> None:
    """Show examples as each RECIPE's model sees them: tokens, what is trained, lengths, labels, what is left out."""
    from kotune import preview_page, preview_screen
    from kotune.page import check_place
    from kotune.phrases import Phrases
    from kotune.preview import gather
    from kotune.run import write_text

    unwind_when_terminated()
    check_place(html, "--html")
    say = Phrases(lang)
    with preview_screen.waiting(say):
        found = gather(recipes, overrides, items)
    preview_screen.show(found, say)
    if html:
        write_text(html, preview_page.page(found, say))
        click.echo(f"\n{say('written', path=html)}")


@cli.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@lang_option
@html_option
@md_option
@json_option
@price_option
@rate_option
@runs_dir_option
def compare(
    runs: tuple[Path, ...],
    lang: str,
    as_json: bool,
    runs_dir: Path,
    html: Path | None,
    md: Path | None,
    **price: float | None,
) -> None:
    """Say what is better, by how much and how sure that is: base against tuned of each RUN, and each RUN against the first.

    RUN is a run folder, or a recipe, whose newest scored run in --runs-dir is meant (over all items before one with --limit)."""
    import json

    from kotune import compare_screen
    from kotune import report as reports
    from kotune.efficiency import Price
    from kotune.finished import find, load
    from kotune.page import check_place
    from kotune.phrases import Phrases
    from kotune.verdict import Result

    unwind_when_terminated()
    check_place(html, "--html")
    check_place(md, "--md")
    hourly, say = Price.of(price["price"], price["won_per_dollar"]), Phrases(lang)
    result = Result.of(load([find(run, runs_dir) for run in runs]), hourly)
    if as_json:
        click.echo(json.dumps(result.as_json(), ensure_ascii=False, indent=2, allow_nan=False))
    else:
        compare_screen.show(result, say)
    for path in reports.write_as(reports.Report(result, say), html, md) if html or md else ():
        click.echo(say("written", path=path), err=as_json)


@cli.command()
@click.argument("run", type=click.Path(path_type=Path))
@lang_option
@price_option
@rate_option
@runs_dir_option
def report(run: Path, lang: str, runs_dir: Path, price: float | None, won_per_dollar: float | None) -> None:
    """Write report.html and report.md of RUN again, from its folder alone."""
    from kotune import report as reports
    from kotune.efficiency import Price
    from kotune.finished import find
    from kotune.phrases import Phrases

    unwind_when_terminated()
    hourly = Price.of(price, won_per_dollar)
    for path in reports.write(find(run, runs_dir), Phrases(lang), hourly):
        click.echo(path)


@cli.command("lm_eval", context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def lm_eval(words: tuple[str, ...]) -> None:
    """Plain lm_eval of this environment, which knows our tasks; what follows is its own."""
    from kotune.pipeline import require_engines

    require_engines()
    program = Path(sys.executable).with_name("lm_eval")
    os.execv(program, [str(program), *words])


if __name__ == "__main__":
    cli(prog_name="./cli.py")
