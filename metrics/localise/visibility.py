"""What can be localised with what a CDN tells: the same viewers with an own CDN's columns, and without them.

A client knows its network (region, country, ISP), its device and which CDN it was sent to. Which site served it, from
which tier and which appliance, an own CDN tells and a third party's does not (:data:`VIEWS`). At each look after an
incident began, viewers are counted over the time since: how many watched and how many of them stalled, by leaf; equal
spans before are the history. Both views are searched alike, with the same evidence asked of an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import polars as pl

from metrics.localise.leaves import leaves_at
from metrics.localise.search import Explanation, localise

__all__ = ["LOOKS", "VIEWS", "Look", "looks", "seen", "untimed_stalls", "viewers"]

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


def untimed_stalls(sessions: pl.DataFrame) -> pl.DataFrame:
    """``session_id, from_ms, to_ms`` of sessions that stalled, from first frame to end: where no events tell when they
    did, a session that stalled counts as stalling all along. With events: :func:`metrics.event_clock.stall_spans`."""
    stalled = viewers(sessions.filter(pl.col("stall_count") > 0))
    return stalled.select("session_id", "from_ms", "to_ms")


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
