"""The verdict sentence, on rows whose answer is plain."""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from alerts.evaluation import Attained
from alerts.seasonal import attained
from alerts.slo import CountRatio, load
from alerts.verdict import verdict

SCHEMA = {
    "title": pl.String, "in_contract": pl.Boolean, "region": pl.String, "attained": pl.Float64,
    "budget_left": pl.Float64, "kept": pl.Boolean,
}  # fmt: skip


def rows(*values: tuple[object, ...]) -> pl.DataFrame:
    return pl.DataFrame(values, schema=SCHEMA, orient="row")


def test_where_it_breaks_worst_first() -> None:
    found = verdict(
        rows(
            ("Time to play", True, "north", 0.999, 0.9, True),
            ("Time to play", True, "south", 0.98, -1.0, False),
            ("Time to play", True, "east", 0.95, -4.0, False),
            ("Rebuffering", True, "south", 0.9, -9.0, False),
            ("A companion", False, "north", 0.1, -99.0, False),
        )
    )
    assert (found.kept, found.judged) == (1, 3)
    assert found.sentence == "The promise is kept in 1 of 3 regions."
    assert found.detail == (
        "Rebuffering: broken in south (worst 10.00% bad); "
        "Time to play: broken in east and 1 more (worst 5.00% bad)."
    )


def test_all_kept_no_traffic_and_no_regions() -> None:
    assert verdict(rows(("T", True, "north", 1.0, 1.0, True))).sentence == "The promise is kept in north."
    assert verdict(rows(("T", True, "north", None, None, None))).judged == 0
    assert verdict(rows()).sentence == "There is nothing to judge yet."
    assert verdict(rows(("T", True, None, 0.9, -1.0, False))).sentence == "The promise is broken."


def share(good: str) -> Attained:
    """The promised share of hours, attained so far."""
    (objective,) = [objective for objective in load() if objective.name == "rec-driven-share"]
    return attained(objective, Decimal(good), Decimal(1_000))


def test_what_is_judged_for_the_whole_alone_is_named_when_it_is_broken() -> None:
    north, south = (("T", True, place, 1.0, 1.0, True) for place in ("north", "south"))
    found = verdict(rows(north, south), unsliced=[share("782")])
    assert found.sentence == "The promise is kept in all 2 regions, but not over all of them."
    assert found.detail == "Hours from recommendations, about 80 %: 78.2% where 80.0% is promised."
    kept = verdict(rows(north, south), unsliced=[share("800")])
    assert (kept.sentence, kept.detail) == (
        "The promise is kept in all 2 regions.", "Every objective is kept.",
    )  # fmt: skip


def test_one_slice_is_the_whole() -> None:
    found = verdict(rows(("T", True, "north", 1.0, 1.0, True)), unsliced=[share("799.9")])
    assert (found.sentence, found.kept) == ("The promise is broken in north.", 0)


def test_what_minutes_count_is_judged_by_slice_alone() -> None:
    (objective, *_) = [o for o in load() if isinstance(o.indicator, CountRatio) and o.in_contract]
    broken = Attained(objective, bad=1, total=1)
    found = verdict(rows(("T", True, "north", 1.0, 1.0, True)), unsliced=[broken])
    assert found.detail == "Every objective is kept."
