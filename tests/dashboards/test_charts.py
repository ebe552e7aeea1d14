"""Figures with known answers: what is drawn is what was given."""

from __future__ import annotations

import base64
import re
import tomllib
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import polars as pl
import pytest

from dashboards import charts
from dashboards.charts import DARK, LIGHT, Band, Edge, Ranked
from dashboards.charts.style import axis_of, faded

HOUR_MS = 3_600_000
PERCENT = axis_of("{:.2%}")


def series(*values: float | None) -> pl.DataFrame:
    stamps = [i * HOUR_MS for i in range(len(values))]
    return pl.DataFrame({"ts_ms": stamps, "value": values}, schema={"ts_ms": pl.Int64, "value": pl.Float64})


def shapes(fig: go.Figure, kind: str) -> list[Any]:
    return [shape for shape in fig.layout.shapes if shape.type == kind]


@pytest.mark.parametrize(
    ("text", "axis"),
    [("{:,.0f} ms", ("", ",.0f", " ms")), ("${:,.4f}", ("$", ",.4f", "")), ("{:.2%}", ("", ".2%", ""))],
)
def test_the_catalogue_s_format_becomes_an_axis(text: str, axis: tuple[str, str, str]) -> None:
    found = axis_of(text)
    assert (found.prefix, found.spec, found.suffix) == axis


def test_a_trend_shows_both_periods_and_the_limit() -> None:
    fig = charts.trend(
        series(0.1, None, 0.3), LIGHT, axis=PERCENT, name="late", previous=series(0.2, 0.2, 0.2), limit=0.25
    )
    before, now = fig.data
    assert list(now.y) == [0.1, None, 0.3]
    assert (now.line.dash, before.line.dash) == (None, "dash")
    assert not now.connectgaps
    assert [line.y0 for line in shapes(fig, "line")] == [0.25]
    assert fig.layout.yaxis.tickformat == ".2~%"  # an axis needs no zeros to the right


def test_an_interval_is_a_ribbon_behind_the_line() -> None:
    frame = series(2.0, 3.0).with_columns(low=pl.col("value") - 1, high=pl.col("value") + 1)
    high, low, line = charts.trend(frame, DARK, axis=PERCENT, name="x").data
    assert (list(high.y), list(low.y), list(line.y)) == ([3.0, 4.0], [1.0, 2.0], [2.0, 3.0])
    assert low.fill == "tonexty"


def test_one_day_alone_is_a_point() -> None:
    (line,) = charts.trend(series(1.0), DARK, axis=PERCENT, name="x").data
    assert line.mode == "markers"


def test_incidents_are_shaded_where_they_are_in_view() -> None:
    bands = [Band(HOUR_MS, 2 * HOUR_MS, "stall"), Band(90 * HOUR_MS, 91 * HOUR_MS, "later")]
    fig = charts.trend(series(*[1.0] * 10), DARK, axis=PERCENT, name="x", bands=bands)
    (band,) = shapes(fig, "rect")
    assert (band.name, band.y0, band.y1) == ("stall", 0.0, 1.0)
    assert (band.x0.hour, band.x1.hour) == (1, 2)


def test_incidents_that_cover_the_view_become_a_strip() -> None:
    fig = charts.trend(
        series(*[1.0] * 10), DARK, axis=PERCENT, name="x", bands=[Band(0, 8 * HOUR_MS, "long")]
    )
    (band,) = shapes(fig, "rect")
    assert band.y0 > 0.9


def test_bars_write_their_figures_out() -> None:
    (bar,) = charts.bars(["a", "b"], [0.5, 0.25], LIGHT, axis=PERCENT).data
    assert list(bar.text) == ["50.00\u00a0%", "25.00\u00a0%"]
    assert list(bar.y) == ["a", "b"]


def test_a_stroke_across_a_bar_is_the_period_before() -> None:
    _, before = charts.bars(["a", "b"], [0.5, 0.25], LIGHT, axis=PERCENT, before=[0.4, None]).data
    assert (list(before.x), list(before.y)) == ([0.4, None], ["a", "b"])
    assert len(charts.bars(["a"], [0.5], LIGHT, axis=PERCENT, before=[None]).data) == 1
    rows = pl.DataFrame(
        {"region": ["a", "b"], "attained": [0.999, 0.95], "kept": [True, False], "before": [0.99, 0.9]}
    )
    fig = charts.regions_kept(rows, "region", 0.99, LIGHT)
    assert list(fig.data[1].x) == pytest.approx([0.1, 0.01])
    assert fig.layout.xaxis.range[1] == pytest.approx(0.1)


