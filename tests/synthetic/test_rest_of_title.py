"""A title gone on with twice in a day is not watched twice over."""

from __future__ import annotations

import numpy as np

from synthetic.browsing import CONTINUE
from synthetic.scenario import load_scenario
from synthetic.warmup import live_day, settle_in
from synthetic.world import make_world


def test_visits_of_a_day_share_what_is_left_of_a_title() -> None:
    world = make_world(load_scenario(None, panel=300, titles=1_500, days=7))
    settled = settle_in(world)
    settled.discovery.learn(0)
    title, left = settled.state.open_title.copy(), settled.state.open_left_ms.copy()
    visits, found = live_day(world, settled.discovery, settled.state, 0, 3 * settled.visits_per_member_day)
    on = np.flatnonzero(found.surface == CONTINUE)
    keys, which, times = np.unique(
        np.stack([visits.member[on], found.chosen[on]]), axis=1, return_inverse=True, return_counts=True
    )
    watched = np.bincount(which.ravel(), found.watch_ms[on])
    assert (times > 1).any()
    for (member, chosen), ms in zip(keys.T, watched, strict=True):
        (place,) = np.flatnonzero(title[member] == chosen)
        assert 0 < ms <= left[member, place]
