"""Renders a page as one self-contained HTML file, without network and without scripts.

All text from data is escaped, and the page's content security policy forbids a browser to load or
run anything. Text is real text, in plots too.

The page contains its font, Noto Sans KR (SIL Open Font License 1.1, with its notice inside),
reduced to the characters of the page. Korean is thus readable everywhere, for about 30 kB instead
of megabytes. Bold is synthesized by the browser. Other scripts, which a model may write, use the
reader's fonts."""

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
LAYOUT = ("BASE", "GPOS", "GSUB", "VORG", "vhea", "vmtx")  # kerning, and vertical writing


def check_writable(path: Path | None, option: str) -> None:
    """Raise RecipeError if the file named by an option cannot be written. Called before any work is
    done."""
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
    """The page of a template in kotune/display/pages. `facts`: the template's variables."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(PAGES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(f"{template}.html.jinja").render(facts, font=FONT)
    page = visible(page)  # replaces characters that change the reading direction
    # The first tag of its kind stands before all data.
    return page.replace("<style>", f"<style>\n{_face(page)}", 1)


def _face(text: str) -> str:
    """CSS with the font as WOFF2, reduced to the characters of a text."""
    from fontTools import subset
    from pylopdf_fonts_ko import sans_path

    # Without layout tables a browser still composes Hangul letters if the font has the syllable.
    # The font's subroutines would cost time and bytes in a small subset.
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
