"""Pages in a real browser: they ask nothing of anybody, run nothing, fit a phone and paper, and
bring their Korean glyphs."""

import io
import json
import re
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unicodedata import normalize

import pytest

from kotune.compare import paired
from kotune.compare.efficiency import Price
from kotune.compare.health import Health, TaskHealth
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
LINES = ("majority", "overlap")
MADE = Made(premises=20, sure=True, lines=LINES)
OTHER = Made(
    model="quickstart-deepseek",
    premises=20,
    sure=True,
    lines=LINES,
    record={"seed": 1, "versions": {"axolotl": "0.20.0"}},
)
HOSTILE = "<script>window.ran = 1</script><img src=https://example.com/x onerror='window.ran = 2'>"
SHOWN = (
    "one => parseFloat(getComputedStyle(one).fontSize) * Math.hypot(one.getScreenCTM().c,"
    " one.getScreenCTM().d)"
)
OPEN_ALL = "document.querySelectorAll('details').forEach(one => one.open = true)"
# The bottom of the first element that a selector finds, in pixels from the top of the page.
BOTTOM = "document.querySelector('{}').getBoundingClientRect().bottom + scrollY"
PAPER = 718  # CSS pixels between the margins of an A4 sheet
# Every text in view with its contrast by WCAG 2.2, on the colours that lie behind it: those of its
# elements, and of the shapes of its drawing.
CONTRASTS = """(() => {
  const parts = colour => { const found = colour.match(/[\\d.]+/g).map(Number);
    return found.length > 3 ? found : [...found, 1] };
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3]));
  const channel = v => v <= 10.31475 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4;
  const light = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const behind = (element, x, y) => {
    const layers = [];
    for (const shape of element.closest('svg')?.querySelectorAll('path, rect') ?? []) {
      const box = shape.getBoundingClientRect(), style = getComputedStyle(shape);
      if (style.fill === 'none' || x < box.left || x > box.right || y < box.top || y > box.bottom)
        continue;
      const [r, g, b, a] = parts(style.fill);
      layers.push([r, g, b, a * style.fillOpacity * style.opacity]);
    }
    for (let one = element, at = 0; one; one = one.parentElement)
      layers.splice(0, 0, parts(getComputedStyle(one).backgroundColor));
    return layers.reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), told = [];
  while (walker.nextNode()) {
    const node = walker.currentNode, element = node.parentElement, range = new Range();
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect(), style = getComputedStyle(element);
    if (!node.data.trim() || !box.width || !element.checkVisibility()) continue;
    const back = behind(element, (box.left + box.right) / 2, (box.top + box.bottom) / 2);
    const ink = over(parts(element.closest('svg') ? style.fill : style.color), back);
    const [dark, bright] = [light(ink), light(back)].sort((a, b) => a - b);
    told.push({text: node.data.trim(), ratio: (bright + 0.05) / (dark + 0.05)});
  }
  return told;
})()"""
# Texts of the plots of rows that a line or circle crosses, and the numbers of texts and of lines.
CROSSED = """(() => {
  const texts = [...document.querySelectorAll('.rows span, .rows b, .bar text')];
  const lines = [...document.querySelectorAll('.bar line, .bar circle')];
  const boxes = of => of.map(one => one.getBoundingClientRect());
  const areas = boxes(lines), shown = boxes(texts);
  const meets = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom - 1
    && b.top < a.bottom - 1;
  const crossed = texts.filter((one, at) => areas.some(area => meets(area, shown[at])));
  return [crossed.map(one => one.textContent), texts.length, lines.length];
})()"""
KINDS = [(language, kind) for language in LANGUAGES for kind in ("run", "comparison", "four_tasks")]
# With the first task, two tasks of one criterion and one each of two others.
FOUR = ("nsmc_ko", "klue_nli_ko", "nli_sample_consistency_ko")
PAIR = ("meta-llama/Llama-3.2-1B-Instruct", "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], Path]]:
    """The page of a run and of a comparison in each language; what is quoted from data is
    hostile."""
    folder = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paired, "RESAMPLES", 200)
        for name, made in (("a", MADE), ("b", OTHER)):
            spoil(finished(folder / name, made))
        of_four = four_tasks(folder)
        made_pages = {}
        for language in LANGUAGES:
            say = Phrases(language)
            page, _ = write(folder / "a", say)
            made_pages[language, "run"] = page.rename(folder / f"run_{language}.html")
            report = Report(Result.of(load([folder / "a", folder / "b"]), Price(2500, 1400)), say)
            made_pages[language, "comparison"] = folder / f"comparison_{language}.html"
            write_as(report, made_pages[language, "comparison"], None)
            made_pages[language, "four_tasks"] = folder / f"four_tasks_{language}.html"
            write_as(Report(of_four, say), made_pages[language, "four_tasks"], None)
        yield made_pages


