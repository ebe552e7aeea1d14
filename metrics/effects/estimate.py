"""An effect with its error, and what follows: interval, p, power, the least effect that would be seen.

Fixed in advance, an experiment is judged by Student's t with Welch and Satterthwaite's degrees of freedom (Welch,
Biometrika 34, 1947). Looked at as it runs, by an asymptotic confidence sequence (Waudby-Smith, Arbour, Sinha,
Kennedy and Ramdas, Annals of Statistics 52, 2024): its intervals hold at all looks at once. It is narrowest where N
units are in, N being what it is tuned to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

__all__ = ["LEVEL", "TUNING", "Estimate"]

LEVEL = 0.95
TUNING = 5_000
_DETECTED = 0.8  # the power at which an effect counts as one that would be seen

_Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Estimate:
    """``effect`` with its ``variance``, from ``n`` units of both arms; one or many, all [...].

    ``df`` are the degrees of freedom; ``tuning`` the N of a confidence sequence, None for one look at the end.
    """

    effect: _Array
    variance: _Array
    df: _Array
    n: _Array
    tuning: float | None = None

    @property
    def error(self) -> _Array:
        return np.asarray(np.sqrt(self.variance))

    def critical(self, level: float = LEVEL) -> _Array:
        """How many standard errors from 0 an effect has to be."""
        if self.tuning is None:
            return np.asarray(stats.t.ppf(0.5 + level / 2, self.df))
        gain = self._gain(level)
        return np.asarray(np.sqrt(2 * (gain + 1) / gain * np.log(np.sqrt(gain + 1) / (1 - level))))

    def interval(self, level: float = LEVEL) -> tuple[_Array, _Array]:
        radius = self.critical(level) * self.error
        return self.effect - radius, self.effect + radius

    def p(self, level: float = LEVEL) -> _Array:
        """Two-sided; under a confidence sequence valid at every look, and below 1 − ``level`` where 0 is outside."""
        distance = np.abs(self.effect) / self.error
        if self.tuning is None:
            return np.asarray(2 * stats.t.sf(distance, self.df))
        gain = self._gain(level)
        log_p = 0.5 * np.log(gain + 1) - 0.5 * gain / (gain + 1) * distance**2
        return np.asarray(np.exp(np.minimum(log_p, 0.0)))

    def power(self, effect: _Array | float | None = None, level: float = LEVEL) -> _Array:
        """The probability that ``effect`` (the estimated one where absent) is told from 0, with this error."""
        distance = np.abs(self.effect if effect is None else effect) / self.error
        critical = self.critical(level)
        return np.asarray(stats.norm.sf(critical - distance) + stats.norm.cdf(-critical - distance))

    def detectable(self, power: float = _DETECTED, level: float = LEVEL) -> _Array:
        """The minimum detectable effect: what is told from 0 with ``power``, with this error."""
        return np.asarray((self.critical(level) + stats.norm.ppf(power)) * self.error)

    def chance(self) -> _Array:
        """The posterior probability of an effect above 0, by a flat prior and the normal approximation."""
        return np.asarray(stats.norm.cdf(self.effect / self.error))

    def _gain(self, level: float) -> _Array:
        """N ρ², with the ρ that makes the sequence narrowest at ``tuning`` units."""
        # The closed approximation to the optimum, by the same authors (appendix on tuning).
        alpha = -2 * np.log(1 - level)
        return np.asarray(self.n * (alpha + np.log(alpha + 1)) / self.tuning)
