"""Plots are drawn without a network, the same in every process, and say nothing that a page would
take for its own."""

import hashlib
import subprocess
import sys
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest

from kotune.display import plots
from kotune.display.page import PAGES
from tests.conftest import ROOT

pytest.importorskip("vl_convert")
jinja2 = pytest.importorskip("jinja2")
HOSTILE = '<script>window.ran = 1</script>" onload="ran'
SERIES = [
    plots.Series(
        "가",
        [plots.PlotPoint(100, 0.4, 0.3, 0.5), plots.PlotPoint(1000, 0.6, 0.5, 0.7)],
        plots.colour(0),
        marked=True,
    ),
    plots.Series("가", [plots.PlotPoint(1000, 0.65)], plots.colour(0), dashed=True),
    plots.Series(HOSTILE, [plots.PlotPoint(100, 0.5), plots.PlotPoint(1000, 0.7)], plots.colour(7)),
]
SPECS: dict[str, plots.Spec] = {
    "lines": plots.lines(
        SERIES,
        plots.Axis("예시", log=True),
        plots.Axis("acc", log=True, form="~g"),
        {HOSTILE: 0.55},
    ),
    "confusion": plots.confusion(["함의", HOSTILE], [[9, 1], [0, 1000]], ("답", HOSTILE)),
    "reliability": plots.reliability(
        {"base": [plots.Dot(0.4, 0.3, 0.2), plots.Dot(0.9, 0.8, 0.8)], "tuned": []}, ("가", "나")
    ),
}


@pytest.mark.parametrize("kind", SPECS)
def test_a_plot_is_an_element_of_its_own_that_takes_its_colours_and_size_from_the_page(
    kind: str,
) -> None:
    drawn = plots.svg(SPECS[kind], f"0.5 {HOSTILE}")
    assert drawn.startswith('<svg class="drawn" role="img" aria-label="0.5 &lt;script&gt;')
    attributes = {name for element in fromstring(drawn).iter() for name in element.attrib}
    assert "<script" not in drawn and not any(name.startswith("on") for name in attributes)
    assert ' id="' not in drawn and "url(" not in drawn  # two plots of a page would share them
    head = drawn[: drawn.index(">")]
    assert f'viewBox="0 0 {plots.WIDTH} ' in head and " width=" not in head
    assert "var(--" in drawn and "white" not in drawn and "#fff" not in drawn


