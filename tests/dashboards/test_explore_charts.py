"""Figures of Explore, Incidents and Delivery with known answers: what is drawn is what was given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import polars as pl
import pytest

from dashboards import charts
from dashboards.charts import DARK, LIGHT
from dashboards.charts.brush import brushable, marked
from dashboards.charts.delivery import fill_nights, layers, misses, utilisation_heatmap
from dashboards.charts.distribution import apart, heatmap
from dashboards.charts.incidents import Bar, explained, lanes
from dashboards.charts.session import session_timeline
from dashboards.charts.style import axis_of
from dashboards.charts.world import located, world_map

HOUR_MS, DAY_MS = 3_600_000, 86_400_000


def points(fig: go.Figure) -> int:
    """Points of all traces: a figure has fewer than 10,000."""
    return sum(np.size(trace.z) if trace.type == "heatmap" else len(trace.y) for trace in fig.data)


def named(fig: go.Figure, name: str) -> Any:
    return next(trace for trace in fig.data if trace.name == name)


def test_a_line_can_be_brushed_and_keeps_what_it_shows() -> None:
    line = pl.DataFrame({"ts_ms": [0, DAY_MS], "value": [1.0, 3.0]})
    fig = charts.trend(line, LIGHT, axis=axis_of("{:.2%}"), name="x")
    fig = marked(brushable(fig, LIGHT), LIGHT, (0, HOUR_MS))
    assert list(named(fig, "x").y) == [1.0, 3.0]
    assert (fig.layout.dragmode, fig.layout.selectdirection) == ("select", "h")
    (span,) = fig.layout.shapes
    assert (span.x0.hour, span.x1.hour, span.yref) == (0, 1, "paper")
    # Plotly lets nothing be selected in a figure without markers.
    assert any(trace.mode == "markers" and trace.marker.opacity == 0 for trace in fig.data)


CELLS = pl.DataFrame(
    {"ts_ms": [0, 0, 2 * HOUR_MS], "bucket": [0, 2, 1], "share": [0.999, 0.001, 1.0], "n": [999, 1, 5]}
)


def drawn(**more: Any) -> go.Figure:
    return heatmap(CELLS, DARK, labels=["none", "low", "high"], ticks={1: "1 s"}, grain_ms=HOUR_MS, **more)


def test_a_heatmap_shows_shares_on_a_logarithm() -> None:
    fig = drawn()
    (cells, handles) = fig.data
    grid = np.array(cells.z, dtype=float)
    assert grid.shape == (3, 3)  # an hour without sessions is a column all the same
    assert grid[0, 0] == pytest.approx(0, abs=1e-3)
    assert grid[2, 0] == pytest.approx(-3)
    assert np.isnan(grid[:, 1]).all()
    assert cells.x[0].minute == 30  # cells stand at their middle
    assert fig.layout.dragmode == "select"
    assert handles.hoverinfo == "skip"


def test_a_box_is_drawn_over_whole_rows_and_the_promise_at_its_edge() -> None:
    fig = drawn(box=(0, HOUR_MS, 1, 9), limit=1, has_none=True)
    line, box = fig.layout.shapes
    assert line.y0 == 1.5
    assert (box.y0, box.y1, box.x1.hour) == (0.5, 2.5, 1)
    assert list(fig.layout.yaxis.ticktext) == ["none", "1 s"]


def test_two_shares_stand_on_one_row_with_their_difference() -> None:
    rows = pl.DataFrame(
        {
            "label": ["ISP · x"],
            "selected_share": [0.5],
            "rest_share": [0.2],
            "difference": [0.3],
            "half": [0.05],
        }
    )
    fig = apart(rows, LIGHT)
    assert (list(named(fig, "selection").x), list(named(fig, "the rest").x)) == ([0.5], [0.2])
    (text,) = [a.text for a in fig.layout.annotations]
    assert text == "+30.0 ± 5.0 pt"
    (line,) = fig.layout.shapes
    assert (line.x0, line.x1) == (0.2, 0.5)


def sites(*rows: tuple[str, str, int, float]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["country", "site", "n", "value"], orient="row")


def test_places_stand_in_their_country_the_largest_in_its_middle() -> None:
    placed = located(sites(("BR", "a", 10, 1.0), ("BR", "b", 90, 2.0), ("XX", "c", 5, 3.0)), "country", "n")
    assert placed["site"].to_list() == ["a", "b"]  # of a country that nobody knows there is no place
    small, large = placed.to_dicts()
    assert (large["longitude"], large["latitude"]) == (
        pytest.approx(-53.1, abs=0.5),
        pytest.approx(-10.8, abs=0.5),
    )
    assert 0 < abs(small["longitude"] - large["longitude"]) < 12
    crowd = located(sites(*(("SG", f"s{i}", 1, 1.0) for i in range(200))), "country", "n")
    assert crowd.select("longitude", "latitude").unique().height == 200


def test_a_map_needs_no_network_and_few_points() -> None:
    placed = located(sites(*(("US", f"s{i}", i + 1, float(i)) for i in range(1_500))), "country", "n")
    fig = world_map(placed.with_columns(name="site", key="site"), LIGHT, axis=axis_of("{:,.0f} ms"))
    assert {trace.type for trace in fig.data} == {"scatter"}  # maps of plotly's own fetch their outlines
    assert "geo" not in fig.to_plotly_json()["layout"]
    assert points(fig) < 10_000
    seen = named(fig, "places")
    assert max(seen.marker.size) > 2 * min(seen.marker.size)
    west, east = fig.layout.xaxis.range
    assert west < -99 < east < 0  # the view fits what there is


def test_the_outline_says_where_it_comes_from() -> None:
    world = json.loads((Path(charts.__file__).parent / "world.json").read_text(encoding="utf-8"))
    assert "Natural Earth" in world["origin"]
    assert all(-180 <= lon <= 180 and -90 <= lat <= 90 for lon, lat, _ in world["countries"].values())
    assert all(max(x for x, _ in ring) - min(x for x, _ in ring) <= 250 for ring in world["land"])


def test_a_session_is_drawn_state_by_state() -> None:
    spans = pl.DataFrame(
        {
            "state": ["starting", "playing", "stalled"],
            "start_ms": [0, 6_000, 60_000],
            "end_ms": [6_000, 60_000, 66_000],
        }
    )
    rate = pl.DataFrame({"at_ms": [6_000, 30_000], "value": [3_000, 1_000]})
    fig = session_timeline(spans, LIGHT, levels={"bitrate, kbit/s": rate}, marks=[(6_000.0, "first frame")])
    stalled = named(fig, "stalled")
    assert (list(stalled.base), list(stalled.x)) == ([1.0], [pytest.approx(0.1)])
    assert stalled.marker.color == LIGHT.bad
    level = named(fig, "bitrate, kbit/s")
    assert (list(level.x), list(level.y)) == ([0.1, 0.5, 1.1], [3_000, 1_000, 1_000])
    assert level.line.shape == "hv"


def test_lanes_show_short_spans_and_leave_out_what_is_not_in_view() -> None:
    bars = [
        Bar("a", 0, HOUR_MS, "long", "page", "one"),
        Bar("b", 30 * DAY_MS, 30 * DAY_MS + 60_000, "short", "truth", "two"),
        Bar("a", 99 * DAY_MS, 100 * DAY_MS, "later", "ticket", "three"),
    ]  # fmt: skip
    fig = lanes(bars, DARK, order=["a", "b"], view=(0, 60 * DAY_MS), chosen=(0, HOUR_MS))
    spans = [shape for shape in fig.layout.shapes if shape.name]
    assert [span.name for span in spans] == ["one", "two"]
    assert (spans[1].x1 - spans[1].x0).total_seconds() > 3_600
    (handles,) = fig.data
    assert [key for key, _ in handles.customdata] == ["one", "two"]
    assert list(handles.y) == [0, 1]
    assert list(fig.layout.yaxis.ticktext) == ["a", "b"]


def test_explanations_are_as_long_as_what_they_explain() -> None:
    (bar,) = explained(["ISP x", "region r"], [0.94, 0.5], LIGHT).data
    assert list(bar.x) == [0.94, 0.5]
    assert list(bar.text) == ["94\u00a0%", "50\u00a0%"]


DAYS = pl.DataFrame(
    {"ts_ms": [0, DAY_MS], "edge": [3.0, 4.0], "storage": [1.0, 1.0], "content_miss_ratio": [0.1, None]}
)


def test_tiers_stand_on_each_other() -> None:
    before = pl.DataFrame({"ts_ms": [0, DAY_MS], "value": [4.0, 4.0]})
    fig = layers(DAYS, LIGHT, {"edge": "edge", "storage": "storage"}, unit="PB", previous=before)
    assert [(trace.name, trace.stackgroup) for trace in fig.data] == [
        ("edge", "one"), ("storage", "one"), ("period before", None),
    ]  # fmt: skip
    assert list(named(fig, "edge").y) == [3.0, 4.0]
    assert fig.layout.showlegend


def test_misses_leave_gaps_and_show_the_period_before_in_their_colour() -> None:
    fig = misses(DAYS, LIGHT, {"content_miss_ratio": "not there"}, previous=DAYS)
    before, now = fig.data
    assert list(now.y) == [0.1, None]
    assert (before.line.dash, before.showlegend) == ("dash", False)


def test_a_night_is_what_arrived_and_what_did_not() -> None:
    nights = pl.DataFrame(
        {"ts_ms": [0, DAY_MS], "planned_bytes": [4e12, 2e12], "pushed_bytes": [3e12, 2e12], "failed": [2, 0]}
    )
    outage = charts.Band(0, DAY_MS // 4, "an outage")
    shaded = fill_nights(nights, DARK, unit="TB", scale=1e12, bands=[outage])
    assert [shape.name for shape in shaded.layout.shapes] == ["an outage"]
    fig = fill_nights(nights, DARK, unit="TB", scale=1e12)
    assert fig.layout.showlegend
    assert list(named(fig, "arrived").y) == [3.0, 2.0]
    assert list(named(fig, "did not arrive").y) == [1.0, 0.0]
    assert list(named(fig, "failed").customdata) == [2]


def test_a_full_hour_is_written_out() -> None:
    cells = pl.DataFrame({"place": ["x", "x", "y"], "hour": [0, 23, 1], "utilisation": [0.95, 0.2, 0.5]})
    (grid,) = utilisation_heatmap(cells, LIGHT, {"x": "X"}).data
    assert list(grid.y) == ["X", "y"]
    assert (grid.z[0][0], grid.z[0][23], grid.z[1][0]) == (0.95, 0.2, None)
    assert (grid.text[0][0], grid.text[0][23]) == ("95\u00a0%", "")
