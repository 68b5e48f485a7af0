"""Pages in a real browser: they ask nothing of anybody, run nothing, fit a phone and paper, and
bring their Korean glyphs."""

import io
import json
import re
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from unicodedata import normalize

import pytest

from kotune.compare import paired
from kotune.compare.efficiency import Price
from kotune.compare.result import Result
from kotune.display.page import render
from kotune.display.phrases import LANGUAGES, Phrases
from kotune.report.report import Report
from kotune.report.writing import write, write_as
from kotune.runs.finished import load
from kotune.runs.folder import read_json, sha256, write_json, write_text
from tests.browser import Browser, needs_browser
from tests.finished import Made, finished

pytest.importorskip("jinja2")
pytest.importorskip("scipy")
pytest.importorskip("vl_convert")
MADE = Made(premises=20, sure=True)
OTHER = Made(
    model="quickstart-deepseek",
    premises=20,
    sure=True,
    record={"seed": 1, "versions": {"axolotl": "0.20.0"}},
)
HOSTILE = "<script>window.ran = 1</script><img src=https://example.com/x onerror='window.ran = 2'>"
SHOWN = (
    "one => parseFloat(getComputedStyle(one).fontSize) * Math.hypot(one.getScreenCTM().c,"
    " one.getScreenCTM().d)"
)
PAPER = 718  # CSS pixels between the margins of an A4 sheet
KINDS = [(language, kind) for language in LANGUAGES for kind in ("run", "comparison")]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], Path]]:
    """The page of a run and of a comparison in each language; what is quoted from data is
    hostile."""
    folder = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paired, "RESAMPLES", 200)
        for name, made in (("a", MADE), ("b", OTHER)):
            spoil(finished(folder / name, made))
        made_pages = {}
        for language in LANGUAGES:
            say = Phrases(language)
            page, _ = write(folder / "a", say)
            made_pages[language, "run"] = page.rename(folder / f"run_{language}.html")
            report = Report(Result.of(load([folder / "a", folder / "b"]), Price(2500, 1400)), say)
            made_pages[language, "comparison"] = folder / f"comparison_{language}.html"
            write_as(report, made_pages[language, "comparison"], None)
        yield made_pages


def spoil(folder: Path) -> None:
    """Hostile text as questions, answers, a recipe's comment, a licence and a command."""
    scores = read_json(folder / "scores.json")
    for kind, key in (("items", "question"), ("tuned", "guid"), ("base", "guid")):
        path = folder / "samples" / kind / "nli_sample_ko.jsonl"
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
        text = "".join(
            json.dumps({**row, key: f"{row[key]} {HOSTILE}"}, ensure_ascii=False) + "\n"
            for row in rows
        )
        write_text(path, text.replace('"함의"', json.dumps(f"함의 {HOSTILE}")))
        scores["nli_sample_ko"]["sha256"][kind] = sha256(path)
    write_json(folder / "scores.json", scores)
    write_text(
        folder / "recipe.yml",
        (folder / "recipe.yml").read_text(encoding="utf-8") + f"# {HOSTILE}</pre></main>\n",
    )
    manifest = read_json(folder / "data" / "manifest.json")
    manifest["entries"][0]["obliges"] = HOSTILE
    write_json(folder / "data" / "manifest.json", manifest)
    write_json(
        folder / "run.json",
        {**read_json(folder / "run.json"), "command": f"./cli.py run '{HOSTILE}'"},
    )


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium on a machine without a Korean font."""
    config = tmp_path_factory.mktemp("fonts") / "fonts.conf"
    write_text(
        config,
        "<?xml version='1.0'?><fontconfig><dir>/usr/share/fonts/truetype/dejavu</dir></fontconfig>",
    )
    with Browser(FONTCONFIG_FILE=str(config)) as found:
        yield found


@needs_browser
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(kind))
def test_a_page_is_quiet_runs_nothing_and_fits_a_phone_and_paper(
    browser: Browser, pages: dict[tuple[str, str], Path], kind: tuple[str, str]
) -> None:
    browser.open(pages[kind], width=375)
    assert browser.value("document.documentElement.scrollWidth") == 375
    assert browser.value("document.documentElement.lang") == kind[0]
    assert browser.value("document.body.innerText").count(HOSTILE) >= 6
    assert browser.value("document.querySelectorAll('script, img, iframe, link').length") == 0
    assert browser.value("document.querySelectorAll('.drawn:not([aria-label])').length") == 0
    assert browser.value("document.querySelectorAll('.drawn').length") >= 7
    assert (
        browser.value(f"Math.min(...[...document.querySelectorAll('.drawn text')].map({SHOWN}))")
        >= 11
    )
    browser.open(pages[kind], width=PAPER, media="print")
    assert browser.value("document.documentElement.scrollWidth") == PAPER
    assert browser.pdf().startswith(b"%PDF")
    assert browser.value("window.ran === undefined")
    assert (browser.complaints, browser.asked) == ([], [])


@needs_browser
def test_the_browser_of_these_tests_sees_what_they_deny(tmp_path: Path) -> None:
    page = tmp_path / "loud.html"
    write_text(
        page,
        f"<!doctype html><body style='width: 900px'>{HOSTILE}<script>console.log('loud')</script>",
    )
    with Browser() as seen:
        seen.open(page, width=375)
        assert seen.value("window.ran") >= 1
        assert seen.asked == ["https://example.com/x"]
        assert any("loud" in complaint for complaint in seen.complaints)
        assert seen.value("document.documentElement.scrollWidth") > 375


@needs_browser
def test_the_policy_of_a_page_stops_what_escaping_would_have_let_through(
    pages: dict[tuple[str, str], Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.html"
    write_text(
        broken, pages["en", "run"].read_text(encoding="utf-8").replace("<main>", f"<main>{HOSTILE}")
    )
    with Browser() as seen:
        seen.open(broken)
        assert seen.value("window.ran === undefined")
        assert seen.complaints
        assert seen.asked == []


@needs_browser
def test_every_glyph_is_of_the_pages_own_font_where_no_korean_font_is_installed(
    browser: Browser, pages: dict[tuple[str, str], Path]
) -> None:
    browser.open(pages["ko", "comparison"])
    for selector in ("h1", ".verdicts", ".question", ".answer", "th", "td", ".drawn text"):
        fonts = browser.fonts(selector)
        assert fonts and all(font["isCustomFont"] for font in fonts), (selector, fonts)


def test_the_font_of_a_page_has_its_syllables_its_licence_and_little_else() -> None:
    pytest.importorskip("pylopdf_fonts_ko")
    from fontTools.ttLib import TTFont

    said = "뷁 똠방각하 " + normalize("NFD", "한글")
    page = render("base", phrases=Phrases("ko"))
    assert characters(page) & {ord("뷁"), ord("한")} == set()
    page = render(
        "preview",
        phrases=Phrases("ko"),
        recipes=[{"recipe": said}],
        tables=[],
        examples=[],
        newline="",
    )
    assert (
        set(map(ord, "뷁똠방각하한글"))
        <= characters(page)
        <= set(map(ord, page + normalize("NFC", page)))
    )
    font = TTFont(io.BytesIO(embedded(page)))
    assert "SIL Open Font License" in font["name"].getDebugName(13)
    assert len(page.encode()) < 60_000


def embedded(page: str) -> bytes:
    (data,) = re.findall(r"url\(data:font/woff2;base64,([^)]+)\)", page)
    return b64decode(data)


def characters(page: str) -> set[int]:
    """The code points that a page's font has."""
    from fontTools.ttLib import TTFont

    return set(TTFont(io.BytesIO(embedded(page))).getBestCmap())