def paths(markup: str) -> list[dict[str, str]]:
    """The attributes of each path in the drawings of ``markup``."""
    drawings = [base64.b64decode(code).decode() for code in re.findall(r"base64,([^\"]+)", markup)]
    return [
        dict(re.findall(r'([\w-]+)="([^"]*)"', path))
        for svg in drawings
        for path in re.findall("<path[^>]*>", svg)
    ]


def height(path: dict[str, str]) -> float:
    ys = [float(y) for _, y in re.findall(r"([\d.e-]+),([\d.e-]+)", path["d"])]
    return abs(ys[0] - ys[-1])


def test_edges_are_as_wide_as_what_they_carried() -> None:
    edges = [
        Edge("plays", "identity", "60", "+2", 2.0),
        Edge("length", "identity", "0.7 h", "−1", -1.0),
        Edge("time to play", "influence", "2 s", "+0.1", is_worse=True),
    ]
    markup = charts.north_star_tree("hours", "44 h", "+1", edges, DARK, alt="what moved")
    wide, narrow, influence = paths(markup)
    assert height(wide) == pytest.approx(2 * height(narrow))
    assert [wide["fill"], narrow["fill"]] == [faded(DARK.good, 0.75), faded(DARK.bad, 0.75)]
    assert (influence["fill"], "stroke-dasharray" in influence) == ("none", True)
    assert 'aria-label="what moved"' in markup
    assert markup.count(">time to play<") == 1
    assert "44 h" in markup


def test_a_tree_without_a_comparison_has_no_bands() -> None:
    markup = charts.north_star_tree("hours", "44 h", "–", [Edge("plays", "identity", "60", "–")], DARK)
    assert [path["fill"] for path in paths(markup)] == ["none"]


def test_what_somebody_named_a_region_is_no_markup() -> None:
    edge = Edge("<b>plays</b>", "identity", "1", "0", 1.0, notes=("<img src=x>",))
    tree = charts.north_star_tree("hours", "1", "0", [edge], DARK)
    table = charts.ranking(["a", "b"], [Ranked("<i>x</i>", ("1",), 1.0, '"><script>')], DARK)
    for markup in (tree, table):
        assert not re.search(r"<(b>plays|img src=x|i>x|script)", markup)


def test_a_sparkline_draws_both_periods_and_a_limit_that_is_near() -> None:
    days = [1.0, 2.0, 3.0]
    near = paths(charts.sparkline(days, LIGHT, before=[3.0, 2.0, 1.0], limit=2.5, alt="days"))
    assert sum("stroke-dasharray" in path for path in near) == 2
    far = paths(charts.sparkline(days, LIGHT, before=[3.0, 2.0, 1.0], limit=1_000.0))
    assert sum("stroke-dasharray" in path for path in far) == 1
    line = next(path["d"] for path in far if path.get("stroke-width") == "1.6")
    ys = [float(y) for y in re.findall(r",([\d.]+)", line)]
    assert ys == sorted(ys, reverse=True)


def test_a_sparkline_has_a_gap_where_nothing_is_known() -> None:
    line = next(
        p["d"]
        for p in paths(charts.sparkline([1.0, None, 3.0, 4.0], LIGHT))
        if p.get("stroke-width") == "1.6"
    )
    assert line.count("M") == 2
    assert charts.sparkline([None, 1.0], LIGHT) == ""


def test_a_bar_of_a_ranking_is_as_long_as_its_share() -> None:
    rows = [Ranked("a", ("1", "9 h"), 1.0, "explore?by=ISP"), Ranked("b", ("2", "3 h"), 0.333)]
    markup = charts.ranking(["segment", "late", "exposed"], rows, LIGHT, alt="worst")
    assert re.findall(r"(\d+)%,transparent", markup) == ["100", "33"]
    assert re.findall(r'href="([^"]*)"', markup) == ["explore?by=ISP"]


