"""The decision table: paired worlds by hand, intervals, and what a world would have cost."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from scipy.stats import t

from cost_model.rates import load
from cost_model.usage import USAGE_SCHEMAS, Quarter, Usage
from metrics.decide import ESTIMATES
from metrics.lake import Lake
from metrics.quantiles import bucket_of
from metrics.telemetry import get_table
from playhead.cli import main
from playhead.commands.decide import _figure, _grounds, _planned
from playhead.decision import (
    Cost,
    Effect,
    Paired,
    discovery_effects,
    paired,
    publish,
    table,
    truths,
)
from playhead.margins import models, world_cost
from tests.metrics.rows import APRIL_MS, rows, session

GROUPS = 32


def world(
    name: str, *, hours: float = 10.0, late: int = 1, startup_ms: int = 1_000, **given: Any
) -> pl.DataFrame:
    """A world in which every jackknife group is the same, but for what ``given`` says of each."""
    rows = []
    for group in range(GROUPS):
        row = {
            "experiment": None, "world": name, "region": "r", "replicate": group, "attempts": 100, "starts": 100,
            "starts_late": late, "exits_late": 0, "stalled_sessions": 2, "startup_bucket": [bucket_of(startup_ms)],
            "startup_weight": [100], "playing_ms": Decimal(int(hours * 3_600_000)), "rec_playing_ms": Decimal(0),
            "edge_bytes": Decimal(20 * 10**9), "storage_bytes": Decimal(0), "third_party_bytes": Decimal(0),
            "member_days": Decimal(30),
        }  # fmt: skip
        rows.append(row | {k: v[group] for k, v in given.items()})
    return pl.DataFrame(rows, schema=get_table("truth_counterfactual").schema, orient="row")


def effects(found: list[Paired]) -> dict[str, Effect]:
    (decision,) = found
    return {effect.metric: effect for effect in decision.effects}


def test_worlds_that_differ_by_a_constant_have_no_spread() -> None:
    truth = pl.concat(
        [world("factual", hours=10, late=1), world("h264_only", hours=9, late=3, startup_ms=2_000)]
    )
    found = effects(paired(truth))
    hours = found["watch_hours_per_subscriber_month"]
    assert hours.effect == pytest.approx(487 / 16 / 30)
    assert hours.low == pytest.approx(hours.effect)
    assert hours.high == pytest.approx(hours.effect)
    assert hours.is_better is True
    late = found["time_to_play_late_ratio"]
    assert (late.now, late.was, late.effect) == pytest.approx((0.01, 0.03, -0.02))
    assert late.is_better is True
    p99 = found["time_to_play_p99_ms"]
    assert p99.effect == pytest.approx(-1_000, rel=0.01)
    assert found["rebuffer_rate"].is_better is None
    assert found["gigabytes_per_hour"].effect == pytest.approx(2.0 - 20 / 9)


def test_the_interval_is_the_paired_jackknife_s() -> None:
    late = [2 + group % 2 for group in range(GROUPS)]
    truth = pl.concat([world("factual", starts_late=late), world("third_party_cdn", late=4)])
    effect = effects(paired(truth))["time_to_play_late_ratio"]
    total = sum(late)
    without = [(total - x) / 3_100 - 0.04 for x in late]
    mean = sum(without) / GROUPS
    variance = (GROUPS - 1) / GROUPS * sum((x - mean) ** 2 for x in without)
    half = t.ppf(0.95, GROUPS - 1) * variance**0.5
    assert effect.effect == pytest.approx(-0.015)
    assert effect.low == pytest.approx(-0.015 - half)
    assert effect.high == pytest.approx(-0.015 + half)


def test_a_figure_that_hangs_on_one_group_has_no_interval() -> None:
    starts = [100, *[0] * (GROUPS - 1)]
    buckets = [[bucket_of(900)], *[[]] * (GROUPS - 1)]
    weights = [[100], *[[]] * (GROUPS - 1)]
    alone: dict[str, Any] = {"starts": starts, "startup_bucket": buckets, "startup_weight": weights}
    truth = pl.concat([world("factual", **alone), world("h264_only", **alone)])
    found = effects(paired(truth))
    for name in ("rebuffer_rate", "time_to_play_p99_ms"):
        assert (found[name].low, found[name].high, found[name].is_better) == (None, None, None)


def regional() -> pl.DataFrame:
    """Two regions, r and q; in q a group's bytes are others' in H.264."""
    other = [Decimal((20 + group) * 10**9) for group in range(GROUPS)]
    return pl.concat(
        [
            world("factual", late=1), world("h264_only", late=3),
            world("factual", late=5).with_columns(region=pl.lit("q")),
            world("h264_only", late=9, startup_ms=3_000, edge_bytes=other).with_columns(region=pl.lit("q")),
        ]
    )  # fmt: skip


def test_regions_stand_below_their_whole_and_add_up_to_it() -> None:
    whole, q, r = paired(regional(), {"factual": Cost(1, 0), "h264_only": Cost(2, 0)}, by_region=True)
    assert [d.region for d in (whole, q, r)] == [None, "q", "r"]
    for of in ("parts", "parts_was"):
        parts = [asdict(getattr(d, of)) for d in (whole, q, r)]
        for name in parts[0]:
            assert parts[0][name] == parts[1][name] + parts[2][name] > 0, name
    assert whole.parts.delivered_bytes == 2 * GROUPS * 20 * 10**9
    assert q.parts_was.delivered_bytes == (GROUPS * 20 + sum(range(GROUPS))) * 10**9
    figures = {d.region: {e.metric: e for e in d.effects} for d in (whole, q, r)}
    late = {region: found["time_to_play_late_ratio"].effect for region, found in figures.items()}
    assert late == pytest.approx({"r": -0.02, "q": -0.04, None: -0.03})
    size = figures["q"]["gigabytes_per_hour"]
    assert size.relative == pytest.approx(20 / 35.5 - 1)
    assert size.low is not None
    assert size.high is not None
    assert size.low < size.effect < size.high < 0
    # A region alone is what it is among others.
    (alone,) = paired(regional().filter(region="q"))
    assert alone.effects == q.effects
    assert "cost_per_stream_hour_usd" in figures[None]
    assert "cost_per_stream_hour_usd" not in figures["q"]


def test_a_change_from_nothing_has_no_share() -> None:
    truth = pl.concat([world("factual", late=1), world("h264_only", late=0)])
    assert effects(paired(truth))["time_to_play_late_ratio"].relative is None


def test_cost_is_fixed_and_variable_over_hours() -> None:
    truth = pl.concat([world("factual", hours=10), world("third_party_cdn", hours=10)])
    costs = {"factual": Cost(64.0, 0.0), "third_party_cdn": Cost(0.0, 640.0)}
    effect = effects(paired(truth, costs))["cost_per_stream_hour_usd"]
    assert (effect.now, effect.was) == pytest.approx((0.2, 2.0))
    assert effect.is_better is True


def test_without_the_factual_world_there_is_no_table() -> None:
    assert paired(world("h264_only")) == []
    assert paired(world("factual")) == []


def frame(name: str, *rows: tuple[Any, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=USAGE_SCHEMAS[name], orient="row")


@pytest.fixture
def usage() -> Usage:
    quarter = Quarter.parse("2026Q2")
    april = quarter.months[0]
    return Usage(
        quarter=quarter,
        delivery=frame("delivery", (april, "r", "i", "edge", "own", "av1", Decimal(10**15))),
        days=frame("days", (april, 30)),
        fleet=frame("fleet", (april, "r", 10, 20, 1, 2, 1, 1_000)),
        encode=frame("encode", (april, "h264", 60_000_000), (april, "av1", 60_000_000)),
    )


def test_a_third_party_sells_every_byte_and_needs_no_fleet(usage: Usage) -> None:
    rates = load()
    found = world_cost(usage, rates, "third_party_cdn", {"r": 2.0})
    price = float(rates.usd("third_party_price", usage.months[0], "r"))
    assert found.variable_usd == pytest.approx(2e6 * price)
    own = world_cost(usage, rates, "factual", {"r": 1.0})
    assert own.variable_usd == 0
    assert found.fixed_usd < own.fixed_usd


def test_h264_alone_saves_the_encodes_of_av1_and_no_appliance(usage: Usage) -> None:
    rates = load()
    now, was = (
        world_cost(usage, rates, name, {"r": ratio}) for name, ratio in (("factual", 1.0), ("h264_only", 1.3))
    )
    bare = replace(usage, encode=usage.encode.filter(pl.col("codec") == "h264"))
    assert was.fixed_usd == pytest.approx(world_cost(bare, rates, "factual", {"r": 1.0}).fixed_usd)
    assert was.fixed_usd < now.fixed_usd


def discovered(name: str, world: str, hours: float, *, region: str = "r", churned: int = 1) -> pl.DataFrame:
    """A world of discovery in which groups differ in hours, alike in both worlds."""
    schema = get_table("truth_discovery").schema
    plain = {column: Decimal(0) for column, dtype in schema.items() if dtype.is_numeric()}
    given = [
        plain
        | {
            "experiment": name, "world": world, "region": region, "replicate": group,
            "playing_ms": Decimal(int(hours * (1 + group / 100) * 3_600_000)),
            "rec_playing_ms": Decimal(int(hours * 3_600_000 / 2)), "member_days": Decimal(487),
            "churned": Decimal(churned),
        }
        for group in range(GROUPS)
    ]  # fmt: skip
    return pl.DataFrame(given, schema=schema, orient="row")


def test_a_switch_of_discovery_has_its_truth_from_its_experiment() -> None:
    truth = pl.concat(
        [
            discovered("siloed-spring", "control", 1.1),
            discovered("siloed-spring", "treatment", 1.0, churned=2),
        ]
    )
    ((world_name, name, region, found),) = discovery_effects(truth, 0.02)
    assert (world_name, name, region) == ("siloed", "siloed-spring", None)
    of = {effect.metric: effect for effect in found}
    mean = sum(1 + group / 100 for group in range(GROUPS)) / GROUPS
    hours = of["watch_hours_per_subscriber_month"]
    assert hours.effect == pytest.approx(0.1 * mean * 487 / 16 / 487)
    assert hours.is_better is True
    assert of["monthly_churn_ratio"].effect == pytest.approx(-487 / 16 / 487)
    # Fixed costs of 2 cents an hour would lie on a tenth fewer hours.
    cost = of["cost_per_stream_hour_usd"]
    assert (cost.now, cost.was) == pytest.approx((0.02, 0.022), rel=1e-6)
    ((_, _, region, _), *rest) = discovery_effects(truth, by_region=True)
    assert region is None
    assert [(r, len(effects)) for _, _, r, effects in rest] == [("r", 3)]


def test_margin_gains_what_cost_loses(usage: Usage) -> None:
    truth = pl.concat([world("factual"), world("third_party_cdn"), world("pull_on_miss")])
    nothing = pl.DataFrame(schema=get_table("truth_discovery").schema)
    rates = load()
    known = truths(truth, nothing, usage, rates)
    was = world_cost(usage, rates, "third_party_cdn", {"r": 1.0})
    now = world_cost(usage, rates, "factual", {"r": 1.0})
    margins = dict(known.filter(metric="margin_usd_per_hour").select("world", "true_effect").iter_rows())
    lost = was.fixed_usd + was.variable_usd - now.fixed_usd - now.variable_usd
    assert margins["third_party_cdn"] == pytest.approx(lost / (32 * 10))
    # What is pulled at the peak is not counted in that world.
    assert "pull_on_miss" not in margins
    assert known.filter(pl.col("true_low") > pl.col("true_high")).is_empty()


def test_the_truth_of_what_an_experiment_turns_is_of_its_days(usage: Usage) -> None:
    """All days say one late start, those of the experiment three; margin is of the quarter's usage all the same."""
    both = [world("factual", late=1), world("third_party_cdn", late=2)]
    days = [world("factual", late=3), world("third_party_cdn", late=9)]
    siloed = [world("factual", late=0), world("siloed", late=4)]
    truth = pl.concat(
        [
            *both,
            *(frame.with_columns(experiment=pl.lit("cdn, May")) for frame in days),
            *(frame.with_columns(experiment=pl.lit("other name")) for frame in siloed),
        ]
    )
    lived = pl.concat([discovered("other name", w, h) for w, h in (("control", 1.1), ("treatment", 1.0))])
    chosen = {"third_party_cdn": "cdn, May", "siloed": "other name"}

    def late(**given: Any) -> dict[str, float]:
        known = truths(truth, lived, usage, load(), **given).filter(metric="time_to_play_late_ratio")
        return dict(known.select("world", "true_effect").iter_rows())

    assert late() == pytest.approx({"third_party_cdn": -0.01})
    assert late(experiments=chosen) == pytest.approx({"third_party_cdn": -0.06, "siloed": -0.04})
    known = truths(truth, lived, usage, load(), experiments=chosen)
    assert known.select("world", "region", "metric").is_unique().all()
    alone = truths(pl.concat(both), lived, usage, load(), experiments=chosen)
    of_margin = [
        frame.filter(world="third_party_cdn", metric="margin_usd_per_hour") for frame in (known, alone)
    ]
    assert of_margin[0].equals(of_margin[1])
    assert of_margin[0].height == 1
    churn = known.filter(world="siloed", metric="monthly_churn_ratio")
    assert "over the days of other name" in churn["true_ground"][0]


