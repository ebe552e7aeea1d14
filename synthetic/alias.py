"""Walker's alias method: a draw by given weights from one uniform, in one look at a table (Vose 1991)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from synthetic.jit import compiled

__all__ = ["alias_draw", "fill_alias"]

Int32Array = npt.NDArray[np.int32]
Float32Array = npt.NDArray[np.float32]


@compiled(counted=False)
def alias_draw(u: float, threshold: Float32Array, alias: Int32Array) -> int:
    """An index of the table, by its weight; ``u`` is uniform on (0, 1)."""
    scaled = u * threshold.size
    index = int(scaled)
    return index if scaled - index < threshold[index] else int(alias[index])


@compiled()
def fill_alias(scaled: npt.NDArray[np.float64], threshold: Float32Array, alias: Int32Array) -> None:
    """The table, [n] each, of weights ``scaled`` to mean 1, which are used up."""
    n = scaled.size
    small = np.empty(n, np.int64)
    large = np.empty(n, np.int64)
    smalls = larges = 0
    for j in range(n):
        alias[j] = j
        if scaled[j] < 1.0:
            small[smalls] = j
            smalls += 1
        else:
            large[larges] = j
            larges += 1
    while smalls > 0 and larges > 0:
        smalls -= 1
        low, high = small[smalls], large[larges - 1]
        threshold[low] = scaled[low]
        alias[low] = high
        scaled[high] -= 1.0 - scaled[low]
        if scaled[high] < 1.0:
            larges -= 1
            small[smalls] = high
            smalls += 1
    for j in range(smalls):
        threshold[small[j]] = 1.0
    for j in range(larges):
        threshold[large[j]] = 1.0
