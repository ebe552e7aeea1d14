"""``playhead retention`` as a user calls it."""

from __future__ import annotations

from pathlib import Path

import pytest

from metrics.lake import Lake
from tests.metrics.rows import APRIL_MS, DAY_MS, rows, session
from tests.metrics.test_hazards import memberships
from tests.playhead.test_metrics_commands import as_json, run


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("retention") / "lake"
    opened = Lake.create(path)
    opened.append("membership", memberships(), application="test", version=0)
    plays = [
        session(
            subscriber_id=f"m{member}", start_ts_ms=APRIL_MS + day * DAY_MS, playing_ms=600_000 * (1 + member % 5),
            stall_count=member % 2, stall_ms=member % 2 * 1_000 * (1 + day % 4), startup_ms=500 + 100 * (day % 7),
        )
        for member in range(400)
        for day in range(0, 70, 3)
    ]  # fmt: skip
    opened.append("playback_session", rows("playback_session", *plays), application="test", version=0)
    return path


def test_hazards_and_survival_as_json(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, "retention", "--lake", lake)
    by_name = {row["exposure"]: row for row in found["hazards"]}
    hours, rec = by_name["hours_per_day"], by_name["rec_driven_share"]
    assert hours["is_identified"]
    assert hours["low"] < hours["hazard_ratio"] < hours["high"]
    assert (rec["is_identified"], rec["hazard_ratio"], rec["reason"]) == (False, None, "it does not vary")
    shares = [row["value"] for row in found["survival"]]
    assert shares == sorted(shares, reverse=True)


def test_the_same_to_read(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "retention", "--lake", lake, "--by", "region")
    assert status == 0
    assert "not identified: it does not vary" in out
    assert "mena" in out


def test_a_slip_is_one_line(lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Lake.create(tmp_path / "empty")
    slips: list[tuple[list[str | Path], str]] = [
        (["--lake", lake, "--by", "plans"], "--by: no cohort 'plans'; did you mean plan?"),
        (["--lake", tmp_path / "empty"], "no membership; fill the table `membership`"),
    ]
    for asked, said in slips:
        status, out, err = run(capsys, "retention", *asked)
        assert (status, out) == (2, "")
        assert said in err
        assert err.count("\n") == 1
