"""Which bitrate next: the throughput rule and BOLA over one ladder, joined as in DYNAMIC.

The grid is shared by all titles up to a factor (stretch × codec). Utilities are logarithms of bitrates,
so the factor cancels in BOLA, and its decision is a staircase over the buffer level alone: rung m+1 is
better than rung m exactly when the buffer exceeds a threshold. Both rules are therefore chains of comparisons,
which a compiler turns into vector instructions.

Sources: Spiteri, Urgaonkar & Sitaraman, *BOLA* (2016); Spiteri, Sitaraman & Sparacio, *From Theory to
Practice* (2018) for DYNAMIC and its 10 s switch; constants as in the authors' simulator, which
:mod:`synthetic.player.replay` reproduces.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from metrics.errors import InputError
from synthetic.arrays import Singles

__all__ = ["BOLA_FROM_MS", "GAMMA_P", "RUNGS", "SAFETY", "Ladder", "bola_thresholds"]

BOLA_FROM_MS: Mapping[str, float] = MappingProxyType({"dynamic": 10_000.0, "throughput": math.inf})
"""The player's rules, each by the buffer below which throughput decides; above it BOLA may."""
SAFETY = 0.9  # share of the estimate the throughput rule dares to spend
GAMMA_P = 5.0  # BOLA's weight of avoiding stalls, in the unit of its utility
RUNGS = 10


def bola_thresholds(ladder_kbps: Sequence[float], v_span_ms: float) -> Singles:
    """Buffer level, ms, from which BOLA prefers each rung; 0 for the lowest.

    With utilities u_m = ln(S_m / S_1), BOLA maximises (V (u_m + γp) - Q) / S_m. Rung m+1 beats rung m when
    Q > V [γp + (S_{m+1} u_m - S_m u_{m+1}) / (S_{m+1} - S_m)]. V is ``v_span_ms`` / (u_top + γp), where the span
    is the buffer less one chunk: the top rung is left only by a full buffer. Thresholds grow in proportion to it.
    """
    size = np.asarray(ladder_kbps, np.float64)
    utility = np.log(size / size[0])
    v = v_span_ms / (utility[-1] + GAMMA_P)
    between = (size[1:] * utility[:-1] - size[:-1] * utility[1:]) / np.diff(size)
    return np.concatenate([[0.0], np.maximum(v * (GAMMA_P + between), 0.0)]).astype(np.float32)


@dataclass(frozen=True)
class Ladder:
    """Bitrates of the rungs, kbit/s, rising; at most :data:`RUNGS` of them."""

    kbps: tuple[float, ...]

    def table(self, v_span_ms: float) -> Singles:
        """Shape (2, RUNGS): bitrate and BOLA threshold; the kernel's view of the ladder.

        Rungs that do not exist are never within reach. Raises :class:`InputError` for more than ``RUNGS``.
        """
        count = len(self.kbps)
        if not 1 <= count <= RUNGS:
            raise InputError(
                f"a ladder of {count} rungs", where="ladder_kbps", mend=f"give one to {RUNGS} bitrates"
            )
        table = np.full((2, RUNGS), np.inf, np.float32)
        table[0, :count] = self.kbps
        table[1, :count] = bola_thresholds(self.kbps, v_span_ms)
        return table
