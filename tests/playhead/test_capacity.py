"""Capacity over a lake: what is read of it, the command, and what an emulated surge in fact fills."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from benchmarks.surges import surges
from metrics.errors import InputError
from metrics.lake import Lake
from playhead.capacity import reported
from playhead.cli import main
from tests.playhead.test_economics import at, delivery, rows, session

GBIT = 10**6  # kbit/s


def health(day: int, site: str, tier: str, capacity: int, peak: int, **given: object) -> dict[str, object]:
    return {
        "ts_ms": at(4, day), "interval_ms": 86_400_000, "region": "north-america", "site": site,
        "appliance": f"{site}-{tier}", "tier": tier, "capacity_kbps": capacity * GBIT, "peak_kbps": peak * GBIT,
        "status": "healthy",
    } | given  # fmt: skip


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake.create(tmp_path / "lake")
    frames = {
        # 2 GB an hour: 4.44 Mbit/s a stream
        "playback_session": rows("playback_session", session(4, 1)),
        "delivery": rows(
            "delivery",
            delivery(4, 1, "edge", 9, site="a1"),
            delivery(4, 1, "edge", 9, site="a2"),
            delivery(4, 1, "edge", 9, site="b1", isp="isp-b"),
        ),
        "appliance_health": rows(
            "appliance_health",
            *(
                health(day, site, tier, capacity, peak)
                for day, factor in ((1, 1), (2, 1), (3, 5))  # the third evening is an event
                for site, tier, capacity, peak in (
                    ("a1", "edge", 300, 100 * factor), ("a2", "edge", 100, 50 * factor),
                    ("b1", "edge", 600, 100 * factor), ("x", "storage", 200, 10 * factor),
                )
            ),
            health(2, "a1", "edge", 300, 0, status="down"),
        ),
        "control_request": rows(
            "control_request",
            *(
                {"ts_ms": at(4, 1, hour), "service": service, "region": "north-america", "status": 200,
                 "weight": 3_600 * n}
                for hour, service, n in ((19, "auth", 1), (20, "auth", 5), (20, "authorise", 7), (20, "home", 9))
            ),
        ),
        "fill": rows(
            "fill",
            *(
                {"ts_ms": at(4, day), "window_ms": 43_200_000, "region": "north-america", "site": "a1",
                 "tier": "edge", "planned_bytes": planned, "pushed_bytes": pushed, "status": "complete"}
                for day, planned, pushed in ((1, 10**12, 10**12), (2, 3 * 10**12, 2 * 10**12))
            ),
        ),
    }  # fmt: skip
    for table, frame in frames.items():
        done = lake.append(table, frame, application="test", version=0)
        assert done.quarantined == 0, done.reasons
    return lake


def test_what_appliances_and_services_report(lake: Lake) -> None:
    found = reported(lake)
    told = {(tier, place): (c // GBIT, p // GBIT) for _, tier, place, c, p in found.clusters.iter_rows()}
    # ISPs by their sites together; the event is no regular peak.
    assert told == {
        ("edge", "isp-a"): (400, 150), ("edge", "isp-b"): (600, 100), ("storage", "x"): (200, 10)
    }  # fmt: skip
    assert found.requests == {"auth": 12, "ranking": 9}
    assert found.mean_kbps == pytest.approx(2 * 8e6 / 3_600)
    assert found.fill == pytest.approx((3_000, 2_000))
    assert found.days == ("2026-04-01", "2026-04-03")


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["cost", "capacity", *map(str, arguments)])
    written = capsys.readouterr()
    return int(stop.value.code or 0), written.out, written.err


def test_the_command_over_a_lake(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--concurrent", "150e3", "--lake", lake.path, "--json")
    assert code == 0
    found = json.loads(out)
    # 260 Gbit/s at 4.44 Mbit/s are 58,500 streams; isp-a is full at 400/150 of them.
    assert found["regular_peak_concurrent"]["median"] == pytest.approx(58_500)
    rows = {row["resource"]: row for row in found["resources"]}
    assert rows["edge egress"]["place"] == "isp-a"
    assert rows["edge egress"]["breaks_at_concurrent"]["median"] == pytest.approx(
        58_500 * 400 / 150, rel=0.03
    )
    assert "edge egress" not in found["breaks_in_order"]
    assert rows["fill window"]["utilisation"]["median"] == pytest.approx(1.5)
    assert [place["place"] for place in found["places"]] == ["isp-a", "isp-b"]
    code, out, _ = run(capsys, "--concurrent", "500e3", "--lake", lake.path, "--region", "north-america")
    assert code == 0
    assert "edge egress (isp-a)" in out
    assert "fill window" in out


def test_a_planned_fleet_where_there_is_no_lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--concurrent", "300e6", "--lake", tmp_path / "none", "--json")
    assert code == 0
    assert json.loads(out)["standing"].startswith("planned for 325 M subscribers, lean")
    code, out, _ = run(
        capsys,
        "--concurrent",
        "300e6",
        "--subscribers",
        "100e6",
        "--policy",
        "dense",
        "--lake",
        tmp_path / "none",
    )
    assert "planned for 100 M subscribers, dense" in out
    assert "× edge appliance" in out


def test_bad_input_is_one_line(lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, says in (
        (("--concurrent", "-1", "--lake", lake.path), "--concurrent"),
        (("--concurrent", "1e6", "--lake", lake.path, "--region", "mena"), "no appliance reports its capacity in mena"),
        (("--concurrent", "1e6", "--subscribers", "1e6", "--region", "mena"), "--region is of a lake"),
    ):  # fmt: skip
        code, out, err = run(capsys, *arguments)
        assert (code, out) == (2, "")
        assert says in err
        assert err.count("\n") == 1
    with pytest.raises(InputError, match="no appliance reports its capacity"):
        reported(Lake.create(tmp_path / "empty"))


def test_emulated_surges_fill_what_was_foreseen() -> None:
    """Surges in every region, of the sizes that the model set before: see ``benchmarks/surges.py``.

    By its 90 % intervals an edge is full in 5 % of regions at the lower end and in 95 % at the upper; of eight
    regions more than two, or fewer than six, would come about once in 170 times.
    """
    rows = pl.DataFrame(list(surges(8_001, panel=200)))
    full = {level: int((of["full_sites"] > 0).sum()) for (level,), of in rows.group_by("level")}
    assert rows["region"].n_unique() == 8
    assert full["low"] <= 2
    assert full["low"] < full["median"] <= full["high"]
    assert full["high"] >= 6
    # Edges break before exchanges, and the sites that fill are those at the head of the order.
    assert rows.filter(pl.col("is_exchange_full"), pl.col("full_sites") == 0).is_empty()
    assert rows["in_order"].drop_nulls().mean() > 0.8  # type: ignore[operator]
