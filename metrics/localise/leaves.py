"""Leaves at the incident: what each combination of dimension values shows, and what was to be expected of it.

The expectation holds the count of the incident minute: what moves because viewers moved is expected, so that a
shift of the mix is no fault (Simpson). A leaf's rate in the history is drawn towards what its dimension values
alone lead one to expect of it, the more the fewer events it had: ``(v + a) / (c + a / m)``, the mean of a gamma
distribution of mean ``m`` and shape ``a`` after ``v`` events in ``c`` trials.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from metrics.errors import InputError, did_you_mean

__all__ = ["Leaves", "Noise", "leaves_at", "leaves_of_forecast"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_RAKING_PASSES = 6
_SHAPES = (0.5, 50.0)
_BEGAN = 3.5
_MOST = 2.0**53  # above, a count and the next one are the same number
_USUAL_MINUTES = 2  # what the usual noise counts for beside that of the history
_VALUES_A_MINUTE = 4.0  # whose wander a minute tells as if each were on its own


@dataclass(frozen=True)
class Noise:
    """What the history does without a fault; variances are of a count with expectation E.

    ``dispersion`` (at least 1) and ``leaf``: a leaf's is ``dispersion · E + leaf · E²``. ``slice`` is the relative
    variance of the values of a single dimension beside the whole, ``whole`` that of the whole, and ``freedom`` with how
    many degrees of freedom the former is known.
    """

    dispersion: float = 1.0
    leaf: float = 0.05
    slice: float = 0.005
    whole: float = 0.01
    freedom: float = _VALUES_A_MINUTE * _USUAL_MINUTES


@dataclass(frozen=True)
class Leaves:
    """n leaves of d dimensions: ``codes`` n × d into ``values`` (d lists), ``observed`` and ``expected`` n.

    ``doubt`` is the relative variance of each expectation, from how few events it was learnt (0: a forecast's).
    """

    dimensions: tuple[str, ...]
    values: tuple[tuple[str | None, ...], ...]
    codes: Ints
    observed: Floats
    expected: Floats
    noise: Noise = field(default_factory=Noise)
    doubt: Floats | float = 0.0


def leaves_at(frame: pl.DataFrame, *, value: str, count: str | None, time: str, at: str | float) -> Leaves:
    """The leaves at instant ``at`` of column ``time``, their expectation from all earlier rows.

    ``value`` is additive (stalling viewers), ``count`` its trials (viewers), or None where the value has none;
    every other column is a dimension. Rows of one leaf and instant are added up; rows after ``at`` are left aside.
    Raises :class:`~metrics.errors.InputError` for columns, instants or numbers that cannot be used.
    """
    dimensions = _dimensions(frame, [value, time, *([count] if count else [])])
    instants, now = _instants(frame, time, at)
    rows = frame.select(
        *dimensions,
        _number(frame, value).alias("_value"),
        (_number(frame, count) if count else pl.lit(1.0)).alias("_count"),
        instants.alias("_time"),
    ).filter(pl.col("_time") <= now)
    if not (rows["_time"] < now).any():
        raise InputError(
            f"no row before {at}", where=f"--time {time}", mend="give minutes before it, or --baseline"
        )
    values, codes, leaf = _coded(rows, dimensions)
    minute = rows["_time"].rank("dense").to_numpy().astype(np.int64) - 1
    n, minutes = len(codes), int(minute.max()) + 1
    cells = _sums(minute * n + leaf, rows["_value"].to_numpy(), n * minutes).reshape(minutes, n)
    if count:
        trials = _sums(minute * n + leaf, rows["_count"].to_numpy(), n * minutes).reshape(minutes, n)
    else:
        trials = np.ones_like(cells)
    if count and trials[:-1].sum() <= 0:
        raise InputError(
            "counts before the incident are all 0", where=f"--count {count}", mend="give history"
        )
    is_known = np.bincount(leaf[minute < minutes - 1], minlength=n) > 0
    return _expected(tuple(dimensions), values, codes, cells, trials if count else None, is_known)


def _expected(
    dimensions: tuple[str, ...],
    values: tuple[tuple[str | None, ...], ...],
    codes: Ints,
    cells: Floats,
    counts: Floats | None,
    is_known: NDArray[np.bool_],
) -> Leaves:
    """The leaves of the last minute of ``cells`` and ``counts`` (minutes × n), from the minutes before.

    ``is_known``: leaves of which a row, be it of 0, is there before the last minute.
    """
    trials = np.ones_like(cells) if counts is None else counts
    before, before_trials = cells[:-1], trials[:-1]
    calm = _until_it_began(before.sum(1), before_trials.sum(1))
    before, before_trials = before[:calm], before_trials[:calm]
    rate, doubt = _rates(codes, before.sum(0), before_trials.sum(0))
    noise = _noise(codes, before, before_trials * rate)
    expected = trials[-1] * rate
    if counts is None:
        # Without trials nobody can say how much of a leaf that is new was due: it is no evidence either way.
        expected = np.where(is_known, expected, cells[-1])
    return Leaves(dimensions, values, codes, cells[-1], expected, noise, doubt)


def leaves_of_forecast(
    frame: pl.DataFrame,
    *,
    value: str,
    count: str | None,
    baseline: str,
    time: str | None = None,
    at: str | float | None = None,
) -> Leaves:
    """The leaves of one instant, whose column ``baseline`` is the forecast of ``value``; ``count`` is left aside."""
    used = [name for name in (value, baseline, count, time) if name is not None]
    dimensions = _dimensions(frame, used)
    if time is not None and at is not None:
        instants, now = _instants(frame, time, at)
        frame = frame.filter(instants == now)
    rows = frame.select(
        *dimensions, *(_number(frame, name).alias(f"_{i}") for i, name in enumerate((value, baseline)))
    )
    values, codes, leaf = _coded(rows, dimensions)
    observed, expected = (_sums(leaf, rows[name].to_numpy(), len(codes)) for name in ("_0", "_1"))
    if expected.sum() <= 0:
        raise InputError(
            "the forecast is 0 throughout", where=f"--baseline {baseline}", mend="give a forecast"
        )
    return Leaves(tuple(dimensions), values, codes, observed, expected)


def _dimensions(frame: pl.DataFrame, used: list[str]) -> list[str]:
    for name in used:
        if name not in frame.columns:
            raise InputError(f"no column {name!r}", mend=did_you_mean(name, frame.columns))
    if len(set(used)) < len(used):
        raise InputError("one column is named twice", mend="value, count and time are different columns")
    dimensions = [name for name in frame.columns if name not in used]
    if not dimensions:
        raise InputError("no dimension column", mend="give at least one besides value, count and time")
    if not len(frame):
        raise InputError("no rows")
    return dimensions


def _number(frame: pl.DataFrame, name: str) -> pl.Series:
    raw = frame[name]
    numbers = (
        raw.str.strip_chars().cast(pl.Float64, strict=False)
        if raw.dtype == pl.String
        else raw.cast(pl.Float64)
    )
    bad = numbers.is_null() | ~numbers.is_finite() | (numbers < 0) | (numbers > _MOST)
    if bad.fill_null(value=True).any():
        row = int(bad.fill_null(value=True).arg_max() or 0)
        shown = "nothing" if raw[row] is None else repr(raw[row])
        is_large = numbers[row] is not None and _MOST < numbers[row] < math.inf
        raise InputError(
            f"{shown} is more than can be counted" if is_large else f"{shown} is no number of at least 0",
            where=f"column {name}, row {row + 1}",
            mend="mend or drop the row",
        )
    return numbers


def _instants(frame: pl.DataFrame, name: str, at: str | float) -> tuple[pl.Series, float]:
    """Instants as floats that sort as time does, and which of them is ``at``."""
    texts = frame[name].cast(pl.String)
    if texts.null_count():
        raise InputError("a row without an instant", where=f"--time {name}", mend="drop the row")
    both = pl.concat([texts, pl.Series([str(at)])]).str.strip_chars()
    parsed = both.cast(pl.Float64, strict=False)
    if parsed.null_count():
        for form in ("%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"):
            parsed = both.str.to_datetime(form, strict=False).cast(pl.Float64)
            if not parsed.null_count():
                break
    if parsed.null_count():
        parsed = both.rank("dense").cast(pl.Float64)  # text that sorts as time does
    instants, now = parsed[:-1], float(parsed[-1])
    if not (instants == now).any():
        texts_in_time = both[:-1].gather(instants.arg_sort())
        first, last = texts_in_time[0], texts_in_time[-1]
        raise InputError(
            f"no row at {at}", where=f"--time {name}", mend=f"instants go from {first} to {last}"
        )
    return instants, now


def _coded(
    rows: pl.DataFrame, dimensions: list[str]
) -> tuple[tuple[tuple[str | None, ...], ...], Ints, Ints]:
    """Values by dimension, distinct leaves as codes into them, and each row's leaf."""
    values, columns = [], []
    for name in dimensions:
        column = rows[name].cast(pl.String)
        known = column.unique().sort()
        at = pl.DataFrame({"value": known, "code": np.arange(len(known))})
        joined = pl.DataFrame({"value": column}).join(
            at, on="value", how="left", nulls_equal=True, maintain_order="left"
        )
        values.append(tuple(known.to_list()))
        columns.append(joined["code"].to_numpy().astype(np.int64))
    codes = np.stack(columns, axis=1)
    ids = _dense(codes)
    first = np.unique(ids, return_index=True)[1]
    return tuple(values), codes[first], ids


def _dense(codes: Ints) -> Ints:
    """Row numbers of distinct rows, in 0..k-1."""
    ids = np.zeros(len(codes), np.int64)
    for column in codes.T:
        ids = np.unique(ids * (int(column.max()) + 1) + column, return_inverse=True)[1]
    return ids


def _until_it_began(events: Floats, trials: Floats) -> int:
    """How many minutes are history: the last ones may already be of the incident. At least half are kept."""
    minutes = len(events)
    ratio = np.log((events + 0.5) / np.maximum(trials, 0.5))
    while minutes > max(6, (len(events) + 1) // 2):
        middle = np.median(ratio[: minutes - 1])
        spread = 1.4826 * np.median(np.abs(ratio[: minutes - 1] - middle))
        spread += 1 / np.sqrt(events[: minutes - 1].mean() + 1)
        # One calm minute may stand between two that are not.
        if (np.abs(ratio[minutes - 2 : minutes] - middle) <= _BEGAN * spread).all():
            break
        minutes -= 1
    return minutes


def _rates(codes: Ints, events: Floats, trials: Floats) -> tuple[Floats, Floats]:
    """Each leaf's rate before the incident: its own, drawn to that of its values; and its relative variance."""
    whole = events.sum() / trials.sum()
    if whole == 0:
        return np.full(len(codes), 0.5 / trials.sum()), np.zeros(len(codes))
    model = np.full(len(codes), whole)
    # Multiplicative main effects by raking (Deming & Stephan 1940), each damped by two events.
    for _ in range(_RAKING_PASSES):
        for column in codes.T:
            seen, due = _sums(column, events, 0), _sums(column, model * trials, 0)
            model *= ((seen + 2) / (due + 2))[column]
    due = model * trials
    # How far leaves differ beyond chance, by moments: the inverse of the gamma's shape.
    apart = ((events - due) ** 2 - due).sum() / max(float((due**2).sum()), 1e-300)
    shape = float(np.clip(1 / max(apart, 1e-9), *_SHAPES))
    return (events + shape) / (trials + shape / model), 1 / (events + shape)


def _noise(codes: Ints, observed: Floats, expected: Floats) -> Noise:
    """How minutes of the history (minutes × n) leave their expectation, once the whole's movement is taken out."""
    minutes = len(observed)
    usual = Noise()
    if minutes < 2:
        return usual
    due = expected.sum(1)
    factor = np.where(due > 0, observed.sum(1) / np.maximum(due, 1e-300), 1.0)
    expected = expected * factor[:, None]
    # The rates were learnt from these very minutes, which hides a part of how they wander.
    off = (observed - expected) ** 2 * minutes / (minutes - 1)
    small = expected <= np.quantile(expected[expected > 0], 0.75) if (expected > 0).any() else expected > 0
    dispersion = max(1.0, off[small].sum() / max(expected[small].sum(), 1e-300))
    leaf = _beyond(off, expected, dispersion)
    parts = []
    for column in codes.T:
        values = int(column.max()) + 1
        cell = (np.arange(minutes)[:, None] * values + column).ravel()
        seen, waited = (_sums(cell, side.ravel(), minutes * values) for side in (observed, expected))
        if values > 1:
            parts.append(_beyond((seen - waited) ** 2 * minutes / (minutes - 1), waited, dispersion))
    whole = float(np.var(np.log(np.maximum(factor, 1e-3)), ddof=1))

    def drawn(found: float, to: float) -> float:
        return (found * (minutes - 1) + to * _USUAL_MINUTES) / (minutes - 1 + _USUAL_MINUTES)

    return Noise(
        float(min(dispersion, 20.0)),
        float(np.clip(drawn(leaf, usual.leaf), 0.005, 1.0)),
        float(np.clip(drawn(float(np.median(parts)) if parts else 0.0, usual.slice), 4e-4, 0.25)),
        float(np.clip(drawn(whole, usual.whole), 1e-4, 0.25)),
        _VALUES_A_MINUTE * (minutes - 1 + _USUAL_MINUTES),
    )


def _sums(ids: Ints, amounts: Floats, size: int) -> Floats:
    sums: Floats = np.bincount(ids, amounts, size).astype(np.float64, copy=False)
    return sums


def _beyond(off: Floats, expected: Floats, dispersion: float) -> float:
    """The relative variance left when that of counting is taken off."""
    return float((off - dispersion * expected).sum() / max(float((expected**2).sum()), 1e-300))
