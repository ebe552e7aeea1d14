"""Every metric against small tables worked by hand."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl
import pytest
from narwhals.exceptions import ColumnNotFoundError

from metrics.catalog import METRICS, Metric, get_metric
from metrics.errors import InputError
from metrics.glossary import glossary
from metrics.query import measure_frames
from metrics.telemetry import TABLES
from metrics.unknown import MEASURES, unknown_flag
from tests.metrics.rows import APRIL_MS, DAY_MS, frames, member_days, rows, session, unstarted

ROOT = Path(__file__).parent.parent.parent


def value(name: str, **tables: pl.DataFrame) -> float | None:
    found: float | None = measure_frames(frames(**tables), [name])["value"].item()
    return found


def of_sessions(name: str, *sessions: dict[str, Any]) -> float | None:
    return value(name, playback_session=rows("playback_session", *sessions))


def test_cta_watched_time_excludes_pause() -> None:
    """The standard's own example: a 60 s clip with a 10 s stall and a 30 s pause was watched for 70 s."""
    clip = session(
        startup_ms=0, playing_ms=60_000, stall_ms=10_000, stall_count=1, paused_ms=30_000, watched_ms=70_000
    )
    assert of_sessions("cta_average_watched_ms", clip) == 70_000
    assert of_sessions("cta_stalled_time_ratio", clip) == 10 / 70


# Four attempts: a clean one, one with two stalls, one that failed after the first frame, one that never
# started. The stalled one stands for two.
FOUR = (
    session(startup_ms=1_000, playing_ms=99_000, media_bytes=24_750_000, switch_count=3, peak_bitrate_kbps=3_000),
    session(
        startup_ms=3_000, playing_ms=180_000, media_bytes=90_000_000, stall_count=2, stall_ms=17_000,
        seek_stall_count=1, seek_stall_ms=400, weight=2, peak_bitrate_kbps=6_000,
    ),
    session(outcome="playback_failure", startup_ms=500, playing_ms=9_500, media_bytes=1_187_500),
    unstarted("start_failure", waited_ms=5_000, failure_class="technical"),
)  # fmt: skip
PLAYED_MS = 99_000 + 2 * 180_000 + 9_500


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cta_playback_failure_ratio", 2 / 5),
        ("cta_average_startup_ms", (1_000 + 2 * 3_000 + 500) / 4),
        ("cta_average_stall_count", 4 / 5),
        ("cta_stalled_time_ratio", 34_000 / (100_000 + 2 * 200_000 + 10_000 + 5_000)),
        ("cta_average_bitrate_kbps", 8 * (24_750_000 + 180_000_000 + 1_187_500) / PLAYED_MS),
        ("new_relic_rebuffer_ratio", 34_000 / PLAYED_MS),
        ("brightcove_stall_seconds_per_hour", 34 / (PLAYED_MS / 3_600_000)),
        ("brightcove_stalls_per_hour", 4 / (PLAYED_MS / 3_600_000)),
        ("mux_startup_score", (8 / 9 + 2 * 8 / 11 + 8 / 8.5) / 4 * 100),
        (
            "mux_smoothness_score",
            (2 * 100 + 2 * (100 / math.sqrt(2) + 100 * math.exp(-10 * 17 / 200)) / 2) / 4,
        ),
        ("rebuffer_rate", 2 / 4),
        ("stalls_per_session", 4 / 4),
        ("stalls_per_hour", 4 / (PLAYED_MS / 3_600_000)),
        ("rebuffer_ratio", 34_000 / 515_000),
        ("playback_failure_ratio", 1 / 4),
        ("play_success_ratio", 4 / 5),
        ("start_failure_technical_ratio", 1 / 5),
        ("start_failure_business_ratio", 0),
        ("time_to_play_late_ratio", 2 / 4),
        ("peak_bitrate_kbps", 15_000 / 3),
        ("switches_per_hour", 3 / (PLAYED_MS / 3_600_000)),
        ("seek_latency_ms", 400),
        ("attempts", 5),
        ("watch_hours", PLAYED_MS / 3_600_000),
    ],
)
def test_known_answers_of_four_attempts(name: str, expected: float) -> None:
    assert of_sessions(name, *FOUR) == pytest.approx(expected, rel=1e-8)


