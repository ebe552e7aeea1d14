"""A writer to be killed: appends batches of sessions to a lake, each with two rows for quarantine.

Run as ``python -m tests.metrics.lake_writer LAKE BATCHES [CALL]``. With ``CALL`` it kills itself: before
(``-N``) or after (``N``) the N-th Delta commit, or (``fN``) after its N-th Parquet file.
"""

import os
import signal
import sys
from typing import Any

import polars as pl

from metrics.lake import Lake
from tests.metrics.sessions_frame import sessions

ROWS, BAD_ROWS = 120, 2


def batch(version: int) -> pl.DataFrame:
    """The sessions of one batch: 120 good ones, and two of weight 0."""
    good = sessions(ROWS, first=version * 1000)
    bad = sessions(BAD_ROWS, first=version * 1000 + 500).with_columns(weight=pl.lit(0, dtype=pl.Int64))
    return pl.concat([good, bad])


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(call: str) -> None:
    """Kill this process at a step of its appends."""
    seen = 0
    if call.startswith("f"):
        write = pl.DataFrame.write_parquet

        def write_and_die(frame: pl.DataFrame, *args: Any, **more: Any) -> None:
            nonlocal seen
            write(frame, *args, **more)
            seen += 1
            if seen == int(call[1:]):
                _die()

        setattr(pl.DataFrame, "write_parquet", write_and_die)  # noqa: B010 - patched on purpose
        return
    commit = Lake.commit

    def commit_and_die(*args: Any) -> None:
        nonlocal seen
        seen += 1
        if -seen == int(call):
            _die()
        commit(*args)
        if seen == int(call):
            _die()

    setattr(Lake, "commit", commit_and_die)  # noqa: B010 - patched on purpose


if __name__ == "__main__":
    if len(sys.argv) > 3:
        die_at(sys.argv[3])
    lake = Lake.create(sys.argv[1])
    print("ready", flush=True)  # noqa: T201 - the test waits for it
    for version in range(int(sys.argv[2])):
        lake.append("playback_session", batch(version), application="killed", version=version)
