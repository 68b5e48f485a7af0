"""Defines the width, the colours and the axes of all plots, and converts a Vega-Lite spec to an SVG
element."""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

Spec = dict[str, Any]

WIDTH = 344  # pixels; fits a phone
TEXT, LINE = 12, 15  # pixels: font size and line height
RUNS = 6  # number of colours for runs before they repeat
SHARE_TICKS = (0, 0.25, 0.5, 0.75, 1)  # of shares, which range from 0 to 1
# The line colour and the fill colour of each kind of mark.
KINDS = {
    "base": ("var(--quiet)", "var(--page)"),
    "tuned": ("var(--tuned)", "var(--tuned)"),
}
DASHED: Spec = {"strokeDash": [4, 3], "strokeWidth": 1.5, "stroke": "var(--quiet)"}
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
FITTED: Spec = {"type": "fit-x", "contains": "padding"}  # WIDTH includes the axis


class Axis(NamedTuple):
    """An axis. `log`: whether its scale is logarithmic. `form`: the number format in d3's notation.
    `ticks`: the positions of ticks; if empty, they are chosen automatically."""

    title: str
    log: bool = False
    form: str = "~s"
    ticks: Sequence[float] = ()


def colour(index: int) -> str:
    """The colour of a run, by its index from 0."""
    return f"var(--run{index % RUNS})"


def svg(spec: Spec, label: str) -> str:
    """Render the plot as an SVG element for a page. `label` describes the plot for screen readers.

    Raises ValueError if the element contains ids, because another plot could have the same ids."""
    import vl_convert

    _font()
    whole = {"background": None, "padding": 0, **spec, "config": CONFIG}
    drawn = vl_convert.vegalite_to_svg(whole, allowed_base_urls=[])
    if re.search(r'<[^<>]*\sid="', drawn):  # matches inside tags only; text may contain `id="`
        raise ValueError("the plot has ids; remove its clips and gradients, which have ids")
    head = f'<svg class="drawn" role="img" aria-label="{escape(label)}" viewBox'
    return re.sub(r"^<svg [^>]*?viewBox", lambda _: head, drawn, count=1)


@cache
def _font() -> None:
    """Register the page's font, so that every machine measures text with the same font."""
    import vl_convert
    from pylopdf_fonts_ko import sans_path

    vl_convert.register_font_directory(str(Path(sans_path()).parent))


def layers(layers: Iterable[tuple[Sequence[Spec], Spec, Spec]]) -> list[Spec]:
    """Build a Vega-Lite layer from each triple of rows, mark and encoding. Layers without rows are
    dropped."""
    return [
        {"data": {"values": [*rows]}, "mark": mark, "encoding": encoding}
        for rows, mark, encoding in layers
        if rows
    ]


def channel(name: str, axis: Axis, scale: Spec, **shown: object) -> Spec:
    """The encoding of one axis, with the settings that all plots share.

    - `name`: x or y. The rows have their values in the field of the same name.
    - `scale`: the scale in Vega-Lite's notation
    - `shown`: further settings of the axis in Vega-Lite's notation
    """
    ticks = {"values": [*axis.ticks]} if axis.ticks else {}
    settings = {
        "title": axis.title or None,
        "labelExpr": f"format(datum.value, '{axis.form}')",
        **ticks,
        **shown,
    }
    return {"field": name, "type": "quantitative", "scale": scale, "axis": settings}


def width(text: str) -> float:
    """The approximate width of a text in pixels."""
    return sum(TEXT if ord(letter) > 0x1100 else 0.54 * TEXT for letter in text)
