"""Numba's compiler with a typed face: what it decorates keeps its Python signature for the type checker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

__all__ = ["compiled", "inlined", "prange"]

F = TypeVar("F", bound=Callable[..., Any])

prange = numba.prange


def compiled(*, parallel: bool = False, counted: bool = True) -> Callable[[F], F]:
    """Compile on first call, keep the machine code on disk, release the GIL.

    Division by zero gives infinity, as in numpy: the check would keep loops from being vectorised.
    Floating point stays strict IEEE (no ``fastmath``): results must be the same bytes on every machine.
    With ``parallel``, loops over :data:`prange` are split; each iteration must write its own cells only.
    Without ``counted``, arrays are borrowed from the caller and their references not counted, which costs
    more than the work in small functions that call each other; such a function cannot make an array, and
    does not compile if it tries.
    """

    def decorate(function: F) -> F:
        options: dict[str, Any] = {} if counted else {"_nrt": False}
        return cast(
            F,
            numba.njit(function, cache=True, nogil=True, parallel=parallel, error_model="numpy", **options),
        )

    return decorate


def inlined(function: F) -> F:
    """Compile for use inside compiled functions only, inlined there before the optimiser looks."""
    return cast(F, numba.njit(function, inline="always", error_model="numpy"))
