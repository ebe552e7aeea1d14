"""A reader of a growing log killed at any point: run again, every line is in once and every session is told once.

Real processes and SIGKILL, at chosen steps of a batch and at random moments, while the log goes on growing.
"""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from metrics.ingest.cmcd import ingest_cmcd
from metrics.ingest.source import open_source
from metrics.lake import Lake
from metrics.ledger import ledger
from metrics.privacy import KEY_VARIABLE
from tests.metrics.log_lines import log
from tests.metrics.test_growing_logs import assert_same

ROOT = Path(__file__).parents[2]
KILLS = 10


@pytest.fixture(autouse=True)
def one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "a test's key")


def _start(lake: Path, path: Path, *call: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.metrics.log_follower", str(lake), str(path), *call]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _finish(process: subprocess.Popen[str]) -> int:
    process.communicate(timeout=60)
    return process.returncode


def _at_once(folder: Path, text: str) -> Lake:
    lake, path = Lake.create(folder / "at_once"), folder / "whole.log"
    path.write_text(text)
    ingest_cmcd(lake, open_source(str(path)))
    return lake


# A batch commits four times (checkpoint, lines, events, sessions), and writes a file each time.
@pytest.mark.parametrize(
    ("call", "grows"),
    [
        ("-1", True),
        ("1", True),
        ("2", True),
        ("-4", True),
        ("4", True),
        ("f1", True),
        ("1", False),
        ("-4", False),
    ],
)
def test_killed_at_a_step_of_a_batch(tmp_path: Path, call: str, *, grows: bool) -> None:
    text, lake, path = log("combined", 5), tmp_path / "lake", tmp_path / "growing.log"
    third = len(text) // 3
    path.write_text(text[:third])
    ingest_cmcd(Lake.create(lake), open_source(str(path)))
    path.write_text(text[: 2 * third])
    assert _finish(_start(lake, path, call)) == -signal.SIGKILL
    assert ledger(Lake.open(lake)).residual == 0
    # Before it is run again, the log may have grown.
    for end in (len(text),) if grows else (2 * third, len(text)):
        path.write_text(text[:end])
        ingest_cmcd(Lake.open(lake), open_source(str(path)))
    assert_same(Lake.open(lake), _at_once(tmp_path, text))


def test_killed_while_another_log_of_the_session_comes_in(tmp_path: Path) -> None:
    lake, one, other = tmp_path / "lake", tmp_path / "one.log", tmp_path / "other.log"
    lines = log("events", 6, bad_every=10_000).splitlines(keepends=True)
    parts = ["".join(lines[n * len(lines) // 3 : (n + 1) * len(lines) // 3]) for n in range(3)]
    one.write_text(parts[0])
    ingest_cmcd(Lake.create(lake), open_source(str(one)))
    for call in ("1", "2"):
        other.write_text(parts[1])
        # Killed with the checkpoint written, then with events too; the third log's batch comes in between.
        assert _finish(_start(lake, other, call)) == -signal.SIGKILL
    third = tmp_path / "third.log"
    third.write_text(parts[2])
    ingest_cmcd(Lake.open(lake), open_source(str(third)))
    ingest_cmcd(Lake.open(lake), open_source(str(other)))
    assert_same(Lake.open(lake), _at_once(tmp_path, "".join(parts)))


def test_killed_at_random_moments_while_it_grows(tmp_path: Path) -> None:
    text, lake, path = log("combined", 20), tmp_path / "lake", tmp_path / "growing.log"
    moments = random.Random(2026)
    for kill in range(KILLS):
        path.write_text(text[: (kill + 1) * len(text) // KILLS])
        process = _start(lake, path)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=moments.uniform(0.0, 0.2))
        process.kill()
        process.communicate(timeout=60)
        assert ledger(Lake.open(lake)).residual == 0
    assert _finish(_start(lake, path)) == 0
    assert_same(Lake.open(lake), _at_once(tmp_path, text))


def test_two_readers_of_one_log(tmp_path: Path) -> None:
    text, lake, path = log("json", 8), tmp_path / "lake", tmp_path / "growing.log"
    for end in (len(text) // 2, len(text)):
        path.write_text(text[:end])
        readers = [_start(lake, path) for _ in range(2)]
        assert [_finish(reader) for reader in readers] == [0, 0]
    assert_same(Lake.open(lake), _at_once(tmp_path, text))
