"""Steering: the ranked list of routes a client may fetch from, which the manifest carries.

Knows only what is written down: health and load reports. Order: embedded appliance, private peering, public
peering, third party; what reports itself down or full goes behind what does not.
"""

from __future__ import annotations

import numpy as np

from synthetic.arrays import Bools, Tinies

__all__ = ["rank"]


def rank(is_open: Bools, *, third_party_first: bool = False) -> Tinies:
    """Manifest order [n, 4] of routes (0 embedded, 1 private peering, 2 public peering, 3 third party).

    ``is_open`` [n, 4]: whether each route, as last reported, takes this client's session.
    """
    behind = ~is_open
    if third_party_first:
        behind = behind | (np.arange(is_open.shape[1]) < 3)
    return np.argsort(behind, axis=1, kind="stable").astype(np.int8)
