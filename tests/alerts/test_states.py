"""An alert's states against Prometheus's own rule, step by step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.kernel import held
from alerts.states import firing_runs


def by_steps(holds: list[bool], for_ms: int, keep_ms: int) -> list[bool]:
    """State after each evaluation, as Prometheus's alerting rule goes through them."""
    state, active_at, kept_since = "inactive", 0, None
    fires = []
    for minute, now in enumerate(holds):
        ts = minute * 60_000
        if now:
            kept_since = None
            if state == "inactive":
                state, active_at = "pending", ts
        elif state == "pending":
            state = "inactive"
        elif state == "firing":
            kept_since = ts if kept_since is None else kept_since
            if ts - kept_since >= keep_ms:
                state, kept_since = "inactive", None
        if state == "pending" and ts - active_at >= for_ms:
            state = "firing"
        fires.append(state == "firing")
    return fires


@given(
    st.lists(st.booleans(), max_size=60),
    st.sampled_from([0, 30_000, 60_000, 90_000, 300_000]),
    st.sampled_from([0, 30_000, 60_000, 150_000, 600_000]),
)
def test_runs_are_the_minutes_in_which_it_fires(holds: list[bool], for_ms: int, keep_ms: int) -> None:
    fires = np.zeros(len(holds), dtype=bool)
    for begin, end in firing_runs(np.array(holds, dtype=bool), for_ms, keep_ms):
        assert not fires[begin:end].any()
        fires[begin:end] = True
    assert fires.tolist() == by_steps(holds, for_ms, keep_ms)


@pytest.mark.parametrize(
    ("holds", "for_min", "keep_min", "fires"),
    [
        ("0110", 0, 0, "0110"),
        ("0110", 1, 0, "0010"),
        ("0110", 2, 0, "0000"),
        ("01000", 0, 2, "01110"),
        ("010010", 0, 2, "011111"),  # held again at the very evaluation at which it would have been resolved
        ("0100010", 0, 2, "0111011"),
        ("0110100", 1, 1, "0011110"),
    ],
)
def test_known_lives(holds: str, for_min: int, keep_min: int, fires: str) -> None:
    found = np.zeros(len(holds), dtype=int)
    for begin, end in firing_runs(np.array([c == "1" for c in holds]), for_min * 60_000, keep_min * 60_000):
        found[begin:end] = 1
    assert "".join(map(str, found)) == fires


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 5), st.integers(0, 8))
def test_many_series_at_once_live_the_same_lives(holds: list[bool], pending: int, keep: int) -> None:
    fires = held(np.array([holds], dtype=bool), pending, keep)[0]
    assert fires.tolist() == by_steps(holds, pending * 60_000, keep * 60_000)
