"""What can be localised with what a CDN tells: the same viewers with an own CDN's columns, and without them.

A client knows its network (region, country, ISP), its device and which CDN it was sent to. Which site served it, from
which tier and which appliance, an own CDN tells and a third party's does not (:data:`VIEWS`). At each look after an
incident began, viewers are counted over the time since: how many watched and how many of them stalled, by leaf; equal
spans before are the history. Both views are searched alike, with the same evidence asked of an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from metrics.localise.leaves import Floats, leaves_at
from metrics.localise.search import Explanation, localise

__all__ = ["LOOKS", "VIEWS", "Look", "looks", "score", "seen", "viewers"]

_CLIENT = ("region", "country", "isp", "cdn", "device")
VIEWS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"own": (*_CLIENT, "site", "tier", "appliance"), "opaque": _CLIENT}
)
"""The dimensions that each kind of CDN's telemetry has."""

LOOKS = (5, 10, 15, 20, 30, 45, 60, 90, 120)
"""Minutes after the start at which one looks."""

_PLACES = ("region", "country", "isp", "site", "appliance")  # from the widest to the narrowest
_HISTORY_MINUTES, _LEAST_SPANS = 180, 3
_MINUTE_MS = 60_000
_LOCATED = 0.8
_TOLD = (10, 30, 60, 120)  # minutes after which shares are told
_RESAMPLES, _SEED = 2_000, 20_260_401
_SEEN = {
    "view": pl.String, "minutes": pl.Int64, "viewers": pl.Int64, "stalling": pl.Int64, "slices": pl.String,
    "finest": pl.String, "score": pl.Float64, "explained_ratio": pl.Float64, "named": pl.Int64,
    "precision": pl.Float64, "recall": pl.Float64,
}  # fmt: skip


@dataclass(frozen=True)
class Look:
    """What one view says so many ``minutes`` after the start; ``watching`` are the viewers of the time since, with
    ``is_stalled``."""

    minutes: int
    watching: pl.DataFrame
    answer: Explanation

    def named(self) -> pl.Series:
        """Whether each viewer is in a slice that the answer names."""
        inside = [
            pl.all_horizontal(pl.col(name).eq_missing(pl.lit(value)) for name, value in element.items())
            for element in self.answer.elements
        ]
        any_ = pl.any_horizontal(inside) if inside else pl.lit(value=False)
        return self.watching.select(pl.repeat(value=True, n=pl.len()) & any_).to_series()


def viewers(sessions: pl.DataFrame) -> pl.DataFrame:
    """Sessions (rows of ``playback_session``) that showed something, from first frame to end: ``session_id, from_ms,
    to_ms`` and the dimensions of :data:`VIEWS`. The tier is the one that most bytes came from."""
    tiers = ("edge", "storage", "third_party")
    most = pl.max_horizontal(f"{tier}_bytes" for tier in tiers)
    tier = pl.coalesce(
        pl.when((pl.col(f"{tier}_bytes") == most) & (most > 0)).then(pl.lit(tier)) for tier in tiers
    )
    return sessions.filter(pl.col("startup_ms").is_not_null()).select(
        "session_id",
        (pl.col("start_ts_ms") + pl.col("startup_ms")).alias("from_ms"),
        pl.col("end_ts_ms").alias("to_ms"),
        tier.alias("tier"),
        *(name for name in VIEWS["own"] if name != "tier"),
    )


