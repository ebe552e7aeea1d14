"""The decision table: planted effects found by experiment and by comparison, what is said where nothing can be told."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from metrics.decide import CELLS, DECISIONS, LEAVES, MARGIN, PLANNED_CHANGE, TRUTHS, decide, estimates
from metrics.effects import units_per_arm
from metrics.errors import InputError
from metrics.query import measure_frames
from metrics.standardisation import standardised
from tests.metrics.rows import APRIL_MS, DAY_MS, frames, rows, session

MEMBERS, DAYS, HOUR_MS = 640, 2, 3_600_000
REGIONS = ("north", "south")
HOURS_PLANTED = 0.5


def member(number: int) -> dict[str, Any]:
    return {"subscriber_id": f"m{number}", "region": REGIONS[number % 2], "replicate": number // 2 % 32}


def tables(*sessions: dict[str, Any], experiment: str | None = None) -> dict[str, pl.LazyFrame]:
    paying = [
        {"ts_ms": APRIL_MS + day * DAY_MS, "status": "paying", "tenure_days": 100} | member(n)
        for day in range(DAYS)
        for n in range(MEMBERS)
    ]
    given = {
        "membership": rows("membership", *paying),
        "playback_session": rows("playback_session", *sessions),
    }
    if experiment:
        arms = [
            {
                "experiment": experiment, "arm": "control" if n % 4 < 2 else "new", "is_control": n % 4 < 2,
                "assigned_ts_ms": APRIL_MS, "until_ts_ms": APRIL_MS + DAYS * DAY_MS, "subscriber_id": f"m{n}",
                "replicate": n // 2 % 32,
            }
            for n in range(MEMBERS)
        ]  # fmt: skip
        given["assignment"] = rows("assignment", *arms)
    return frames(**given)


def cell(found: pl.DataFrame, world: str, metric: str, region: str | None = None) -> dict[str, Any]:
    return found.row(
        by_predicate=(pl.col("world") == world)
        & (pl.col("metric") == metric)
        & pl.col("region").eq_missing(pl.lit(region, pl.String)),
        named=True,
    )


@pytest.fixture(scope="module")
def tried() -> dict[str, pl.LazyFrame]:
    """The treatment's members watch half an hour less a day, and stall in a fifth of their sessions instead of none."""
    rng = np.random.default_rng(1)
    plays = []
    for n in range(MEMBERS):
        is_new = n % 4 >= 2
        own = rng.gamma(4.0, 0.5)
        for day in range(DAYS):
            stalls = int(is_new and rng.random() < 0.2)
            hours = max(own + 1.0 - HOURS_PLANTED * is_new, 0.0)
            plays.append(
                session(
                    playing_ms=int(hours * HOUR_MS), start_ts_ms=APRIL_MS + day * DAY_MS, codec="h264",
                    startup_ms=int(500 + 200 * rng.random()), stall_count=stalls, stall_ms=1_000 * stalls,
                    is_rec_driven=bool(rng.random() < 0.8), **member(n),
                )
            )  # fmt: skip
    return tables(*plays, experiment="Keyword-search, spring")


def test_an_experiment_is_read_for_the_switch_in_its_name(tried: dict[str, pl.LazyFrame]) -> None:
    found = estimates(tried)
    assert set(found["world"]) == {"keyword_search"}
    assert set(found["method"]) == {"experiment"}
    # What runs is the control, which watches more: the effect of what runs is positive.
    hours = cell(found, "keyword_search", "watch_hours_per_subscriber_month")
    month = 487 / 16
    assert hours["low"] < HOURS_PLANTED * month < hours["high"]
    assert hours["low"] > 0
    stalls = cell(found, "keyword_search", "rebuffer_rate")
    assert stalls["low"] < -0.2 < stalls["high"] < 0
    assert "640 members, 2 days" in hours["ground"]
    south = cell(found, "keyword_search", "watch_hours_per_subscriber_month", "south")
    assert south["high"] - south["low"] > hours["high"] - hours["low"]
    # Nobody left, so an interval of churn would have no width and know nothing.
    assert found.filter(pl.col("metric") == "monthly_churn_ratio").is_empty()


def test_a_switch_can_be_told_its_experiment(tried: dict[str, pl.LazyFrame]) -> None:
    found = estimates(tried, {"siloed": "Keyword-search, spring"})
    assert set(found["world"]) == {"siloed", "keyword_search"}
    with pytest.raises(InputError, match=r"no switch 'silo'"):
        estimates(tried, {"silo": "Keyword-search, spring"})
    with pytest.raises(InputError, match=r"no experiment 'spring'; the lake has Keyword-search, spring"):
        estimates(tried, {"siloed": "spring"})


