"""Draws the pictures of the README, and fills in the examples that come from the same runs.

    make pictures              first trains both quickstart recipes with three seeds
    make pictures RUNS=DIR     reads the runs in DIR, and what `run` printed in DIR/<recipe>.log

Nothing is typed by hand: each line of a picture or an example was printed by `run` or `compare`."""

import io
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.browser import BROWSER, Browser

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
PICTURES = DOCS / "pictures"
RECIPES = ("quickstart_llama", "quickstart_deepseek")
MODELS = tuple(recipe.replace("_", "-") for recipe in RECIPES)
SUFFIXES = {"en": "", "ko": ".ko"}
PRICE = ("--price", "1500")  # an example: won for an hour of a machine
COLUMNS = 100  # that `compare` is given
MOST_COLUMNS = 110  # of the recording, since `run` wraps nothing
SENTENCE_COLUMNS = 88  # that a page shows without scrolling
TABLE_COLUMNS = 116
UNWRAPPED = 1_000
SCREEN = (1280, 680)  # width and height, pixels
MOST_SHORT = 30  # lines of a screen that is shown whole


def main(folder: str = "") -> None:
    """Write all pictures and examples from the finished runs in `folder`, or from new ones."""
    runs = Path(folder or ROOT / "build" / "pictures").absolute()
    PICTURES.mkdir(exist_ok=True)
    screens = {language: compared(runs, language) for language in SUFFIXES}
    lines = [*recording(runs), *screen(without_folder(screens["en"], runs))]
    plain = [Text.from_ansi(line).plain for line in lines]
    (PICTURES / "quickstart.svg").write_text(drawn(lines), encoding="utf-8")
    for language, suffix in SUFFIXES.items():
        shot(runs / f"compare{suffix}.html", PICTURES / f"verdict{suffix}.png")
        fill(ROOT / f"README{suffix}.md", "verdict", verdict(runs, language))
        fill(DOCS / f"quickstart{suffix}.md", "recording", plain)
        fill(DOCS / f"statistics{suffix}.md", "compare", example(runs, language))


