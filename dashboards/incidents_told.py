"""The incidents of a lake in a period and slice: alerts that passed, those that stand, and what really happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from alerts.evaluate import Fired
from dashboards.charts.incidents import Bar
from dashboards.context import Filters
from dashboards.incident_detail import Looked
from dashboards.incident_queries import baseline_alerts, true_incidents
from dashboards.incidents import alert_rows, incidents_of, standing
from dashboards.queries import Source
from dashboards.segments import episodes_in, merged
from dashboards.window import Window
from metrics.catalog import METRICS

__all__ = ["Told", "first_of", "told_of"]


@dataclass(frozen=True)
class Told:
    """``lasting`` fire for most of the period, ``passing`` do not; ``watched`` are alerts of baselines.

    ``incidents``: :data:`dashboards.incidents.INCIDENTS`; ``truth``: what really happened; ``titles``: of alerts.
    """

    source: Source
    filters: Filters
    evaluations: list[Fired]
    lasting: pl.DataFrame
    passing: pl.DataFrame
    watched: pl.DataFrame
    truth: pl.DataFrame
    incidents: pl.DataFrame
    titles: Mapping[str, str]

    def looked(self, key: str, bars: tuple[Bar, ...] = ()) -> Looked:
        """The incident of a key, as it is looked at."""
        row = self.incidents.row(by_predicate=pl.col("key") == key, named=True)
        facts = {fact["incident_id"]: fact for fact in self.truth.to_dicts()}
        happened = tuple(facts[name] for name in row["truth"])
        return Looked(
            self.source, self.filters, row, self.titles, bars, happened, is_known=self.truth.height > 0
        )


def told_of(source: Source, filters: Filters) -> Told:
    """Every incident of the filters' period and slice."""
    period = Window(filters.period.start_ts_ms, filters.period.end_ts_ms)
    evaluations = source.alerts(filters.where, filters.period)
    titles = {e.objective.name: e.objective.title for e in evaluations}
    episodes = merged(episodes_in(evaluations, filters.period))
    lasting = standing(episodes, period)
    passing = episodes.join(
        lasting.select("name", "severity", "start_ts_ms"), on=["name", "severity", "start_ts_ms"], how="anti"
    )
    watched = baseline_alerts(source, period)
    titles |= {
        name: METRICS[metric].title for name, metric in watched.select("baseline", "metric").unique().rows()
    }
    truth = true_incidents(source).filter(
        pl.col("start_ts_ms") < period.end_ts_ms, pl.col("end_ts_ms") > period.start_ts_ms
    )
    incidents = incidents_of(pl.concat([alert_rows(passing), watched]), truth, titles, period.end_ts_ms)
    return Told(source, filters, evaluations, lasting, passing, watched, truth, incidents, titles)


def first_of(incidents: pl.DataFrame) -> str | None:
    """The key of the newest page; else of the newest of what there is."""
    order = pl.col("severity").replace_strict(
        {"page": 0, "ticket": 1, "none": 2}, default=3, return_dtype=pl.Int8
    )
    return incidents.sort(order, maintain_order=True)["key"][0] if incidents.height else None
