"""An experiment judged from a table of units: each arm's effect against the control, every figure told or null."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import polars as pl
from narwhals.typing import IntoFrame

from metrics.effects.design import Correction, adjusted_p, sample_ratio_p
from metrics.effects.difference import difference, regression
from metrics.effects.estimate import LEVEL, TUNING, Estimate
from metrics.effects.moments import Moments
from metrics.effects.quantile import quantile_difference
from metrics.effects.units import Measured, assigned_units, measured, shares_of
from metrics.errors import InputError

__all__ = ["Adjustment", "effects"]

Adjustment = Literal["cuped", "lin"]

_Pair = tuple[Estimate, Estimate]
_ROUNDING = 1e-14  # of a value: an error below it is rounding, and nothing varies
_JUDGEMENT = ("effect", "low", "high", "p")
_JUDGED = pl.Struct(dict.fromkeys(_JUDGEMENT, pl.Float64()))
_SCHEMA = {
    "metric": pl.String(), "arm": pl.String(), "n": pl.Int64(), "n_control": pl.Int64(),
    "value": pl.Float64(), "control_value": pl.Float64(), "absolute": _JUDGED, "relative": _JUDGED,
    "p_adjusted": pl.Float64(), "srm_p": pl.Float64(), "power": pl.Float64(),
    "detectable_absolute": pl.Float64(), "detectable_relative": pl.Float64(),
    "chance_to_win": pl.Float64(), "method": pl.String(),
    "missing": pl.Int64(), "contaminated": pl.Int64(), "unassigned_rows": pl.Int64(),
}  # fmt: skip


def effects(
    frame: IntoFrame,
    metrics: Sequence[str],
    *,
    unit: str,
    arm: str,
    control: str,
    covariate: str | None = None,
    denominator: str | None = None,
    quantile: float | None = None,
    cluster: str | None = None,
    sequential: bool = False,
    tuning: float = TUNING,
    level: float = LEVEL,
    adjustment: Adjustment = "cuped",
    correction: Correction = "holm",
    shares: Mapping[str, float] | None = None,
) -> pl.DataFrame:
    """A row a metric and treatment arm of ``frame``, whose rows are of units (rows of one unit are summed).

    Columns: ``metric, arm, n`` (units analysed; with a quantile its values), ``n_control``, ``value`` and
    ``control_value`` (unadjusted), ``absolute`` and ``relative`` (``effect, low, high, p``; the relative is null where
    the control is at 0), ``p_adjusted`` (of the absolute effect, over all rows), ``srm_p``, ``power`` to tell an
    effect of the size found, ``detectable_absolute`` and ``detectable_relative`` (with power .8), ``chance_to_win``
    (that the effect is above 0, by a flat prior), ``method``, and who is left out: ``missing`` and ``contaminated``
    units, ``unassigned_rows``.

    Raises :class:`~metrics.errors.InputError` on columns that cannot be used, arms of fewer than two units, and a
    metric that does not vary.
    """
    _check(quantile, covariate, denominator, sequential, tuning, level, adjustment)
    assigned = assigned_units(frame, unit, arm, control, cluster)
    srm_p = sample_ratio_p(list(assigned.sizes.values()), shares_of(assigned, shares))
    rows = []
    for metric in dict.fromkeys(metrics):
        arms = measured(
            assigned, metric, denominator=denominator, covariate=covariate, is_clustered=cluster is not None
        )
        base, *others = arms.values()
        for name, other in zip(list(arms)[1:], others, strict=True):
            pair, method = _estimate(
                base, other, quantile=quantile, is_ratio=denominator is not None, is_clustered=cluster is not None,
                has_covariate=covariate is not None, tuning=tuning if sequential else None, adjustment=adjustment,
            )  # fmt: skip
            values = [_value(each, quantile) for each in (base, other)]
            _varies(metric, name, control, pair[0], values)
            sizes = [
                each.values.size if quantile is not None else each.units.height for each in (base, other)
            ]
            rows.append(
                {
                    "metric": metric, "arm": name, "n": sizes[1], "n_control": sizes[0],
                    "value": values[1], "control_value": values[0],
                    **_judged(pair, values[0], level), "srm_p": srm_p, "method": method,
                    "missing": base.missing + other.missing, "contaminated": assigned.contaminated,
                    "unassigned_rows": assigned.unassigned,
                }
            )  # fmt: skip
    for row, p in zip(rows, adjusted_p([row["absolute"]["p"] for row in rows], correction), strict=True):
        row["p_adjusted"] = p
    return pl.DataFrame(rows, schema=_SCHEMA)


def _check(
    quantile: float | None, covariate: str | None, denominator: str | None, sequential: bool, tuning: float,
    level: float, adjustment: Adjustment,
) -> None:  # fmt: skip
    if quantile is not None:
        if not 0 < quantile < 1:
            raise InputError(
                f"no quantile {quantile}", where="--quantile", mend="give a number between 0 and 1"
            )
        for name, given in (("--covariate", covariate), ("--denominator", denominator)):
            if given:
                raise InputError(f"a quantile has no {name[2:]}", where=name, mend=f"leave {name} out")
    if not 0.5 <= level < 1:
        raise InputError(
            f"no level {level}", where="--level", mend="give a number from 0.5 to below 1, as 0.95"
        )
    if sequential and not (np.isfinite(tuning) and tuning > 0):
        raise InputError(f"cannot tune at {tuning} units", where="--tuning", mend="give a number above 0")
    if adjustment == "lin" and (denominator or not covariate):
        raise InputError(
            "Lin's regression is of a mean and a covariate", where="--adjustment lin", mend="use cuped"
        )


@np.errstate(all="ignore")  # what overflows is refused by ``_varies``
def _estimate(
    base: Measured, other: Measured, *, quantile: float | None, is_ratio: bool, is_clustered: bool,
    has_covariate: bool, tuning: float | None, adjustment: Adjustment,
) -> tuple[_Pair, str]:  # fmt: skip
    arms = (base, other)
    anytime = ", anytime-valid" if tuning is not None else ""
    if quantile is not None:
        is_repeated = any(arm.values.size > arm.units.height for arm in arms)
        in_clusters = is_clustered or is_repeated
        sides = [(arm.values, arm.clusters if in_clusters else None) for arm in arms]
        pair = quantile_difference(sides[0], sides[1], quantile, tuning=tuning)
        if pair is None:
            raise InputError(
                f"too few rows to tell the error of a quantile at {quantile:g}",
                where="--quantile",
                mend="take one nearer the median, or more rows",
            )
        return pair, f"{'clustered ' if in_clusters else ''}quantile {quantile:g}{anytime}"
    columns = [{name: arm.units[name].to_numpy() for name in _AMOUNTS} for arm in arms]
    if adjustment == "lin":
        if is_clustered:
            raise InputError("Lin's regression is of units", where="--cluster", mend="use --adjustment cuped")
        one, two = ((each["metric"], each["covariate"]) for each in columns)
        return regression(one, two, tuning=tuning), f"regression (Lin){anytime}"
    moments = [
        Moments.of(each["metric"], each["denominator"], each["covariate"] if has_covariate else None, each["weight"])
        for each in columns
    ]  # fmt: skip
    kind = "ratio" if is_ratio else "clustered mean" if is_clustered else "mean"
    is_share = kind == "mean" and all(np.isin(each["metric"], (0.0, 1.0)).all() for each in columns)
    if is_share:
        kind = "proportion"
        if not has_covariate:
            moments = [each.of_proportion() for each in moments]
    pair = difference(moments[0], moments[1], tuning=tuning)
    test = f"CUPED {kind}" if has_covariate else f"Welch, {kind}"
    return pair, f"{test}{anytime}"


_AMOUNTS = ("metric", "denominator", "covariate", "weight")


def _value(arm: Measured, quantile: float | None) -> float:
    if quantile is not None:
        return float(np.quantile(arm.values, quantile))
    return float(arm.units["metric"].to_numpy().sum() / arm.units["denominator"].to_numpy().sum())


def _varies(metric: str, arm: str, control: str, absolute: Estimate, values: Sequence[float]) -> None:
    scale = max(abs(value) for value in values)
    if not (np.isfinite(absolute.effect) and absolute.error < np.inf):
        raise InputError("numbers too far apart to compute with", where=metric, mend="use another unit")
    if not absolute.error > _ROUNDING * scale:
        raise InputError(
            f"{metric} does not vary within {control!r} and {arm!r} ({values[0]:g} and {values[1]:g})",
            mend="nothing tells a difference from chance; name a metric that varies",
        )


@np.errstate(all="ignore")  # and a relative effect that does is null
def _judged(pair: _Pair, base: float, level: float) -> dict[str, Any]:
    absolute, relative = pair
    # A control at 0 is nothing to be relative to; and the ratio to it of an arm of zeros alone has no error to tell.
    has_base = bool(base != 0 and np.isfinite(relative.effect) and 0 < relative.variance < np.inf)
    detectable = float(absolute.detectable(level=level))
    return {
        "absolute": _told(absolute, level),
        "relative": _told(relative, level) if has_base else dict.fromkeys(_JUDGEMENT),
        "power": float(absolute.power(level=level)),
        "detectable_absolute": detectable,
        "detectable_relative": detectable / abs(base) if has_base else None,
        "chance_to_win": float(absolute.chance()),
    }


def _told(estimate: Estimate, level: float) -> dict[str, float]:
    low, high = estimate.interval(level)
    return {
        "effect": float(estimate.effect), "low": float(low), "high": float(high),
        "p": float(estimate.p(level)),
    }  # fmt: skip
