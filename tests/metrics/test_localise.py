"""Localisation against planted truth: the slices that were hit, no more, and "none" where nothing stands out."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.incident_tables import AT, SETTINGS, IncidentTable, incident_table, incident_tables
from benchmarks.localise import judged, score, score_rows
from metrics.errors import InputError
from metrics.localise import METHODS, Explanation, leaves_at, leaves_of_forecast, localise

CDNS, ISPS, DEVICES = ("c0", "c1", "c2"), tuple(f"i{n}" for n in range(6)), ("tv", "web", "ios", "android")
MINUTES = 12


def table(
    factor: dict[tuple[tuple[str, str], ...], float], viewers: float = 500, rate: float = 0.02, seed: int = 0
) -> pl.DataFrame:
    """A row a minute and leaf; at the last minute the rate of the leaves in each slice is multiplied."""
    draw = np.random.Generator(np.random.Philox(seed))
    rows: list[dict[str, Any]] = []
    for minute in range(MINUTES):
        for cdn in CDNS:
            for isp in ISPS:
                for device in DEVICES:
                    leaf = {"cdn": cdn, "isp": isp, "device": device}
                    hit = [f for slice_, f in factor.items() if _in(slice_, leaf)]
                    now = rate * (hit[0] if hit and minute == MINUTES - 1 else 1)
                    cnt = int(draw.poisson(viewers))
                    rows.append({"min": minute, "value": int(draw.binomial(cnt, now)), "cnt": cnt, **leaf})
    return pl.DataFrame(rows)


def _in(slice_: tuple[tuple[str, str], ...], leaf: dict[str, str]) -> bool:
    return all(leaf[name] == value for name, value in slice_)


def found(frame: pl.DataFrame, count: str | None = "cnt") -> list[Explanation]:
    return localise(leaves_at(frame, value="value", count=count, time="min", at=MINUTES - 1))


def names(answer: Explanation) -> set[frozenset[tuple[str, str | None]]]:
    return {frozenset(element.items()) for element in answer.elements}


@pytest.mark.parametrize(
    "slices",
    [
        [(("cdn", "c1"),)],
        [(("cdn", "c1"), ("isp", "i3"))],
        [(("cdn", "c1"), ("device", "tv"), ("isp", "i3"))],
        [(("isp", "i0"),), (("isp", "i4"),)],
        [(("cdn", "c0"), ("isp", "i2")), (("cdn", "c2"), ("isp", "i5"))],
        [(("device", "web"),), (("cdn", "c2"), ("isp", "i1"))],
    ],
)
def test_the_slices_that_were_hit_are_named(slices: list[tuple[tuple[str, str], ...]]) -> None:
    best = found(table(dict.fromkeys(slices, 5.0), viewers=3_000))[0]
    assert names(best) == {frozenset(one) for one in slices}
    assert best.explained_ratio > 0.6


def test_what_rises_everywhere_has_no_slice() -> None:
    best = found(table({(): 4.0}))[0]
    assert best.is_external
    assert best.elements == ()


def test_a_shift_of_mix_is_no_fault() -> None:
    """Viewers move to the worst network: the aggregate rises, and no slice does."""
    frame = table({}).with_columns(
        value=pl.when(pl.col("isp") == "i0").then(pl.col("value") * 5).otherwise(pl.col("value"))
    )
    moved = (pl.col("min") == MINUTES - 1) & (pl.col("isp") == "i0")
    shifted = frame.with_columns(
        pl.when(moved).then(pl.col(name) * 8).otherwise(pl.col(name)).alias(name) for name in ("value", "cnt")
    )
    rates = shifted.group_by("min").agg(pl.col("value").sum() / pl.col("cnt").sum()).sort("min")["value"]
    assert rates[-1] > 2 * rates[0]
    assert found(shifted)[0].is_external


def test_a_slice_that_rises_while_the_whole_falls_a_little() -> None:
    """The whole's own wander hides the fault; it is no reason to look at falls alone."""
    frame = table({(("isp", "i3"),): 2.5}, viewers=3_000)
    calmer = pl.when((pl.col("min") == MINUTES - 1) & (pl.col("isp") != "i3")).then(0.65).otherwise(1.0)
    frame = frame.with_columns(value=(pl.col("value") * calmer).round())
    wander = 1 + 0.15 * (pl.col("min") % 2 * 2 - 1)
    frame = frame.with_columns(
        value=pl.when(pl.col("min") < MINUTES - 1).then((pl.col("value") * wander).round()).otherwise("value")
    )
    rates = frame.group_by("min").agg(pl.col("value").sum() / pl.col("cnt").sum()).sort("min")["value"]
    assert rates[-1] < rates[:-1].mean()
    assert names(found(frame)[0]) == {frozenset({("isp", "i3")})}


