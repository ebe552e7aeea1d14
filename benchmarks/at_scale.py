"""A hundred million sessions on one machine: peak memory of ``playhead metrics``, and a page's questions by its cubes.

Run by itself, for it takes an hour and some gigabytes: ``python -m benchmarks.at_scale --lake lake --copies 25``.
The lake is another's, many times over: sessions, requests, visits, searches and impressions as further links to the
same files, members under new ids. What is counted by the minute and the appliance does not grow with the audience.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from deltalake.transaction import AddAction

from benchmarks.harness import Row, markdown, milliseconds, run_and_watch
from dashboards.beforehand import prepare
from metrics import cube_build, sample
from metrics.cube import folder_of
from metrics.cube_sets import TABLES
from metrics.lake import Lake
from metrics.parts import HOLDOUT
from metrics.period import DAY_MS
from metrics.plan import group_column
from metrics.query import measure
from metrics.telemetry import get_table

ROOT = Path(__file__).parent.parent
COPIED = ("playback_session", "control_request", "impression", "visit", "search", "membership")
UNUSED = ("quarantine", "truth_counterfactual")
TILES = ("watch_hours_per_subscriber", "time_to_play_p99_ms", "rebuffer_rate", "rec_driven_hours_ratio")
TREE = ("qualified_plays_per_subscriber", "hours_per_play", "unqualified_hours_per_subscriber",
        "time_to_play_bad_ratio", "home_late_ratio", "time_to_play_p50_ms", "time_to_play_late_ratio")  # fmt: skip
HEADLINE = (*TILES, "time_to_play_p50_ms", "time_to_play_bad_ratio", "play_success_ratio")
QUESTIONS: dict[str, dict[str, Any]] = {
    "tiles and tree with intervals": {"names": (*TILES, *TREE), "intervals": True},
    "tiles by day": {"names": TILES, "grain": "1d"},
    "headline by region and ISP": {"names": HEADLINE, "by": ("region", "isp")},
    "p99 of startup by region and day": {"names": ("time_to_play_p99_ms",), "by": ("region",), "grain": "1d"},
    "headline of one region's phones": {
        "names": HEADLINE,
        "where": {"region": ["mena"], "device": ["mobile"]},
    },
}
ROUNDS = 5


def main() -> None:
    """Copy the lake (unless it is there), watch ``playhead metrics`` and ``playhead lake cube``, ask the questions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", type=Path, required=True, help="the lake to copy, of the emulated service")
    parser.add_argument("--copies", type=int, default=25)
    parser.add_argument("--to", type=Path, required=True, help="where the large lake goes, on the same disk")
    parser.add_argument(
        "--only-copy",
        action="store_true",
        help="make the large lake, scale the small one's cubes, find the rest of what pages read; no more",
    )
    given = parser.parse_args()
    if not Lake.is_at(given.to):
        _copy(Lake.open(given.lake), Lake.create(given.to), given.copies)
    lake = Lake.open(given.to)
    if given.only_copy:
        scaled_cubes(Lake.open(given.lake), lake, given.copies)
        scaled_samples(Lake.open(given.lake), lake, given.copies)
        prepare(lake)
        return
    size = f"{lake.snapshot('playback_session').rows / 1e6:.0f} M sessions"
    playhead = [sys.executable, "-m", "playhead"]
    run = run_and_watch([*playhead, "metrics", "--json", "--lake", lake.path], ROOT)
    rows = [
        Row(f"`playhead metrics`, every metric of {size}, peak memory", f"{run.peak_bytes / 1e9:.2f} GB"),
        Row(f"`playhead metrics`, every metric of {size}, CPU time", f"{run.cpu_seconds:.0f} s"),
    ]
    run = run_and_watch([*playhead, "lake", "cube", "--lake", lake.path], ROOT)
    rows += [
        Row(f"`playhead lake cube` of {size}, peak memory", f"{run.peak_bytes / 1e9:.2f} GB"),
        Row(f"`playhead lake cube` of {size}, CPU time", f"{run.cpu_seconds:.0f} s"),
    ]
    print(markdown([*rows, *questions(lake, size)]))