def test_the_truth_stands_beside_a_lift_where_it_is_known() -> None:
    rows = pl.DataFrame(
        {
            "label": ["a", "b"],
            "lift": [0.1, 0.2],
            "lift_low": [0.0, 0.1],
            "lift_high": [0.2, 0.3],
            "true_lift": [0.12, None],
        }
    )
    (truth,) = [
        trace for trace in charts.lifts(rows, LIGHT, ["higher", "lower"]).data if trace.name == "truth"
    ]
    assert (list(truth.x), list(truth.y)) == ([0.12], ["a"])


def test_the_budget_burns_down_through_zero() -> None:
    burn = pl.DataFrame({"ts_ms": [0, HOUR_MS, 2 * HOUR_MS], "budget_left": [0.5, 0.0, -0.5]})
    fig = charts.burn_down(burn, DARK)
    below, line = fig.data
    assert (list(below.y), list(line.y)) == ([0.0, 0.0, -0.5], [0.5, 0.0, -0.5])
    assert [shape.y0 for shape in shapes(fig, "line")] == [0]
    (gone,) = fig.layout.annotations
    assert gone.x.hour == 1


def test_a_projected_budget_is_dashed_within_its_interval() -> None:
    burn = pl.DataFrame({"ts_ms": [0, HOUR_MS], "budget_left": [0.5, 0.4]})
    ahead = pl.DataFrame(
        {
            "ts_ms": [HOUR_MS, 2 * HOUR_MS],
            "budget_left": [0.4, 0.3],
            "budget_left_low": [0.4, 0.2],
            "budget_left_high": [0.4, 0.35],
        }
    )
    _, _, high, low, line = charts.burn_down(burn, DARK, ahead=ahead).data
    assert (list(high.y), list(low.y), list(line.y)) == ([0.4, 0.35], [0.4, 0.2], [0.4, 0.3])
    assert line.line.dash == "dash"
    assert low.fill == "tonexty"
    assert len(charts.burn_down(burn, DARK, ahead=ahead.clear()).data) == 2


def test_a_budget_that_was_never_there_is_not_said_to_run_out() -> None:
    burn = pl.DataFrame({"ts_ms": [0, HOUR_MS], "budget_left": [-0.5, -0.6]})
    assert charts.burn_down(burn, DARK).layout.annotations == ()


def test_regions_are_ranked_by_bad_events() -> None:
    rows = pl.DataFrame(
        {"region": ["a", "b", None], "attained": [0.999, 0.95, None], "kept": [True, False, None]}
    )
    (bar,) = charts.regions_kept(rows, "region", 0.99, LIGHT).data
    assert list(bar.y) == ["b", "a"]
    assert list(bar.text) == ["5.000\u00a0% ✕", "0.100\u00a0% ✓"]


def test_break_even_counts_every_draw() -> None:
    draws = np.array([1e6, 2e6, 2e6, np.inf])
    fig = charts.breakeven_draws({"lean": draws}, DARK, at_subscribers=3e6)
    (outline,) = fig.data
    assert sum(outline.y) == pytest.approx(0.75)
    assert outline.name == "lean footprint, never in 25\u00a0%"


def test_break_even_that_never_comes_is_an_empty_figure() -> None:
    assert charts.breakeven_draws({"lean": np.array([np.inf])}, DARK).data == ()


def test_the_curve_keeps_sizes_that_are_never_reached_at_its_upper_end() -> None:
    points: list[dict[str, float | None]] = [
        {"price_usd_per_gb": 0.001, "low": 1e7, "median": 2e7, "high": None},
        {"price_usd_per_gb": 0.002, "low": 1e6, "median": 2e6, "high": 4e6},
    ]
    high, low, median = charts.breakeven_curve(points, DARK, price=0.0015, at_subscribers=5e6).data
    assert list(high.y) == [1e10, 4e6]
    assert (list(low.y), list(median.y)) == ([1e7, 1e6], [2e7, 2e6])


def test_payback_shades_the_familiar_range() -> None:
    points = [
        {"subscribers": 1e7, "months": {"low": 20.0, "median": None, "high": None}},
        {"subscribers": 1e8, "months": {"low": 4.0, "median": 9.0, "high": 30.0}},
    ]
    fig = charts.payback_by_size(points, DARK, at_subscribers=5e7)
    (shade,) = shapes(fig, "rect")
    assert (shade.y0, shade.y1) == (8, 12)
    assert list(fig.data[-1].y) == [None, 9.0]


