"""The harness of the benchmarks: who is timed, and what the table says. No figure is asserted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.harness import Row, markdown, race, run_and_watch
from benchmarks.worlds import Difference, difference, pooled


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


def test_coverage_of_the_decision_table_counts_the_intervals_that_hold() -> None:
    """Three of four 90 % intervals hold; at 95 % the fourth does too."""
    from benchmarks.decisions import scores

    half_90, half_95 = 1.6955187889, 2.0395134464  # Student's t of 31 degrees of freedom
    estimates = [0.0, 1.0, -1.0, (half_90 + half_95) / 2]
    cells = pl.DataFrame(
        [
            {"seed": n, "world": "siloed", "region": None, "metric": "rebuffer_rate", "method": "experiment",
             "estimate": e, "low": e - half_90, "high": e + half_90, "true_effect": 0.0}
            for n, e in enumerate(estimates)
        ],
        schema_overrides={"region": pl.String},
    )  # fmt: skip
    found = {row["measure"]: row for row in scores(cells).iter_rows(named=True)}
    assert found["coverage_90"]["value"] == 0.75
    assert found["coverage_95"]["value"] == 1.0
    assert found["bias_in_standard_errors"]["value"] == pytest.approx(estimates[3] / 4)
    assert {row["cases_count"] for row in found.values()} == {4}


def test_a_difference_of_two_worlds_keeps_the_pairing() -> None:
    """A tenth more in every group is a tenth more without doubt, however much the groups differ; noise is doubted."""
    random = np.random.default_rng(0)
    one = pl.DataFrame(
        {"replicate": np.arange(32), "over": random.exponential(size=32), "under": 1 + random.random(32)}
    )
    same = difference(one, one, "over", "under")
    assert (same.relative, same.low, same.high) == (0, 0, 0)
    tenth = difference(one, one.with_columns(pl.col("over") * 1.1), "over", "under")
    assert (tenth.low, tenth.high) == pytest.approx((0.1, 0.1))
    noise = 1.1 + 0.1 * random.normal(size=32)
    doubted = difference(one, one.with_columns(pl.col("over") * noise), "over", "under")
    assert doubted.low < 0.1 < doubted.high
    assert 0.02 < doubted.high - doubted.low < 0.12
    # Several days of a group add up before anything is divided.
    assert difference(pl.concat([one, one]), one, "over", "under").relative == pytest.approx(0)


def test_worlds_of_several_seeds_are_judged_by_their_spread() -> None:
    one, two, three = (
        Difference(1.0, 1 + gain, gain, gain - 0.001, gain + 0.001) for gain in (-0.05, -0.04, -0.03)
    )
    assert pooled([one]) is one
    together = pooled([one, two, three])
    assert together.relative == pytest.approx(-0.04)
    # Student's t of two degrees of freedom at 95 %, 2.920, times .01 over the root of three.
    assert (together.low, together.high) == pytest.approx((-0.04 - 0.01686, -0.04 + 0.01686), abs=1e-5)
    assert pooled([two, two]).low == pooled([two, two]).high == pytest.approx(-0.04)
