"""What the units of one arm did, as means and covariances: all that averages, ratios and CUPED need.

A unit has four amounts: the metric, its denominator (1 for a mean), the covariate, and the covariate's denominator.
Axes before those are trials, so that thousands of experiments are judged at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Moments", "pooled"]

_Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Moments:
    """Of one arm: units ``n`` [...], ``mean`` [..., 4] and ``covariance`` [..., 4, 4] (over n − 1)."""

    n: _Array
    mean: _Array
    covariance: _Array

    @staticmethod
    def of(
        metric: _Array,
        denominator: _Array | None = None,
        covariate: _Array | None = None,
        covariate_denominator: _Array | None = None,
    ) -> Moments:
        """Of units on the last axis; a missing denominator is 1, a missing covariate 0."""
        ones, zeros = np.ones(metric.shape), np.zeros(metric.shape)
        amounts = (
            metric,
            ones if denominator is None else denominator,
            zeros if covariate is None else covariate,
            ones if covariate_denominator is None else covariate_denominator,
        )
        values = np.stack(amounts, axis=-2).astype(np.float64)
        n = values.shape[-1]
        mean = values.mean(axis=-1)
        apart = values - mean[..., None]
        return Moments(np.full(mean.shape[:-1], n), mean, apart @ np.swapaxes(apart, -1, -2) / (n - 1))

    @staticmethod
    def of_sums(n: int, total: float, squares: float) -> Moments:
        """Of a mean's sums: Σ y and Σ y²."""
        mean = np.array([total / n, 1.0, 0.0, 1.0])
        covariance = np.zeros((4, 4))
        covariance[0, 0] = (squares - total**2 / n) / (n - 1)
        return Moments(np.array(n), mean, covariance)

    def of_proportion(self) -> Moments:
        """The same with the variance of a share, p (1 − p), which is over n."""
        return Moments(self.n, self.mean, self.covariance * ((self.n - 1) / self.n)[..., None, None])

    @property
    def value(self) -> _Array:
        """The metric: mean amount over mean denominator."""
        return np.asarray(self.mean[..., 0] / self.mean[..., 1])

    @property
    def before(self) -> _Array:
        """The covariate, likewise."""
        return np.asarray(self.mean[..., 2] / self.mean[..., 3])

    @property
    def slopes(self) -> tuple[_Array, _Array]:
        """Gradients of ``value`` and of ``before`` in the four means, [..., 4] each (delta method)."""
        post, pre = np.zeros(self.mean.shape), np.zeros(self.mean.shape)
        post[..., 0] = 1.0 / self.mean[..., 1]
        post[..., 1] = -self.value / self.mean[..., 1]
        pre[..., 2] = 1.0 / self.mean[..., 3]
        pre[..., 3] = -self.before / self.mean[..., 3]
        return post, pre

    def spread(self, left: _Array, right: _Array) -> _Array:
        """Covariance over units of what two gradients weigh."""
        return np.asarray(np.einsum("...i,...ij,...j->...", left, self.covariance, right))


def pooled(one: Moments, other: Moments) -> Moments:
    """Of both arms' units as one sample, the distance between the arms included."""
    n = one.n + other.n
    share = (other.n / n)[..., None]
    apart = other.mean - one.mean
    between = (one.n * other.n / n)[..., None, None] * apart[..., :, None] * apart[..., None, :]
    within = [each.covariance * (each.n - 1)[..., None, None] for each in (one, other)]
    return Moments(n, one.mean + share * apart, (within[0] + within[1] + between) / (n - 1)[..., None, None])
