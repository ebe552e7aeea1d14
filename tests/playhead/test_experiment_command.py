"""``playhead experiment`` and ``metrics --by arm``: arms side by side, and one line where there are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from metrics.lake import Lake
from tests.metrics.test_experiment import many
from tests.playhead.test_metrics_commands import as_json, run

HOURS = ("-m", "hours_per_member_day")


@pytest.fixture(scope="module")
def arms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("arms") / "lake"
    lake = Lake.create(path)
    for name, frame in many(0.5).items():
        if name in ("assignment", "playback_session", "membership"):
            lake.append(name, frame.collect(), application="test", version=0)
    return path


def test_arms_stand_beside_the_control(arms: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "experiment", "--lake", arms, *HOURS)
    assert status == 0
    control, new = [line.split() for line in out.splitlines() if " h " in line]
    assert control[-2] == "control"
    assert any(word.startswith("+") and word.endswith("%") for word in new)


def test_the_same_as_json_by_name(arms: Path, capsys: pytest.CaptureFixture[str]) -> None:
    control, new = as_json(capsys, "experiment", "page", "--lake", arms, *HOURS)
    assert (control["arm"], control["is_control"], control["lift"]) == ("control", True, None)
    assert new["lift"] == pytest.approx(new["value"] / control["value"] - 1)
    by_arm = as_json(capsys, "metrics", "--lake", arms, "--by", "arm", "-m", "watch_hours")
    assert {row["arm"] for row in by_arm} == {"control", "new"}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["pages"], "no experiment 'pages'; did you mean page"),
        (
            ["-m", "watch_hours"],
            "watch_hours is not known of the members of an arm; compare hours_per_member_day",
        ),
        (["--where", "region"], "--where: no slice 'region'"),
    ],
)
def test_a_slip_is_one_line(
    arms: Path, capsys: pytest.CaptureFixture[str], asked: list[str], said: str
) -> None:
    status, out, err = run(capsys, "experiment", "--lake", arms, *asked)
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_a_lake_without_experiments_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Lake.create(tmp_path / "lake")
    status, _, err = run(capsys, "experiment", "--lake", tmp_path / "lake")
    assert status == 2
    assert "no experiment: nobody is assigned to an arm" in err
    assert err.count("\n") == 1


ASKED = ("--unit", "member", "--arm", "arm", "--control", "old", "-m", "hours")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(8)
    rows = (f"m{i},{('old', 'new')[i % 2]},{rng.gamma(2.0):.6f},{1 + i % 3}" for i in range(400))
    path = tmp_path / "units.csv"
    path.write_text("\n".join(["member,arm,hours,plays", *rows]) + "\n", encoding="utf-8")
    return path


def test_a_table_of_units_is_judged(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = as_json(capsys, "experiment", table, *ASKED)
    assert {"arm", "n", "absolute", "relative", "srm_p", "power", "method"} <= found.keys()
    assert (found["arm"], found["n"], found["srm_p"], found["method"]) == ("new", 200, 1.0, "Welch, mean")
    assert found["absolute"].keys() == found["relative"].keys() == {"effect", "low", "high", "p"}
    (always,) = as_json(capsys, "experiment", table, *ASKED, "--sequential", "--tuning", "400")
    assert always["absolute"]["low"] < found["absolute"]["low"]
    assert always["method"] == "Welch, mean, anytime-valid"
    (meant,) = as_json(capsys, "experiment", table, *ASKED, "--share", "old=3", "--share", "new=1")
    assert meant["srm_p"] < 1e-9


def test_a_table_of_units_is_shown(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "experiment", table, *ASKED, "--denominator", "plays")
    assert status == 0
    assert "Welch, ratio. Sample ratio p 1.0000; 0 units in several arms left out" in out
    assert "(95 % interval)" in out
    _, out, _ = run(capsys, "experiment", table, *ASKED, "--share", "old=3", "--share", "new=1")
    assert "Sample ratio p < 0.0001" in out  # a p value is never 0


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--control", "odl"], "--control: no arm 'odl' in arm; did you mean old?"),
        (["--covariate", "hour"], "no column 'hour'; did you mean hours?"),
        (["--where", "region=mena"], "--where: a file has no such choice"),
        (["--share", "old"], "--share: no share 'old'; write ARM=0.9"),
        (["--metric", "member"], "member: 'm0' is no number"),
    ],
)
def test_a_slip_about_a_table_is_one_line(
    table: Path, capsys: pytest.CaptureFixture[str], asked: list[str], said: str
) -> None:
    status, out, err = run(capsys, "experiment", table, *ASKED, *asked)
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_a_table_that_cannot_be_read_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    latin, empty = tmp_path / "latin.csv", tmp_path / "empty.csv"
    latin.write_bytes(b"member,arm,hours\nm0,\xe9t\xe9,1\n")
    empty.write_bytes(b"")
    for path in (latin, empty, tmp_path / "none.csv", tmp_path):
        status, out, err = run(capsys, "experiment", path, *ASKED)
        assert (status, out) == (2, "")
        assert str(path) in err
        assert err.count("\n") == 1