def test_fixed_costs_lie_on_the_hours_that_an_experiment_moves(usage: Usage) -> None:
    """Hours 2 % below today's raise an hour's share of fixed costs by 1/49."""
    hours = pl.DataFrame(
        {"month": usage.months[:1], "region": ["r"], "isp": ["i"], "device": ["web"], "codec": ["h264"], "cdn": ["own"],
         "streams": [Decimal(1)], "playing_ms": [Decimal(3_600_000_000)], "delivered_bytes": [Decimal(10**15)]},
    ).select(USAGE_SCHEMAS["hours"].names()).cast(USAGE_SCHEMAS["hours"])  # fmt: skip
    used, rates = replace(usage, hours=hours), load()
    month = 487 / 16
    row = (
        "siloed",
        None,
        "watch_hours_per_subscriber_month",
        "experiment",
        0.02 * month,
        0.01 * month,
        0.03 * month,
        "",
    )
    found = models(
        pl.DataFrame([row], schema=ESTIMATES, orient="row"), used, {"hours_per_member_day": (1.0, "measured")}, rates
    )  # fmt: skip
    (effect,) = found.filter(world="siloed").iter_rows(named=True)
    fixed = world_cost(used, rates, "factual", {}).fixed_usd / 1_000
    assert effect["estimate"] == pytest.approx(fixed * 0.02 / 0.98)
    assert effect["low"] < effect["estimate"] < effect["high"]
    assert effect["method"] == "model"


