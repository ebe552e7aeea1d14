"""What goes before a member's leaving: hazard ratios of stalls, start delay, watch hours and discovery.

A proportional-hazards model (Cox, Journal of the Royal Statistical Society B 34, 1972) on the clock of tenure, members
split into episodes of a week so that what they went through may change; an episode knows only the week *before* it.
Days are whole, so that many leave at once: ties are Efron's (Journal of the American Statistical Association 72, 1977).
The calendar week is the stratum: who leaves is compared with who stayed of the same tenure in the same week.

It is observational. Confounders that are told are adjusted for, others are not; an estimate that the data cannot
carry is flagged and has no figure. Money is booked on an experiment, never on this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from metrics.errors import InputError, did_you_mean

__all__ = ["Flag", "hazard_ratios", "identified"]

_EVENTS_A_PARAMETER = 10  # Peduzzi, Concato, Feinstein and Holford, Journal of Clinical Epidemiology 48, 1995
_EXPLAINED = 0.9  # of an exposure's variance by the confounders: a variance inflation of 10
_OVERLAP = 0.05  # of the exposed and of the others that must have a propensity between .02 and .98
_PROPENSITY = (0.02, 0.98)
_LARGEST_Z = 1.959963984540054

_Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Flag:
    """Why an exposure's hazard ratio cannot be told from these episodes."""

    exposure: str
    reason: str


def hazard_ratios(
    episodes: pl.DataFrame,
    exposures: Mapping[str, float],
    confounders: Sequence[str] = (),
    *,
    stratum: str | None = None,
) -> pl.DataFrame:
    """A row an exposure: ``exposure, step, hazard_ratio, low, high, p, crude, events, episodes``, and whether it
    ``is_identified``, with the ``reason`` where it is not.

    ``episodes``: ``start`` and ``stop`` (tenure), ``is_event``, the exposures and confounders (text becomes levels).
    ``exposures`` gives each its step: the hazard ratio is of that much more. ``crude`` is without confounders and the
    other exposures. Intervals are 95 %, Wald's. Figures are null where :func:`identified` says why not.

    Raises :class:`~metrics.errors.InputError` on a missing column, a time that does not pass or a value that is no
    finite number.
    """
    names = [*exposures, *confounders]
    _check(episodes, names, stratum)
    flags = {flag.exposure: flag.reason for flag in identified(episodes, list(exposures), confounders)}
    kept = [name for name in exposures if name not in flags]
    rows = []
    fit = None
    if kept:
        # A flagged exposure stays in where it can, as a confounder of the others.
        others = [name for name in exposures if name in flags and _varies(episodes, name)]
        design = _design(episodes, [*kept, *others, *confounders])
        fit = _fit(episodes, design, stratum)
    events = int(episodes["is_event"].sum())
    for name, step in exposures.items():
        reason = flags.get(name)
        row: dict[str, Any] = {
            "exposure": name, "step": float(step), "hazard_ratio": None, "low": None, "high": None, "p": None,
            "crude": None, "events": events, "episodes": episodes.height,
        }  # fmt: skip
        if reason is None and fit is not None:
            at = kept.index(name)
            log, error = float(fit[0][at]) * step, float(fit[1][at]) * abs(step)
            crude = _fit(episodes, _design(episodes, [name]), stratum)
            bounds = (log - _LARGEST_Z * error, log + _LARGEST_Z * error)
            if not all(abs(x) < 300 for x in bounds) or not error > 0:
                reason = "the likelihood has no maximum: events are parted perfectly"
            else:
                row |= {
                    "hazard_ratio": float(np.exp(log)), "low": float(np.exp(bounds[0])),
                    "high": float(np.exp(bounds[1])), "p": float(2 * stats.norm.sf(abs(log) / error)),
                    "crude": float(np.exp(np.clip(crude[0][0] * step, -300, 300))),
                }  # fmt: skip
        rows.append(row | {"is_identified": reason is None, "reason": reason})
    floats = dict.fromkeys(("step", "hazard_ratio", "low", "high", "p", "crude"), pl.Float64())
    return pl.DataFrame(rows, schema_overrides=floats | {"reason": pl.String()})


def identified(
    episodes: pl.DataFrame, exposures: Sequence[str], confounders: Sequence[str] = ()
) -> list[Flag]:
    """The exposures that the episodes cannot tell about, with the reason; none where all can be estimated.

    In turn: an exposure that does not vary; fewer than 10 events a parameter; an exposure that the confounders (and
    other exposures) explain to 90 % or more; a yes-or-no exposure whose sides have no likeness (propensities outside of
    .02 to .98 for all but 5 % of a side); events that one side, or one end of the exposure, has to itself.
    """
    is_event = episodes["is_event"].to_numpy()
    varying = [name for name in exposures if _varies(episodes, name)]
    parameters = _design(episodes, [*varying, *confounders]).shape[1]
    few = int(is_event.sum()) < _EVENTS_A_PARAMETER * max(parameters, 1)
    flags = []
    for name in exposures:
        if name not in varying:
            flags.append(Flag(name, "it does not vary"))
            continue
        if few:
            flags.append(Flag(name, f"{int(is_event.sum())} events for {parameters} parameters"))
            continue
        others = _design(episodes, [*(x for x in varying if x != name), *confounders])
        reason = _alone(episodes[name].cast(pl.Float64).to_numpy(), others, is_event)
        if reason:
            flags.append(Flag(name, reason))
    return flags


