"""A third-party CDN, seen from outside: a price, a latency, and no appliance, tier or miss class."""

from __future__ import annotations

import numpy as np

from synthetic.arrays import Floats, Ints
from synthetic.random import Stream, uniforms
from synthetic.scenario import Delivery

__all__ = ["before_media_ms", "throughput_factor"]


def before_media_ms(delivery: Delivery, seed: int, entity: Ints, step: Ints) -> Floats:
    """What a first segment waits for the CDN's own parent, ms: the miss penalty or nothing; shape (n,)."""
    missed = uniforms(seed, entity, step, Stream.DELIVERY_THIRD_PARTY) < delivery.third_party_miss_ratio
    return np.where(missed, delivery.third_party_miss_ms, 0.0)


def throughput_factor(delivery: Delivery) -> float:
    """Median throughput over that of the own CDN's path."""
    return float(np.exp(delivery.third_party_log_throughput))
