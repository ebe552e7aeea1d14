"""How far two arms are apart, in the metric's unit and relative to the control.

Variances are of the delta method (Deng, Knoblich and Lu, KDD 2018, sections 2 and 3), and so exact for plain means.
With a covariate the difference is CUPED's (Deng, Xu, Kohavi and Walker, WSDM 2013): θ times the covariate's own
difference is taken off, θ = cov / var over the units of both arms together. A relative effect is over the control's
value as it was, without adjustment.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from metrics.effects.estimate import Estimate
from metrics.effects.moments import Moments, pooled
from metrics.errors import InputError

__all__ = ["difference", "regression", "theta", "welch_df"]

_Array = np.ndarray[Any, Any]
_ROUNDING = 1e-12  # of a variance, relative to its square: below it nothing varies


def difference(
    control: Moments, treatment: Moments, *, tuning: float | None = None
) -> tuple[Estimate, Estimate]:
    """The absolute effect and the relative one; the relative is infinite or NaN where the control's value is 0."""
    slope = theta(control, treatment)
    base, effect = control.value, treatment.value - control.value
    effect = effect - slope * (treatment.before - control.before)
    adjusted = [_residual(each, np.asarray(1.0), slope) / each.n for each in (control, treatment)]
    df = welch_df(adjusted[0], adjusted[1], control.n, treatment.n)
    n = control.n + treatment.n
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        lift = effect / base
        # The control is also what is divided by: its amount counts 1 + lift times.
        relative = (_residual(control, 1 + lift, slope) / control.n + adjusted[1]) / base**2
    return (
        Estimate(effect, adjusted[0] + adjusted[1], df, n, tuning),
        Estimate(lift, relative, df, n, tuning),
    )


def theta(control: Moments, treatment: Moments) -> _Array:
    """CUPED's θ [...]; 0 for a covariate that does not vary."""
    both = pooled(control, treatment)
    post, pre = both.slopes
    varies = both.spread(pre, pre)
    told = varies > _ROUNDING * both.before**2
    return np.where(told, both.spread(post, pre) / np.where(told, varies, 1.0), 0.0)


def welch_df(control: _Array, treatment: _Array, n_control: _Array, n_treatment: _Array) -> _Array:
    """Degrees of freedom of a difference, from the squared errors of both sides; NaN where both are 0."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        share = control / (control + treatment)  # and not of squares, which over- and underflow
        return np.asarray(1 / (share**2 / (n_control - 1) + (1 - share) ** 2 / (n_treatment - 1)))


def regression(
    control: tuple[_Array, _Array], treatment: tuple[_Array, _Array], *, tuning: float | None = None
) -> tuple[Estimate, Estimate]:
    """The absolute and relative effect of one trial by least squares with a slope an arm (Lin, Annals of Applied
    Statistics 7, 2013).

    Arms are (metric, covariate), [n] each. Errors are HC2; the covariate's mean is itself estimated, which adds
    (difference of slopes)² · var / n (Negi and Wooldridge, Econometric Reviews 40, 2021). Raises
    :class:`~metrics.errors.InputError` where one unit alone makes an arm's slope.
    """
    import statsmodels.api as sm  # two seconds

    metric = np.concatenate([control[0], treatment[0]])
    covariate = np.concatenate([control[1], treatment[1]])
    is_treated = np.repeat([0.0, 1.0], [control[0].size, treatment[0].size])
    n = metric.size
    apart = covariate - covariate.mean()
    flat = apart @ apart <= _ROUNDING * n * max(covariate.mean() ** 2, np.finfo(float).tiny)
    if not flat:
        if max(_leverage(control[1]), _leverage(treatment[1])) > 1 - _ROUNDING:
            raise InputError("the covariate has no slope in each arm", mend="use CUPED, or leave it out")
        apart = apart / apart.std()
    design = np.column_stack([np.ones(n), is_treated, apart, apart * is_treated])
    fit = sm.OLS(metric, design[:, :2] if flat else design).fit(cov_type="HC2", use_t=True)
    errors = np.asarray(fit.cov_params())[:2, :2].copy()
    base, effect = fit.params[:2]
    if not flat:
        # The two adjusted means move with the covariate's mean, each by its own slope.
        slope, steeper = fit.params[2:]
        moves = np.array([slope, steeper])
        errors += np.outer(moves, moves) * (apart @ apart / (n - 1)) / n
    df, count = np.asarray(float(fit.df_resid)), np.asarray(n)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        lift = np.float64(effect) / base
        slopes = np.array([-lift, 1.0]) / base
    return (
        Estimate(np.asarray(effect), np.asarray(errors[1, 1]), df, count, tuning),
        Estimate(np.asarray(lift), np.asarray(slopes @ errors @ slopes), df, count, tuning),
    )


def _leverage(covariate: _Array) -> float:
    """The most that one unit of an arm pulls its line, 1 where the line goes through it whatever it is."""
    apart = (covariate - covariate.mean()) ** 2
    if covariate.size < 2 or not apart.sum() > 0:
        return 1.0
    return float(1 / covariate.size + apart.max() / apart.sum())


def _residual(arm: Moments, weight: _Array, slope: _Array) -> _Array:
    """Variance over the arm's units of ``weight`` · metric − ``slope`` · covariate."""
    post, pre = arm.slopes
    gradient = weight[..., None] * post - slope[..., None] * pre
    return np.maximum(arm.spread(gradient, gradient), 0.0)