def test_what_nobody_would_notice_is_no_cause() -> None:
    """One leaf of 72 stalls three times as much: far beyond chance, and not a fiftieth of the whole."""
    leaf = (("cdn", "c1"), ("device", "tv"), ("isp", "i3"))
    answers = found(table({leaf: 2.0}, viewers=60_000))
    assert answers[0].is_external
    assert names(answers[1]) == {frozenset(leaf)}


@pytest.mark.parametrize("minutes", [2, 3])
def test_a_history_of_two_minutes_does_not_make_noise_a_fault(minutes: int) -> None:
    """Leaves wander by a third from minute to minute, as two minutes cannot tell."""
    draw = np.random.Generator(np.random.Philox(3))
    frame = table({}, viewers=5_000).filter(pl.col("min") >= MINUTES - 1 - minutes)
    noise = np.exp(draw.normal(0, 0.3, frame.height))
    noisy = frame.with_columns(value=(pl.col("value") * pl.Series(noise)).round())
    assert found(noisy)[0].is_external


def test_an_additive_value_that_falls() -> None:
    fallen = pl.when((pl.col("min") == MINUTES - 1) & (pl.col("cdn") == "c2")).then(0.4).otherwise(1.0)
    frame = table({}, rate=0.2).with_columns(value=(pl.col("value") * fallen).floor()).drop("cnt")
    assert names(found(frame, None)[0]) == {frozenset({("cdn", "c2")})}


def test_an_additive_value_of_nothing_but_the_fault() -> None:
    """Zeros that are told are a history; rows that are not there are none."""
    hit = (pl.col("min") == MINUTES - 1) & (pl.col("cdn") == "c2")
    frame = table({}).with_columns(value=pl.when(hit).then(40).otherwise(0)).drop("cnt")
    assert names(found(frame, None)[0]) == {frozenset({("cdn", "c2")})}
    assert found(frame.filter(pl.col("value") > 0).vstack(frame[:1]), None)[0].is_external


def test_a_dimension_that_says_the_same_is_not_named_twice() -> None:
    frame = table({(("isp", "i3"),): 5.0}).with_columns(network=pl.col("isp"))
    assert [len(element) for element in found(frame)[0].elements] == [1]


def test_leaves_without_history_are_judged_by_their_values() -> None:
    """A third of the leaves is new at the incident; their rate is that of their dimension values."""
    frame = table({(("cdn", "c1"),): 5.0})
    new = (pl.col("device") == "tv") & pl.col("isp").is_in(["i1", "i2", "i3"])
    assert names(found(frame.filter(~new | (pl.col("min") == MINUTES - 1)))[0]) == {
        frozenset({("cdn", "c1")})
    }


def test_a_missing_dimension_value_is_a_value() -> None:
    frame = table({(("cdn", "c1"),): 5.0}).with_columns(
        cdn=pl.when(pl.col("cdn") != "c1").then(pl.col("cdn"))
    )
    assert names(found(frame)[0]) == {frozenset({("cdn", None)})}


def test_a_forecast_in_place_of_history() -> None:
    frame = table({(("isp", "i2"),): 4.0}).filter(pl.col("min") == MINUTES - 1).drop("min")
    leaves = leaves_of_forecast(
        frame.with_columns(due=pl.col("cnt") * 0.02), value="value", count="cnt", baseline="due"
    )
    assert names(localise(leaves)[0]) == {frozenset({("isp", "i2")})}


def test_minutes_after_the_incident_and_the_order_of_rows_change_nothing() -> None:
    frame = table({(("cdn", "c1"),): 5.0})
    later = frame.filter(pl.col("min") == 0).with_columns(pl.lit(99).cast(pl.Int64).alias("min"))
    assert found(pl.concat([frame, later])) == found(frame)
    shuffled = found(frame.sample(fraction=1, shuffle=True, seed=1))
    assert names(shuffled[0]) == names(found(frame)[0])


