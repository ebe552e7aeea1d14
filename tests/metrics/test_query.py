"""measure: slices, clocks, grains, unknown dimensions, silence, intervals and errors."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from metrics.catalog import METRICS
from metrics.errors import InputError
from metrics.lake import Lake
from metrics.query import check_cut, measure, measure_frames
from metrics.telemetry import REPLICATES
from tests.metrics.rows import APRIL_MS, DAY_MS, frames, member_days, rows, session, unstarted

HOUR_MS = 3_600_000
EVERYTHING = list(METRICS)


def sessions(*given: dict[str, Any]) -> dict[str, pl.LazyFrame]:
    return frames(playback_session=rows("playback_session", *given))


def test_columns_in_order() -> None:
    found = measure_frames(
        sessions(session(region="mena")), ["attempts"], by=["region"], grain="1d", intervals=True
    )
    assert found.columns == [
        "region", "bucket_ts_ms", "metric", "value", "numerator", "denominator", "unit", "n", "n_effective",
        "low", "high",
    ]  # fmt: skip


def test_an_empty_lake_has_no_figures_and_no_error(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    found = measure(lake, EVERYTHING, intervals=True)
    assert found["metric"].to_list() == EVERYTHING
    assert found["value"].null_count() == found.height
    assert found["n"].sum() == 0
    assert measure(lake, ["rebuffer_rate", "time_to_play_p99_ms"], by=["region"], grain="1h").is_empty()


def test_a_lake_of_real_logs_alone_answers_what_it_knows() -> None:
    log = session(region=None, device=None, is_rec_driven=None, content_duration_ms=None)
    found = measure_frames(sessions(log, log), EVERYTHING)
    value = dict(found.select("metric", "value").iter_rows())
    assert value["rebuffer_rate"] == 0
    assert value["time_to_play_p99_ms"] == pytest.approx(1_000, rel=0.01)
    for unknown in ("watch_hours_per_subscriber", "rec_driven_hours_ratio", "home_late_ratio",
                    "cost_per_stream_hour_usd", "delivered_gigabytes"):  # fmt: skip
        assert value[unknown] is None, unknown
    by_region = measure_frames(sessions(log), ["attempts"], by=["region"])
    assert by_region.select("region", "value").row(0) == (None, 1.0)


def test_engagement_counts_at_the_start_and_quality_at_the_end() -> None:
    over_midnight = session(start_ts_ms=APRIL_MS + DAY_MS - 1_000, region="mena")
    tables = sessions(over_midnight)
    found = measure_frames(tables, ["watch_hours", "attempts"], grain="1d")
    assert found.select("metric", "bucket_ts_ms").rows() == [
        ("watch_hours", APRIL_MS), ("attempts", APRIL_MS + DAY_MS)
    ]  # fmt: skip
    first_day = measure_frames(
        tables, ["watch_hours", "attempts"], start_ts_ms=APRIL_MS, end_ts_ms=APRIL_MS + DAY_MS
    )
    assert first_day["value"].to_list() == [1 / 6, None]


@pytest.mark.parametrize(
    ("grain", "bucket"),
    [("5m", APRIL_MS + 35 * 60_000), ("1h", APRIL_MS), ("1d", APRIL_MS), ("1w", APRIL_MS - 2 * DAY_MS)],
)
def test_grains(grain: str, bucket: int) -> None:
    at = session(start_ts_ms=APRIL_MS + 37 * 60_000)
    found = measure_frames(sessions(at), ["watch_hours"], grain=grain)
    assert found["bucket_ts_ms"].to_list() == [bucket]  # weeks start on Mondays: 30 March


def test_a_period_is_half_open() -> None:
    tables = sessions(session(start_ts_ms=APRIL_MS), session(start_ts_ms=APRIL_MS + DAY_MS))
    found = measure_frames(tables, ["watch_hours"], start_ts_ms=APRIL_MS, end_ts_ms=APRIL_MS + DAY_MS)
    assert found["n"].item() == 1


def test_members_of_a_day_stand_for_each_of_its_hours() -> None:
    tables = frames(
        playback_session=rows(
            "playback_session",
            *(session(playing_ms=HOUR_MS, start_ts_ms=APRIL_MS + hour * HOUR_MS) for hour in (0, 5, 30)),
        ),
        membership=rows("membership", *member_days(2, members=4)),
    )
    found = measure_frames(tables, ["watch_hours_per_subscriber"], grain="1h")
    assert found["value"].to_list() == [0.25] * 3
    with pytest.raises(InputError, match="known by the day"):
        measure_frames(tables, ["monthly_churn_ratio"], grain="1h")


def test_an_average_is_over_days_that_have_data() -> None:
    tables = frames(membership=rows("membership", *member_days(7, members=3, region="mena")))
    long = measure_frames(
        tables, ["average_subscribers"], start_ts_ms=APRIL_MS, end_ts_ms=APRIL_MS + 90 * DAY_MS
    )
    assert long["value"].item() == 3
    by_region = measure_frames(tables, ["average_subscribers"], by=["region"], grain="1w")
    assert by_region["value"].to_list() == [3, 3]


def test_where_keeps_values_and_the_unknown() -> None:
    tables = sessions(
        session(region="mena", row=1), session(region=None, row=2), session(region="latin-america")
    )
    count = {
        tuple(kept): measure_frames(tables, ["attempts"], where={"region": kept})["value"].item()
        for kept in (["mena"], [None], ["mena", None], ["nowhere"])
    }
    assert count == {("mena",): 1, (None,): 1, ("mena", None): 2, ("nowhere",): None}
    assert measure_frames(tables, ["attempts"], where={"row": ["2"]})["value"].item() == 1


def test_choosing_a_service_chooses_its_members_too() -> None:
    tables = frames(
        playback_session=rows(
            "playback_session",
            session(playing_ms=HOUR_MS, is_synthetic=True),
            session(playing_ms=HOUR_MS, is_synthetic=False),
        ),
        membership=rows("membership", *member_days(1, members=4, is_synthetic=True)),
    )
    found = {
        kind: measure_frames(tables, ["watch_hours_per_subscriber"], where={"is_synthetic": [kind]})[
            "value"
        ].item()
        for kind in ("true", "false")
    }
    assert found == {"true": 0.25, "false": None}


def test_several_metrics_of_several_tables_agree_with_each_alone() -> None:
    tables = frames(
        playback_session=rows(
            "playback_session",
            *(session(region=r, startup_ms=ms, stall_count=c, stall_ms=c, playing_ms=10**6, is_rec_driven=True)
              for r, ms, c in (("a", 300, 0), ("a", 2_500, 1), ("b", 700, 0), ("b", 800, 2))),
            unstarted("exit_before_start", region="b", waited_ms=4_000),
        ),
        membership=rows("membership", *member_days(2, members=2)),
    )  # fmt: skip
    names = ["watch_hours_per_subscriber", "time_to_play_p99_ms", "rebuffer_rate", "time_to_play_bad_ratio"]
    together = measure_frames(tables, names, by=["region"])
    alone = pl.concat([measure_frames(tables, [name], by=["region"]) for name in names])
    assert together.equals(alone)
    # A slice is the same figure as its row.
    only = measure_frames(tables, names, where={"region": ["b"]})
    rows_of_b = together.filter(pl.col("region") == "b").drop("region")
    assert only.equals(rows_of_b)


def test_charges_are_spread_over_their_period_exactly() -> None:
    charge = {
        "x_period_start_ts_ms": APRIL_MS, "x_period_end_ts_ms": APRIL_MS + 7 * DAY_MS, "BillingCurrency": "USD",
        "EffectiveCost": 100, "x_cost_pool": "delivery", "x_cdn": "own",
    }  # fmt: skip
    tables = frames(
        charge=rows("charge", charge),
        delivery=rows(
            "delivery",
            *({"ts_ms": APRIL_MS + day * DAY_MS, "cdn": "own", "tier": "edge", "codec": "av1",
               "delivered_bytes": 10**9} for day in range(7)),
        ),
    )  # fmt: skip
    name = "delivery_cost_per_gigabyte_usd"
    daily = measure_frames(tables, [name], grain="1d", by=["cdn"])
    assert daily["value"].to_list() == pytest.approx([100 / 7] * 7)
    assert daily["numerator"].sum() == 100
    half = measure_frames(tables, [name], start_ts_ms=APRIL_MS, end_ts_ms=APRIL_MS + 3 * DAY_MS)
    assert half["value"].item() == pytest.approx(100 / 7)


def test_the_jackknife_of_a_ratio_of_equal_groups() -> None:
    """32 subscribers of one session each, k of them stalled: the interval is ± t · √(p (1−p) / 31)."""
    stalled = 8
    tables = sessions(
        *(
            session(replicate=i, stall_count=int(i < stalled), stall_ms=int(i < stalled), weight=1_000)
            for i in range(REPLICATES)
        )
    )
    row = measure_frames(tables, ["rebuffer_rate"], intervals=True).row(0, named=True)
    error = 1.6955187889 * (0.25 * 0.75 / 31) ** 0.5
    assert row["value"] == 0.25
    assert (row["low"], row["high"]) == pytest.approx((0.25 - error, 0.25 + error))
    assert row["n_effective"] == 32  # a thousand times the weight makes it no surer


def test_no_interval_where_one_group_holds_everything() -> None:
    found = measure_frames(
        sessions(session(replicate=3)), ["rebuffer_rate", "time_to_play_p99_ms"], intervals=True
    )
    assert found.select("low", "high").rows() == [(None, None)] * 2


def test_intervals_of_totals_quantiles_and_whole_denominators() -> None:
    tables = frames(
        playback_session=rows(
            "playback_session",
            *(session(replicate=i % 32, startup_ms=500 + i, playing_ms=600_000 + i) for i in range(320)),
        ),
        membership=rows(
            "membership", *({**row, "replicate": int(row["subscriber_id"][1:])} for row in member_days(2, members=32))
        ),
    )  # fmt: skip
    names = ["watch_hours", "time_to_play_p99_ms", "watch_hours_per_subscriber"]
    for row in measure_frames(tables, names, intervals=True).iter_rows(named=True):
        assert row["low"] < row["value"] < row["high"], row
        assert row["high"] - row["low"] < 0.05 * row["value"], row


def test_tables_that_are_no_panel_have_no_effective_n_and_no_interval() -> None:
    tables = frames(minute_count=rows("minute_count", {"home_pages": 10, "home_pages_late": 1}))
    row = measure_frames(tables, ["home_late_ratio"], intervals=True).row(0, named=True)
    assert (row["value"], row["n_effective"], row["low"], row["high"]) == (0.1, None, None, None)


@pytest.mark.parametrize(
    ("names", "options", "said"),
    [
        (["attempts"], {"by": ["regoin"]}, "no dimension 'regoin'; did you mean region?"),
        # The truth's columns are no dimensions of telemetry.
        (["attempts"], {"by": ["scope"]}, "no dimension 'scope'"),
        (["home_late_ratio"], {"by": ["isp"]}, "home_late_ratio cannot be cut by 'isp'"),
        (["attempts"], {"where": {"tier": ["edge"]}}, "attempts cannot be cut by 'tier'"),
        (["attempts"], {"grain": "1y"}, "no grain '1y'"),
        (["attempts"], {"start_ts_ms": 2, "end_ts_ms": 2}, "the period ends before it starts"),
        ([], {}, "no metric asked for"),
    ],
)
def test_what_cannot_be_answered_is_said(names: list[str], options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        measure_frames(frames(), names, **options)


def test_private_columns_are_no_dimensions() -> None:
    for name in ("subscriber_id", "viewer_id", "session_id"):
        with pytest.raises(InputError, match="no dimension"):
            check_cut(["attempts"], [name])