def test_what_nobody_asked_for_stands_where_it_is_known(tried: dict[str, pl.LazyFrame]) -> None:
    again = tried["assignment"].with_columns(experiment=pl.lit("Player rule"))
    both = tried | {"assignment": again}
    table = decide(both, estimates(both))
    assert cell(table, "throughput_abr", "rebuffer_rate")["method"] == "experiment"
    assert "popularity" not in set(table["world"])
    assert "throughput_abr" not in set(decide(tried, estimates(tried))["world"])


def test_every_cell_has_an_interval_or_says_what_it_would_take(tried: dict[str, pl.LazyFrame]) -> None:
    found = decide(tried, estimates(tried), by_region=True)
    assert found.schema == CELLS
    asked = [decision for decision in DECISIONS if not decision.is_extra]
    assert found.height == len(asked) * (3 * len(LEAVES) - 2)
    numbers = found.select(pl.col(pl.Float64)).unpivot().drop_nulls()
    assert numbers["value"].is_finite().all()
    told = found.filter(pl.col("estimate").is_not_null())
    assert told.height
    assert told.filter(
        pl.col("low").is_null() | pl.col("high").is_null() | (pl.col("method") == "none")
    ).is_empty()
    silent = found.filter(pl.col("estimate").is_null())
    assert set(silent["method"]) == {"none"}
    assert silent["ground"].str.contains("^not (estimable|modelled): ").all()
    push = cell(found, "pull_on_miss", "watch_hours_per_subscriber_month")
    (own,) = measure_frames(tried, ["hours_per_member_day"], intervals=True).iter_rows(named=True)
    error = (own["high"] - own["low"]) / 2 / 1.6955187889
    needed = units_per_arm(PLANNED_CHANGE * own["value"], error * MEMBERS**0.5)
    assert push["members_needed"] == pytest.approx(needed, rel=0.02)
    assert f"{push['members_needed']} members an arm" in push["ground"]


def test_the_truth_stands_beside_and_changes_no_estimate(tried: dict[str, pl.LazyFrame]) -> None:
    found = estimates(tried)
    known = [
        ("keyword_search", None, "rebuffer_rate", -0.2, -0.21, -0.19, 0.0, 0.2, "planted"),
        ("keyword_search", None, "time_to_play_p99_ms", 900.0, None, None, None, None, "planted"),
        ("siloed", None, "rebuffer_rate", 0.1, None, None, None, None, "planted"),
    ]
    with_it = decide(tried, found, truths=pl.DataFrame(known, schema=TRUTHS, orient="row"))
    told = ["estimate", "low", "high", "method", "members_needed"]
    assert with_it.select(told).equals(decide(tried, found).select(told))
    assert cell(with_it, "keyword_search", "rebuffer_rate")["holds"] is True
    assert cell(with_it, "keyword_search", "time_to_play_p99_ms")["holds"] is False
    assert cell(with_it, "siloed", "rebuffer_rate")["true_effect"] == 0.1
    assert cell(with_it, "siloed", "rebuffer_rate")["holds"] is None


def test_a_model_fills_what_nothing_measured(tried: dict[str, pl.LazyFrame]) -> None:
    found = estimates(tried)
    models = pl.DataFrame(
        [
            ("third_party_cdn", None, MARGIN, "model", 0.002, 0.001, 0.004, "rates"),
            ("keyword_search", None, "rebuffer_rate", "model", 9.0, 8.0, 10.0, "rates"),
        ],
        schema=found.schema, orient="row",
    )  # fmt: skip
    table = decide(tried, pl.concat([found, models]))
    assert cell(table, "third_party_cdn", MARGIN)["estimate"] == 0.002
    assert cell(table, "keyword_search", "rebuffer_rate")["method"] == "experiment"


def coded(n: int, device: str, codec: str, content: str, *, is_stalled: bool) -> dict[str, Any]:
    """Mobile devices stall more and decode AV1 less; a stall costs a tenth of the hour."""
    return session(
        device=device, codec=codec, content_id=content, stall_count=int(is_stalled), stall_ms=100 * is_stalled,
        playing_ms=HOUR_MS - HOUR_MS // 10 * is_stalled, edge_bytes=10**9 * (2 if codec == "h264" else 1), **member(n),
    )  # fmt: skip


