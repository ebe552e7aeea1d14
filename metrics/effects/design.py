"""Before and around an experiment: how many units it takes, whether arms have the sizes they were meant to, and
what several comparisons at once do to p.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from scipy import stats

from metrics.errors import InputError

__all__ = ["Correction", "adjusted_p", "sample_ratio_p", "units_per_arm"]

Correction = Literal["holm", "bh", "none"]
_NAMES = {"holm": "holm", "bh": "fdr_bh"}


def sample_ratio_p(sizes: Sequence[int], shares: Sequence[float] | None = None) -> float:
    """Pearson's χ² of arms' sizes against the ``shares`` meant (equal where absent); below .001 something is broken.

    >>> round(sample_ratio_p([821588, 815482]), 6)
    2e-06
    """
    meant = np.ones(len(sizes)) if shares is None else np.asarray(shares, dtype=np.float64)
    if len(meant) != len(sizes) or not np.isfinite(meant).all() or (meant <= 0).any():
        raise InputError("every arm needs a share above 0", mend="--share control=0.9 --share new=0.1")
    return float(stats.chisquare(sizes, meant / meant.sum() * sum(sizes)).pvalue)


def adjusted_p(p: Sequence[float], correction: Correction = "holm") -> list[float]:
    """p of several comparisons, adjusted: Holm's keep the chance of any false alarm, Benjamini and Hochberg's the
    share of alarms that are false.
    """
    if correction == "none" or not p:
        return list(p)
    from statsmodels.stats.multitest import multipletests  # two seconds

    return [float(x) for x in multipletests(np.asarray(p), method=_NAMES[correction])[1]]


def units_per_arm(
    effect: float, deviation: float, *, power: float = 0.8, level: float = 0.95, ratio: float = 1.0
) -> int:
    """Units in the control (``ratio`` times as many in the treatment) for an ``effect`` to be told with ``power``.

    ``deviation`` is the standard deviation of a unit, in the effect's unit; by the normal approximation.
    """
    if not (np.isfinite(effect) and effect and np.isfinite(deviation) and deviation > 0 and ratio > 0):
        raise InputError("an effect other than 0 and a deviation and ratio above 0 are needed")
    reach: Any = stats.norm.ppf(0.5 + level / 2) + stats.norm.ppf(power)
    return int(np.ceil((1 + 1 / ratio) * (reach * deviation / effect) ** 2))
