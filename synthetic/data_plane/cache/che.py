"""Che's approximation: what an LRU hits, from popularity alone.

H. Che, Y. Tung and Z. Wang, Hierarchical Web caching systems: modeling, design and experimental results, IEEE
JSAC 20(7), 2002. An object leaves an LRU when it was not asked for during a time T, which for many objects is
nearly the same for all: with independent Poisson requests object i is held with probability 1 - exp(-rate_i T),
and T is such that what is held fills the cache.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from metrics.errors import InputError
from synthetic.arrays import Floats

__all__ = ["characteristic_time", "lru_hit_ratio"]

_PRECISION = 1e-13


def characteristic_time(rates: npt.ArrayLike, sizes: npt.ArrayLike, capacity: float) -> float:
    """The T with ``sum(sizes * (1 - exp(-rates * T))) == capacity``, in the unit of 1 / ``rates``.

    ``rates`` [objects] requests a time unit; ``sizes`` [objects] and ``capacity`` in bytes (or any unit of
    both). Infinite where everything that is asked for fits; 0 for no capacity. Raises :class:`InputError` for
    shapes that differ, and for values negative, infinite or no numbers.
    """
    asked, weights = _checked(rates, sizes, capacity)
    is_asked = (asked > 0) & (weights > 0)
    asked, weights = asked[is_asked], weights[is_asked]
    if weights.sum() <= capacity:
        return math.inf
    # What is held rises with T and bends down: Newton's steps from 0 approach the root from below and never
    # pass it, twice as many digits a step once near. Sums are numpy's own, whatever the number of threads.
    time = 0.0
    while True:
        gone = np.expm1(-asked * time)  # minus the share that is held
        speed = float((weights * asked * (1 + gone)).sum())
        step = (capacity + float((weights * gone).sum())) / speed if speed > 0 else 0.0
        if step <= _PRECISION * time:
            return time
        time += step


def lru_hit_ratio(rates: npt.ArrayLike, sizes: npt.ArrayLike, capacity: float) -> Floats:
    """The share of each object's requests that an LRU of ``capacity`` hits: ``1 - exp(-rates * T)`` [objects].

    Arguments and errors are those of :func:`characteristic_time`. An object that is never asked for hits 0.
    The ratio of all requests is ``rates @ lru_hit_ratio(…) / rates.sum()``.
    """
    asked, _ = _checked(rates, sizes, capacity)
    time = characteristic_time(rates, sizes, capacity)
    if math.isinf(time):
        return (asked > 0).astype(np.float64)
    return -np.expm1(-asked * time)


def _checked(rates: npt.ArrayLike, sizes: npt.ArrayLike, capacity: float) -> tuple[Floats, Floats]:
    asked, weights = np.asarray(rates, np.float64), np.asarray(sizes, np.float64)
    if asked.ndim != 1 or asked.shape != weights.shape:
        what = f"rates of shape {asked.shape} and sizes of shape {weights.shape}"
        raise InputError(what, mend="give one of each an object")
    for name, values in (("rates", asked), ("sizes", weights)):
        if not (np.isfinite(values) & (values >= 0)).all():
            raise InputError(f"{name} negative, infinite or no numbers", mend="give finite numbers from 0 up")
    if not capacity >= 0:
        raise InputError(f"a cache of {capacity:g} bytes", mend="give a capacity of 0 or more")
    return asked, weights