def test_an_unknown_theme_is_light() -> None:
    assert charts.palette(None) is LIGHT
    assert charts.palette("dark") is DARK


def test_who_is_still_looking_falls_in_steps_from_all_and_tells_its_median() -> None:
    curve = pl.DataFrame(
        {
            "time_ms": [5_000, 20_000, 60_000, 500_000],
            "value": [0.9, 0.5, 0.4, 0.1],
            "low": [0.8, 0.4, 0.3, 0.0],
            "high": [1.0, 0.6, 0.5, 0.2],
        }
    )
    high, low, line = charts.still_looking(curve, LIGHT).data
    assert list(line.x) == [0.0, 5.0, 20.0, 60.0]  # what is beyond three minutes is not shown
    assert list(line.y) == [1.0, 0.9, 0.5, 0.4]
    assert (list(high.y)[1:], list(low.y)[1:]) == ([1.0, 0.6, 0.5], [0.8, 0.4, 0.3])
    assert line.line.shape == "hv"
    fig = charts.still_looking(curve, LIGHT)
    assert "after 20 s" in fig.layout.annotations[0].text
    assert shapes(fig, "line")[0].x0 == 20.0
    without = charts.still_looking(curve.with_columns(low=None, high=None, value=pl.lit(0.9)), DARK)
    assert (len(without.data), without.layout.annotations) == (1, ())
    plain = curve.with_columns(low=None, high=None)
    before, _ = charts.still_looking(plain, LIGHT, before=plain).data
    assert (list(before.y), before.line.dash) == ([1.0, 0.9, 0.5, 0.4], "dash")


def test_a_lift_is_coloured_only_where_its_interval_leaves_zero() -> None:
    rows = pl.DataFrame(
        {
            "label": ["hours", "churn", "plays", "stalls"],
            "lift": [0.2, 0.1, -0.1, 0.3],
            "lift_low": [0.1, 0.05, -0.3, None],
            "lift_high": [0.3, 0.15, 0.1, None],
        }
    )
    (points,) = charts.lifts(rows, LIGHT, ["higher", "lower", "higher", "lower"]).data
    assert list(points.marker.color) == [LIGHT.good, LIGHT.bad, LIGHT.quiet, LIGHT.quiet]
    assert list(points.error_x.array) == pytest.approx([0.1, 0.05, 0.2, 0.0])
    assert list(points.error_x.arrayminus) == pytest.approx([0.1, 0.05, 0.2, 0.0])


def test_what_is_written_beside_a_bar_stands_beyond_its_stroke() -> None:
    bar, stroke = charts.bars(["a", "b"], [0.5, 0.25], LIGHT, axis=PERCENT, before=[0.4, 0.3]).data
    assert list(bar.texttemplate) == ["\u2002%{text}", ""]
    assert list(stroke.text) == ["", "25.00\u00a0%"]


def test_better_and_worse_are_told_by_shape_as_well() -> None:
    rows = pl.DataFrame(
        {
            "label": ["a", "b", "c"],
            "lift": [0.2, 0.1, 0.1],
            "lift_low": [0.1, 0.05, -1],
            "lift_high": [0.3, 0.2, 1],
        }
    )
    (points,) = charts.lifts(rows, LIGHT, ["higher", "lower", "higher"]).data
    assert list(points.marker.symbol) == ["triangle-up", "triangle-down", "circle"]


# --- colours ------------------------------------------------------------------------------------------------

# What is left of a colour where one kind of cone is missing, on linear RGB (Machado, Oliveira and Fernandes 2009).
VISIONS = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
    "usual": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
}  # fmt: skip
# Linear sRGB to CIE XYZ with the white of D65 as 1.
XYZ = [[0.433953, 0.376219, 0.189828], [0.212673, 0.715152, 0.072175], [0.017758, 0.109477, 0.872766]]
GROUNDS = {"light": "#ffffff", "dark": "#0e1317"}


