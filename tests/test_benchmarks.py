"""The harness of the benchmarks: who is timed, and what the table says. No figure is asserted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.harness import Row, markdown, race, run_and_watch


def test_a_race_runs_every_party_equally_often_and_names_each_peer() -> None:
    calls: list[str] = []
    rows = race(
        "sum",
        lambda: calls.append("ours"),
        {"one": lambda: calls.append("one"), "two": lambda: calls.append("two")},
        lambda seconds: "fast",
        rounds=3,
    )
    assert [(row.peer, row.ours, row.theirs) for row in rows] == [
        ("one", "fast", "fast"),
        ("two", "fast", "fast"),
    ]
    assert calls == ["ours", "one", "two"] * 4  # a warm-up, then turn about


def test_the_table_is_markdown_with_a_line_a_row() -> None:
    lines = markdown([Row("a", "1"), Row("b", "2", "peer", "4", 0.5)]).splitlines()
    assert len(lines) == 4
    assert {line.count("|") for line in lines} == {6}
    assert lines[-1].endswith("| 0.50× |")


def test_a_watched_command_gives_its_output_and_memory_of_its_children(tmp_path: Path) -> None:
    grab = "x = bytearray(50_000_000); sum(range(20_000_000))"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{grab}']); print('done')"
    run = run_and_watch([sys.executable, "-c", program], tmp_path)
    assert run.output == "done\n"
    assert run.peak_bytes > 50_000_000


def test_a_failing_command_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        run_and_watch([sys.executable, "-c", "raise SystemExit(3)"], tmp_path)
