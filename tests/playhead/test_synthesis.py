"""Synthesis into a lake: resumed after a kill, nothing lost and nothing doubled."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from metrics.errors import LakeError
from metrics.lake import Lake
from playhead.synthesis import synthesise
from synthetic.scenario import load_scenario

SHIPPED = files("synthetic").joinpath("scenarios/quarter.toml").read_text("utf-8")


def counts(lake: Lake) -> dict[str, int]:
    return {name: lake.snapshot(name).rows for name in lake.tables()}


def test_a_killed_run_goes_on_and_doubles_nothing(tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    small = SHIPPED.replace("panel = 20_000", "panel = 150").replace("titles = 18_214", "titles = 2_000")
    path.write_text(small.replace("days = 91", "days = 15"), encoding="utf-8")
    scenario = load_scenario(path)
    whole = Lake.create(tmp_path / "whole")
    first = synthesise(scenario, whole)
    assert first.quarantined == 0
    assert synthesise(scenario, whole).already
    before = counts(whole)
    with pytest.raises(LakeError, match="another emulated service"):
        synthesise(load_scenario(path, seed=7), whole)
    assert counts(whole) == before

    folder = tmp_path / "cut"
    command = [sys.executable, "-m", "playhead", "synthesize", "--lake", str(folder), "--scenario", str(path)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as run:
        table = folder / "tables" / "playback_session" / "_delta_log"
        # The first batch is in, the run is not over: that is when it is killed.
        while run.poll() is None and not list(table.glob("*.json")):
            with contextlib.suppress(subprocess.TimeoutExpired):
                run.wait(timeout=0.02)
        run.send_signal(signal.SIGKILL)
    cut = Lake.open(folder)
    held = counts(cut)
    if held == counts(whole):
        pytest.fail("the run was over before it could be killed; give it more days")
    synthesise(scenario, cut)
    assert counts(cut) == counts(whole) == first.rows
