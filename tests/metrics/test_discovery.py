"""Discovery metrics worked by hand: time to find, effective numbers, transfer, first weeks, first sessions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import duckdb
import narwhals as nw
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.duration.survfunc import SurvfuncRight

from metrics.catalog import METRICS
from metrics.errors import InputError
from metrics.metric import Spread
from metrics.query import measure_frames, survival
from metrics.rollup import rollup
from metrics.spread import effective_number
from tests.metrics.rows import APRIL_MS, DAY_MS, frames, member_days, rows, session

# Weeks of remission of 21 patients under 6-mercaptopurine; true where the relapse was seen (Freireich et al.,
# Blood 21, 1963): the textbooks' example of the product-limit estimate.
REMISSION = (
    (6, 1), (6, 1), (6, 1), (6, 0), (7, 1), (9, 0), (10, 1), (10, 0), (11, 0), (13, 1), (16, 1), (17, 0), (19, 0),
    (20, 0), (22, 1), (23, 1), (25, 0), (32, 0), (32, 0), (34, 0), (35, 0),
)  # fmt: skip
PUBLISHED = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}


def visit(browse_ms: int = 10_000, *, found: bool = True, **given_: Any) -> dict[str, Any]:
    plays = {"session_id": "s", "playing_ms": 600_000, "content_duration_ms": 3_600_000} if found else {}
    return {"ts_ms": APRIL_MS, "browse_ms": browse_ms, "is_found": found, **plays} | given_


def of(name: str, **tables: pl.DataFrame) -> float | None:
    value = measure_frames(frames(**tables), [name])["value"].item()
    return None if value is None else float(value)


def of_visits(name: str, *given_: dict[str, Any]) -> float | None:
    return of(name, visit=rows("visit", *given_))


def visits_of(times: Any, **given_: Any) -> pl.DataFrame:
    return rows("visit", *(visit(time, found=bool(seen), **given_) for time, seen in times))


def test_time_to_find_is_the_textbooks_curve() -> None:
    tables = frames(visit=visits_of(REMISSION))
    curve = survival(tables, "time_to_find_p50_ms")
    told = {row["time_ms"]: round(row["value"], 3) for row in curve.iter_rows(named=True) if row["found"]}
    assert told == PUBLISHED
    assert curve.select("at_risk", "found").row(0) == (21, 3)
    assert of("time_to_find_p50_ms", visit=visits_of(REMISSION)) == 23
    # Without those who were still waiting the median would be 10: what leaving them out makes of it.
    finds = visits_of([(time, seen) for time, seen in REMISSION if seen])
    assert of("time_to_find_p50_ms", visit=finds) == 10


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.integers(1, 5)), min_size=1, max_size=40))
def test_the_curve_is_that_of_statsmodels_with_weights_as_repetitions(
    given_: list[tuple[int, bool, int]],
) -> None:
    frame = rows("visit", *(visit(time, found=seen, weight=weight) for time, seen, weight in given_))
    curve = survival(frames(visit=frame), "time_to_find_p50_ms")
    times, seen, weights = (np.repeat(column, frame["weight"]) for column in zip(*given_, strict=True))
    peer = SurvfuncRight(times, seen)
    ours = {row["time_ms"]: row["value"] for row in curve.iter_rows(named=True) if row["found"]}
    assert list(ours) == peer.surv_times.tolist()
    assert list(ours.values()) == pytest.approx(peer.surv_prob.tolist(), abs=1e-9)
    assert weights.size == curve["at_risk"].max()


def test_no_median_where_fewer_than_half_would_find_anything() -> None:
    assert of_visits("time_to_find_p50_ms", visit(5), visit(9, found=False), visit(9, found=False)) is None
    assert of_visits("time_to_find_p50_ms", visit(5, found=False)) is None


def test_leaving_is_no_find_and_going_on_with_a_title_no_search_for_one() -> None:
    looking = (visit(5), visit(7, surface="home"), visit(90, found=False))
    assert of_visits("browse_abandonment_ratio", *looking) == 1 / 3
    assert of_visits("browse_abandonment_ratio", *looking, visit(1, surface="continue")) == 1 / 3
    assert of_visits("time_to_find_p50_ms", *looking, visit(1, surface="continue")) == 7


def test_the_median_has_an_interval_over_the_groups_of_members() -> None:
    frame = rows("visit", *(visit(50 + 3 * i, found=i % 4 > 0, replicate=i % 32) for i in range(64)))
    found = measure_frames(frames(visit=frame), ["time_to_find_p50_ms"], intervals=True)
    value, low, high = found.select("value", "low", "high").row(0)
    assert low < value < high
    curve = survival(frames(visit=frame), "time_to_find_p50_ms")
    assert (curve["low"] <= curve["value"]).all()
    assert (curve["value"] <= curve["high"]).all()
    assert curve["value"].is_sorted(descending=True)
    with pytest.raises(InputError, match=r"take_rate is no time to an event; ask for time_to_find_p50_ms"):
        survival(frames(visit=frame), "take_rate")


def test_curves_by_a_dimension_are_each_their_own() -> None:
    frame = pl.concat([visits_of(REMISSION, device="web"), visits_of([(5, 1), (7, 1)], device="mobile")])
    curve = survival(frames(visit=frame), "time_to_find_p50_ms", by=["device"])
    assert curve.filter(device="mobile").select("time_ms", "value").rows() == [(5, 0.5), (7, 0.0)]
    alone = survival(frames(visit=visits_of(REMISSION)), "time_to_find_p50_ms")
    assert curve.filter(device="web").drop("device").equals(alone)


# --- effective numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        # Shares of a half, three tenths and a fifth.
        ("rank", 2 * (0.5 * 1 + 0.3 * 2 + 0.2 * 3) - 1),
        ("hill_2", 1 / (0.25 + 0.09 + 0.04)),
        ("hill_1", math.exp(-(0.5 * math.log(0.5) + 0.3 * math.log(0.3) + 0.2 * math.log(0.2)))),
    ],
)
def test_effective_numbers_by_hand(kind: Spread, expected: float) -> None:
    assert effective_number(np.array([[3.0], [5.0], [2.0], [0.0]]), kind)[0] == pytest.approx(expected)
    assert np.isnan(effective_number(np.zeros((3, 1)), kind)[0])


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=30),
    st.sampled_from(["rank", "hill_1", "hill_2"]),
    st.integers(1, 9),
)
def test_effective_numbers_lie_between_one_and_all(amounts: list[int], kind: Spread, times: int) -> None:
    column = np.array(amounts, float)[:, None]
    number = effective_number(column, kind)[0]
    assert 1 - 1e-9 <= number <= len(amounts) + 1e-9
    assert effective_number(column * times, kind)[0] == pytest.approx(number)
    alike = effective_number(np.full((len(amounts), 1), float(times)), kind)[0]
    assert alike == pytest.approx(len(amounts))


def test_effective_catalogue_size_is_by_hours_and_weights() -> None:
    plays = [("a", 1_800_000, 2), ("a", 1_800_000, 3), ("b", 1_000_000, 3), ("c", 2_000_000, 1), ("c", 0, 9)]
    frame = rows(
        "playback_session",
        *(session(content_id=title, playing_ms=ms, weight=weight) for title, ms, weight in plays),
    )
    # Hours in the proportion 9 : 3 : 2.
    shares = [9 / 14, 3 / 14, 2 / 14]
    assert of("effective_catalogue_size", playback_session=frame) == pytest.approx(
        2 * sum((i + 1) * p for i, p in enumerate(shares)) - 1
    )
    assert of("effective_catalogue_simpson", playback_session=frame) == pytest.approx(
        1 / sum(p * p for p in shares)
    )
    untold = frame.with_columns(flags=pl.lit("playing_unknown"))
    assert of("effective_catalogue_size", playback_session=untold) is None


def test_first_week_breadth_is_of_each_member_and_on_average() -> None:
    shown = [
        ("x", "drama", 1, 0, "home"), ("x", "comedy", 1, 6, "home"),  # two genres alike
        ("y", "drama", 3, 2, "home"), ("y", "drama", 3, 2, "home"),  # one, and three members like this one
        ("x", "crime", 1, 7, "home"), ("y", "crime", 3, 1, "search"),  # the second week, and no page
        ("z", None, 5, 1, "home"),
    ]  # fmt: skip
    frame = rows(
        "impression",
        *(
            {"subscriber_id": who, "genre": genre, "weight": w, "tenure_days": day, "surface": surface}
            for who, genre, w, day, surface in shown
        ),
    )
    assert of("first_week_genres", impression=frame) == pytest.approx((2 * 1 + 1 * 3) / 4)
    assert of("first_week_genres", impression=frame.with_columns(tenure_days=pl.lit(None, pl.Int64))) is None


def test_plays_of_no_known_title_are_no_title() -> None:
    plays = [session(content_id=title, playing_ms=60_000) for title in ("a", "b", None)]
    name = "effective_catalogue_size"
    assert of(name, playback_session=rows("playback_session", *plays)) == pytest.approx(2.0)
    assert of(name, playback_session=rows("playback_session", plays[2])) is None


def test_effective_numbers_have_intervals_that_leave_members_out() -> None:
    frame = rows(
        "playback_session",
        *(
            session(content_id=f"t{i % 7}", playing_ms=60_000 * (1 + i % 5), replicate=i % 32)
            for i in range(96)
        ),
    )
    name = "effective_catalogue_size"
    found = measure_frames(frames(playback_session=frame), [name], intervals=True)
    value, low, high = found.select("value", "low", "high").row(0)
    assert low < value < high
    # The delete-a-group jackknife done the long way round.
    without = [
        of(name, playback_session=frame.filter(pl.col("replicate") != group)) or 0.0 for group in range(32)
    ]
    squares = sum((v - sum(without) / 32) ** 2 for v in without)
    assert high - value == pytest.approx(1.6955187889 * math.sqrt(31 / 32 * squares))


# --- searches, first sessions, money ----------------------------------------------------------------------


def search(before: int | None, after: int | None, **given_: Any) -> dict[str, Any]:
    return {
        "ts_ms": APRIL_MS,
        "home_count": 40,
        "home_before_count": before,
        "home_after_count": after,
    } | given_


def test_transfer_is_the_share_of_the_page_that_a_search_moves() -> None:
    name = "search_to_home_transfer_ratio"
    searches = rows("search", search(4, 13), search(0, 4, weight=2), search(10, 7), search(None, None))
    assert of(name, search=searches) == pytest.approx((9 + 2 * 4 - 3) / (36 + 2 * 40 + 30))
    assert of(name, search=rows("search", search(None, 13))) is None


def test_transfer_is_exactly_zero_where_pages_do_not_hear_of_searches() -> None:
    """A planted service of two recommenders: one page follows the search and the other does not."""
    before = [int(n) for n in np.random.default_rng(7).integers(0, 30, 200)]
    siloed = rows("search", *(search(n, n, replicate=i % 32) for i, n in enumerate(before)))
    unified = rows("search", *(search(n, n + (40 - n) // 4, replicate=i % 32) for i, n in enumerate(before)))
    found = {
        name: measure_frames(frames(search=frame), ["search_to_home_transfer_ratio"], intervals=True)
        for name, frame in (("siloed", siloed), ("unified", unified))
    }
    assert found["siloed"].select("value", "low", "high").row(0) == (0.0, 0.0, 0.0)
    assert found["unified"]["low"].item() > 0.2


def test_search_success_needs_to_be_told() -> None:
    searches = rows(
        "search", *({"ts_ms": APRIL_MS, "is_played": told} for told in (True, False, False, None))
    )
    assert of("search_success_ratio", search=searches) == 1 / 3


def test_first_session_success_counts_visits_that_led_to_nothing() -> None:
    first: dict[str, Any] = {"is_first_visit": True}
    visits = (
        visit(90_000, **first),  # in time, and long enough
        visit(90_001, **first),  # too late
        visit(10_000, playing_ms=119_999, content_duration_ms=7_200_000, **first),  # too short
        visit(10_000, playing_ms=119_999, content_duration_ms=600_000, **first),  # a tenth of a short title
        visit(60_000, found=False, **first),  # gone
        visit(10_000, playing_ms=None, **first),  # nothing told of the play: in neither side
        visit(10_000, is_first_visit=False), visit(10_000),
    )  # fmt: skip
    assert of_visits("first_session_success_ratio", *visits) == 2 / 5
    assert of_visits("first_session_success_ratio", visit()) is None


def test_take_rate_is_of_what_was_looked_at() -> None:
    shown = [(True, True), (True, False), (True, False), (False, False), (None, False), (None, True)]
    frame = rows("impression", *({"is_examined": looked, "is_played": played} for looked, played in shown))
    assert of("take_rate", impression=frame) == 1 / 3


def test_content_cost_is_over_months_of_those_who_stay() -> None:
    month = {
        "x_period_start_ts_ms": APRIL_MS, "x_period_end_ts_ms": APRIL_MS + 30 * DAY_MS, "BillingCurrency": "USD",
    }  # fmt: skip
    charges = rows(
        "charge",
        month | {"EffectiveCost": 900, "x_cost_pool": "content"},
        month | {"EffectiveCost": 50, "x_cost_pool": "delivery"},
    )
    members = [*member_days(487, members=2)]  # sixteen months each
    members[-1] |= {"status": "lapsed", "is_churned": True}
    name = "content_cost_per_retained_subscriber_usd"
    months = (487 * 2 - 1) * 16 / 487
    found = of(name, charge=charges, membership=rows("membership", *members))
    assert found == pytest.approx(900 / (months - 1))
    without = charges.filter(pl.col("x_cost_pool") != "content")
    assert of(name, charge=without, membership=rows("membership", *members)) is None


def test_nothing_is_known_of_a_lake_that_tells_none_of_it() -> None:
    discovery = [
        "take_rate", "time_to_find_p50_ms", "browse_abandonment_ratio", "search_success_ratio",
        "search_to_home_transfer_ratio", "first_week_genres", "first_session_success_ratio", "incremental_play_ratio",
        "incremental_hours_ratio", "content_cost_per_retained_subscriber_usd",
    ]  # fmt: skip
    logs = rows("playback_session", session(is_rec_driven=None, browse_ms=None, content_id=None))
    found = measure_frames(frames(playback_session=logs), discovery, intervals=True)
    assert found["value"].to_list() == [None] * len(discovery)


# --- the other engine -------------------------------------------------------------------------------------

DISCOVERED: Mapping[str, pl.DataFrame] = {
    "visit": rows(
        "visit",
        *(
            visit(i * 977 % 120_000, found=i % 4 > 0, weight=1 + i * 37, region=("mena", None)[i % 2],
                  surface=("home", "search", "continue", None)[i % 4] if i % 4 else None, is_first_visit=i % 3 == 0)
            for i in range(60)
        ),
    ),
    "search": rows(
        "search",
        *(search(i % 20, (i * 7) % 25, weight=1 + i, is_played=(True, False, None)[i % 3]) for i in range(40)),
    ),
    "impression": rows(
        "impression",
        *(
            {"is_examined": (True, False, None)[i % 3], "is_played": i % 9 == 0, "weight": 1 + i, "genre": "drama",
             "surface": "home", "tenure_days": i % 12}
            for i in range(50)
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("table", list(DISCOVERED))
def test_parts_are_the_same_integers_on_another_engine(table: str) -> None:
    parts = {p.name: p for metric in METRICS.values() for p in metric.parts if p.table == table}.values()
    connection = duckdb.connect()
    connection.register("rows_of_it", DISCOVERED[table].to_arrow())
    exact = pl.exclude("region").cast(pl.Decimal(38, 0))
    theirs, ours = (
        rollup(nw.from_native(frame), parts, ["region"]).collect("polars").to_native().with_columns(exact)
        for frame in (connection.table("rows_of_it"), DISCOVERED[table].lazy())
    )
    assert ours.sort("region").equals(theirs.select(ours.columns).sort("region"))
    assert ours.height


def test_every_kind_is_the_same_on_another_engine() -> None:
    names = [
        "time_to_find_p50_ms",
        "effective_catalogue_size",
        "first_week_genres",
        "search_to_home_transfer_ratio",
    ]
    plays = rows(
        "playback_session", *(session(content_id=f"t{i % 5}", playing_ms=i * 1_000) for i in range(30))
    )
    given_ = frames(playback_session=plays, **DISCOVERED)
    connection = duckdb.connect()
    for table, frame in given_.items():
        connection.register(f"rows_{table}", frame.collect().to_arrow())
    there = {table: connection.table(f"rows_{table}") for table in given_}
    assert measure_frames(there, names, intervals=True).equals(measure_frames(given_, names, intervals=True))
