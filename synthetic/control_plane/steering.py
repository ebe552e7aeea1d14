"""Steering: the ranked list of places a client may fetch from, which the manifest carries.

Knows only what is written down: health reports. Order: embedded appliance, then the exchange, then a third
party; a cluster that reports itself down goes behind.
"""

from __future__ import annotations

import numpy as np

from synthetic.arrays import Bools, Tinies

__all__ = ["rank"]

_OWN = np.array([0, 1, 2], np.int8)
_EDGE_LAST = np.array([1, 2, 0], np.int8)
_THIRD_PARTY_FIRST = np.array([2, 1, 0], np.int8)


def rank(edge_is_down: Bools, *, third_party_first: bool = False) -> Tinies:
    """Manifest order [n, 3] of tiers (0 edge, 1 storage, 2 third party), by the edge's reported health [n]."""
    own = np.where(edge_is_down[:, None], _EDGE_LAST, _OWN)
    return np.broadcast_to(_THIRD_PARTY_FIRST, own.shape).copy() if third_party_first else own
