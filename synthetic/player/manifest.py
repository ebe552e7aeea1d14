"""What can be fetched: a video's segments, each at every bitrate of its ladder."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from metrics.errors import InputError
from synthetic.arrays import Floats
from synthetic.player.trace import load_json, numbers

__all__ = ["Manifest", "read_manifest"]

_KEYS = ("segment_duration_ms", "bitrates_kbps", "segment_sizes_bits")


@dataclass(frozen=True)
class Manifest:
    """One video: segments of equal duration, bitrates rising, sizes of shape (segments, bitrates)."""

    segment_ms: float
    bitrates_kbps: tuple[float, ...]
    sizes_bits: Floats


def read_manifest(path: Path) -> Manifest:
    """Read a JSON object of ``segment_duration_ms``, ``bitrates_kbps`` and ``segment_sizes_bits``.

    Raises :class:`InputError` for a file that is no such object, bitrates that do not rise, or segments that
    are missing, of unequal length, or without a size.
    """
    where = path.as_posix()
    found = load_json(path)
    if not isinstance(found, dict) or any(key not in found for key in _KEYS):
        raise InputError("no manifest", where=where, mend=f"give an object of {', '.join(_KEYS)}")
    (segment_ms,) = numbers([found["segment_duration_ms"]], where, "segment_duration_ms")
    if segment_ms <= 0:
        raise InputError(
            f"segment_duration_ms is {segment_ms:g}", where=where, mend="give milliseconds over 0"
        )
    bitrates = _bitrates(found["bitrates_kbps"], where)
    return Manifest(segment_ms, bitrates, _sizes(found["segment_sizes_bits"], len(bitrates), where))


def _bitrates(found: Any, where: str) -> tuple[float, ...]:
    if not isinstance(found, list) or not found:
        raise InputError("bitrates_kbps is no list of bitrates", where=where, mend="list them, rising")
    bitrates = numbers(found, where, "bitrates_kbps")
    if bitrates[0] <= 0 or any(a >= b for a, b in pairwise(bitrates)):
        shown = ", ".join(f"{kbps:g}" for kbps in bitrates[:12])
        raise InputError(f"bitrates_kbps do not rise from above 0: {shown}", where=where, mend="sort them")
    return bitrates


def _sizes(found: Any, width: int, where: str) -> Floats:
    if not isinstance(found, list) or not found:
        raise InputError("no segments", where=where, mend="segment_sizes_bits needs a list a segment")
    rows = []
    for index, row in enumerate(found):
        if not isinstance(row, list) or len(row) != width:
            held = f"{len(row)} sizes" if isinstance(row, list) else "no list of sizes"
            raise InputError(
                f"segment {index} has {held} for {width} bitrates", where=where, mend="give each one"
            )
        sizes = numbers(row, where, f"segment {index}")
        if min(sizes) <= 0:
            raise InputError(
                f"segment {index} has a size of {min(sizes):g} bits", where=where, mend="sizes are over 0"
            )
        rows.append(sizes)
    return np.array(rows, np.float64)