def four_tasks(folder: Path) -> Result:
    """Two runs of one seed with four tasks and most kinds of cautions: a first screen with as much
    as it can have."""
    for name, model, made in zip("cd", PAIR, (MADE, OTHER), strict=True):
        made = replace(made, model=model, premises=60, whole=True, also=FOUR)
        spoil(finished(folder / name, made), has_command=False)
    result = Result.of(load([folder / "c", folder / "d"]), Price(2500, 1400))
    poor = Health(unended=0.5, foreign=0.2, empty=1.0, length=9)
    sides = [each.b for each in result.comparisons if each.is_tuning and each.is_primary]
    return replace(result, healths=[TaskHealth(task, sides[0], 9, poor) for task in FOUR])


def spoil(folder: Path, has_command: bool = True) -> None:
    """Hostile text as questions, answers, a recipe's comment, a licence and, if `has_command`, a
    command."""
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
    if has_command:
        record = read_json(folder / "run.json")
        write_json(folder / "run.json", {**record, "command": f"./cli.py run '{HOSTILE}'"})


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
    for width in (1280, 375):
        browser.open(pages[kind], width=width)
        assert browser.value("document.documentElement.scrollWidth") == width
        browser.value(OPEN_ALL)
        assert browser.value("document.documentElement.scrollWidth") == width
    assert browser.value("document.documentElement.lang") == kind[0]
    assert browser.value("document.body.innerText").count(HOSTILE) >= 6
    assert browser.value("document.querySelectorAll('script, img, iframe, link').length") == 0
    assert browser.value("document.querySelectorAll('.drawn:not([aria-label])').length") == 0
    assert browser.value("document.querySelectorAll('.drawn').length") >= 5
    texts = "[...document.querySelectorAll('.drawn text, .bar text')]"
    assert browser.value(f"Math.min(...{texts}.map({SHOWN}))") >= 11
    browser.open(pages[kind], width=PAPER, media="print")
    assert browser.value("document.documentElement.scrollWidth") == PAPER
    assert browser.pdf().startswith(b"%PDF")
    assert browser.value("window.ran === undefined")
    assert (browser.complaints, browser.asked) == ([], [])


@needs_browser
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(kind))
def test_the_first_screen_has_the_verdict_the_scoreboard_and_the_picture(
    browser: Browser, pages: dict[tuple[str, str], Path], kind: tuple[str, str]
) -> None:
    verdict = (".verdicts.first", ".scoreboard", ".certainty", ".cost")
    step = (".next code",) if kind[1] != "four_tasks" else ()  # four verdicts fill a phone
    for width, height, selectors in (
        (1280, 900, (*verdict, ".next code", ".picture")),
        (375, 1200, (*verdict, *step)),
    ):
        browser.open(pages[kind], width=width)
        for selector in selectors:
            bottom = browser.value(BOTTOM.format(selector))
            assert 0 < bottom <= height, (selector, width)


