"""How sure a window is that the budget burns: evidence in nats against an allowed share of bad events.

For ``x`` bad of ``n`` events, ``q = x/n``, and an allowed share ``p < q``::

    nats = x·(ln(q/p) − 1 + p/q)        P(as many bad events or more | p) ≤ exp(−nats)

It is Chernoff's bound on the Poisson tail, which the binomial lies under, and the generalised likelihood
ratio of a Poisson rate at once: windows of several lengths that alarm over a limit are the window-limited
test of Lai (1995), which no other test of the same false alarms beats by much, whatever the size of the
change. Computed of effective counts, so that a panel's weights make nothing surer than it is.

A burn rate alone cannot tell ten bad events of a thousand from one of a hundred; this can, and so it may
look at short windows and low burn rates without crying wolf when traffic is thin.

The allowed share is the budget's, or what is usual where that is more (:class:`alerts.policy.Usual`): a service that
always spends twice its budget is one for a ticket, and pages when it gets worse.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["expression", "nats", "usual_share"]

Floats = NDArray[np.float64]


def nats(bad_effective: Floats, ratio: Floats, share: float | Floats) -> Floats:
    """Evidence of each window, shape (n,): effective bad events, their share of all, and the allowed ``share``.

    NaN where there is no bad event, or the weights are unknown.

    >>> nats(np.array([10.0]), np.array([0.01]), 0.001).round(2)
    array([14.03])
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        evidence: Floats = bad_effective * (np.log(ratio / share) - 1.0 + share / ratio)
    return evidence


def usual_share(ratios: Sequence[Floats], budget: float, most: float) -> Floats:
    """The least of ``ratios`` (a window each, NaN where it had no traffic), held within ``budget`` to ``most``.

    >>> usual_share([np.array([0.004, 0.05, np.nan]), np.array([0.002, 0.0, 0.5])], 0.001, 0.003)
    array([0.002, 0.001, 0.003])
    """
    usual: Floats = np.maximum(np.minimum(np.fmin.reduce(ratios), most), budget)
    return usual


def expression(bad_effective: str, ratio: str, share: str, matching: str = "") -> str:
    """The same in PromQL: two recorded series with the same labels, and ``share``, a number or a series that
    meets them by ``matching``.

    >>> expression("b", "q", "0.001")
    'b * (ln(q / 0.001) - 1 + 0.001 / q)'
    >>> expression("b", "q", "u", "ignoring (w)")
    'b * ignoring (w) (ln(q / ignoring (w) u) - 1 + u / ignoring (w) q)'
    """
    on = f"{matching} " if matching else ""
    return f"{bad_effective} * {on}(ln({ratio} / {on}{share}) - 1 + {share} / {on}{ratio})"
