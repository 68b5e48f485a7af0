"""Renders a page as one self-contained HTML file. The file needs no network and has no scripts.

All text from data is escaped. The page's content security policy forbids the browser to load or run
anything. All text can be selected and searched, also in plots.

The page contains its font, Noto Sans KR, so that Korean is readable on every machine. The font has
only the characters of the page, and takes about 30 kB instead of megabytes. Its license notice (SIL
Open Font License 1.1) is inside the font. The browser synthesizes bold text. Characters that the
font lacks, in answers of a model, use the fonts of the reader's machine."""

import io
import os
from base64 import b64encode
from pathlib import Path

from kodata.errors import visible
from kodata.text import composed
from kotune.errors import RecipeError

PAGES = Path(__file__).parent / "pages"
FONT = "Noto Sans KR of this page"
NOTICE = [0, 13, 14]  # ids of copyright, licence and licence URL in a font's name table
# Tables for kerning, substitution and vertical writing.
LAYOUT = ("BASE", "GPOS", "GSUB", "VORG", "vhea", "vmtx")


def check_writable(path: Path | None, option: str) -> None:
    """Raise RecipeError if `path`, the value of the command-line option `option`, cannot be
    written. None is always accepted. Commands call this before any work starts."""
    if path and path.is_dir():
        raise RecipeError(f"{option} {path}: is a folder; name a file in it")
    if path and not path.parent.is_dir():
        raise RecipeError(
            f"{option} {path}: there is no folder {path.parent}; create it, or name another"
        )
    if path and not os.access(path.parent, os.W_OK | os.X_OK):
        raise RecipeError(
            f"{option} {path}: the folder {path.parent} is not writable; name another"
        )


def render(template: str, **facts: object) -> str:
    """Render a template in kotune/display/pages as a page. `facts` are the template's variables."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(PAGES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(f"{template}.html.jinja").render(facts, font=FONT)
    page = visible(page)  # escapes control characters, also those that change the text direction
    # The first <style> tag is the template's own, because it comes before all data.
    return page.replace("<style>", f"<style>\n{_face(page)}", 1)


def _face(text: str) -> str:
    """A CSS font-face rule with the font as WOFF2, reduced to the characters of `text`."""
    from fontTools import subset
    from pylopdf_fonts_ko import sans_path

    # Hangul needs no layout tables. If a text has separate Hangul letters (jamo), a browser
    # composes them to a syllable, so the font must have that syllable too: composed(text).
    # Subroutines of the font are removed, because they cost time and bytes in a small subset.
    options = subset.Options(
        flavor="woff2", hinting=False, layout_features=[], name_IDs=NOTICE, desubroutinize=True
    )
    options.drop_tables = [*options.drop_tables, *LAYOUT]
    cut, file = subset.Subsetter(options), io.BytesIO()
    font = subset.load_font(sans_path(), options)
    cut.populate(text=text + composed(text))
    cut.subset(font)
    subset.save_font(font, file, options)
    data = b64encode(file.getvalue()).decode()
    return (
        f'@font-face {{ font-family: "{FONT}"; src: url(data:font/woff2;base64,{data})'
        ' format("woff2"); }'
    )