def test_a_lake_without_sessions_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lake = Lake.create(tmp_path / "lake")
    with pytest.raises(SystemExit) as stopped:
        main(["decide", "--lake", str(lake.path)])
    assert stopped.value.code == 2
    assert "no sessions to decide on" in capsys.readouterr().err
    # A page of it has no table, and no error either.
    assert publish(lake)
    assert json.loads(lake.artefact("decision.json").read_text(encoding="utf-8"))["decisions"] == []


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Two regions of 128 members, half of whom are in each arm of an experiment on search; two worlds of delivery."""
    lake = Lake.create(tmp_path / "lake")
    people: list[dict[str, Any]] = [
        {"subscriber_id": f"m{n}", "region": "rq"[n % 2], "replicate": n // 2 % 32} for n in range(256)
    ]
    is_new = [n // 64 % 2 == 1 for n in range(256)]
    stalls = [new and n % 3 == 0 for n, new in enumerate(is_new)]
    sessions = [
        session(stall_count=int(stall), stall_ms=100 * stall, codec="h264", device="web", **who)
        for who, stall in zip(people, stalls, strict=True)
    ]
    paying = [{"ts_ms": APRIL_MS, "status": "paying", "tenure_days": 9} | who for who in people]
    arms = [
        {
            "experiment": "keyword_search", "arm": "new" if new else "old", "is_control": not new,
            "subscriber_id": who["subscriber_id"], "replicate": who["replicate"], "assigned_ts_ms": APRIL_MS,
        }
        for who, new in zip(people, is_new, strict=True)
    ]  # fmt: skip
    for name, given in (("playback_session", sessions), ("membership", paying), ("assignment", arms)):
        lake.append(name, rows(name, *given), application="test", version=0)
    lake.append("truth_counterfactual", regional(), application="test", version=0)
    return lake


def test_the_command_sets_estimates_and_truth_side_by_side(
    lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["decide", "--lake", str(lake.path), "--json"])
    assert stopped.value.code == 0
    said = json.loads(capsys.readouterr().out)
    assert "from telemetry" in said["label"]
    cells = {(d["world"], c["metric"]): c for d in said["decisions"] for c in d["cells"]}
    tried = cells["keyword_search", "rebuffer_rate"]
    assert tried["method"] == "experiment"
    assert tried["low"] < tried["estimate"] < tried["high"] < 0
    late = cells["h264_only", "time_to_play_late_ratio"]
    assert late["true_effect"] == pytest.approx(-0.03)
    assert (late["method"], late["estimate"]) == ("none", None)
    for one in cells.values():
        assert (one["estimate"] is None) == (one["low"] is None) == (one["high"] is None)
        assert one["ground"]
    with pytest.raises(SystemExit):
        main(["decide", "--lake", str(lake.path)])
    out = capsys.readouterr().out
    assert "Semantic search, not keyword search" in out
    assert "experiment keyword_search: 256 members, running" in out
    assert "-3.000" in out
    assert "nan" not in out.lower()


def test_the_command_sets_regions_apart(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["decide", "--lake", str(lake.path), "--by", "region", "--json"])
    assert stopped.value.code == 0
    said = json.loads(capsys.readouterr().out)
    assert said["by"] == "region"
    of = {d["region"]: d["cells"] for d in said["decisions"] if d["world"] == "h264_only"}
    assert list(of) == [None, "q", "r"]
    late = {
        region: next(c["true_effect"] for c in cells if c["metric"] == "time_to_play_late_ratio")
        for region, cells in of.items()
    }
    assert late == pytest.approx({None: -0.03, "q": -0.04, "r": -0.02})
    with pytest.raises(SystemExit):
        main(["decide", "--lake", str(lake.path), "--by", "region"])
    lines = {line.split()[0] for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert {"all", "q", "r"} < lines


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--experiment", "siloed"], "names no switch"),
        (["--experiment", "silo=keyword_search"], "no switch 'silo'"),
        (["--experiment", "siloed=spring"], "no experiment 'spring'"),
        (["--by", "isp"], "isp"),
    ],
)
def test_what_cannot_be_decided_is_one_line(
    lake: Lake, given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["decide", "--lake", str(lake.path), *given])
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


def test_the_table_is_taken_once_a_version(lake: Lake) -> None:
    assert publish(lake)
    assert not publish(lake)
    lake.append("truth_counterfactual", world("factual").head(0), application="test", version=1)
    assert publish(lake)
    said = json.loads(lake.artefact("decision.json").read_text(encoding="utf-8"))
    assert said["lake_version"] == lake.version()
    assert {d["region"] for d in said["decisions"]} == {None, "q", "r"}


def test_no_usage_is_no_margin(lake: Lake) -> None:
    cells = table(lake).filter(metric="margin_usd_per_hour")
    assert cells["estimate"].null_count() == cells.height
    assert cells["ground"].str.starts_with("not modelled: ").all()


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (-1e-9, "ratio", "0.000"), (-0.0, "ms", "0"), (0.4, "ms", "0"), (-1.6, "ms", "-2"), (0.0123, "ratio", "+1.230"),
        (-4.07e-8, "USD/h", "-0.04"), (3.672e-3, "USD/h", "+3,672.00"), (-2.5, "GB/h", "-2.500"),
    ],
)  # fmt: skip
def test_no_zero_has_a_sign(value: float, unit: str, shown: str) -> None:
    assert _figure(value, unit, signed=True) == shown


def test_what_an_experiment_takes_is_told_once(lake: Lake) -> None:
    """By figure, under the whole table; a switch names no figure that it does not show."""
    cells = table(lake, by_region=True)
    takes = _planned(cells)
    told = cells.filter(pl.col("region").is_null() & pl.col("members_needed").is_not_null())
    assert told["title"].n_unique() == len([one for one in takes.split("; ") if one])
    for _, of_switch in cells.group_by("world"):
        shown = of_switch.filter(
            pl.col("region").is_null(), pl.col("estimate").is_null() & pl.col("true_effect").is_null()
        )
        silent = set(shown["title"]) - {"Margin per stream hour"}
        assert not [title for _, titles in _grounds(of_switch) for title in silent if title in titles]
