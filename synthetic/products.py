"""The scalar product that kernels spend most of their time on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from synthetic.jit import inlined

__all__ = ["product"]

Float32Array = npt.NDArray[np.float32]

_FACTORS = 16  # of a vector, usually


@inlined
def product(left: Float32Array, right: Float32Array) -> np.float32:
    """Scalar product of two contiguous vectors of one length, in single precision.

    Sixteen factors, the usual number, are taken at once, in one fixed order of additions. A compiler that must keep
    the order in which a loop adds up takes them one by one, and a machine that waits for the vectors of titles all over
    the catalogue then waits for two of them at a time, not for ten.
    """
    if left.size == _FACTORS:
        return _usual_product(left, right)
    total = np.float32(0.0)
    for d in range(left.size):
        total += left[d] * right[d]
    return total


def _usual(typing: Any, left: Any, right: Any) -> Any:
    """Of 16 factors each: eight sums of two products, halved by adding three times."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        vector = ir.VectorType(ir.FloatType(), _FACTORS)

        def loaded(of: Any, array: Any) -> Any:
            data = context.make_array(of)(context, builder, array).data
            return builder.load(builder.bitcast(data, vector.as_pointer()), align=4)

        def part(of: Any, start: int, step: int, count: int) -> Any:
            which = ir.Constant(
                ir.VectorType(ir.IntType(32), count), [start + step * k for k in range(count)]
            )
            return builder.shuffle_vector(of, ir.Constant(of.type, ir.Undefined), which)

        total = builder.fmul(*(loaded(*each) for each in zip(signature.args, given, strict=True)))
        for count in (8, 4):
            total = builder.fadd(part(total, 0, 1, count), part(total, count, 1, count))
        total = builder.fadd(part(total, 0, 2, 2), part(total, 1, 2, 2))
        return builder.fadd(
            builder.extract_element(total, cgutils.int32_t(0)),
            builder.extract_element(total, cgutils.int32_t(1)),
        )

    if all(
        isinstance(of, types.Array) and of.layout == "C" and of.dtype == types.float32 for of in (left, right)
    ):
        return types.float32(left, right), generate
    return None


_usual_product = cast(Callable[[Float32Array, Float32Array], np.float32], intrinsic(_usual))