def _alone(exposure: _Array, others: _Array, is_event: _Array) -> str | None:
    """Why the exposure's own part cannot be told from the others', or its events have no counterpart."""
    apart = exposure - exposure.mean()
    rest = np.column_stack([np.ones(exposure.size), others])
    slopes, *_ = np.linalg.lstsq(rest, apart, rcond=None)
    explained = 1 - np.sum((apart - rest @ slopes) ** 2) / np.sum(apart**2)
    if explained >= _EXPLAINED:
        return f"confounders explain {explained:.0%} of it"
    levels = np.unique(exposure)
    if levels.size == 2:
        high = exposure == levels[1]
        if others.shape[1]:
            reason = _overlap(high, others)
            if reason:
                return reason
        if not is_event[high].any() or not is_event[~high].any():
            return "events are parted perfectly: one side has none"
        return None
    low, top = exposure[is_event].min(), exposure[is_event].max()
    calm = exposure[~is_event]
    if calm.size == 0 or low >= calm.max() or top <= calm.min():
        return "events are parted perfectly: they have one end of it to themselves"
    return None


def _overlap(high: _Array, others: _Array) -> str | None:
    from sklearn.linear_model import LogisticRegression  # a second

    scale = others.std(axis=0)
    scaled = (others - others.mean(axis=0)) / np.where(scale > 0, scale, 1.0)
    score = LogisticRegression(C=100.0, max_iter=500).fit(scaled, high).predict_proba(scaled)[:, 1]
    like = (score > _PROPENSITY[0]) & (score < _PROPENSITY[1])
    share = min(like[high].mean(), like[~high].mean())
    return f"no overlap: only {share:.0%} of a side has its like on the other" if share < _OVERLAP else None


def _fit(episodes: pl.DataFrame, design: _Array, stratum: str | None) -> tuple[_Array, _Array]:
    """Log hazard ratios a unit, and their errors; scaled to fit, and scaled back."""
    import warnings

    from statsmodels.duration.hazard_regression import PHReg  # two seconds

    told = _at_an_event(episodes, stratum)
    episodes, design = episodes.filter(pl.Series(told)), design[told]
    scale = design.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    strata = episodes[stratum].rank("dense").to_numpy() if stratum else None
    with warnings.catch_warnings():
        # Convergence is judged by the figures themselves.
        warnings.simplefilter("ignore")
        fit = PHReg(
            episodes["stop"].cast(pl.Float64).to_numpy(),
            (design - design.mean(axis=0)) / scale,
            status=episodes["is_event"].cast(pl.Int64).to_numpy(),
            # An episode is (start, stop]; statsmodels would have it at risk at its start too.
            entry=np.nextafter(episodes["start"].cast(pl.Float64).to_numpy(), np.inf),
            strata=strata,
            ties="efron",
        ).fit(disp=0)
        return np.asarray(fit.params) / scale, np.asarray(fit.bse) / scale


def _at_an_event(episodes: pl.DataFrame, stratum: str | None) -> _Array:
    """Which episodes are in the risk set of an event; the likelihood knows no others."""
    key = pl.col(stratum).rank("dense").cast(pl.Int64) if stratum else pl.lit(0, pl.Int64)
    held = episodes.select(key.alias("key"), "start", "stop", "is_event")
    start, stop = (held[name].cast(pl.Float64).to_numpy() for name in ("start", "stop"))
    # One line of time for all strata, each on a stretch of its own.
    base = held["key"].to_numpy() * (1.0 + stop.max() - start.min())
    start, stop = base + start, base + stop
    times = np.sort(stop[held["is_event"].to_numpy()])
    found = np.searchsorted(times, stop, "right") > np.searchsorted(times, start, "right")
    return np.asarray(found)


def _design(episodes: pl.DataFrame, names: Sequence[str]) -> _Array:
    """Columns of numbers; text as levels but the most frequent, rare ones (under 1 %) together."""
    columns = []
    for name in names:
        column = episodes[name]
        if column.dtype == pl.String:
            counts = column.value_counts(sort=True).filter(pl.col("count") >= 0.01 * episodes.height)
            levels = counts[name].to_list()[1:]
            columns += [
                (column == level).fill_null(value=False).cast(pl.Float64).to_numpy() for level in levels
            ]
        else:
            columns.append(column.cast(pl.Float64).to_numpy())
    columns = [column for column in columns if column.std() > 0]
    return np.column_stack(columns) if columns else np.empty((episodes.height, 0))


def _varies(episodes: pl.DataFrame, name: str) -> bool:
    values = episodes[name].cast(pl.Float64).to_numpy()
    return bool(values.size and values.std() > 1e-12 * max(1.0, abs(values.mean())))


def _check(episodes: pl.DataFrame, names: Sequence[str], stratum: str | None) -> None:
    for name in ("start", "stop", "is_event", *names, *([stratum] if stratum else [])):
        if name not in episodes.columns:
            raise InputError(f"no column {name!r}", mend=did_you_mean(name, episodes.columns))
    if episodes.is_empty():
        raise InputError("no episode", mend="give a longer period")
    if not (episodes["stop"] > episodes["start"]).all():
        raise InputError("an episode that does not end after its start", mend="leave it out")
    for name in names:
        column = episodes[name]
        if column.dtype != pl.String and not column.cast(pl.Float64).is_finite().fill_null(value=False).all():
            raise InputError("a value that is null or not finite", where=name, mend="leave the episode out")
