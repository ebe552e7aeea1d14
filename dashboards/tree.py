"""The north-star tree of a page: exact contributions of its identities, and its influences beside them."""

from __future__ import annotations

import polars as pl

from dashboards.charts import Edge, Palette, north_star_tree
from dashboards.context import Filters
from dashboards.formats import change, named, written
from dashboards.queries import Source
from metrics.catalog import get_metric
from metrics.metric import Metric
from metrics.tree import NORTH_STAR, TREE

__all__ = ["tree_figure", "tree_metrics"]

ROOT = NORTH_STAR


def tree_metrics(filters: Filters) -> tuple[str, ...]:
    """The north star and those of its drivers that the slice can tell; none where it cannot tell the star."""
    if not filters.tells(ROOT):
        return ()
    return (ROOT, *(edge.child for edge in TREE[ROOT] if filters.tells(edge.child)))


def tree_figure(
    source: Source, filters: Filters, now: pl.DataFrame, before: pl.DataFrame | None, colours: Palette
) -> tuple[str | None, pl.DataFrame, str]:
    """The tree of the north star over the filters' period: its markup, its table, its text.

    ``now`` and ``before``: :func:`metrics.query.measure` of :func:`tree_metrics`. The markup is null where the
    slice or the telemetry has no watch hours per subscriber; the text says why.
    """
    root = get_metric(ROOT)
    if not filters.tells(ROOT):
        return None, pl.DataFrame(), "Watch hours per subscriber cannot be narrowed to this slice."
    values, old_values = _values(now), _values(before) if before is not None else {}
    if values[ROOT] is None:
        why = "No memberships in this lake, so no watch hours per subscriber."
        return (
            None,
            pl.DataFrame(),
            f"{why} The table `membership` tells who paid when; an emulated lake has it.",
        )
    drivers = [edge for edge in TREE[ROOT] if edge.child in values]
    parts = pl.DataFrame()
    if filters.versus:
        parts = source.contributions(ROOT, filters.period, filters.versus, filters.where)
    edges: list[Edge] = []
    rows: list[dict[str, object]] = []
    for driver in drivers:
        metric = get_metric(driver.child)
        value, old = values[driver.child], old_values.get(driver.child)
        moved = change(metric, value, old)
        carried: float | None = None
        notes: tuple[str, ...] = ()
        if driver.edge == "identity":
            carried, notes = _carried(parts, driver.child, root)
        elif metric.limit is not None:
            notes = (_promise(metric.keeps(value)),)
        worse = None
        if value is not None and old is not None and moved != "0":
            worse = (value > old) == (metric.better == "lower")
        edges.append(Edge(metric.title, driver.edge, written(metric, value), moved, carried, notes, worse))
        rows.append(
            {"driver": driver.child, "edge": driver.edge, "value": value, "before": old, "carried": carried}
        )
    moved = change(root, values[ROOT], old_values.get(ROOT))
    told = _told(moved, rows, filters)
    markup = north_star_tree(
        "Watch hours / subscriber", written(root, values[ROOT]), moved, edges, colours, alt=told
    )
    return markup, pl.DataFrame(rows, infer_schema_length=None), told


def _promise(is_kept: bool | None) -> str:
    return {True: "promise kept", False: "promise broken", None: ""}[is_kept]


def _told(moved: str, rows: list[dict[str, object]], filters: Filters) -> str:
    if filters.versus is None:
        return "Drivers of watch hours per subscriber; nothing before this period to compare with."
    parts = [
        f"{named(get_metric(str(r['driver'])).title)} {change(get_metric(ROOT), float(str(r['carried'])), 0.0)}"
        for r in rows
        if r["carried"] is not None
    ]
    return (
        f"Change {moved} against the period before = {', '.join(parts)}. Solid bands are identities and sum to the "
        "change; dotted lines are influences, which are not added."
    )


def _carried(parts: pl.DataFrame, driver: str, root: Metric) -> tuple[float | None, tuple[str, ...]]:
    """What the driver carried over all regions, and the regions that carried most of it."""
    own = parts.filter(pl.col("part") == driver) if parts.height else parts
    if own.is_empty():
        return None, ()
    total = float(own["contribution"].sum())
    notes = [f"carried {change(root, total, 0.0)}"]
    most = own.drop_nulls("region").sort(pl.col("contribution").abs(), descending=True).row(0, named=True)
    share = change(root, most["contribution"], 0.0)
    if own.height > 1 and share != "0":
        notes.append(f"{named(most['region'])} {share.split()[0]}")
    return total, tuple(notes)


def _values(frame: pl.DataFrame) -> dict[str, float | None]:
    return dict(frame.select("metric", "value").iter_rows())
