"""``playhead retention`` as a user calls it."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from metrics.lake import Lake
from tests.metrics.rows import APRIL_MS, DAY_MS, rows, session
from tests.metrics.test_hazards import memberships
from tests.metrics.test_surrogates import arms, past
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


def _csv(path: Path, frame: pl.DataFrame) -> Path:
    frame.write_csv(path)
    return path


def test_a_surrogate_from_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The planted effect goes through the surrogate alone: the index has it, and says what it is made of."""
    history, units = _csv(tmp_path / "past.csv", past(2_000)), _csv(tmp_path / "units.csv", arms(0.5))
    asked = ["retention", "surrogate", units, "--history", history, "--outcome", "y", "--control", "old",
             "--surrogate", "a", "--surrogate", "b"]  # fmt: skip
    found = as_json(capsys, *asked)
    assert found["coefficients"]["a"] == pytest.approx(2.0, abs=0.05)
    (arm,) = found["arms"]
    assert arm["effect"] == pytest.approx(
        1.0, abs=2 * (arm["high"] - arm["low"]) / 1.96
    )  # four standard errors
    assert arm["direct"] == pytest.approx(arm["effect"], abs=0.1)
    status, out, _ = run(capsys, *asked)
    assert status == 0
    assert "the outcome itself" in out


def test_past_experiments_judge_and_calibrate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The outcome moves three times as far as the index, every time."""
    effect = [0.1 * number for number in range(1, 13)]
    frame = pl.DataFrame({"effect": effect, "direct": [3 * one for one in effect]}).with_columns(
        low=pl.col("effect") - 0.01, high=pl.col("effect") + 0.01,
        direct_low=pl.col("direct") - 0.01, direct_high=pl.col("direct") + 0.01, truth=pl.col("direct"),
    )  # fmt: skip
    file = _csv(tmp_path / "experiments.csv", frame)
    found = {row["measure"]: row["value"] for row in as_json(capsys, "retention", "launches", file)}
    assert found["consistency"] == found["launch_recall"] == 1.0
    assert found["interval_holds"] == 0.0
    assert "consistency" in run(capsys, "retention", "launches", file)[1]
    history, units = _csv(tmp_path / "past.csv", past(2_000)), _csv(tmp_path / "units.csv", arms(0.5))
    told = as_json(
        capsys, "retention", "surrogate", units, "--history", history, "--outcome", "y", "--control", "old",
        "--surrogate", "a", "--surrogate", "b", "--past", file,
    )  # fmt: skip
    assert told["calibration"]["slope"] == pytest.approx(3.0, abs=0.01)
    assert told["arms"][0]["effect"] == pytest.approx(3.0, abs=0.9)


def test_a_surrogate_of_a_lake(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, "retention", "surrogate", "--lake", lake, "--days", 14, "--horizon", 28)
    assert found["members"] > 100
    assert 0 < found["later_members"]["index"] <= 1.1
    assert found["arms"] == []
    assert run(capsys, "retention", "surrogate", "--lake", lake, "--horizon", 28)[0] == 0


def test_slips_of_surrogates_are_one_line(
    lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history, units = _csv(tmp_path / "past.csv", past()), _csv(tmp_path / "units.csv", arms(0.5))
    one_row = _csv(tmp_path / "one.csv", past().head(1))
    empty = tmp_path / "empty.csv"
    empty.touch()
    files = ["--history", history, "--outcome", "y", "--surrogate", "a"]
    slips: list[tuple[list[str | Path], str]] = [
        (["surrogate", units], "an experiment alone; give --history"),
        (["surrogate", units, *files, "--control", "olld"], "no arm 'olld'; did you mean old?"),
        (["surrogate", units, *files, "--control", "old", "--arm", "group"], "no column 'group'"),
        (
            ["surrogate", units, "--history", one_row, *files[2:], "--control", "old"],
            "1 members for 1 surrogates",
        ),
        (["surrogate", units, "--history", empty, *files[2:], "--control", "old"], "not a CSV in UTF-8"),
        (["surrogate", units, "--history", tmp_path, *files[2:], "--control", "old"], "a folder"),
        (["surrogate", units, *files, "--control", "old", "--past", history], "no column 'effect'"),
        (["surrogate", "--lake", lake, "--horizon", "400"], "give a lake of more than 400 days"),
        (["surrogate", "--lake", lake, "--days", "30", "--horizon", "20"], "30 days stand for 20"),
        (["surrogate", "--lake", lake, "--horizon", "28", "--experiment", "x"], "no experiment 'x'"),
        (["launches", history], "no column 'effect'"),
        (["launches", tmp_path / "none.csv"], "No such file"),
    ]
    for asked, said in slips:
        status, out, err = run(capsys, "retention", *asked)
        assert (status, out) == (2, ""), asked
        assert said in err
        assert err.count("\n") == 1
