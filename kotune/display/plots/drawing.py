"""What all plots share: how wide they are, their colours and axes, and how a Vega-Lite spec becomes
an SVG element."""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

Spec = dict[str, Any]

WIDTH = 344
TEXT, LINE = 12, 15  # pixels: of a letter, from one line of text to the next
RUNS = 6  # colours of runs before they begin anew
SHARES = (0, 0.25, 0.5, 0.75, 1)  # ticks of a scale of shares
# A kind of mark: its colour, and the colour that it is filled with.
KINDS = {
    "base": ("var(--quiet)", "var(--page)"),
    "tuned": ("var(--good)", "var(--good)"),
    "better": ("var(--good)", "var(--good)"),
    "worse": ("var(--bad)", "var(--bad)"),
    "same": ("var(--quiet)", "var(--page)"),
}
DASHED: Spec = {"strokeDash": [4, 3], "strokeWidth": 1.5, "stroke": "var(--bad)"}
# Text that no line crosses: the page draws its edge, in the colour behind it, before its letters.
CLEAR: Spec = {"type": "text", "stroke": "var(--page)", "strokeWidth": 4, "strokeJoin": "round"}
CONFIG: Spec = {
    "font": "Noto Sans KR",
    "aria": False,
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": TEXT,
        "titleFontSize": TEXT,
        "titleFontWeight": "normal",
        "labelColor": "var(--quiet)",
        "titleColor": "var(--quiet)",
        "gridColor": "var(--line)",
        "domainColor": "var(--edge)",
        "tickColor": "var(--edge)",
        "ticks": False,
        "labelPadding": 5,
        "tickCount": 5,
        "labelLimit": WIDTH,
    },
    "legend": {
        "labelFontSize": TEXT,
        "labelColor": "var(--text)",
        "labelLimit": WIDTH - 40,
        "orient": "top",
        "title": None,
        "symbolType": "stroke",
        "symbolStrokeWidth": 3,
        "offset": 8,
    },
    "text": {"fontSize": TEXT, "fill": "var(--text)", "baseline": "middle"},
    "rule": {"strokeWidth": 2},
}
FITTED: Spec = {"type": "fit-x", "contains": "padding"}  # WIDTH is that of plot and axis together


class Axis(NamedTuple):
    """`form`: of its numbers, in d3's notation; `ticks`: where its numbers stand; Vega decides
    where there are none."""

    title: str
    log: bool = False
    form: str = "~s"
    ticks: Sequence[float] = ()


def colour(place: int) -> str:
    """That of a run, by its place from 0."""
    return f"var(--run{place % RUNS})"


def svg(spec: Spec, label: str) -> str:
    """The plot as an element to stand in a page. `label`: what it shows in words and figures, for
    those who do not see it. Ids would be those of other plots too, so no spec may make any:
    ValueError."""
    import vl_convert

    _font()
    whole = {"background": None, "padding": 0, **spec, "config": CONFIG}
    drawn = vl_convert.vegalite_to_svg(whole, allowed_base_urls=[])
    if re.search(r'<[^<>]*\sid="', drawn):  # of an element: text may say so too
        raise ValueError("a plot with ids: leave out clips and gradients")
    head = f'<svg class="drawn" role="img" aria-label="{escape(label)}" viewBox'
    return re.sub(r"^<svg [^>]*?viewBox", lambda _: head, drawn, count=1)


@cache
def _font() -> None:
    """Let text be measured by the font that the page brings, whatever this machine has."""
    import vl_convert
    from pylopdf_fonts_ko import sans_path

    vl_convert.register_font_directory(str(Path(sans_path()).parent))


def layers(layers: Iterable[tuple[Sequence[Spec], Spec, Spec]]) -> list[Spec]:
    """Rows, mark and encoding of each layer that has a row."""
    return [
        {"data": {"values": [*rows]}, "mark": mark, "encoding": encoding}
        for rows, mark, encoding in layers
        if rows
    ]


def channel(name: str, axis: Axis, scale: Spec, **shown: object) -> Spec:
    """One of the two axes with all that is the same in every plot."""
    ticks = {"values": [*axis.ticks]} if axis.ticks else {}
    told = {
        "title": axis.title or None,
        "labelExpr": f"format(datum.value, '{axis.form}')",
        **ticks,
        **shown,
    }
    return {"field": name, "type": "quantitative", "scale": scale, "axis": told}


def width(text: str) -> float:
    """About how many pixels a text takes."""
    return sum(TEXT if ord(letter) > 0x1100 else 0.54 * TEXT for letter in text)
