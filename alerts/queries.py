"""What an indicator's queries count: columns of ``minute_count``, found by the names that people write.

A query is a gauge, a sum of gauges, or for a threshold a ratio of two such sums. ``sum(…)`` and
``sum_over_time(…[{{.window}}])`` around a gauge say what is meant anyway, and may stand. A metric of the catalogue
may be named instead where the event clock counts it.
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import Any

from alerts import names
from alerts.indicator import CountRatio, Operator, RawRatio, Threshold
from alerts.objects import ObjectiveRefused, Objects
from alerts.openslo import DataSource, MetricSource, RatioMetric, Target
from alerts.source import Document, Loc
from metrics.catalog import METRICS
from metrics.errors import did_you_mean

__all__ = ["ratio_indicator", "threshold_indicator"]

_GAUGES = {names.gauge(column): column for column in names.COUNT_COLUMNS}
_WRAPPED = re.compile(
    r"(?:(?P<sum>sum\s*\()\s*)?(?:(?P<over>sum_over_time\s*\()\s*)?(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)\s*"
    r"(?:\[\s*\{\{\s*\.window\s*\}\}\s*\]\s*)?(?P<close>(?:\)\s*){0,2})"
)
_IDENTIFIER = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*(?=\s*(?:\{|\[|$|[\s)+*/<>=-]))")
_WORDS = frozenset(
    (
        *(
            "sum",
            "avg",
            "min",
            "max",
            "count",
            "by",
            "without",
            "on",
            "ignoring",
            "group_left",
            "group_right",
        ),
        *("and", "or", "unless", "bool", "offset", "rate", "increase", "irate", "delta", "sum_over_time"),
        *(
            "avg_over_time",
            "count_over_time",
            "min_over_time",
            "max_over_time",
            "histogram_quantile",
            "vector",
        ),
        *("scalar", "label_replace"),
    )
)

_STARTED_LATE = CountRatio(bad=("starts_late", "exits_late"), total=("starts", "exits_before_start"))
_HOME_LATE = CountRatio(bad=("home_pages_late",), total=("home_pages",))
_STALLED = CountRatio(bad=("stalled_viewer_minutes",), total=("watched_viewer_minutes",))
# Percentiles whose events beyond one value the event clock counts, and what it counts.
_COUNTED_BEYOND = {
    "time_to_play_p50_ms": (2_000, _STARTED_LATE),
    "time_to_play_p99_ms": (2_000, _STARTED_LATE),
    "home_latency_p50_ms": (100, _HOME_LATE),
    "home_latency_p99_ms": (100, _HOME_LATE),
}
# Ratios of the catalogue on the event clock.
_COUNTED_RATIOS = {
    "time_to_play_bad_event_ratio": _STARTED_LATE,
    "home_late_ratio": _HOME_LATE,
    "stalled_viewer_minute_ratio": _STALLED,
}


def ratio_indicator(
    ratio: RatioMetric, document: Document, loc: Loc, objects: Objects
) -> CountRatio | RawRatio:
    """The counts, or the ratio of the catalogue, that a ``ratioMetric`` at ``loc`` names."""
    if ratio.raw is not None and ratio.rawType is not None:
        source = ratio.raw.metricSource
        at = (*loc, "raw", "metricSource")
        if _source_type(source, document, at, objects) != "playhead":
            raise ObjectiveRefused(
                "a raw ratio has no counts on the event clock",
                where=document.where(*at),
                mend="give bad or good and total, or a ratio of the catalogue as `type: playhead`",
            )
        return RawRatio(metric=_catalogue(source, document, at, "ratio"), of=ratio.rawType)
    if ratio.counter:
        _counts(ratio.total.metricSource, document, (*loc, "total", "metricSource"), objects)  # type: ignore[union-attr]
        raise ObjectiveRefused(
            "per-minute counts are gauges, not counters",
            where=document.where(*loc, "counter"),
            mend="write `counter: false`",
        )
    parts = {"bad": ratio.bad, "good": ratio.good, "total": ratio.total}
    return CountRatio(
        **{
            part: _counts(counts.metricSource, document, (*loc, part, "metricSource"), objects)
            for part, counts in parts.items()
            if counts is not None
        }
    )


def threshold_indicator(
    source: MetricSource, objective: Target, document: Document, loc: Loc, where: str, objects: Objects
) -> CountRatio | Threshold:
    """What a ``thresholdMetric`` at ``loc`` and the objective at ``where`` judge."""
    if objective.op is None or objective.value is None:
        raise ObjectiveRefused(
            "a threshold without `op` and `value`", where=where, mend="give both with the objective"
        )
    if _source_type(source, document, loc, objects) == "playhead":
        metric = _catalogue(source, document, loc, "ratio", "quantile")
        if metric in _COUNTED_RATIOS:
            ratio = _COUNTED_RATIOS[metric]
            return _threshold(ratio.bad, ratio.total, objective.op, objective.value)
        return _percentile(metric, objective, document.where(*loc, "spec", "metric"), where)
    query, at = _query(source, document, loc)
    above, *below = query.split("/")
    if len(below) > 1:
        raise ObjectiveRefused(f"{query[:80]!r} divides twice", where=at, mend="write gauge_a / gauge_b")
    numerator, *denominator = (_columns(_bare(part), at) for part in (above, *below))
    return _threshold(numerator, denominator[0] if denominator else (), objective.op, objective.value)


def _threshold(
    numerator: tuple[str, ...], denominator: tuple[str, ...], operator: Operator, value: Decimal
) -> Threshold:
    return Threshold(numerator=numerator, denominator=denominator, operator=operator, value=value)


def _percentile(metric: str, objective: Target, where: str, objective_where: str) -> CountRatio:
    value, counts = _COUNTED_BEYOND.get(metric, (None, None))
    if counts is None:
        known = [*_COUNTED_BEYOND, *_COUNTED_RATIOS]
        is_quantile = METRICS[metric].kind == "quantile"
        raise ObjectiveRefused(
            f"{metric} is {'a percentile' if is_quantile else 'a ratio'} without counts on the event clock",
            where=where,
            mend="counted are " + ", ".join(known),
        )
    if objective.op != "lt" or objective.value != value:
        raise ObjectiveRefused(
            f"of {metric} the event clock counts what takes {value:,} ms or longer, nothing else",
            where=objective_where,
            mend=f"write `op: lt` and `value: {value}`",
        )
    quantile = METRICS[metric].quantile
    share = objective.timeSliceTarget if objective.timeSliceTarget is not None else objective.ratio
    if quantile is None or Fraction(share) != quantile:
        raise ObjectiveRefused(
            f"{metric} below a value means that a share of {float(quantile or 0):g} of all events is, not {share:f}",
            where=objective_where,
            mend=f"give {float(quantile or 0):g}, or count the events as a ratio",
        )
    return counts


def _source_type(source: MetricSource, document: Document, loc: Loc, objects: Objects) -> str:
    kind = source.type
    if source.metricSourceRef is not None and (kind is None or "DataSource" in objects.named):
        found = objects.get(DataSource, source.metricSourceRef, document.where(*loc, "metricSourceRef"))
        declared = found.model.spec.type
        if kind is not None and kind.lower() != declared.lower():
            raise ObjectiveRefused(
                f"type {kind!r} here, {declared!r} at {found.document.where('spec', 'type')}",
                where=document.where(*loc, "type"),
                mend="leave it out here",
            )
        kind = declared
    if kind is None:
        raise ObjectiveRefused(
            "neither `type` nor `metricSourceRef`", where=document.where(*loc), mend="say `type: Prometheus`"
        )
    if kind.lower() not in {"prometheus", "playhead"}:
        raise ObjectiveRefused(
            f"metrics of {kind!r} are not read here",
            where=document.where(*loc, "type"),
            mend="ingest them and count them as gauges of `type: Prometheus`",
        )
    return kind.lower()


def _catalogue(source: MetricSource, document: Document, loc: Loc, *kinds: str) -> str:
    metric: Any = source.spec.get("metric")
    known = [name for name, one in METRICS.items() if one.kind in kinds]
    if metric not in known:
        raise ObjectiveRefused(
            f"{metric!r} is no {' or '.join(kinds)} of the metric catalogue",
            where=document.where(*loc, "spec", "metric"),
            mend=did_you_mean(str(metric), known),
        )
    return str(metric)


def _counts(source: MetricSource, document: Document, loc: Loc, objects: Objects) -> tuple[str, ...]:
    if _source_type(source, document, loc, objects) == "playhead":
        raise ObjectiveRefused(
            "counts are gauges", where=document.where(*loc), mend="say `type: Prometheus` with a `query`"
        )
    query, where = _query(source, document, loc)
    return _columns(query, where)


def _query(source: MetricSource, document: Document, loc: Loc) -> tuple[str, str]:
    where = document.where(*loc, "spec", "query")
    # `promql` and `expr` are how some tools spell it.
    given = [source.spec[key] for key in ("query", "promql", "expr") if key in source.spec]
    if len(given) != 1 or not isinstance(given[0], str) or len(given[0]) > 2000:
        raise ObjectiveRefused("no query", where=where, mend="give `spec.query` with a sum of gauges")
    return given[0].strip(), where


def _bare(text: str) -> str:
    text = text.strip()
    while text.startswith("(") and text.endswith(")"):
        text = text[1:-1].strip()
    return text


def _columns(query: str, where: str) -> tuple[str, ...]:
    columns: list[str] = []
    for term in (part.strip() for part in query.split("+")):
        match = _WRAPPED.fullmatch(term)
        opened = 0 if match is None else sum(match[group] is not None for group in ("sum", "over"))
        if match is None or match["close"].count(")") != opened:
            unknown = [word for word in _IDENTIFIER.findall(term) if word not in _WORDS | _GAUGES.keys()]
            raise ObjectiveRefused(
                f"unknown metric {unknown[0]!r}" if unknown else f"{term[:80]!r} is not the name of a gauge",
                where=where,
                mend=did_you_mean(unknown[0], _GAUGES) if unknown else "write a sum: gauge_a + gauge_b",
            )
        if match["name"] not in _GAUGES:
            raise ObjectiveRefused(
                f"unknown metric {match['name']!r}", where=where, mend=did_you_mean(match["name"], _GAUGES)
            )
        if _GAUGES[match["name"]] in columns:
            raise ObjectiveRefused(f"{match['name']} is added twice", where=where, mend="name it once")
        columns.append(_GAUGES[match["name"]])
    return tuple(columns)
