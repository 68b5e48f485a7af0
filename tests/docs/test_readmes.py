"""The two READMEs: short, alike, with pictures that are there and words that kotune printed."""

import html
import json
import re
import struct
from pathlib import Path

import pytest

from docs.scripts.pictures import PICTURES, SENTENCE_COLUMNS
from kotune.cli import cli as commands
from tests.conftest import ROOT, Cli

NAMES = ("README.md", "README.ko.md")
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in NAMES}
PAGES = [*(ROOT / name for name in NAMES), *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("name", NAMES)
def test_a_readme_has_at_most_150_lines_of_120_characters(name: str) -> None:
    lines = [line for line in TEXTS[name].splitlines() if not line.startswith("<!-- until")]
    assert len(lines) <= 150
    assert [line for line in lines if len(line) > 120] == []


def test_each_readme_links_the_other_in_its_first_line() -> None:
    first = [TEXTS[name].splitlines()[0] for name in NAMES]
    assert [re.findall(r"\]\((.*?)\)", line) for line in first] == [[NAMES[1]], [NAMES[0]]]


def structure(text: str) -> list[list[str]]:
    """For each section: its level, then the kind of each of its lines and blocks, in order."""
    found: list[list[str]] = []
    fenced = False
    for line in text.splitlines():
        if fence := re.match(r"```(\w*)", line):
            fenced = not fenced
            found[-1].append(f"fence {fence[1]}")
        elif not fenced and (heading := re.match(r"#+ ", line)):
            found.append([heading[0]])
        elif fenced:
            continue
        elif kind := re.match(r"!\[|\||- |<!-- \S+", line):
            found[-1].append(kind[0])
    return found


def test_both_readmes_have_the_same_structure_section_by_section() -> None:
    english, korean = (structure(TEXTS[name]) for name in NAMES)
    assert len(english) >= 8
    for ours, theirs in zip(english, korean, strict=True):
        assert ours == theirs


@pytest.mark.parametrize("name", NAMES)
def test_the_pictures_are_there_small_and_labelled_as_toys(name: str) -> None:
    before, _, rest = TEXTS[name].partition("\n![")
    assert "toy models" in before and len(before.splitlines()) <= 10
    for picture in re.findall(r"!\[.*?\]\((docs/pictures/.*?)\)", "![" + rest):
        data = (ROOT / picture).read_bytes()
        assert data[:8] == b"\x89PNG\r\n\x1a\n" and 10_000 < len(data) < 300_000
        assert struct.unpack(">II", data[16:24]) == (1280, 680)


def test_the_recording_is_small_and_fetches_nothing() -> None:
    svg = (PICTURES / "quickstart.svg").read_text(encoding="utf-8")
    assert len(svg.encode()) < 300_000
    assert not re.search(r"@import|url\((?![\"']?#)|href=[\"']http", svg)
    assert not re.search(r"(?:>|&#160;)/\w+/", svg), "a path of the machine that drew it"


def filled(page: Path, name: str) -> str:
    """The example of a page that `make pictures` filled in."""
    text = page.read_text(encoding="utf-8")
    (block,) = re.findall(rf"<!-- make pictures: {name} -->\n```\n(.+?)\n```", text, re.DOTALL)
    return str(block)


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def test_the_verdict_and_the_example_are_what_the_recording_shows() -> None:
    svg = (PICTURES / "quickstart.svg").read_text(encoding="utf-8")
    shown = squeezed("".join(map(html.unescape, re.findall(r"<text[^>]*>(.*?)</text>", svg))))
    assert squeezed(filled(ROOT / NAMES[0], "verdict")) in shown
    for page in ("quickstart.md", "quickstart.ko.md"):
        for line in filled(ROOT / "docs" / page, "recording").splitlines():
            assert squeezed(line) in shown, line


def test_both_verdicts_have_the_same_numbers() -> None:
    verdicts = [filled(ROOT / name, "verdict") for name in NAMES]
    assert all(len(line) <= SENTENCE_COLUMNS for text in verdicts for line in text.splitlines())
    numbers = [sorted(re.findall(r"\d+(?:\.\d+)?", text.replace("95%", ""))) for text in verdicts]
    assert numbers[0] == numbers[1] and len(numbers[0]) >= 4


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_name_only_commands_recipes_and_targets_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    told = set(re.findall(r"\./cli\.py ([a-z_]+)\b", text))
    assert told <= set(commands.commands), told - set(commands.commands)
    for recipe in re.findall(r"(?<!/)\brecipes/[\w/]+\.yml", text):
        assert (ROOT / recipe).exists(), recipe
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([\w-]+)", text, re.MULTILINE)) <= targets


def test_ci_runs_the_test_command_of_the_readmes() -> None:
    assert "\nmake test\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert all("`make test`" in text for text in TEXTS.values())


def test_a_card_of_8_gb_is_predicted_to_be_enough_to_train(cli: Cli) -> None:
    """The FAQ's figure, as `plan` says it."""
    words = ("--gpu", "t4", "--set", "axolotl.micro_batch_size=4", "--json")
    plan = json.loads(cli("plan", ROOT / "recipes" / "llama_qlora.yml", *words).stdout)
    (figure,) = {
        match
        for page in ("faq.md", "faq.ko.md")
        for match in re.findall(r"([\d.]+) GiB", (ROOT / "docs" / page).read_text(encoding="utf-8"))
    }
    gibibytes = plan["gpus"]["t4"]["memory"]["training"] / 2**30
    assert figure == f"{gibibytes:.1f}"
    assert gibibytes < 8 * 0.9
