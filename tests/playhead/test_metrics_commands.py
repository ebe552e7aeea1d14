"""``metrics``, ``ledger``, ``explain`` and ``glossary`` as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from metrics.catalog import METRICS
from metrics.lake import Lake
from playhead.cli import main
from tests.metrics.rows import APRIL_MS, DAY_MS, member_days, rows, session


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("metrics") / "lake"
    opened = Lake.create(path)
    sessions = rows(
        "playback_session",
        *(
            session(
                start_ts_ms=APRIL_MS + day * DAY_MS, region=region, stall_count=stalls, stall_ms=stalls,
                weight=2**50 if region == "mena" else 3, replicate=day, playing_ms=900_000,
            )
            for day in range(4)
            for region, stalls in (("mena", 0), ("south-asia", day % 2), (None, 0))
        ),
    )  # fmt: skip
    opened.append("playback_session", sessions, application="test", version=1)
    opened.append("membership", rows("membership", *member_days(4)), application="test", version=1)
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return int(stop.value.code or 0), said.out, said.err


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Any:
    status, out, err = run(capsys, *arguments, "--json")
    assert status == 0, err
    return json.loads(out)


def test_metrics_by_dimension(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, "metrics", "--lake", lake, "--by", "region")
    assert [group["region"] for group in found] == ["mena", "south-asia", None]
    rebuffer = found[1]["rebuffer_rate"]
    assert rebuffer.items() >= {"value": 0.5, "numerator": 6, "denominator": 12, "unit": "ratio"}.items()
    assert found[0]["attempts"]["numerator"] == 2**52
    assert found[0]["mean_bitrate_kbps"]["denominator"] == str(2**52 * 900_000)  # beyond 2^53: as text
    assert found[0]["watch_hours"]["numerator"] == 2**50
    # What a metric's tables do not tell is left out, unless it is asked for; there are no deliveries here.
    assert as_json(capsys, "metrics", "--lake", lake, "--by", "tier") == []


def test_all_metrics_without_options(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = as_json(capsys, "metrics", "--lake", lake)
    assert set(found) == set(METRICS)
    assert found["home_late_ratio"]["value"] is None


def test_a_period_a_grain_and_a_slice(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(
        capsys, "metrics", "--lake", lake, "-m", "attempts", "--where", "region=south-asia,", "--grain", "1d",
        "--from", "2026-04-02", "--to", "2026-04-04T00:00", "--intervals",
    )  # fmt: skip
    assert [group["bucket_ts_ms"] for group in found] == [APRIL_MS + DAY_MS, APRIL_MS + 2 * DAY_MS]
    assert [group["attempts"]["value"] for group in found] == [6, 6]
    assert set(found[0]["attempts"]) >= {"low", "high"}


@pytest.mark.parametrize(
    "options", [(), ("--by", "region"), ("--grain", "1d", "-m", "attempts", "--intervals")]
)
def test_tables_for_people(options: tuple[str, ...], lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "metrics", "--lake", lake, *options)
    assert status == 0
    assert "0.000%" in out if "region" in options else "Play attempts" in " ".join(out.split())
    assert "nan" not in out.lower()


def test_the_ledger_adds_up(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, "ledger", "--lake", lake)
    assert (found["sessions_in"], found["counted"], found["residual"]) == (12, 12, 0)
    assert "12  counted" in run(capsys, "ledger", "--lake", lake)[1]


def test_a_change_is_explained_in_integers_that_add_up(
    lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    period = (
        "--from",
        "2026-04-02",
        "--to",
        "2026-04-03",
        "--versus-from",
        "2026-04-01",
        "--versus-to",
        "2026-04-02",
    )
    options = ("explain", "rebuffer_rate", "--lake", lake, "--by", "region", *period)
    found = as_json(capsys, *options)
    assert found["change"] > 0
    parts = sum(int(part["exact"]) for part in found["contributions"])
    assert parts == int(found["exact"]["change"]) != 0
    assert found["simpson"] is False
    amounts = [part["contribution"] for part in found["contributions"]]
    assert amounts == sorted(amounts, reverse=True)  # the most harmful first
    assert "south-asia" in run(capsys, *options)[1]
    north_star = as_json(capsys, "explain", "watch_hours_per_subscriber", "--lake", lake, *period)
    assert {part["part"] for part in north_star["contributions"]} == {
        "qualified_plays_per_subscriber", "hours_per_play", "unqualified_hours_per_subscriber",
    }  # fmt: skip


def test_the_glossary(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert {entry["metric"] for entry in as_json(capsys, "glossary")} == set(METRICS)
    written = tmp_path / "glossary.md"
    assert run(capsys, "glossary", "-o", written)[0] == 0
    assert written.read_text("utf-8") == run(capsys, "glossary")[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("metrics", "--by", "regoin"), "no dimension 'regoin'; did you mean region?"),
        (("metrics", "-m", "rebufer_rate"), "did you mean rebuffer_rate"),
        (("metrics", "-m", "home_late_ratio", "--by", "isp"), "cannot be cut by 'isp'"),
        (("metrics", "--where", "mena"), "--where: no slice 'mena'; write DIMENSION=VALUE,VALUE"),
        (("metrics", "--from", "yesterday"), "--from: no instant 'yesterday'"),
        (("metrics", "--grain", "1q"), "no grain '1q'"),
        (("metrics", "--lake", "nowhere"), "no lake here"),
        (("ledger", "--lake", "nowhere"), "no lake here"),
        (("glossary", "-o", "no/such/folder/g.md"), "cannot be written"),
        (("explain", "rebuffer_rate", "--from", "2026-05-02", "--to", "2026-05-01", "--versus-from", "2026-04-01",
          "--versus-to", "2026-04-02"), "--from and --to: the period ends before it starts"),
        (("explain", "rebuffer_rate"), "Missing option '--from'"),
    ],
)  # fmt: skip
def test_bad_usage_is_one_line(
    arguments: tuple[str, ...], said: str, lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = () if "--lake" in arguments or arguments[0] == "glossary" else ("--lake", lake)
    status, out, err = run(capsys, *arguments, *options)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert said in err


def test_a_value_that_occurs_nowhere_is_a_slip(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ("metrics", "--lake", lake, "-m", "attempts", "--where")
    status, out, err = run(capsys, *command, "region=mena,south-asai")
    assert (status, out) == (2, "")
    assert err == "playhead: --where: no region 'south-asai' in the lake; did you mean south-asia?\n"
    status, _, err = run(capsys, *command, "appliance=oca-1")
    assert (status, err) == (
        2, "playhead: --where: no appliance 'oca-1' in the lake; the telemetry tells no appliance\n",
    )  # fmt: skip
    assert run(capsys, *command, "region=")[0] == 0


@pytest.mark.parametrize(
    "period",
    [("--from", "2026-04-05"), ("--to", "2026-04-01"), ("--from", "2030-01-01", "--to", "2030-02-01")],
)
def test_a_period_beside_the_lake_is_a_slip(
    period: tuple[str, ...], lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, "metrics", "--lake", lake, "-m", "attempts", *period)
    assert (status, out) == (2, "")
    assert err == (
        "playhead: --from, --to: the period lies outside the lake; its sessions started from 2026-04-01 to "
        "2026-04-04 UTC\n"
    )
