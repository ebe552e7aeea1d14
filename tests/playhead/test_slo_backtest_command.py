"""`playhead slo backtest` and `slo budget` as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from alerts import slo
from metrics.lake import Lake
from playhead.cli import main
from tests.alerts.frames import DAY, T0, minute_counts

REBUFFERING = next(path for path in slo.shipped() if path.name == "rebuffering-sessions.yaml")
BEGIN = 6 * DAY + 600


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Twelve days that keep the promise but for two hours at 5 %, and the truth of it."""
    lake = Lake.create(tmp_path_factory.mktemp("backtest") / "lake")
    rng = np.random.default_rng(4)
    share = np.full(12 * DAY, 0.0003)
    share[BEGIN : BEGIN + 120] = 0.05
    starts = np.full(12 * DAY, 1000)
    frame = minute_counts(
        np.arange(12 * DAY), starts=starts, first_stalls=rng.binomial(starts, share), attempts_n=starts
    ).with_columns(attempts="starts", attempts_weight_squared="starts", region=pl.lit("mena"))
    assert lake.append("minute_count", frame, application="test", version=0).quarantined == 0
    incident = pl.DataFrame(
        {
            "incident_id": ["encode-1"],
            "kind": ["bad_encode"],
            "start_ts_ms": [T0 + BEGIN * 60_000],
            "end_ts_ms": [T0 + (BEGIN + 120) * 60_000],
            "ramp_ms": [0],
            "severity_ratio": [0.5],
            "scope": ["{}"],
            "metric": ["rebuffer_rate"],
        }
    )
    assert lake.append("truth_incident", incident, application="test", version=0).quarantined == 0
    return lake


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["slo", *map(str, arguments)])
    written = capsys.readouterr()
    return int(stop.value.code or 0), written.out, written.err


@pytest.mark.parametrize("how", ["--truth", None])
def test_two_policies_on_a_lake(capsys: pytest.CaptureFixture[str], lake: Lake, how: str | None) -> None:
    arguments = ["backtest", REBUFFERING, "--lake", lake.path, "--policy", "evidence-30d"]
    arguments += ["--versus", "google-30d", "--json", *([how] if how else [])]
    status, out, _ = run(capsys, *arguments)
    assert status == 0
    found = json.loads(out)
    assert found["incidents"] == ("truth" if how else "hindsight")
    ours, textbook = (trial["quality"] for trial in found["trials"])
    for quality in (ours, textbook):
        assert (quality["incidents"], quality["recall"], quality["precision"]) == (1, 1.0, 1.0)
        assert quality["false_pages"] == 0
    assert ours["detect_minutes"] <= 4
    assert 16 <= textbook["detect_minutes"] <= 20
    assert ours["reset_minutes"] <= 10 < textbook["reset_minutes"]
    (row,) = found["comparisons"]
    assert (row["policy"], row["versus"], row["sooner"]) == ("evidence-30d", "google-30d", 1)


def test_a_lake_at_other_volumes(capsys: pytest.CaptureFixture[str], lake: Lake) -> None:
    arguments = ["backtest", REBUFFERING, "--lake", lake.path, "--truth", "--volumes", "10,1000"]
    status, out, _ = run(capsys, *arguments, "--json")
    assert status == 0
    trials = json.loads(out)["trials"]
    assert [round(trial["sessions_per_hour"], -1) for trial in trials] == [60_000, 10, 1000]
    assert trials[1]["quality"]["recall"] == 0.0
    assert trials[2]["quality"]["recall"] == 1.0