def test_a_late_exit_breaks_the_promise_like_a_late_start() -> None:
    attempts = (
        session(startup_ms=1_999),
        session(startup_ms=2_000),
        unstarted("exit_before_start", waited_ms=1_999),
        unstarted("exit_before_start", waited_ms=2_000),
        unstarted("start_failure", waited_ms=9_000),  # a failure is another promise
    )
    assert of_sessions("time_to_play_bad_ratio", *attempts) == 2 / 4
    assert of_sessions("time_to_play_late_ratio", *attempts) == 1 / 2
    assert of_sessions("exit_before_start_ratio", *attempts) == 2 / 5


STALL_COUNTS = (
    "rebuffer_rate", "stalls_per_session", "stalls_per_hour", "cta_average_stall_count", "brightcove_stalls_per_hour",
)  # fmt: skip
STALL_TIMES = (
    "rebuffer_ratio", "cta_stalled_time_ratio", "new_relic_rebuffer_ratio", "brightcove_stall_seconds_per_hour",
    "media3_rebuffer_ratio", "mux_smoothness_score",
)  # fmt: skip


@pytest.mark.parametrize("name", [*STALL_COUNTS, *STALL_TIMES])
def test_stalls_nobody_told_are_not_zero_stalls(name: str) -> None:
    told, untold = session(stall_count=2, stall_ms=17_000), session(flags="a,stalls_unknown")
    assert of_sessions(name, untold) is None
    assert of_sessions(name, told, untold) == of_sessions(name, told)


def test_a_stall_whose_length_is_unknown_counts_as_a_stall_alone() -> None:
    told, counted = session(stall_count=2, stall_ms=17_000), session(stall_count=1, flags="stall_ms_unknown")
    assert of_sessions("rebuffer_rate", told, counted) == 1
    assert of_sessions("stalls_per_session", told, counted) == 3 / 2
    for name in STALL_TIMES:
        assert of_sessions(name, counted) is None
        assert of_sessions(name, told, counted) == of_sessions(name, told)


# Two sessions worked by hand: the first tells everything, the second has a number in every column that its source
# never told. Of each metric: the measure, and the figure of the first session alone.
TOLD = session(
    playing_ms=1_800_000, unattributed_bytes=3 * 10**9, media_bytes=2_250_000_000, switch_count=4, stall_count=1,
    stall_ms=9_000, seek_stall_count=2, seek_stall_ms=800, browse_ms=60_000, is_rec_driven=True,
)  # fmt: skip
UNTOLD = (
    ("gigabytes_per_hour", "bytes", 3 / 0.5),
    ("gigabytes_per_hour", "playing", 3 / 0.5),
    ("switches_per_hour", "switches", 4 / 0.5),
    ("switches_per_hour", "playing", 4 / 0.5),
    ("watch_hours", "playing", 0.5),
    ("qualified_plays", "playing", 1),
    ("hours_per_play", "playing", 0.5),
    ("rec_driven_play_ratio", "playing", 1),
    ("rec_driven_hours_ratio", "playing", 1),
    ("mean_bitrate_kbps", "media_size", 10_000),
    ("mean_bitrate_kbps", "media_time", 10_000),
    ("cta_average_watched_ms", "watched", 1_810_000),
    ("rebuffer_ratio", "watched", 9 / 1_810),
    ("seek_latency_ms", "seeks", 400),
    ("seek_latency_ms", "seek_ms", 400),
    ("play_success_ratio", "outcome", 1),
    ("rebuffer_rate", "outcome", 1),
    ("browse_to_play_p50_ms", "browse", 60_000),
    ("time_to_play_bad_ratio", "waited", 0),
)


@pytest.mark.parametrize(("name", "measure", "expected"), UNTOLD)
def test_what_nobody_told_is_not_zero(name: str, measure: str, expected: float) -> None:
    untold = session(flags=f"a,{unknown_flag(measure)}", browse_ms=1, is_rec_driven=False)
    assert of_sessions(name, TOLD) == pytest.approx(expected, rel=0.01 if name.endswith("p50_ms") else None)
    assert of_sessions(name, TOLD, untold) == of_sessions(name, TOLD)
    assert of_sessions(name, untold) is None