def questions(lake: Lake, size: str, *, check: str = "tiles by day") -> list[Row]:
    """A month's questions of a page, answered by the cubes; one of them by the rows too, and the same."""
    last = measure(lake, ["attempts"], grain="1d").filter(pl.col("n") > 0)["bucket_ts_ms"].max()
    assert isinstance(last, int)
    period: dict[str, Any] = {"start_ts_ms": last - 29 * DAY_MS, "end_ts_ms": last + DAY_MS}
    rows = []
    for what, question in QUESTIONS.items():
        seconds = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            found = measure(lake, **question, **period)
            seconds.append(time.perf_counter() - start)
        ours = statistics.median(seconds)
        peer: tuple[Any, ...] = ()
        if what == check:
            start = time.perf_counter()
            from_rows = measure(lake, **question, **period, scan=lake.scan)
            theirs = time.perf_counter() - start
            assert found.equals(from_rows), what
            peer = ("Playhead from the rows", milliseconds(theirs), theirs / ours)
        rows.append(Row(f"{what}, 30 days, {size}", milliseconds(ours), *peer))
    return rows


def scaled_cubes(source: Lake, target: Lake, copies: int) -> None:
    """The large lake's cubes out of the small one's: of rows that are there ``copies`` times, sums are as many times.

    What :func:`metrics.cube_build.build` would give, without its hour; artefacts of the pages are taken over as they
    are. Who is in an arm is so once: copies of members are new ones.
    """
    cube_build.build(source)
    for table in (*TABLES, "assignment"):
        made = folder_of(source, table)
        if not made.exists():
            continue
        folder = folder_of(target, table)
        folder.mkdir(parents=True, exist_ok=True)
        for file in made.glob("*.parquet"):
            frame = pl.read_parquet(file)
            keys = cube_build.keys_of(table, frame)
            is_by_arm = bool({*keys} & {"arm", group_column(HOLDOUT)})
            is_copied = table in COPIED and not (table == "membership" and is_by_arm)
            sums = [name for name in frame.columns if name not in keys] if table != "assignment" else []
            scaled = frame.with_columns(pl.col(sums).cast(pl.Int128) * (copies if is_copied else 1))
            cube_build.narrow(table, scaled).write_parquet(folder / file.name, compression="zstd")
        (folder / "files.json").write_text(json.dumps(list(target.snapshot(table).files)), encoding="utf-8")
    for file in source.artefact("x").parent.glob("*.*"):
        if file.is_file():
            shutil.copy(file, target.artefact(file.name))


def scaled_samples(source: Lake, target: Lake, copies: int) -> None:
    """The large lake's samples out of the small one's days, as :func:`metrics.sample.build` takes them of copies."""
    for table in sample.TABLES:
        small, large = (sample._by_day(lake.snapshot(table).files) for lake in (source, target))
        every = sample.every_of(target, table)
        for day, files in large.items() if every > 1 else ():
            rows = source.scan(table, small[day]).collect()
            file = sample._file(target, table, every, files)
            file.parent.mkdir(parents=True, exist_ok=True)
            rows[(np.arange(0, copies * rows.height, every) % rows.height).tolist()].write_parquet(file)


def _copy(source: Lake, target: Lake, copies: int) -> None:
    for table in source.tables():
        delta = source.delta(table)
        if table in UNUSED or delta is None:
            continue
        files = pl.DataFrame(delta.get_add_actions(flatten=True)).select("path", "num_records")
        actions = []
        for copy in range(copies if table in COPIED else 1):
            for path, records in files.iter_rows():
                folder = path.rpartition("/")[0]
                name = f"{folder}/part-{uuid.uuid4().hex}.zstd.parquet".lstrip("/")
                file = target.table_path(table) / name
                file.parent.mkdir(parents=True, exist_ok=True)
                if table == "membership" and copy:
                    members = pl.read_parquet(
                        source.table_path(table) / path, hive_partitioning=False, glob=False
                    )
                    members = members.with_columns(pl.col("subscriber_id") + f"-{copy}")
                    members.write_parquet(file, compression="zstd", compression_level=1)
                else:
                    os.link(source.table_path(table) / path, file)
                actions.append(
                    AddAction(
                        path=name,
                        size=file.stat().st_size,
                        partition_values={"day": folder[4:]} if folder else {},
                        modification_time=int(file.stat().st_mtime * 1000),
                        data_change=True,
                        stats=json.dumps({"numRecords": records}),
                    )
                )
        contract = get_table(table)
        target.commit_batch(contract, contract.empty(), "copy", 1)  # makes the table
        made = target.delta(table)
        assert made is not None
        target.commit(contract, made, actions, [])


if __name__ == "__main__":
    main()
