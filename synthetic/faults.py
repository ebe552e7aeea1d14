"""What incidents do to single requests and plays; each draw hangs on the visit and on the kind of incident.

The same visit is hit or spared by the same draw in every world, so that a world differs by what it decided alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from synthetic.arrays import Bools, Floats, Ints
from synthetic.incidents import Incident, level
from synthetic.random import Stream, uniforms

__all__ = ["breaks_hazard", "fails_to_start", "falls_back"]

AT_START_RATIO = 0.5  # plays of a bad encode that fail do so at the start or while playing alike; assumption


def falls_back(
    incidents: Sequence[Incident], seed: int, member: Ints, step: Ints, ts_ms: Ints, where: Mapping[str, Ints]
) -> Bools:
    """Whether the home page of each of n visits is the popular one, shape (n,)."""
    share = level(incidents, "recommendation_outage", ts_ms, where)
    return _drawn(share, seed, member, step, Stream.INCIDENT_RECOMMENDATION)


def fails_to_start(
    incidents: Sequence[Incident], seed: int, member: Ints, step: Ints, ts_ms: Ints,
    where: Mapping[str, Ints], from_edge: Bools,
) -> Bools:  # fmt: skip
    """Whether each of n plays fails before its first frame: an edge that answers with an error, a bad encode.

    ``from_edge`` [n]: an edge answers the play request.
    """
    pushed = np.where(from_edge, level(incidents, "config_push", ts_ms, where), 0.0)
    bad = AT_START_RATIO * level(incidents, "bad_encode", ts_ms, where)
    return np.asarray(
        _drawn(pushed, seed, member, step, Stream.INCIDENT_CONFIG)
        | _drawn(bad, seed, member, step, Stream.INCIDENT_ENCODE)
    )


def breaks_hazard(incidents: Sequence[Incident], ts_ms: Ints, where: Mapping[str, Ints]) -> Floats:
    """Cumulated hazard that each of n plays breaks off while playing, shape (n,): 1 - exp(-hazard) fail."""
    bad = level(incidents, "bad_encode", ts_ms, where)
    # Of the plays that did not fail at the start, so that the severity is the share of all plays.
    bad_playing = bad * (1 - AT_START_RATIO) / (1 - AT_START_RATIO * bad)
    spared = (1 - bad_playing) * (1 - level(incidents, "player_bug", ts_ms, where))
    return np.asarray(-np.log(np.maximum(spared, 1e-12)))


def _drawn(share: Floats, seed: int, member: Ints, step: Ints, stream: Stream) -> Bools:
    """Whether each visit is among the share hit; nothing is drawn where nothing hits."""
    out = np.zeros(share.size, np.bool_)
    rows = np.flatnonzero(share > 0)
    out[rows] = uniforms(seed, member[rows], step[rows], stream) < share[rows]
    return out
