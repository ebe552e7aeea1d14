"""Surrogates: what the first days of an experiment say about where its members will be long after.

The surrogate index (Athey, Chetty, Imbens and Kang, NBER working paper 26463, 2019): on members whose long-term outcome
is known, the outcome is regressed on their early ones; the effect of an experiment on what is so predicted, from its
first days, stands in for its effect on the outcome. It does so where all of the effect goes through what was observed
early, and where early and late hang together as they did in the past. Neither can be seen in the experiment, so how
often the stand-in led to the decision that the outcome would have led to is measured over experiments that were
followed to the end (:func:`agreement`): consistency and launch recall as in Zhang, Zhao, Le and Deng, "Evaluating the
surrogate index as a decision-making tool using 200 A/B tests at Netflix", 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from metrics.errors import InputError, did_you_mean
from metrics.intervals import CONFIDENCE

__all__ = [
    "Calibration",
    "SurrogateIndex",
    "agreement",
    "calibrate",
    "calibrated",
    "effects",
    "finite",
    "fit",
]

_Array = np.ndarray[Any, Any]

_LEAST_A_TERM = 20  # members of the history a term of the regression
_LEAST_EXPERIMENTS = 10
_Z = float(stats.norm.ppf(0.975))
_RESAMPLES, _SEED = 2_000, 20_260_401


@dataclass(frozen=True)
class SurrogateIndex:
    """E[outcome | surrogates] = ``params`` · (1, surrogates); ``covariance`` of the params (HC1), ``r2`` on the history
    and on the fifth of it that each of five fits left out."""

    outcome: str
    surrogates: tuple[str, ...]
    params: _Array
    covariance: _Array
    r2: float
    r2_left_out: float
    members: int

    def predict(self, units: pl.DataFrame) -> pl.Series:
        """The index of each unit, in the unit of the outcome."""
        return pl.Series("surrogate_index", _design(units, self.surrogates) @ self.params)


def fit(history: pl.DataFrame, outcome: str, surrogates: Sequence[str]) -> SurrogateIndex:
    """The index of ``outcome`` by least squares on ``surrogates``, a row a member of the past.

    Raises :class:`~metrics.errors.InputError` on a missing column, a value that is no finite number, a column that does
    not vary, surrogates that are sums of each other, or too few members.
    """
    from statsmodels.api import OLS

    if not surrogates:
        raise InputError("no surrogate", mend="name at least one early outcome")
    design = _design(history, surrogates)
    y = finite(history, outcome)
    if len(y) < _LEAST_A_TERM * design.shape[1]:
        raise InputError(
            f"{len(y)} members for {len(surrogates)} surrogates",
            mend=f"give {_LEAST_A_TERM * design.shape[1]} members of the past or more",
        )
    for name, column in [(outcome, y), *zip(surrogates, design.T[1:], strict=True)]:
        if np.ptp(column) == 0:
            raise InputError(f"{name} does not vary in the history", mend="leave it out")
    if np.linalg.matrix_rank(design / np.abs(design).max(axis=0)) < design.shape[1]:
        raise InputError("surrogates that are sums of each other", mend="leave one of them out")
    found = OLS(y, design).fit(cov_type="HC1")
    left_out = np.empty(len(y))
    for fold in range(5):
        is_out = np.arange(len(y)) % 5 == fold
        kept = np.linalg.lstsq(design[~is_out], y[~is_out], rcond=None)[0]
        left_out[is_out] = design[is_out] @ kept
    return SurrogateIndex(
        outcome, tuple(surrogates), np.asarray(found.params), np.asarray(found.cov_params()),
        float(found.rsquared), float(1 - ((y - left_out) ** 2).sum() / ((y - y.mean()) ** 2).sum()), len(y),
    )  # fmt: skip


def effects(
    units: pl.DataFrame, index: SurrogateIndex, *, arm: str, control: str, outcome: str | None = None
) -> pl.DataFrame:
    """A row a treatment arm: ``arm, n, effect, low, high, p`` on the index, and where ``outcome`` names a column that
    is known already, ``direct, direct_low, direct_high, direct_p``.

    95 % intervals of a normal: those of the index hold the sampling of both arms (Welch) and of the history that the
    index was fitted on; they do not hold that the index may be the wrong stand-in.

    Raises :class:`~metrics.errors.InputError` for a column that is missing or not finite, and for an arm of fewer than
    two units.
    """
    _known(units, arm)
    if units[arm].null_count():
        raise InputError("a unit without an arm", where=f"--arm {arm}", mend="drop the row")
    arms = units.with_columns(pl.col(arm).cast(pl.String)).partition_by(arm, as_dict=True)
    if (control,) not in arms:
        names = [str(name) for (name,) in arms]
        raise InputError(f"no arm {control!r}", where="--control", mend=did_you_mean(control, names))
    for (name,), part in arms.items():
        if part.height < 2:
            raise InputError(f"arm {name} has {part.height} unit", mend="give two units an arm or more")
    if len(arms) < 2:
        raise InputError(
            "one arm alone", where=f"--arm {arm}", mend="give a treatment arm beside the control"
        )
    base = arms[(control,)]
    rows = []
    for (name,), part in sorted(arms.items()):
        if name == control:
            continue
        apart = _design(part, index.surrogates).mean(axis=0) - _design(base, index.surrogates).mean(axis=0)
        of_history = float(apart @ index.covariance @ apart)
        row: dict[str, Any] = {"arm": name, "n": part.height}
        row |= _told("", index.predict(part).to_numpy(), index.predict(base).to_numpy(), of_history)
        if outcome is not None:
            row |= _told("direct", finite(part, outcome), finite(base, outcome), 0.0)
        rows.append(row)
    return pl.DataFrame(rows)


@dataclass(frozen=True)
class Calibration:
    """What the effect on the outcome is, given that on the index: ``slope`` times it, with standard deviation
    ``spread``, as it was in ``experiments`` of the past."""

    slope: float
    spread: float
    experiments: int


def calibrate(past: pl.DataFrame) -> Calibration:
    """How far the index stood for the outcome in ``past`` experiments: a row each, ``effect, low, high, direct,
    direct_low, direct_high``.

    By moments. Both effects of an experiment are of the same units, and the index is a projection of the outcome, so
    that the sampling error of their difference has the difference of their variances, and hangs together with that of
    the index not at all.

    Raises :class:`~metrics.errors.InputError` for fewer than ten experiments, or where none moved the index.
    """
    if past.height < _LEAST_EXPERIMENTS:
        raise InputError(
            f"{past.height} past experiments", mend=f"give {_LEAST_EXPERIMENTS} or more to calibrate on"
        )
    effect, direct = finite(past, "effect"), finite(past, "direct")
    error, of_direct = (
        ((finite(past, f"{side}high") - finite(past, f"{side}low")) / (2 * _Z)) ** 2
        for side in ("", "direct_")
    )
    moved = float((effect**2).sum() - error.sum())
    if moved <= 0:
        raise InputError("no past experiment moved the index beyond its error", mend="give larger ones")
    rest = direct - effect
    slope = float((rest * effect).sum()) / moved
    left = ((rest - slope * effect) ** 2).mean() - (of_direct - error).mean() - slope**2 * error.mean()
    return Calibration(1 + slope, float(np.sqrt(max(left, 0.0))), past.height)


def calibrated(found: pl.DataFrame, by: Calibration) -> pl.DataFrame:
    """Effects on the index told as effects on the outcome: ``effect, low, high, p`` with the doubt of the stand-in."""
    half = (pl.col("high") - pl.col("low")) / 2
    told = found.with_columns(
        effect=by.slope * pl.col("effect"), half=((by.slope * half) ** 2 + (_Z * by.spread) ** 2).sqrt()
    )
    z = (_Z * told["effect"].abs() / told["half"]).fill_nan(0.0).to_numpy()
    ends = {"low": pl.col("effect") - pl.col("half"), "high": pl.col("effect") + pl.col("half")}
    return told.with_columns(**ends, p=pl.Series(2 * stats.norm.sf(z))).drop("half")


def agreement(experiments: pl.DataFrame, *, false_launches: float = 0.05) -> pl.DataFrame:
    """How far decisions on the index are those on the outcome, over past experiments: ``measure, value, low, high,
    cases_count``, with 90 % intervals (Wilson's of shares, bootstrapped of the rest).

    ``experiments``: ``effect, low, high`` of the index, ``direct, direct_low, direct_high`` of the outcome where it was
    waited for, and ``truth`` where the true effect is known (both nullable as whole columns). An experiment is launched
    on an estimate whose interval lies above 0.

    - ``consistency``: index and outcome agree on better, worse or cannot tell.
    - ``launch_recall_of_outcome``: of what the outcome would launch, launched on the index.
    - ``sign_agreement``, ``correlation``: of effects on the index with true ones.
    - ``launch_recall``, ``false_launch_ratio``: launched on the index, of experiments truly above 0, and of the others;
      ``direct_…``: the same on the outcome itself, which is not perfect either.
    - ``launch_recall_at_limit``: with the bar on effect over error set so that ``false_launches`` of those not above 0
      are launched.
    - ``interval_holds``: the index's interval holds the true effect.
    """
    frame = experiments.filter(pl.col("effect").is_not_null())
    if frame.is_empty():
        raise InputError("no experiment", mend="give past experiments with their effects")
    launched = (frame["low"] > 0).to_numpy()
    rows = []
    if "direct" in frame.columns:
        call = np.sign(frame["low"].to_numpy()) * (np.sign(frame["low"]) == np.sign(frame["high"])).to_numpy()
        waited = (
            np.sign(frame["direct_low"].to_numpy())
            * (np.sign(frame["direct_low"]) == np.sign(frame["direct_high"])).to_numpy()
        )
        rows += [
            _share("consistency", call == waited),
            _share("launch_recall_of_outcome", launched[waited > 0]),
        ]
    if "truth" in frame.columns:
        effect, truth = frame["effect"].to_numpy(), frame["truth"].to_numpy()
        good = truth > 0
        rows += [
            _share("sign_agreement", (np.sign(effect) == np.sign(truth))[truth != 0]),
            _correlation(effect, truth),
            _share("launch_recall", launched[good]),
            _share("false_launch_ratio", launched[~good]),
        ]
        if "direct" in frame.columns:
            waited_for = (frame["direct_low"] > 0).to_numpy()
            rows += [
                _share("direct_launch_recall", waited_for[good]),
                _share("direct_false_launch_ratio", waited_for[~good]),
            ]
        error = (frame["high"] - frame["low"]).to_numpy() / (2 * _Z)
        ratio = np.divide(effect, error, out=np.zeros(len(effect)), where=error > 0)
        if good.any() and (~good).any():
            bar = np.quantile(ratio[~good], 1 - false_launches)
            rows.append(_share("launch_recall_at_limit", (ratio > bar)[good]))
        rows.append(_share("interval_holds", ((frame["low"] <= truth) & (frame["high"] >= truth)).to_numpy()))
    floats = dict.fromkeys(("value", "low", "high"), pl.Float64())
    found = pl.DataFrame(rows, schema={"measure": pl.String(), **floats, "cases_count": pl.Int64()})
    return found.drop_nulls("value")


def _told(prefix: str, treated: _Array, base: _Array, further: float) -> dict[str, float]:
    effect = float(treated.mean() - base.mean())
    variance = treated.var(ddof=1) / len(treated) + base.var(ddof=1) / len(base) + further
    error = float(np.sqrt(variance))
    p = float(2 * stats.norm.sf(abs(effect) / error)) if error > 0 else float(effect == 0)
    names = [prefix or "effect", *(f"{prefix}_{end}" if prefix else end for end in ("low", "high", "p"))]
    return dict(zip(names, (effect, effect - _Z * error, effect + _Z * error, p), strict=True))


def _share(measure: str, which: _Array) -> dict[str, Any]:
    from statsmodels.stats.proportion import proportion_confint

    n = len(which)
    if not n:
        return {"measure": measure, "value": None, "low": None, "high": None, "cases_count": 0}
    low, high = proportion_confint(int(which.sum()), n, 1 - CONFIDENCE, method="wilson")
    return {
        "measure": measure, "value": float(which.mean()), "low": float(low), "high": float(high), "cases_count": n
    }  # fmt: skip


def _correlation(effect: _Array, truth: _Array) -> dict[str, Any]:
    row: dict[str, Any] = {"measure": "correlation", "value": None, "low": None, "high": None}
    if len(truth) >= 3 and np.ptp(effect) > 0 and np.ptp(truth) > 0:
        found = stats.pearsonr(effect, truth)
        ends = found.confidence_interval(CONFIDENCE, method=stats.BootstrapMethod(_RESAMPLES, rng=_SEED))
        row |= {"value": float(found.statistic), "low": float(ends.low), "high": float(ends.high)}
    return row | {"cases_count": len(truth)}


def _design(frame: pl.DataFrame, surrogates: Sequence[str]) -> _Array:
    return np.column_stack([np.ones(frame.height), *(finite(frame, name) for name in surrogates)])


def finite(frame: pl.DataFrame, name: str) -> _Array:
    """A column as finite numbers; anything else is refused."""
    _known(frame, name)
    numbers = frame[name].cast(pl.Float64, strict=False)
    bad = (numbers.is_null() | ~numbers.is_finite()).fill_null(value=True)
    if bad.any():
        value = frame[name][int(bad.arg_max() or 0)]
        raise InputError(
            f"{'nothing' if value is None else repr(value)} is no finite number", where=name,
            mend="drop the row, or say what it was",
        )  # fmt: skip
    return numbers.to_numpy()


def _known(frame: pl.DataFrame, name: str) -> None:
    if name not in frame.columns:
        raise InputError(f"no column {name!r}", mend=did_you_mean(name, frame.columns))