def test_what_is_drawn_is_the_same_in_another_process() -> None:
    program = (
        "import hashlib, tests.display.test_plots as t\n"
        "print(hashlib.sha256(t.drawn().encode()).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == hashlib.sha256(drawn().encode()).hexdigest()


def drawn() -> str:
    return "".join(plots.svg(spec, "") for spec in SPECS.values())


def test_a_plot_asks_nothing_of_the_network_and_makes_no_ids() -> None:
    spec: dict[str, Any] = {
        "mark": "point",
        "encoding": {"x": {"field": "x", "type": "quantitative"}},
    }
    with pytest.raises(ValueError, match=r"example\.com"):
        plots.svg({"data": {"url": "https://example.com/x.json"}, **spec}, "")
    clipped = {"data": {"values": [{"x": 1}]}, **spec, "mark": {"type": "point", "clip": True}}
    with pytest.raises(ValueError, match="clips"):
        plots.svg(clipped, "")


SIDES = [plots.Interval(0.3, 0.2, 0.4, "base"), plots.Interval(0.7, 0.6, 0.8, "tuned", (0.6, 0.8))]
GROUPS = [
    plots.Group(
        HOSTILE,
        [plots.PlotRow(HOSTILE, "34.1% → 71.4%", SIDES)],
        {"가장 흔한 레이블만 답하기": 0.9, HOSTILE: 0.25},
    ),
]


def environment() -> Any:
    return jinja2.Environment(loader=jinja2.FileSystemLoader(PAGES), autoescape=True)


def test_rows_are_text_beside_bars_whose_positions_are_shares_of_their_width() -> None:
    template = environment().from_string(
        '{% from "parts.html.jinja" import panels %}{{ panels(drawn) }}'
    )
    page = template.render(drawn=[plots.Panel(HOSTILE, GROUPS, plots.SHARES)])
    assert "<script" not in page and page.count("&lt;script&gt;window.ran") == 4
    bars = fromstring(f"<page>{page}</page>").findall(".//svg")
    row, low, high, ticks = bars
    circles = [(one.get("cx"), one.get("cy")) for one in row.iter("circle")]
    assert circles == [
        ("30.00%", "30%"),
        *(("60.00%", "70%"), ("80.00%", "70%")),  # each seed
        ("70.00%", "70%"),
    ]
    (interval,) = [one for one in row.findall("g/line") if one.get("x1") == "20.00%"]
    assert (interval.get("x2"), interval.get("y1")) == ("40.00%", "30%")
    dashed = [
        [one.get("x1") for one in bar.iter("line") if one.get("class") == "dashed"] for bar in bars
    ]
    # The line of the lowest baseline ends in its own row, before the next row begins.
    assert dashed == [["25.00%", "90.00%"], ["90.00%", "25.00%"], ["90.00%"], []]
    assert [one.text for one in ticks.iter("text")] == ["0%", "25%", "50%", "75%", "100%"]
    ends = [circle.get("cx") for bar in (low, high) for circle in bar.iter("circle")]
    assert ends == ["25.00%", "90.00%"]


@pytest.mark.parametrize(
    ("ends", "ticks"),
    [
        ((-7, 38.2), ["-20", "0", "+20", "+40"]),
        ((3, 50), ["0", "+20", "+40", "+60"]),
        ((-0.3, 0.2), ["-0.4", "-0.2", "0", "+0.2"]),
        ((), ["-0.5", "0", "+0.5"]),
        ((1e-9, 1e18), ["0", "+5e+17", "+1e+18"]),
    ],
)
def test_a_scale_of_differences_has_0_and_round_ticks_to_both_ends(
    ends: tuple[float, ...], ticks: list[str]
) -> None:
    scale = plots.differences(ends)
    assert (list(scale.ticks), scale.has_zero) == (ticks, True)
    assert scale.at(scale.low) == "0.00%" and scale.at(scale.high) == "100.00%"
    assert all(scale.low <= end <= scale.high for end in ends)
    assert plots.SHARES.at(-1) == "0.00%" and plots.SHARES.at(7) == "100.00%"


def test_a_logarithmic_axis_counts_in_ones_twos_and_fives() -> None:
    def ticks(*values: float) -> list[float] | None:
        line = plots.Series("", [plots.PlotPoint(1, value) for value in values], plots.colour(0))
        up = plots.lines([line], plots.Axis(""), plots.Axis("", log=True))["layer"][0]["encoding"][
            "y"
        ]
        found: list[float] | None = up["axis"].get("values")
        return found

    assert ticks(0.3, 4.1) == pytest.approx([0.5, 1, 2])
    assert ticks(0.3, 0.4) is None  # Vega finds others


def test_names_of_lines_across_keep_apart_from_each_other() -> None:
    far, near = {"a": 0.2, "b": 0.5, "c": 0.8}, {"d": 0.8, "c": 0.24, "a": 0.2, "b": 0.22}
    room = 0.6 / 190 * 15  # of a line of text
    for references, told in (
        (far, far),
        (near, {"c": 0.22 + room, "b": 0.22, "a": 0.22 - room, "d": 0.8}),
    ):
        spec = plots.lines(SERIES, plots.Axis("", log=True), plots.Axis("acc"), references)
        (names,) = [layer for layer in spec["layer"] if layer["mark"]["type"] == "text"]
        assert {row["text"]: row["y"] for row in names["data"]["values"]} == pytest.approx(told)
