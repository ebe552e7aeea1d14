"""Effects less what arms were apart before: the line through pseudo-values, planted effects, and nothing before."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm

from metrics.before import adjusted, constant
from metrics.catalog import get_metric
from metrics.experiment import contrasts
from metrics.plan import Source
from tests.metrics.rows import APRIL_MS, DAY_MS, frames, rows, session

MEMBERS, HOUR_MS, PLANTED = 640, 3_600_000, 0.25
HOURS = get_metric("hours_per_member_day")


def groups_of(pseudo: np.ndarray) -> np.ndarray:
    """The mean of 32 groups' values, and without each."""
    return np.array([pseudo.mean(), *((pseudo.sum() - pseudo) / 31)])


def test_theconstant_is_the_constant_of_the_line_through_the_groups() -> None:
    rng = np.random.default_rng(7)
    before = rng.normal(0.3, 1.0, 32)
    after = 0.5 + 0.8 * before + rng.normal(0.0, 0.4, 32)
    effect, low, high, is_adjusted = constant(groups_of(after), groups_of(before))
    line = sm.OLS(after, sm.add_constant(before)).fit()
    assert is_adjusted
    assert effect == pytest.approx(line.params[0])
    assert (low, high) == pytest.approx(tuple(line.conf_int(0.1)[0]))


def test_without_a_figure_before_it_stays_as_it_is() -> None:
    rng = np.random.default_rng(8)
    after = rng.normal(0.5, 1.0, 32)
    for before in (np.full(33, np.nan), np.zeros(33)):
        effect, low, high, is_adjusted = constant(groups_of(after), before)
        assert not is_adjusted
        assert effect == pytest.approx(after.mean())
        assert low is not None
        assert high is not None
        assert (low + high) / 2 == pytest.approx(effect)
    nothing = np.full(33, np.nan)
    assert constant(nothing, nothing) == (None, None, None, False)
    gap = groups_of(after)
    gap[5] = np.nan
    assert constant(gap, groups_of(after))[1:] == (None, None, False)


def service(seed: int, first_day: int) -> dict[str, pl.LazyFrame]:
    """Members who differ much and stay as they are; the treatment watches a little more from ``first_day`` on."""
    rng = np.random.default_rng(seed)
    days, plays, paying, arms = 4, [], [], []
    for n in range(MEMBERS):
        who: dict[str, Any] = {"subscriber_id": f"m{n}", "replicate": n // 2 % 32, "region": "ab"[n % 2]}
        own, is_new = rng.gamma(4.0, 0.5), bool(rng.random() < 0.5)
        for day in range(days):
            start = APRIL_MS + day * DAY_MS
            hours = own + PLANTED * (is_new and day >= first_day) + 0.1 * rng.random()
            plays.append(session(playing_ms=int(hours * HOUR_MS), start_ts_ms=start, **who))
            paying.append({"ts_ms": start, "status": "paying", "tenure_days": 100} | who)
        arms.append(
            {
                "experiment": "e", "arm": "new" if is_new else "control", "is_control": not is_new,
                "assigned_ts_ms": APRIL_MS + first_day * DAY_MS, "subscriber_id": who["subscriber_id"],
                "replicate": who["replicate"],
            }
        )  # fmt: skip
    return frames(
        playback_session=rows("playback_session", *plays),
        membership=rows("membership", *paying),
        assignment=rows("assignment", *arms),
    )


def source(tables: dict[str, pl.LazyFrame]) -> Source:
    return Source(tables.__getitem__)


def test_what_members_were_before_does_not_count_as_anconstant() -> None:
    held = []
    for seed in range(20):
        found = adjusted(source(service(seed, 2)), [HOURS], "e", by="region")
        assert set(found) == {None, "a", "b"}
        (plain,) = contrasts(source(service(seed, 2)), [HOURS], "e")[None].filter(arm="new").to_dicts()
        (one,) = found[None].to_dicts()
        assert one["is_adjusted"]
        assert one["high"] - one["low"] < 0.2 * (plain["difference_high"] - plain["difference_low"])
        held += [frame["low"][0] <= PLANTED <= frame["high"][0] for frame in found.values()]
    assert 48 <= sum(held) <= 60  # 60 cells at 90 %


def test_an_experiment_from_the_first_day_is_read_as_it_is() -> None:
    tables = source(service(3, 0))
    (one,) = adjusted(tables, [HOURS], "e")[None].to_dicts()
    (plain,) = contrasts(tables, [HOURS], "e")[None].filter(arm="new").to_dicts()
    assert not one["is_adjusted"]
    assert (one["difference"], one["low"], one["high"]) == pytest.approx(
        (plain["difference"], plain["difference_low"], plain["difference_high"])
    )
