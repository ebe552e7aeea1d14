"""A single cache: which objects it keeps under which policy, and what an LRU would hold by theory.

Objects are of equal size here but for :mod:`~synthetic.data_plane.cache.che`; a capacity is a number of objects.
Knows nothing of titles, sites or viewers. The peer for simulated misses is libCacheSim 0.3.
"""

from synthetic.data_plane.cache.che import characteristic_time, lru_hit_ratio
from synthetic.data_plane.cache.simulate import POLICIES, misses
from synthetic.data_plane.cache.trace import Trace, numbered, read_trace

__all__ = ["POLICIES", "Trace", "characteristic_time", "lru_hit_ratio", "misses", "numbered", "read_trace"]