def test_made_cases_need_no_lake(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["backtest", REBUFFERING, "--lake", tmp_path / "none", "--cases", 20, "--volumes", "10000"]
    status, out, _ = run(capsys, *arguments, "--policy", "evidence-30d", "--versus", "google-30d")
    assert status == 0
    lines = out.splitlines()
    assert lines[1].split()[:4] == ["rebuffering-sessions", "evidence-30d", "10,000", "20"]
    assert "pages sooner than google-30d in" in out
    again = run(capsys, *arguments, "--policy", "evidence-30d", "--versus", "google-30d")[1]
    assert again == out
    (trial,) = json.loads(run(capsys, *arguments, "--json")[1])["trials"]
    shares = trial["by_bad_ratio"]
    assert {row["bad_ratio"] for row in shares} <= {0.005, 0.01, 0.02, 0.05, 0.1, 1.0}
    assert sum(row["incidents"] for row in shares) == trial["quality"]["incidents"] == 20


def test_what_cannot_be_backtested_is_one_line(
    capsys: pytest.CaptureFixture[str], lake: Lake, tmp_path: Path
) -> None:
    bare = Lake.create(tmp_path / "lake")
    assert bare.append("minute_count", minute_counts([0], starts=1), application="t", version=0)
    for arguments, said in (
        (["--policy", "google-3d"], "did you mean google-30d"),
        (["--policy", "seasonal-baseline"], "has no windows"),
        (["--truth", "--cases", 5], "two things"),
        (["--cases", 5, "--volumes", "ten"], "is no volume"),
        (["--lake", bare.path, "--truth"], "no incident of this lake is known"),
    ):
        status, _, err = run(capsys, "backtest", REBUFFERING, "--lake", lake.path, *arguments)
        assert status == 2
        assert said in err
        assert len(err.strip().splitlines()) == 1
    unfit = next(path for path in slo.shipped() if path.name == "rec-driven-share.yaml")
    status, _, err = run(capsys, "backtest", unfit, "--lake", lake.path, "--policy", "google-30d")
    assert status == 2
    assert "left out, since google-30d cannot watch it" in err


def test_a_stretch_of_all_of_the_period_is_no_incident(
    capsys: pytest.CaptureFixture[str], lake: Lake
) -> None:
    arguments = ["budget", REBUFFERING, "--lake", lake.path]
    whole = ["--from", "2026-04-07T10:10", "--to", "2026-04-07T11:50"]
    status, out, _ = run(capsys, *arguments, *whole)
    assert status == 0
    assert "no incident, it is always worse than promised" in out
    assert "times the budget by the usual level" in out
    assert "× spent" in out
    assert "-" not in out.splitlines()[1].replace("rebuffering-sessions", "")
    assert "no incident" not in run(capsys, *arguments)[1]


def test_budgets_say_what_spent_them(capsys: pytest.CaptureFixture[str], lake: Lake, tmp_path: Path) -> None:
    arguments = ["budget", REBUFFERING, "--lake", lake.path, "--truth", "--sla", "monthly-uptime"]
    status, out, _ = run(capsys, *arguments, "--json")
    assert status == 0
    (budget,) = json.loads(out)["budgets"]
    assert budget["kept"] is True
    incident, rest = budget["incidents"]
    assert incident["incident_id"] == "encode-1"
    assert incident["budget_spent"] == pytest.approx(120 * 50 / (12 * DAY), rel=0.05)
    assert incident["budget_spent"] + rest["budget_spent"] == pytest.approx(1 - budget["budget_left"])
    assert budget["exhaustion"]["at_ts_ms"] is None
    assert budget["credits"][0]["credit_ratio"] == 0.0
    assert "of the budget by encode-1 (bad_encode)" in run(capsys, *arguments)[1]

    begin, end = "2026-04-07T10:00Z", "2026-04-07T12:00Z"
    agreed = tmp_path / "maintenance.yaml"
    agreed.write_text(f"maintenance:\n  - {{from: {begin}, to: {end}, reason: encoder}}\n", encoding="utf-8")
    status, out, _ = run(capsys, *arguments, "--maintenance", agreed, "--json")
    (spared,) = json.loads(out)["budgets"]
    (told,) = spared["excluded"]
    assert (told["minutes"], told["starts"], told["reason"]) == (120, 120_000, "encoder")
    assert spared["total"] == budget["total"] - 120_000
    assert spared["budget_left"] > budget["budget_left"]
    assert (
        "not counted: 2026-04-07 10:00 to 2026-04-07 12:00"
        in run(capsys, *arguments, "--maintenance", agreed)[1]
    )