def linear(colour: str) -> np.ndarray[Any, Any]:
    c = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(colour: str, vision: str) -> np.ndarray[Any, Any]:
    """CIELAB as an eye of that vision has it."""
    xyz = np.array(XYZ) @ np.clip(np.array(VISIONS[vision]) @ linear(colour), 0, 1)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(one: str, other: str) -> float:
    """WCAG 2's contrast ratio."""
    low, high = sorted(float(linear(colour) @ np.array(XYZ[1])) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", GROUNDS)
@pytest.mark.parametrize("vision", VISIONS)
def test_series_are_told_apart_by_any_colour_vision(theme: str, vision: str) -> None:
    """A difference of 2.3 can just be noticed in patches side by side; lines and dots take some times as much."""
    of = charts.palette(theme)
    for group in (of.series, (of.good, of.bad, of.warn, of.text)):
        apart = {
            pair: float(np.linalg.norm(lab(pair[0], vision) - lab(pair[1], vision)))
            for pair in combinations(group, 2)
        }
        assert min(apart.values()) > 11, min(apart, key=lambda pair: apart[pair])


@pytest.mark.parametrize("theme", GROUNDS)
def test_words_and_lines_stand_out_from_their_ground(theme: str) -> None:
    """4.5 for text and 3 for graphics, WCAG 2.1, level AA."""
    of, ground = charts.palette(theme), GROUNDS[theme]
    assert min(contrast(colour, ground) for colour in (of.text, of.quiet, of.good, of.bad, of.warn)) > 4.5
    assert min(contrast(colour, of.panel) for colour in (of.text, of.quiet, of.good, of.bad, of.warn)) > 4.5
    assert min(contrast(colour, ground) for colour in of.series) > 3


@pytest.mark.parametrize("theme", GROUNDS)
def test_charts_and_pages_have_the_same_colours(theme: str) -> None:
    text = (Path(charts.__file__).parents[1] / ".streamlit" / "config.toml").read_text("utf-8")
    page, of = tomllib.loads(text)["theme"][theme], charts.palette(theme)
    assert page["backgroundColor"] == GROUNDS[theme]
    assert page["chartCategoricalColors"] == list(of.series)
    named = ("greenColor", "redColor", "orangeColor", "violetColor", "grayColor", "textColor")
    drawn = (of.good, of.bad, of.warn, of.series[4], of.quiet, of.text)
    assert tuple(page[name] for name in named) == drawn


def test_a_band_of_minutes_in_a_month_can_be_seen() -> None:
    days = pl.DataFrame({"ts_ms": [i * 24 * HOUR_MS for i in range(31)], "value": [1.0] * 31})
    ten = charts.Band(100 * HOUR_MS, 100 * HOUR_MS + 600_000, "pages", "page")
    long = charts.Band(200 * HOUR_MS, 220 * HOUR_MS, "truth", "truth")
    fig = charts.trend(days, LIGHT, axis=axis_of("{:,.0f} ms"), name="x", bands=[ten, long])
    short, whole = shapes(fig, "rect")
    assert (short.x1 - short.x0).total_seconds() == pytest.approx(30 * 24 * 3600 / 200, rel=0.01)
    assert (whole.x1 - whole.x0).total_seconds() == 20 * 3600
    assert whole.fillcolor == faded(LIGHT.series[4], 0.12)


def test_sizes_and_amounts_stand_beside_axes_as_they_do_in_sentences() -> None:
    fig = charts.breakeven_draws({"lean": np.array([1e6, 2e9])}, DARK)
    assert {"200 M", "1 B"} <= set(fig.layout.xaxis.ticktext)
    steps = [("before", 38.5e6), ("volume", -1e6), ("price", -0.9e6), ("now", 36.6e6)]
    assert list(charts.bridge(steps, DARK).layout.yaxis.ticktext) == ["$34 M", "$36 M", "$38 M", "$40 M"]
    rows = [("rate", 30e6, 50e6)]
    assert list(charts.tornado(rows, 40e6, DARK).layout.xaxis.ticktext) == [
        "$30 M",
        "$35 M",
        "$40 M",
        "$45 M",
        "$50 M",
    ]
    ticks = charts.utilisation([("edge", 0.5, 1.0, 12.0)], DARK).layout.xaxis.ticktext
    assert "1,000\u00a0%" in ticks
