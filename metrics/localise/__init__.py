"""Root-cause localisation: which slices of a leaf table explain a change, or that none does.

A leaf table has a row a minute and combination of dimension values. :func:`leaves_at` turns it into the incident
minute's values beside what history (or a forecast) led one to expect of each leaf; :func:`localise` searches the
slices. Neither knows what the metric is, and neither sees a lake.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from metrics.localise.baselines import adtributor, hotspot
from metrics.localise.leaves import Leaves, Noise, leaves_at, leaves_of_forecast
from metrics.localise.search import Explanation, localise

__all__ = ["METHODS", "Explanation", "Leaves", "Noise", "leaves_at", "leaves_of_forecast", "localise"]

METHODS: Mapping[str, Callable[[Leaves], list[Explanation]]] = MappingProxyType(
    {"scan": localise, "adtributor": adtributor, "hotspot": hotspot}
)
"""Ours, and the published methods it is compared with."""
