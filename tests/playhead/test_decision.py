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
from metrics.lake import Lake
from metrics.quantiles import bucket_of
from metrics.telemetry import get_table
from playhead.cli import main
from playhead.decision import Cost, Decision, Effect, decide, decisions, publish, world_cost

GROUPS = 32


def world(
    name: str, *, hours: float = 10.0, late: int = 1, startup_ms: int = 1_000, **given: Any
) -> pl.DataFrame:
    """A world in which every jackknife group is the same, but for what ``given`` says of each."""
    rows = []
    for group in range(GROUPS):
        row = {
            "world": name, "region": "r", "replicate": group, "attempts": 100, "starts": 100, "starts_late": late,
            "exits_late": 0, "stalled_sessions": 2, "startup_bucket": [bucket_of(startup_ms)],
            "startup_weight": [100], "playing_ms": Decimal(int(hours * 3_600_000)), "rec_playing_ms": Decimal(0),
            "edge_bytes": Decimal(20 * 10**9), "storage_bytes": Decimal(0), "third_party_bytes": Decimal(0),
            "member_days": Decimal(30),
        }  # fmt: skip
        rows.append(row | {k: v[group] for k, v in given.items()})
    return pl.DataFrame(rows, schema=get_table("truth_counterfactual").schema, orient="row")


def effects(found: list[Decision]) -> dict[str, Effect]:
    (decision,) = found
    return {effect.metric: effect for effect in decision.effects}


def test_worlds_that_differ_by_a_constant_have_no_spread() -> None:
    truth = pl.concat(
        [world("factual", hours=10, late=1), world("h264_only", hours=9, late=3, startup_ms=2_000)]
    )
    found = effects(decisions(truth))
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
    effect = effects(decisions(truth))["time_to_play_late_ratio"]
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
    found = effects(decisions(truth))
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
    whole, q, r = decisions(regional(), {"factual": Cost(1, 0), "h264_only": Cost(2, 0)}, by_region=True)
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
    (alone,) = decisions(regional().filter(region="q"))
    assert alone.effects == q.effects
    assert "cost_per_stream_hour_usd" in figures[None]
    assert "cost_per_stream_hour_usd" not in figures["q"]


def test_a_change_from_nothing_has_no_share() -> None:
    truth = pl.concat([world("factual", late=1), world("h264_only", late=0)])
    assert effects(decisions(truth))["time_to_play_late_ratio"].relative is None


def test_cost_is_fixed_and_variable_over_hours() -> None:
    truth = pl.concat([world("factual", hours=10), world("third_party_cdn", hours=10)])
    costs = {"factual": Cost(64.0, 0.0), "third_party_cdn": Cost(0.0, 640.0)}
    effect = effects(decisions(truth, costs))["cost_per_stream_hour_usd"]
    assert (effect.now, effect.was) == pytest.approx((0.2, 2.0))
    assert effect.is_better is True


def test_without_the_factual_world_there_is_no_table() -> None:
    assert decisions(world("h264_only")) == []
    assert decisions(world("factual")) == []


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


def test_a_lake_of_real_telemetry_has_no_decisions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = Lake.create(tmp_path / "lake")
    assert decide(lake) == []
    with pytest.raises(SystemExit) as stopped:
        main(["decide", "--lake", str(lake.path)])
    assert stopped.value.code == 2
    assert "nobody ran two worlds" in capsys.readouterr().err


@pytest.fixture
def paired(tmp_path: Path) -> Lake:
    lake = Lake.create(tmp_path / "lake")
    truth = pl.concat(
        [world("factual", late=1), world("h264_only", late=3), world("third_party_cdn", late=2)]
    )
    lake.append("truth_counterfactual", truth, application="test", version=0)
    return lake


def test_the_command_prints_the_table(paired: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["decide", "--lake", str(paired.path), "--json"])
    assert stopped.value.code == 0
    said = json.loads(capsys.readouterr().out)
    assert said["label"] == "true effect, both worlds on one seed"
    assert [d["world"] for d in said["decisions"]] == ["third_party_cdn", "h264_only"]
    with pytest.raises(SystemExit):
        main(["decide", "--lake", str(paired.path)])
    out = capsys.readouterr().out
    assert "Own CDN, was third-party CDN" in out
    assert "-1.000" in out


def test_the_command_prints_it_by_region(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lake = Lake.create(tmp_path / "lake")
    lake.append("truth_counterfactual", regional(), application="test", version=0)
    with pytest.raises(SystemExit) as stopped:
        main(["decide", "--lake", str(lake.path), "--by", "region", "--json"])
    assert stopped.value.code == 0
    said = json.loads(capsys.readouterr().out)
    assert said["by"] == "region"
    assert [(d["world"], d["region"]) for d in said["decisions"]] == [
        ("h264_only", region) for region in (None, "q", "r")
    ]
    for decision in said["decisions"]:
        assert set(decision) == {"world", "switch", "was", "region", "parts", "effects"}
        for world_parts in decision["parts"].values():
            assert set(world_parts) == {"attempts", "starts", "playing_ms", "delivered_bytes"}
        assert {"metric", "now", "was", "effect", "low", "high", "relative", "is_better"} <= set(
            decision["effects"][0]
        )
    with pytest.raises(SystemExit):
        main(["decide", "--lake", str(lake.path), "--by", "region"])
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert {"all", "q", "r"} < set(lines)
    assert lines["q"].rstrip().endswith("-43.7")
    with pytest.raises(SystemExit) as stopped:
        main(["decide", "--lake", str(lake.path), "--by", "isp"])
    assert stopped.value.code == 2


def test_the_table_is_taken_once_a_version(paired: Lake) -> None:
    assert publish(paired)
    assert not publish(paired)
    paired.append("truth_counterfactual", world("factual").head(0), application="test", version=1)
    assert publish(paired)
    said = json.loads(paired.artefact("decision.json").read_text(encoding="utf-8"))
    assert said["lake_version"] == paired.version()
