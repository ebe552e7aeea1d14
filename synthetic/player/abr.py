"""Which bitrate next: the throughput rule and BOLA over one ladder, joined as in DYNAMIC.

The ladder is shared by all titles up to a factor (complexity × codec). Utilities are logarithms of bitrates,
so the factor cancels in BOLA, and its decision is a staircase over the buffer level alone: rung m+1 is
better than rung m exactly when the buffer exceeds a threshold. Both rules are therefore sums of comparisons,
which a compiler turns into vector instructions.

Sources: Spiteri, Urgaonkar & Sitaraman, *BOLA* (2016); Spiteri, Sitaraman & Sparacio, *From Theory to
Practice* (2018) for DYNAMIC and its 10 s switch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from synthetic.arrays import Singles

__all__ = ["LOW_BUFFER_MS", "SAFETY", "Ladder", "bola_thresholds"]

LOW_BUFFER_MS = 10_000.0  # below it the throughput rule decides
SAFETY = 0.9  # share of the estimate the throughput rule dares to spend


def bola_thresholds(ladder_kbps: Sequence[float], target_ms: float) -> Singles:
    """Buffer level, ms, from which BOLA prefers each rung; 0 for the lowest.

    With utilities u_m = ln(S_m / S_1) + 1, BOLA maximises (V (u_m + g) - Q) / S_m. Rung m+1 beats rung m when
    Q >= V [g + (S_{m+1} u_m - S_m u_{m+1}) / (S_{m+1} - S_m)]. V and g are set so that the lowest rung is kept
    up to 10 s less what the second one asks, and the top one is reached below ``target_ms``.
    """
    size = np.asarray(ladder_kbps, np.float64)
    utility = np.log(size / size[0]) + 1.0
    g = (utility[-1] - 1.0) / (target_ms / LOW_BUFFER_MS - 1.0)
    v = LOW_BUFFER_MS / g
    between = (size[1:] * utility[:-1] - size[:-1] * utility[1:]) / np.diff(size)
    thresholds = np.concatenate([[0.0], v * (g - 1.0 + between)])
    return np.maximum.accumulate(np.maximum(thresholds, 0.0)).astype(np.float32)


@dataclass(frozen=True)
class Ladder:
    """Bitrates of the rungs, kbit/s, rising, and the buffer levels BOLA wants for each."""

    kbps: tuple[float, ...]
    target_ms: float = 30_000.0

    def table(self) -> Singles:
        """Shape (3, 10): bitrate, step from the rung below, BOLA threshold; the kernel's view of the ladder."""
        kbps = np.asarray(self.kbps, np.float32)
        steps = np.diff(kbps, prepend=np.float32(0.0))
        return np.stack([kbps, steps, bola_thresholds(self.kbps, self.target_ms)])
