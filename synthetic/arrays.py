"""Array types that the emulator passes around, and dataclasses of arrays joined and cut as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["Bools", "Floats", "Ints", "Singles", "Tinies", "choose", "join", "take"]

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Singles: TypeAlias = npt.NDArray[np.float32]
Tinies: TypeAlias = npt.NDArray[np.int8]

T = TypeVar("T")


def join(parts: Sequence[T]) -> T:
    """One dataclass of arrays from several, field by field."""
    first = parts[0]
    joined: dict[str, Any] = {}
    for f in fields(first):  # type: ignore[arg-type]
        values = [getattr(part, f.name) for part in parts]
        joined[f.name] = join(values) if is_dataclass(values[0]) else np.concatenate(values)
    return type(first)(**joined)


def take(whole: T, rows: Ints) -> T:
    """The rows of a dataclass of arrays."""
    taken: dict[str, Any] = {}
    for f in fields(whole):  # type: ignore[arg-type]
        value = getattr(whole, f.name)
        taken[f.name] = take(value, rows) if is_dataclass(value) else np.ascontiguousarray(value[rows])
    return type(whole)(**taken)


def choose(where: Bools, there: T, here: T) -> T:
    """A dataclass of arrays with the rows of ``there`` where it is so, and of ``here`` elsewhere."""
    chosen: dict[str, Any] = {}
    for f in fields(here):  # type: ignore[arg-type]
        one, other = getattr(there, f.name), getattr(here, f.name)
        chosen[f.name] = choose(where, one, other) if is_dataclass(other) else np.where(where, one, other)
    return type(here)(**chosen)
