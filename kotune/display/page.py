"""A page as one HTML file that needs nothing else: no network, no script; all that comes from data
is escaped, and the page's own policy forbids a browser to fetch or to run anything. Text, that of
plots too, is real text.

The font is in the page: Noto Sans KR (SIL Open Font License 1.1, with its notice inside), cut down
to the characters that the page has, so that Korean is no row of boxes anywhere and costs some 30 kB
instead of megabytes. Bold is its one weight made bolder by the browser. What it has not, other
scripts that a model may write, comes from the reader's fonts."""

import io
import os
from base64 import b64encode
from pathlib import Path

from kodata.errors import visible
from kodata.text import composed
from kotune.errors import RecipeError

PAGES = Path(__file__).parent / "pages"
FONT = "Noto Sans KR of this page"
NOTICE = [0, 13, 14]  # copyright, licence and its address in a font's table of names
LAYOUT = ("BASE", "GPOS", "GSUB", "VORG", "vhea", "vmtx")  # kerning, and vertical writing


def check_place(path: Path | None, option: str) -> None:
    """RecipeError, before anything is done, where the file that an option names cannot be
    written."""
    if path and path.is_dir():
        raise RecipeError(f"{option} {path}: that is a folder; name a file in it")
    if path and not path.parent.is_dir():
        raise RecipeError(
            f"{option} {path}: there is no folder {path.parent}; make it first, or name another"
        )
    if path and not os.access(path.parent, os.W_OK | os.X_OK):
        raise RecipeError(
            f"{option} {path}: the folder {path.parent} cannot be written to; name another"
        )


def render(template: str, **facts: object) -> str:
    """The page that a template of kotune/display/pages makes of the facts."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(PAGES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(f"{template}.html.jinja").render(facts, font=FONT)
    page = visible(page)  # nothing in data turns the order of what is read
    # The first tag of its kind stands before all data.
    return page.replace("<style>", f"<style>\n{_face(page)}", 1)


def _face(text: str) -> str:
    """CSS that brings the font with the characters of a text, as WOFF2."""
    from fontTools import subset
    from pylopdf_fonts_ko import sans_path

    # Without layout tables a browser still puts Hangul letters together, where the font has the
    # whole syllable. Subroutines of the whole font cost time and bytes in a small piece of it.
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