def test_duplicate_rows_are_added_up() -> None:
    frame = table({(("cdn", "c1"),): 5.0})
    halves = [frame.with_columns(pl.col("value") // 2, pl.col("cnt") // 2) for _ in range(2)]
    assert names(found(pl.concat(halves))[0]) == {frozenset({("cdn", "c1")})}


def test_instants_sort_as_time_does() -> None:
    frame = table({(("cdn", "c1"),): 5.0}).with_columns(
        pl.format(
            "2026-06-01 {}:{}",
            pl.lit(9) + pl.col("min") // 6,
            (pl.col("min") % 6 * 10).cast(pl.String).str.zfill(2),
        ).alias("min")
    )
    leaves = leaves_at(frame, value="value", count="cnt", time="min", at="2026-06-01 10:50")
    assert names(localise(leaves)[0]) == {frozenset({("cdn", "c1")})}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (pl.lit(-1.0).alias("value"), "-1.0 is no number of at least 0"),
        (pl.lit(float("inf")).alias("value"), "inf is no number"),
        (pl.lit(1e300).alias("value"), "1e.300 is more than can be counted"),
        (pl.lit(float("nan")).alias("cnt"), "nan is no number"),
        (pl.lit(None, pl.Float64).alias("value"), "nothing is no number"),
        (pl.lit("many").alias("cnt"), "'many' is no number"),
        (pl.lit(0).alias("cnt"), "counts before the incident are all 0"),
        (pl.lit(None, pl.Int64).alias("min"), "a row without an instant"),
        (pl.lit(MINUTES - 1).alias("min"), "no row before"),
        (pl.lit(3).alias("min"), "no row at 11"),
    ],
)
def test_what_cannot_be_used_is_refused(change: pl.Expr, said: str) -> None:
    with pytest.raises(InputError, match=said):
        found(table({}, viewers=5).with_columns(change))


def test_columns_that_are_not_there() -> None:
    frame = table({}, viewers=5)
    with pytest.raises(InputError, match="no column 'values'; did you mean value"):
        leaves_at(frame, value="values", count="cnt", time="min", at=3)
    with pytest.raises(InputError, match="no dimension column"):
        found(frame.select("min", "value", "cnt"))
    with pytest.raises(InputError, match="no rows"):
        found(frame.clear())


@pytest.mark.parametrize("change", [pl.lit(7).alias("value"), pl.lit(0).alias("value")])
def test_a_constant_series_has_no_cause(change: pl.Expr) -> None:
    assert found(table({}).with_columns(change, pl.lit(100).alias("cnt")))[0].is_external


def test_a_single_value_in_every_dimension_has_no_cause() -> None:
    frame = table({(): 4.0}).with_columns(cdn=pl.lit("c"), isp=pl.lit("i"), device=pl.lit("d"))
    assert [answer.is_external for answer in found(frame)] == [True]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2), st.integers(0, 50) | st.just(10**12), st.integers(0, 60),
            st.sampled_from("ab"), st.sampled_from(["x", "y", None]),
        ),
        max_size=30,
    )
)  # fmt: skip
def test_no_table_gives_a_figure_that_is_none(rows: list[tuple[int, int, int, str, str | None]]) -> None:
    frame = pl.DataFrame(rows, ["min", "value", "cnt", "p", "q"], orient="row") if rows else pl.DataFrame()
    for method in METHODS.values():
        try:
            answers = method(leaves_at(frame, value="value", count="cnt", time="min", at=2))
        except InputError:
            continue
        assert answers
        assert all(np.isfinite(one.score) and 0 <= one.explained_ratio <= 1 for one in answers)


def test_labelled_tables_are_the_same_to_the_bit_and_hold_their_truth() -> None:
    one, again = incident_table(5), incident_table(5)
    assert one.frame.equals(again.frame)
    assert one.elements == again.elements
    for element in one.elements:
        inside = pl.all_horizontal(pl.col(name) == value for name, value in element.items())
        assert one.frame.filter(pl.col("min") == AT).select(inside.any()).item()


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_draws_its_tables(setting: str) -> None:
    tables = list(incident_tables(6, 70, setting))
    assert tables[0].frame.equals(incident_table(70, setting=setting).frame)
    assert any(one.elements for one in tables)
    assert all(one.kind == "fault" or not one.elements for one in tables)
    assert all(one.frame["cnt"].min() >= 0 for one in tables)  # type: ignore[operator]


def test_the_score_card_has_intervals() -> None:
    tables = list(incident_tables(12))
    rows = score_rows(judged(tables, lambda _: [Explanation((), 0.0, 0.0)]), "made")
    by_measure = {row["measure"]: row for row in rows.iter_rows(named=True)}
    assert by_measure["f1"]["value"] == by_measure["f1"]["high"] == 0.0
    external = by_measure["external_f1"]
    assert external["low"] <= external["value"] <= external["high"]
    assert external["cases_count"] == 12


def test_the_score_card_marks_right_and_wrong() -> None:
    tables: list[IncidentTable] = list(incident_tables(12))
    truth = iter(tables)

    def perfect(_: object) -> list[Explanation]:
        return [Explanation(next(truth).elements, 1.0, 1.0)]  # type: ignore[arg-type]

    card = score(tables, perfect)
    assert (card.f1, card.exact, card.recall_at_3) == (1.0, 1.0, 1.0)
    silent = score(tables, lambda _: [Explanation((), 0.0, 0.0)])
    assert (silent.f1, silent.exact) == (0.0, 0.0)