def test_hours_nobody_told_are_unknown_slice_by_slice() -> None:
    played = [session(region=region, playing_ms=ms) for region, ms in (("a", 3_600_000), ("b", 60_000))]
    untold = [session(region=region, flags="playing_unknown") for region in ("a", "c")]
    tables = frames(
        playback_session=rows("playback_session", *played, *untold),
        membership=rows("membership", *member_days(2, members=2)),
    )
    for name, a, b in (
        ("watch_hours_per_subscriber", 0.5, 1 / 120),
        ("qualified_plays_per_subscriber", 0.5, 0),
    ):
        found = measure_frames(tables, [name], by=["region"]).sort("region")
        assert found["value"].to_list() == [a, pytest.approx(b), None]
        assert found["n"].to_list() == [1, 1, 0]


def test_the_cost_of_an_hour_stands_on_hours_that_were_told() -> None:
    charged = rows("charge", charge("delivery", "2"))
    untold = rows("playback_session", session(flags="playing_unknown"))
    assert value("cost_per_stream_hour_usd", charge=charged, playback_session=untold) is None


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_a_metric_needs_the_measures_it_reads(metric: Metric) -> None:
    """A part that reads a column without needing its measure would take what nobody told for a number."""
    for part in metric.parts:
        if part.table != "playback_session":
            continue
        table = nw.from_native(rows("playback_session", session()))
        for measure, columns in MEASURES.items():
            reads = [
                e for e in (part.of.where, part.value) if e is not None and _fails(table.drop(columns), e)
            ]
            assert not reads or measure in part.of.needs, f"{part.name} reads {columns}"


def _fails(table: nw.DataFrame[Any], expr: nw.Expr) -> bool:
    try:
        table.select(expr.alias("value"))
    except ColumnNotFoundError:
        return True
    return False


def test_no_flag_is_part_of_another() -> None:
    flags = [unknown_flag(measure) for measure in MEASURES]
    assert not [(a, b) for a in flags for b in flags if a != b and a in b]
    assert {column for columns in MEASURES.values() for column in columns} <= set(
        TABLES["playback_session"].schema
    )


def test_a_start_nobody_timed_is_a_start_without_a_time() -> None:
    attempts = (session(startup_ms=3_000), session(startup_ms=None, flags="startup_unknown"))
    assert of_sessions("play_success_ratio", *attempts) == 1
    assert of_sessions("time_to_play_late_ratio", *attempts) == 1
    assert of_sessions("rebuffer_rate", *attempts) == 0


def test_success_and_its_complement_add_up_to_one() -> None:
    attempts = (
        session(),
        unstarted("exit_before_start"),
        unstarted("start_failure", failure_class="technical"),
        unstarted("start_failure", failure_class="business"),
        unstarted("start_failure"),
    )
    parts = (
        "play_success_ratio", "exit_before_start_ratio", "start_failure_technical_ratio",
        "start_failure_business_ratio", "start_failure_unclassed_ratio",
    )  # fmt: skip
    assert [of_sessions(name, *attempts) for name in parts] == [1 / 5] * 5


@pytest.mark.parametrize(
    ("playing_ms", "content_ms", "is_qualified"),
    [
        (120_000, None, True), (119_999, None, False), (119_999, 3_600_000, False), (120_000, 36_000_000, True),
        (30_000, 300_000, True), (29_999, 300_000, False), (0, 0, False),
    ],
)  # fmt: skip
def test_a_qualified_play_is_two_minutes_or_a_tenth(
    playing_ms: int, content_ms: int | None, is_qualified: bool
) -> None:
    play = session(playing_ms=playing_ms, content_duration_ms=content_ms)
    table = rows("playback_session", play)
    qualified = measure_frames(frames(playback_session=table), ["qualified_plays"])["numerator"].item()
    assert qualified == int(is_qualified)