@needs_browser
def test_a_phone_names_the_criteria_that_no_model_was_scored_on_in_one_line(
    browser: Browser, pages: dict[tuple[str, str], Path]
) -> None:
    seen = (
        "[...document.querySelectorAll('{}')].filter(one => one.checkVisibility())"
        ".map(one => one.innerText)"
    )
    line = "No task of these runs measures: Naturalness."
    for width, cells, lines in ((1280, 2, []), (375, 0, [line])):
        browser.open(pages["en", "four_tasks"], width=width)
        assert len(browser.value(seen.format(".scoreboard .unmeasured"))) == cells
        assert browser.value(seen.format(".narrow")) == lines


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_has_enough_contrast(
    browser: Browser, pages: dict[tuple[str, str], Path], language: str, scheme: str
) -> None:
    for kind in ("run", "comparison"):
        browser.open(pages[language, kind], width=1280, scheme=scheme)
        browser.value(OPEN_ALL)
        contrasts = browser.value(CONTRASTS)
        assert len(contrasts) > 300
        low = [one for one in contrasts if one["ratio"] < 4.5]
        assert low == []
    page_colour = browser.value("getComputedStyle(document.body).backgroundColor")
    assert (page_colour == "rgb(255, 255, 255)") == (scheme == "light")


@needs_browser
def test_a_text_with_little_contrast_is_seen(tmp_path: Path) -> None:
    style = "body { background: white } p { color: #777 } b { color: #767676 } i { fill: #777 }"
    page = tmp_path / "grey.html"
    write_text(
        page,
        f"<!doctype html><style>{style}</style><p>4.48</p><b>4.54</b>"
        "<svg><rect width='99' height='99' fill='#000' fill-opacity='.5'/>"
        "<text y='20' fill='#000'>on a rectangle</text></svg>",
    )
    with Browser() as seen:
        seen.open(page)
        ratios = {one["text"]: one["ratio"] for one in seen.value(CONTRASTS)}
    assert ratios == pytest.approx({"4.48": 4.48, "4.54": 4.54, "on a rectangle": 5.3}, abs=0.05)


@needs_browser
@pytest.mark.parametrize("width", [1280, 375])
def test_no_line_of_a_plot_crosses_a_text(
    browser: Browser, pages: dict[tuple[str, str], Path], width: int
) -> None:
    browser.open(pages["en", "comparison"], width=width)
    browser.value(OPEN_ALL)
    crossed, texts, lines = browser.value(CROSSED)
    assert (crossed, texts > 20, lines > 50) == ([], True, True)
    bars = browser.value(
        "[...document.querySelectorAll('.picture .bar')].map(one => one.clientWidth)"
    )
    assert min(bar for bar in bars if bar) > 0.5 * width


@needs_browser
def test_the_first_column_of_a_wide_table_stays_in_view(
    browser: Browser, pages: dict[tuple[str, str], Path]
) -> None:
    browser.open(pages["en", "comparison"], width=375)
    browser.value(OPEN_ALL)
    moved = browser.value(
        "[...document.querySelectorAll('.wide')].filter(one => one.scrollWidth > one.clientWidth)"
        ".map(one => { one.scrollLeft = 9999; const cell = one.querySelector('tbody th:not("
        "[colspan])'); return [one.scrollLeft, cell.getBoundingClientRect().left"
        " - one.getBoundingClientRect().left] })"
    )
    assert len(moved) >= 5
    assert all(scrolled > 20 and abs(left) < 1 for scrolled, left in moved)


@needs_browser
def test_sections_are_closed_on_a_screen_and_open_on_paper(
    browser: Browser, pages: dict[tuple[str, str], Path]
) -> None:
    shown = (
        "[...document.querySelectorAll('details > :not(summary)')].map(one => one.checkVisibility("
        "{contentVisibilityProperty: true}) && one.getBoundingClientRect().height > 0)"
    )
    browser.open(pages["en", "run"])
    assert set(browser.value(shown)) == {False}
    browser.open(pages["en", "run"], width=PAPER, media="print")
    assert set(browser.value(shown)) == {True}
    assert browser.value("document.querySelectorAll('details[open]').length") == 0


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
    browser.value(OPEN_ALL)
    drawn = (".certainty", ".key", ".rows .label", ".bar text", ".drawn text", "td.number")
    for selector in ("h1", ".verdicts", ".question", ".answer", "th", "td", "summary", *drawn):
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
