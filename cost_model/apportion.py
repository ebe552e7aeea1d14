"""Split a whole amount into whole parts that sum to it exactly."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["apportion"]


def apportion(amount: int, weights: Sequence[int]) -> list[int]:
    """Largest-remainder shares of ``amount`` in proportion to ``weights``; they sum to ``amount``.

    Each part is the exact share rounded down, and the units left over go to the largest remainders, earlier
    ones first among equals. Integers of any size; weights are not negative and not all 0.

    >>> apportion(100, [1, 1, 1])
    [34, 33, 33]
    """
    total = sum(weights)
    if total <= 0 or min(weights) < 0:
        raise ValueError("weights are not negative and not all 0")
    shares = [amount * weight for weight in weights]
    parts = [share // total for share in shares]
    left = amount - sum(parts)
    if left:
        remainders = [share - part * total for share, part in zip(shares, parts, strict=True)]
        for place in sorted(range(len(parts)), key=remainders.__getitem__, reverse=True)[:left]:
            parts[place] += 1
    return parts
