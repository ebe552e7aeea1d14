"""``playhead experiment`` and ``metrics --by arm``: arms side by side, and one line where there are none."""

from __future__ import annotations

from pathlib import Path

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
