"""What a session's source does not tell: said in ``flags``, and no metric stands on it.

A column of a session holds a number even where its source told none. The flag ``<measure>_unknown`` says so, and
whatever needs the measure leaves the session out, numerator and denominator alike: nothing told is no zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import and_
from types import MappingProxyType

import narwhals as nw

__all__ = ["MEASURES", "told", "unknown_flag"]

MEASURES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "outcome": ("outcome",),
        "waited": ("waited_ms",),
        "playing": ("playing_ms",),
        "watched": ("watched_ms",),
        "stalls": ("stall_count",),
        "stall_ms": ("stall_ms",),
        "seeks": ("seek_stall_count",),
        "seek_ms": ("seek_stall_ms",),
        "media_time": ("media_ms",),
        "media_size": ("media_bytes",),
        "switches": ("switch_count",),
        "bytes": ("edge_bytes", "storage_bytes", "third_party_bytes", "unattributed_bytes"),
        "browse": ("browse_ms",),
    }
)
"""What a source may leave untold, with the columns that hold it; one of them is enough."""


def unknown_flag(measure: str) -> str:
    """The flag of a session that does not tell ``measure``; none is a part of another.

    >>> unknown_flag("bytes")
    'bytes_unknown'
    """
    return f"{measure}_unknown"


def told(measures: Sequence[str], flags: str = "flags") -> nw.Expr:
    """Whether a session, by its column ``flags``, tells every one of ``measures``; there is at least one."""
    held = nw.col(flags)
    return reduce(and_, (~held.str.contains(unknown_flag(name), literal=True) for name in measures))
