"""Numba's compiler with a typed face: what it decorates keeps its Python signature for the type checker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

__all__ = ["compiled", "inlined", "prange"]

F = TypeVar("F", bound=Callable[..., Any])

prange = numba.prange


def compiled(*, parallel: bool = False) -> Callable[[F], F]:
    """Compile on first call, keep the machine code on disk, release the GIL.

    Division by zero gives infinity, as in numpy: the check would keep loops from being vectorised.
    Floating point stays strict IEEE (no ``fastmath``): results must be the same bytes on every machine.
    With ``parallel``, loops over :data:`prange` are split; each iteration must write its own cells only.
    """

    def decorate(function: F) -> F:
        return cast(F, numba.njit(function, cache=True, nogil=True, parallel=parallel, error_model="numpy"))

    return decorate


def inlined(function: F) -> F:
    """Compile for use inside compiled functions only, inlined there before the optimiser looks."""
    return cast(F, numba.njit(function, inline="always", error_model="numpy"))
