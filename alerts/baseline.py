"""Alerts on a metric of the tree leaving its own season, for what no burn rate can watch; declared as data.

A baseline alert fires at the ``persistence_hours``-th hour in a row that is an anomaly in the bad direction, or at one
whose score is at least ``at_once_score``: what is that far off needs no second hour. An hour that is off by less than
``least_change`` (points of a ratio, a share of the expected of anything else) is nobody's business, and one of fewer
than ``cohort_minimum`` effective rows is not judged. An alert that comes back within an hour is the same alert.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from alerts.evaluation import HOUR_MS
from alerts.seasonal import Detector
from alerts.source import read_documents
from metrics.catalog import get_metric
from metrics.errors import InputError

__all__ = ["ALERTS", "Baseline", "load_baselines", "watch_all", "watch_baseline"]

SHIPPED = Path(__file__).parent / "baselines"
# An alert that comes back sooner is the one that went.
QUIET_MS = HOUR_MS

ALERTS = pl.Schema(
    {
        "baseline": pl.String,
        "metric": pl.String,
        "dimension": pl.String,
        "slice": pl.String,
        "severity": pl.String,
        "start_ts_ms": pl.Int64,
        "end_ts_ms": pl.Int64,
        "value": pl.Float64,
        "expected": pl.Float64,
    }
)


class Baseline(BaseModel):
    """What is watched, of whom, and when it is worth somebody's time.

    ``by`` a dimension each of its values is watched apart; ``where``: only rows of these values, by dimension.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
    about: str
    metric: str
    worse: Literal["lower", "higher"]
    by: tuple[str, ...] = Field(default=(), max_length=1)
    where: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    persistence_hours: int = Field(ge=1, le=168)
    at_once_score: float = Field(default=1, ge=0.5, le=1)
    least_change: float = Field(default=0, ge=0, le=10)
    cohort_minimum: int = Field(ge=1)
    severity: Literal["page", "ticket"]
    source: str
    grade: Literal["measured", "cited", "derived", "assumed"]

    @field_validator("metric")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            get_metric(name)
        except InputError as error:
            raise ValueError(str(error)) from None
        return name


def load_baselines(paths: Iterable[Path] = ()) -> list[Baseline]:
    """The shipped baselines, or those of ``paths``. Raises :class:`~metrics.errors.InputError` with ``file:line``."""
    found: dict[str, Baseline] = {}
    for path in list(paths) or sorted(SHIPPED.glob("*.yaml")):
        for document in read_documents(path):
            baseline = document.parse(Baseline)
            if baseline.name in found:
                raise InputError(
                    f"a baseline named {baseline.name!r} exists already",
                    where=document.where("name"),
                    mend="rename it",
                )
            found[baseline.name] = baseline
    return list(found.values())


def watch_all(
    baselines: Iterable[Baseline], hours_of: Callable[[Baseline], pl.DataFrame], detect: Detector
) -> pl.DataFrame:
    """Alerts (:data:`ALERTS`) of each baseline over the hours that ``hours_of`` gives for it; no hour, no alert."""
    found = [ALERTS.to_frame()]
    for baseline in baselines:
        hours = hours_of(baseline)
        if not hours.is_empty():
            found.append(watch_baseline(baseline, hours, detect))
    return pl.concat(found)


def watch_baseline(baseline: Baseline, hours: pl.DataFrame, detect: Detector) -> pl.DataFrame:
    """Alerts (:data:`ALERTS`) over hourly ``hours``: ``bucket_ts_ms, value, n, n_effective`` and the slice.

    ``end_ts_ms`` is null while it fires; ``value`` and ``expected`` are those of the hour furthest off. A metric
    that is no ratio is judged by its logarithm: what an hour costs moves by factors.
    """
    slices: list[tuple[str | None, str | None, pl.DataFrame]] = [(None, None, hours)]
    if baseline.by:
        (dimension,) = baseline.by
        slices = [
            (dimension, str(name), rows)
            for (name,), rows in sorted(hours.partition_by(dimension, as_dict=True).items(), key=str)
            if name is not None
        ]
    rows = [
        {
            "baseline": baseline.name,
            "metric": baseline.metric,
            "dimension": dimension,
            "slice": name,
            "severity": baseline.severity,
            **alert,
        }
        for dimension, name, of_slice in slices
        for alert in _alerts(baseline, of_slice, detect)
    ]
    return pl.DataFrame(rows, schema=ALERTS)


def _alerts(
    baseline: Baseline, hours: pl.DataFrame, detect: Detector
) -> Iterator[dict[str, float | int | None]]:
    as_log = get_metric(baseline.metric).unit != "ratio"
    judged = (
        hours.with_columns(rows=pl.coalesce("n_effective", pl.col("n").cast(pl.Float64)))
        .filter(
            pl.col("rows") >= baseline.cohort_minimum,
            pl.col("value").is_finite(),
            pl.col("value") > 0 if as_log else pl.lit(value=True),
        )
        .sort("bucket_ts_ms")
    )
    if judged.is_empty():
        return
    ts_ms = judged["bucket_ts_ms"].to_numpy()
    value = judged["value"].cast(pl.Float64).to_numpy()
    found = detect(ts_ms, np.log(value) if as_log else value, judged["rows"].to_numpy())
    expected = found["expected"].fill_null(np.nan).to_numpy()
    expected = np.exp(expected) if as_log else expected
    off = value - expected if baseline.worse == "higher" else expected - value
    # What hardly ever moves is soon many deviations off by next to nothing.
    least = baseline.least_change * expected if as_log else baseline.least_change
    worse = found["is_anomaly"].to_numpy() & (off > 0) & (off >= least)
    at_once = np.flatnonzero(worse & (found["anomaly_score"].to_numpy() >= baseline.at_once_score))
    end_of_data = int(ts_ms[-1]) + HOUR_MS
    spans = []
    for begin, end in _runs(ts_ms, worse):
        sooner = at_once[(at_once >= begin) & (at_once < end)][:1].tolist()
        fires = min([begin + baseline.persistence_hours - 1, *sooner])
        if fires < end:
            # An hour is known when it is over, so an alert starts and stops an hour after the hour it is about.
            spans.append((int(ts_ms[fires]) + HOUR_MS, int(ts_ms[end - 1]) + 2 * HOUR_MS, begin, end))
    at = 0
    while at < len(spans):
        start, stop, begin, end = spans[at]
        at += 1
        while at < len(spans) and spans[at][0] - stop <= QUIET_MS:
            _, stop, _, end = spans[at]
            at += 1
        furthest = begin + int(np.nanargmax(off[begin:end]))
        yield {
            "start_ts_ms": start,
            "end_ts_ms": stop if stop <= end_of_data else None,
            "value": float(value[furthest]),
            "expected": float(expected[furthest]),
        }


def _runs(ts_ms: NDArray[np.int64], worse: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """First and last+1 of hours in a row that are worse; an hour without a verdict ends the row."""
    begin = None
    for i, is_worse in enumerate(worse.tolist()):
        if begin is not None and (not is_worse or ts_ms[i] - ts_ms[i - 1] != HOUR_MS):
            yield begin, i
            begin = None
        if is_worse and begin is None:
            begin = i
    if begin is not None:
        yield begin, len(worse)