def kotune(*words: str, **environment: str) -> str:
    """What `./cli.py` prints. Raises CalledProcessError if it fails."""
    done = subprocess.run(
        [sys.executable, ROOT / "cli.py", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONUTF8": "1", **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def ran(recipe: str, runs: Path) -> list[str]:
    """What `run` printed when the recipe was run with three seeds. It is run if its log is not
    there."""
    log = runs / f"{recipe}.log"
    if not log.exists():
        runs.mkdir(parents=True, exist_ok=True)
        words = ("run", f"recipes/{recipe}.yml", "--seeds", "3", "--runs-dir", str(runs))
        log.write_text(kotune(*words), encoding="utf-8")
    return log.read_text(encoding="utf-8").splitlines()


def compared(runs: Path, language: str) -> str:
    """What `compare` prints of both recipes, with colours. Writes the page beside the runs."""
    for recipe in RECIPES:
        ran(recipe, runs)
    page = runs / f"compare{SUFFIXES[language]}.html"
    words = ["compare", *(f"recipes/{recipe}.yml" for recipe in RECIPES), "--lang", language]
    words += [*PRICE, "--runs-dir", str(runs), "--html", str(page)]
    return kotune(*words, FORCE_COLOR="1", COLUMNS=str(COLUMNS))


def whole(recipes: Sequence[str], runs: Path, language: str, columns: int) -> str:
    """All that `compare` prints of some recipes, in lines of at most `columns`."""
    words = ["compare", *(f"recipes/{recipe}.yml" for recipe in recipes), "--all"]
    return kotune(*words, "--lang", language, "--runs-dir", str(runs), COLUMNS=str(columns))


def recording(runs: Path) -> list[str]:
    """The commands of the quickstart and what they printed: of the first seed all but the middle of
    training, of the others the scores."""
    shown = []
    for number, recipe in enumerate(reversed(RECIPES)):
        lines = [without_folder(line, runs) for line in ran(recipe, runs)]
        later = next(i for i, line in enumerate(lines) if "(2 of 3)" in line)
        first = [] if number else list(_without_middle(lines[:later]))
        scores = [line for line in lines[0 if number else later :] if " acc: " in line]
        shown += [f"$ ./cli.py run recipes/{recipe}.yml --seeds 3", *first, "...", *scores, ""]
    return shown


def _without_middle(lines: list[str]) -> Iterator[str]:
    steps = [i for i, line in enumerate(lines) if line.startswith("  step ")]
    for i, line in enumerate(lines):
        if line and not (steps and steps[0] < i < steps[-1]):
            yield line
        elif steps and i == steps[0] + 1:
            yield "  ..."


def example(runs: Path, language: str) -> list[str]:
    """What `compare` prints of one recipe: its first sentences, and the first rows of a table."""
    lines = whole(RECIPES[:1], runs, language, UNWRAPPED).splitlines()
    row = next(i for i, line in enumerate(lines) if " acc*" in line)
    sentences = [part for line in lines[: lines.index("")] for part in wrapped(line)]
    table = [cut(line) for line in lines[row - 4 : row + 3] if line.strip()]
    return [*sentences, "...", *table, "..."]


def wrapped(sentence: str) -> list[str]:
    """The sentence in lines for a page."""
    return textwrap.wrap(sentence, SENTENCE_COLUMNS, break_long_words=False)


def cut(line: str) -> str:
    """The first columns of a line of a table."""
    return line if len(line) <= TABLE_COLUMNS else f"{line[: TABLE_COLUMNS - 4]} ..."


def screen(output: str) -> list[str]:
    """The command that compares both recipes, and what it printed: all of it, or its first part if
    it is long."""
    lines = output.rstrip().splitlines()
    if len(lines) > MOST_SHORT:
        lines = [*lines[: lines.index("")], "..."]
    words = (*PRICE, *(f"recipes/{recipe}.yml" for recipe in RECIPES))
    return [f"$ ./cli.py compare {' '.join(words)}", *lines]


def verdict(runs: Path, language: str) -> list[str]:
    """The sentence that compares the two models."""
    return shortened(whole(RECIPES, runs, language, UNWRAPPED))


def shortened(output: str) -> list[str]:
    """The first line that names both models, in lines for a README."""
    lines = output.splitlines()
    return wrapped(next(line for line in lines if all(model in line for model in MODELS)))


def without_folder(text: str, runs: Path) -> str:
    """The text with `runs` in the place of the folder of this machine."""
    return re.sub(rf"\S*/{re.escape(runs.name)}\b", "runs", text)


def drawn(lines: list[str]) -> str:
    """The lines as a terminal, in SVG, without the font that rich would have fetched."""
    texts = [Text.from_ansi(line) for line in lines]
    width = min(MOST_COLUMNS, max(text.cell_len for text in texts))
    console = Console(record=True, width=width, file=io.StringIO(), highlight=False)
    for line, text in zip(lines, texts, strict=True):
        text.stylize("bold" if line.startswith("$ ") else "")
        console.print(text)
    svg = console.export_svg(title="kotune: the quickstart", unique_id="quickstart")
    return re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)


def shot(page: Path, picture: Path) -> None:
    """The first screen of a page, as PNG. Raises FileNotFoundError without a browser."""
    if BROWSER is None:
        raise FileNotFoundError("no Chromium is installed (Debian: chromium)")
    with Browser() as browser:
        browser.open(page, *SCREEN)
        browser.picture(picture, whole=False)


def fill(page: Path, name: str, lines: list[str]) -> None:
    """Replace the block of code after the comment that names it."""
    text = page.read_text(encoding="utf-8")
    block = "\n".join(["```", *(line.rstrip() for line in lines), "```"])
    pattern = rf"(<!-- make pictures: {name} -->\n)```\n(?:(?!```).*\n)*```(?=\n)"
    filled, count = re.subn(pattern, lambda found: found[1] + block, text)
    if count != 1:
        raise ValueError(f"{page}: {count} blocks {name}, not one")
    page.write_text(filled, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
