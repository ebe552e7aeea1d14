"""The scalar product that kernels spend most of their time on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from synthetic.jit import compiled

__all__ = ["product"]

Float32Array = npt.NDArray[np.float32]


@compiled(counted=False)
def product(left: Float32Array, right: Float32Array) -> np.float32:
    """Scalar product of two vectors of one length, in single precision.

    Sixteen factors, the usual number, are written out: eight sums side by side, which a compiler that must keep the
    order of additions puts into one register; a loop over them it does not.
    """
    if left.size == 16:
        s0, s1, s2, s3 = left[0] * right[0], left[1] * right[1], left[2] * right[2], left[3] * right[3]
        s4, s5, s6, s7 = left[4] * right[4], left[5] * right[5], left[6] * right[6], left[7] * right[7]
        s0 += left[8] * right[8]
        s1 += left[9] * right[9]
        s2 += left[10] * right[10]
        s3 += left[11] * right[11]
        s4 += left[12] * right[12]
        s5 += left[13] * right[13]
        s6 += left[14] * right[14]
        s7 += left[15] * right[15]
        return np.float32(((s0 + s4) + (s1 + s5)) + ((s2 + s6) + (s3 + s7)))
    total = np.float32(0.0)
    for d in range(left.size):
        total += left[d] * right[d]
    return total