def test_watch_hours_per_subscriber_keeps_its_denominator_in_every_slice() -> None:
    tables = frames(
        playback_session=rows(
            "playback_session",
            session(playing_ms=3_600_000, region="mena", device="web", weight=4),
            session(playing_ms=7_200_000, region="south-asia", device="web", weight=10),
            session(playing_ms=1_800_000, region="mena", device="mobile", weight=4),
        ),
        # 2 members for 3 days and one more for a day, ten real ones each: 70 member-days in 3 days.
        membership=rows(
            "membership",
            *member_days(3, members=2, weight=10, region="mena"),
            *[{**row, "subscriber_id": "m9"} for row in member_days(1, weight=10, region="south-asia")],
        ),
    )
    name = "watch_hours_per_subscriber"
    whole = measure_frames(tables, [name])
    assert whole["numerator"].item() == Decimal(26)
    assert float(whole["denominator"].item()) == pytest.approx(70 / 3)
    assert whole["value"].item() == pytest.approx(26 / (70 / 3))
    for by in (["region"], ["device"], ["region", "device"]):
        assert measure_frames(tables, [name], by=by)["value"].sum() == pytest.approx(whole["value"].item())
    sliced = measure_frames(tables, [name], where={"region": ["mena"]})["value"].item()
    by_region = measure_frames(tables, [name], by=["region"])
    assert sliced == by_region.filter(pl.col("region") == "mena")["value"].item()


def test_rec_driven_counts_only_what_has_an_attribution() -> None:
    plays = (
        session(is_rec_driven=True, playing_ms=3_600_000),
        session(is_rec_driven=False, playing_ms=1_200_000),
        session(is_rec_driven=None, playing_ms=9_999_999),
        session(is_rec_driven=True, playing_ms=1_000),  # too short to qualify, yet an hour is an hour
    )
    assert of_sessions("rec_driven_play_ratio", *plays) == 1 / 2
    assert of_sessions("rec_driven_hours_ratio", *plays) == pytest.approx(3_601_000 / 4_801_000)
    assert of_sessions("rec_driven_hours_ratio", session(is_rec_driven=None)) is None


def test_members_churn_retention_and_trials() -> None:
    days = member_days(30, members=2)
    days[-1]["is_churned"] = True
    trial = [
        {"ts_ms": APRIL_MS + day * DAY_MS, "subscriber_id": who, "tenure_days": day, "status": status,
         "is_churned": is_churned}
        for who, statuses in {
            "pays": ["trial", "trial", "paying"],
            "leaves": ["trial", "trial!", "lapsed"],
            "lapses": ["trial", "trial", "lapsed"],
            "tries": ["trial", "trial", "trial"],
        }.items()
        for day, (status, is_churned) in enumerate((s.rstrip("!"), s.endswith("!")) for s in statuses)
    ]  # fmt: skip
    membership = rows("membership", *days, *trial)
    months = 61 / 30.4375
    assert value("monthly_churn_ratio", membership=membership) == pytest.approx(1 / months)
    assert value("monthly_retention_ratio", membership=membership) == pytest.approx(1 - 1 / months)
    assert value("trial_to_paid_ratio", membership=membership) == pytest.approx(1 / 3)
    # A period that begins with the day a trial became paying knows what it was the day before.
    later = measure_frames(
        frames(membership=membership), ["trial_to_paid_ratio"], start_ts_ms=APRIL_MS + 2 * DAY_MS
    )
    assert later["value"].item() == 1 / 2


def test_home_latency_and_late_pages() -> None:
    asked = {"service": "home", "status": 200}
    control = rows(
        "control_request",
        *({**asked, "latency_ms": ms} for ms in (20, 30, 40)),
        {"service": "home", "status": 503, "latency_ms": 9_000},
        {"service": "search", "status": 200, "latency_ms": 500},
    )
    minutes = rows("minute_count", {"home_pages": 200, "home_pages_late": 1}, {"home_pages": 100})
    assert value("home_latency_p50_ms", control_request=control) == 30
    assert value("home_latency_p99_ms", control_request=control) == 40
    assert value("home_late_ratio", minute_count=minutes) == 1 / 300
    assert value("control_error_ratio", control_request=control) == 1 / 5


def test_the_event_clock_counts_starts_and_exits() -> None:
    minutes = rows(
        "minute_count",
        {"attempts": 12, "starts": 8, "starts_late": 1, "exits_before_start": 2, "exits_late": 1, "start_failures": 2,
         "stalled_viewer_minutes": 3, "watched_viewer_minutes": 300},
    )  # fmt: skip
    assert value("time_to_play_bad_event_ratio", minute_count=minutes) == 2 / 10
    assert value("stalled_viewer_minute_ratio", minute_count=minutes) == 3 / 300