def coded_sessions() -> list[dict[str, Any]]:
    """In each stratum AV1 halves stalls: tv 10 % to 5 %, mobile 40 % to 20 %; 3 of 4 tv and 1 of 4 mobile have it."""
    plays = []
    for n in range(MEMBERS):
        for k in range(20):
            for device, share, h264 in (("smart_tv", 15, 2), ("mobile", 5, 8)):
                is_av1 = k < share
                place, size = (k, share) if is_av1 else (k - share, 20 - share)
                # Each member has the stratum's very share, spread by their number where it is no whole number.
                rate = h264 / 20 / (2 if is_av1 else 1)
                is_stalled = (place + n * 7 % size) % size < rate * size or (
                    rate * size < 1 and place == 0 and n // 64 % 10 < 10 * rate * size
                )
                plays.append(coded(n, device, "av1" if is_av1 else "h264", "shared", is_stalled=is_stalled))
        plays.append(coded(n, "mobile", "h264", "old", is_stalled=False))
    return plays


def test_like_sessions_are_compared_with_like() -> None:
    """The naive contrast of codecs mixes devices; within strata the planted halving comes out."""
    plays = pl.DataFrame(coded_sessions())
    shared = plays.filter(pl.col("content_id") == "shared")
    by = shared.group_by("device", "codec").agg(rate=pl.col("stall_count").mean(), n=pl.len())
    rate = {(d, c): r for d, c, r, _ in by.iter_rows()}
    n = {(d, c): k for d, c, _, k in by.iter_rows()}
    with_ = [(device, n[device, "av1"]) for device in ("smart_tv", "mobile")]
    planted = sum(k * (rate[d, "av1"] - rate[d, "h264"]) for d, k in with_) / plays.height
    found = estimates(tables(*coded_sessions()))
    stalls = cell(found, "h264_only", "rebuffer_rate")
    assert stalls["method"] == "comparison"
    assert stalls["estimate"] == pytest.approx(planted, abs=1e-12)
    assert stalls["low"] <= stalls["estimate"] <= stalls["high"]
    naive = rate["smart_tv", "av1"] - (shared.filter(codec="h264")["stall_count"].mean())
    assert abs(naive * len(with_)) > abs(planted)
    assert "not drawn at random" in stalls["ground"]


def test_without_peers_nothing_is_said() -> None:
    alone = [coded(n, "smart_tv", "av1", "new", is_stalled=n % 3 == 0) for n in range(MEMBERS)]
    assert estimates(tables(*alone)).is_empty()
    # Peers of a tenth of the sessions are none of the others.
    some = [
        coded(n, "mobile", codec, "new", is_stalled=False) for n in range(64) for codec in ("av1", "h264")
    ]
    assert estimates(tables(*alone, *some)).is_empty()


def test_titles_known_by_a_few_plays_in_av1_are_not_compared() -> None:
    """The fewer plays a title has, the more of those are in AV1, where one of them is what makes it known."""
    few = [
        coded(n, "web", codec, f"t{n}", is_stalled=n % 5 == 0)
        for n in range(MEMBERS) for codec in (("av1",) if n % 4 < 2 else ("av1", "h264"))
    ]  # fmt: skip
    assert estimates(tables(*few)).is_empty()
    encodes = rows("encode", *({"content_id": f"t{n}", "codec": "av1"} for n in range(MEMBERS)))
    assert estimates(tables(*few) | {"encode": encodes.lazy()}).height > 0


def test_overflow_to_another_cdn_is_no_comparison() -> None:
    plays = [session(cdn="own", device="web", **member(n)) for n in range(MEMBERS)]
    spilt = [session(cdn="third_party", device="web", startup_ms=9_000, **member(0))]
    assert estimates(tables(*plays, *spilt)).is_empty()
    split = [
        session(cdn="third_party", device="web", startup_ms=1_500 + n, **member(n)) for n in range(MEMBERS)
    ]
    late = cell(estimates(tables(*plays, *split)), "third_party_cdn", "time_to_play_p99_ms")
    assert late["high"] < 0


def test_standardised_is_the_identity_where_peers_are_the_same() -> None:
    """Every session with the thing has a twin without it: no figure differs."""
    twins = [
        coded(n, "web", codec, "t", is_stalled=n % 5 == 0)
        for n in range(MEMBERS)
        for codec in ("av1", "h264")
    ]
    frame = tables(*twins)["playback_session"].with_columns(pl.lit(0, pl.Int64).alias("edge_bytes"))
    kind = pl.when(pl.col("codec") == "av1").then(pl.lit("with")).otherwise(pl.lit("peer"))
    days = pl.DataFrame({"region": ["north"] * 32, "replicate": range(32), "member_days": [30.0] * 32})
    whole = standardised(frame, kind, days)[None]
    assert whole.overlap_ratio == 1
    assert whole.sessions == MEMBERS
    for effect, low, high in whole.effects.values():
        assert effect == pytest.approx(0, abs=1e-9)
        assert low <= effect <= high