def looks(
    watching: pl.DataFrame,
    stalls: pl.DataFrame,
    start_ts_ms: int,
    dimensions: Sequence[str],
    minutes: Sequence[int] = LOOKS,
) -> Iterator[Look]:
    """What is said at each of ``minutes`` after ``start_ts_ms``.

    ``watching`` as :func:`viewers` gives it, further columns kept; ``stalls``: ``session_id, from_ms, to_ms``. A look
    at which nobody watched, or before which nobody did, is left out.
    """
    for after in minutes:
        span = after * _MINUTE_MS
        count = max(_LEAST_SPANS, _HISTORY_MINUTES // after)
        spans = [(start_ts_ms - k * span, start_ts_ms - (k - 1) * span) for k in range(count, -1, -1)]
        frames = [
            _in_span(watching, stalls, *each).with_columns(min=pl.lit(number))
            for number, each in enumerate(spans)
        ]
        if not frames[-1].height or not any(frame.height for frame in frames[:-1]):
            continue
        table = pl.concat(frames).select(
            "min", pl.col("is_stalled").cast(pl.Int64).alias("value"), pl.lit(1).alias("cnt"), *dimensions
        )
        leaves = leaves_at(table, value="value", count="cnt", time="min", at=count)
        yield Look(after, frames[-1], localise(leaves)[0])


def seen(
    watching: pl.DataFrame,
    stalls: pl.DataFrame,
    start_ts_ms: int,
    *,
    views: Mapping[str, Sequence[str]] = VIEWS,
    minutes: Sequence[int] = LOOKS,
) -> pl.DataFrame:
    """One incident in each of ``views``: a row a view and look.

    ``view, minutes, viewers, stalling, slices`` (text; null: no slice explains it), ``finest`` (the narrowest place
    named), ``score, explained_ratio, named`` (viewers in what is named). Where ``watching`` has ``is_hit`` (whether the
    incident reached this viewer) also ``precision`` (of the viewers named, hit) and ``recall`` (of the stalling viewers
    hit, named); null where nothing is named, and where nobody hit stalled.
    """
    if "is_hit" not in watching.columns:
        watching = watching.with_columns(is_hit=pl.lit(None, pl.Boolean))
    rows = [
        {"view": view, **_row(look)}
        for view, dimensions in views.items()
        for look in looks(watching, stalls, start_ts_ms, dimensions, minutes)
    ]
    return pl.DataFrame(rows, schema=_SEEN)


def _row(look: Look) -> dict[str, object]:
    frame = look.watching.with_columns(named=look.named())
    of_hit = frame.filter("is_hit", "is_stalled")
    places = {name for element in look.answer.elements for name in element} & set(_PLACES)
    named = frame.filter("named")
    return {
        "minutes": look.minutes,
        "viewers": frame.height,
        "stalling": int(frame["is_stalled"].sum()),
        "slices": look.answer.text or None,
        "finest": max(places, key=_PLACES.index) if places else None,
        "score": look.answer.score,
        "explained_ratio": look.answer.explained_ratio,
        "named": named.height,
        "precision": named["is_hit"].mean() if named.height else None,
        "recall": of_hit["named"].mean() if of_hit.height else None,
    }


def _in_span(watching: pl.DataFrame, stalls: pl.DataFrame, start: int, end: int) -> pl.DataFrame:
    """Who watched in [start, end), and whether they stalled in it."""
    overlaps = (pl.col("from_ms") < end) & (pl.col("to_ms") >= start)
    stalled = stalls.filter(overlaps)["session_id"].unique()
    return watching.filter(overlaps).with_columns(is_stalled=pl.col("session_id").is_in(stalled.implode()))


def score(trials: pl.DataFrame, estimator: str = "localise") -> pl.DataFrame:
    """What was localised, as rows of the table ``score``: ``estimator, case_set, measure, value, low, high,
    cases_count, unit``.

    ``trials``: looks as :func:`seen` has them, with ``seed, incident_id, kind`` and ``level``. An incident is localised
    at a look whose answer names slices that hold four fifths of the stalling viewers reached and are four fifths of
    viewers reached. ``located_<n>_minutes`` are shares of incidents; ``minutes_to_locate`` the median, null where fewer
    than half are ever localised; ``precision`` (of what was named) and ``recall`` are means at the last look;
    ``false_named`` the share of looks at calm spans at which a slice was named. Intervals are 95 %: Wilson's of
    shares, bootstrapped over incidents else.
    """
    keys = ["seed", "incident_id", "view"]
    rows: list[dict[str, object]] = []
    located = (pl.col("precision") >= _LOCATED) & (pl.col("recall") >= _LOCATED)
    faults = trials.filter(pl.col("kind") != "calm").with_columns(located=located.fill_null(value=False))
    groups = faults.sort("kind", "level", "view").group_by("kind", "level", "view", maintain_order=True)
    for (kind, level, view), part in groups:
        case_set = f"{kind} at one {level}, {view}"
        first = part.group_by(keys).agg(at=pl.col("minutes").filter("located").min())
        last = part.sort("minutes").group_by(keys).agg(pl.col("precision", "recall").last()).sort(keys)
        found = {
            f"located_{after}_minutes": _share(
                part.filter(pl.col("minutes") == after).get_column("located").to_numpy()
            )
            for after in _TOLD
        }
        never = first.sort(keys)["at"].cast(pl.Float64).fill_null(float("inf")).to_numpy()
        found["minutes_to_locate"] = _bootstrapped(never, np.median)
        for name in ("precision", "recall"):
            found[name] = _bootstrapped(last[name].drop_nulls().to_numpy(), np.mean)
        rows += [
            {
                "case_set": case_set,
                "measure": measure,
                **figure,
                "unit": "min" if "to_locate" in measure else "ratio",
            }
            for measure, figure in found.items()
        ]
    for (view,), part in (
        trials.filter(pl.col("kind") == "calm").sort("view").group_by("view", maintain_order=True)
    ):
        named = part["slices"].is_not_null().to_numpy()
        rows.append({"case_set": f"calm, {view}", "measure": "false_named", **_share(named), "unit": "ratio"})
    floats = dict.fromkeys(("value", "low", "high"), pl.Float64())
    order = {
        "case_set": pl.String(),
        "measure": pl.String(),
        **floats,
        "cases_count": pl.Int64(),
        "unit": pl.String(),
    }
    frame = pl.DataFrame(rows, schema=order).filter(pl.col("value").is_not_null())
    return frame.select(pl.lit(estimator).alias("estimator"), pl.all())


def _share(which: NDArray[np.bool_]) -> dict[str, object]:
    from statsmodels.stats.proportion import proportion_confint

    if not which.size:
        return {"value": None, "low": None, "high": None, "cases_count": 0}
    low, high = proportion_confint(int(which.sum()), which.size, method="wilson")
    return {"value": float(which.mean()), "low": float(low), "high": float(high), "cases_count": which.size}


def _bootstrapped(values: Floats, statistic: Callable[..., Any]) -> dict[str, object]:
    """The statistic with its percentile interval; an end that is infinite (never) is null."""
    if not values.size:
        return {"value": None, "low": None, "high": None, "cases_count": 0}
    rows = np.random.Generator(np.random.Philox(_SEED)).integers(0, values.size, (_RESAMPLES, values.size))
    again = np.sort(statistic(values[rows], axis=1))
    ends = statistic(values), again[int(0.025 * _RESAMPLES)], again[int(0.975 * _RESAMPLES)]
    value, low, high = (float(end) if np.isfinite(end) else None for end in ends)
    return {"value": value, "low": low, "high": high, "cases_count": values.size}