def test_delivery_tiers_and_miss_classes() -> None:
    own = {"cdn": "own", "codec": "av1"}
    delivery = rows(
        "delivery",
        {**own, "tier": "edge", "miss_class": "hit", "delivered_bytes": 8 * 10**9},
        {**own, "tier": "storage", "miss_class": "content_miss", "delivered_bytes": 10**9},
        {**own, "tier": "storage", "miss_class": "health_miss", "delivered_bytes": 5 * 10**8},
        {"cdn": "third_party", "tier": "third_party", "codec": "h264", "delivered_bytes": 5 * 10**8},
    )
    assert value("delivered_gigabytes", delivery=delivery) == 10
    assert value("edge_offload_ratio", delivery=delivery) == 8 / 10
    assert value("content_miss_ratio", delivery=delivery) == pytest.approx(1 / 9.5)
    assert value("health_miss_ratio", delivery=delivery) == pytest.approx(0.5 / 9.5)
    assert value("other_miss_ratio", delivery=delivery) == 0
    fill = rows(
        "fill", {"planned_bytes": 100, "pushed_bytes": 90}, {"planned_bytes": 100, "pushed_bytes": 100}
    )
    assert value("fill_ratio", fill=fill) == 190 / 200


def charge(pool: str, usd: str, **given: Any) -> dict[str, Any]:
    return {
        "x_period_start_ts_ms": APRIL_MS, "x_period_end_ts_ms": APRIL_MS + 30 * DAY_MS, "BillingCurrency": "USD",
        "EffectiveCost": Decimal(usd), "x_cost_pool": pool,
    } | given  # fmt: skip


def test_cost_per_hour_per_gigabyte_and_per_subscriber_month() -> None:
    tables = {
        "charge": rows(
            "charge",
            charge("delivery", "60.50", x_cdn="own"),
            charge("encoding", "30"),
            charge("control_plane", "9.50"),
            charge("content", "100000"),
            charge("delivery", "777", BillingCurrency="EUR"),
        ),
        "playback_session": rows("playback_session", session(playing_ms=3_600_000, weight=1_000)),
        "delivery": rows(
            "delivery", {"cdn": "own", "tier": "edge", "codec": "av1", "delivered_bytes": 2_000 * 10**9}
        ),
        "membership": rows("membership", *member_days(30, weight=100)),
    }
    assert value("cost_per_stream_hour_usd", **tables) == pytest.approx(0.1)
    assert value("delivery_cost_per_stream_hour_usd", **tables) == pytest.approx(0.0605)
    assert value("encoding_cost_per_stream_hour_usd", **tables) == pytest.approx(0.03)
    assert value("delivery_cost_per_gigabyte_usd", **tables) == pytest.approx(60.5 / 2_000)
    assert value("cost_per_subscriber_month_usd", **tables) == pytest.approx(100 / (3_000 / 30.4375))
    del tables["charge"]
    assert value("cost_per_stream_hour_usd", **tables) is None  # unknown, which is not free


def test_names_say_their_unit_and_formats_work() -> None:
    for metric in METRICS.values():
        assert metric.show(1.5), metric.name
        assert metric.show(None) == "no data"
        assert metric.show(-1e-12) == metric.show(0.0), metric.name
        if metric.unit in ("ms", "ratio", "kbit/s") and metric.name not in ("take_rate", "rebuffer_rate"):
            assert metric.name.endswith(("_ms", "_ratio", "_kbps")), metric.name
        assert all(driver.metric in METRICS for driver in metric.drivers), metric.name


def test_a_limit_is_kept_on_its_better_side() -> None:
    rebuffer, share = get_metric("rebuffer_rate"), get_metric("rec_driven_hours_ratio")
    assert [rebuffer.keeps(v) for v in (0.0009, 0.001, None)] == [True, False, None]
    assert [share.keeps(v) for v in (0.79, 0.8)] == [False, True]
    assert get_metric("attempts").keeps(1.0) is None


def test_an_unknown_metric_names_the_nearest() -> None:
    with pytest.raises(InputError, match=re.escape("no metric 'rebufer_rate'; did you mean rebuffer_rate")):
        get_metric("rebufer_rate")


def test_the_glossary_is_current() -> None:
    """``playhead glossary -o docs/glossary.md`` renews it."""
    assert (ROOT / "docs" / "glossary.md").read_text("utf-8") == glossary()
    assert all(f"`{name}`" in glossary() for name in METRICS)
