"""A writer killed at any point leaves all of its batch or none; run again, nothing is lost or doubled.

Real processes and SIGKILL, at chosen steps inside an append and at random moments, alone and two at once.
"""

import contextlib
import random
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from metrics.lake import Lake
from tests.metrics.lake_writer import BAD_ROWS, ROWS

ROOT = Path(__file__).parents[2]
BATCHES = 6
KILLS = 8


def _start(lake: Path, *call: str, batches: int = BATCHES) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.metrics.lake_writer", str(lake), str(batches), *call]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _finish(process: subprocess.Popen[str]) -> int:
    process.communicate(timeout=60)
    return process.returncode


def _kill_after(process: subprocess.Popen[str], delay_s: float) -> None:
    """Wait until it writes, let it for so long, and kill it."""
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=delay_s)
    process.kill()
    process.communicate(timeout=60)


def _batches(path: Path) -> dict[int, int]:
    """Rows of each batch that is there."""
    if not (path / "_playhead.json").exists():
        return {}
    number = pl.col("session_id").cast(pl.Int64) // 1000
    counts = Lake.open(path).scan("playback_session").group_by(number.alias("batch")).len().collect()
    return dict(counts.iter_rows())


def _assert_whole(path: Path) -> None:
    assert set(_batches(path).values()) <= {ROWS}


def _assert_complete(path: Path, batches: int) -> None:
    assert _batches(path) == dict.fromkeys(range(batches), ROWS)
    lake = Lake.open(path)
    ids = lake.scan("playback_session").select(pl.col("session_id").n_unique()).collect().item()
    assert ids == batches * ROWS
    kept = lake.scan("quarantine").select("row", "version").collect()
    assert kept.height == kept.n_unique() == batches * BAD_ROWS


@pytest.mark.parametrize("call", ["-1", "1", "-2", "2", "f1", "f3"])
def test_killed_at_a_step_of_an_append(tmp_path: Path, call: str) -> None:
    # Each append commits twice (quarantine, then the table) and writes four files.
    lake = tmp_path / "lake"
    assert _finish(_start(lake, call, batches=2)) == -signal.SIGKILL
    _assert_whole(lake)
    assert _batches(lake) == ({0: ROWS} if call == "2" else {})
    assert _finish(_start(lake, batches=2)) == 0
    _assert_complete(lake, 2)


def test_killed_at_random_moments(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    moments = random.Random(2026)
    for _ in range(KILLS):
        _kill_after(_start(lake), moments.uniform(0.0, 0.12))
        _assert_whole(lake)
    assert _finish(_start(lake)) == 0
    _assert_complete(lake, BATCHES)


def test_two_writers_of_the_same_batches_one_killed(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    first, second = _start(lake), _start(lake)
    _kill_after(first, 0.03)
    assert _finish(second) == 0
    _assert_complete(lake, BATCHES)
    assert _finish(_start(lake)) == 0
    _assert_complete(lake, BATCHES)
