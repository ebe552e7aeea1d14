"""``python -m benchmarks.quarter --lake lake``: the whole report of a quarter of a hundred million sessions.

The lake is another's, many times over: each scan of sessions and of delivery reads its files that many times. What
is measured is ``playhead cost report --out``: usage, charges, margins, break-even, HTML, PDF, XLSX and Parquet.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from benchmarks.harness import Row, markdown
from cost_model.rates import load
from cost_model.usage import Quarter
from metrics.lake import Lake
from playhead.economics import set_beside, statement, write_outputs

COPIED = ("playback_session", "delivery")


@dataclass(frozen=True)
class Copies(Lake):
    """A lake whose sessions and deliveries are there ``copies`` times."""

    copies: int = 1

    def scan(self, table: str, files: Sequence[str] | None = None) -> pl.LazyFrame:
        """The table, over and over."""
        one = super().scan(table, files)
        return pl.concat([one] * self.copies) if table in COPIED else one


def main() -> None:
    """Report the quarter and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", type=Path, required=True)
    parser.add_argument("--copies", type=int, default=25)
    parser.add_argument("--quarter", default="2026Q2")
    given = parser.parse_args()
    small = Lake.open(given.lake)
    lake = Copies(**vars(small), copies=given.copies)
    sizes = {table: lake.scan(table).select(pl.len()).collect().item() for table in COPIED}
    print(
        ", ".join(f"{n / 1e6:.0f} M rows of {table}" for table, n in sizes.items()),
        file=sys.stderr,
        flush=True,
    )
    started, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        result = statement(lake, Quarter.parse(given.quarter), load())
        priced = time.perf_counter() - started
        write_outputs(lake, set_beside(lake, result), Path(folder), ledger_residual=0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    what = f"`cost report` of a quarter of {sizes['playback_session'] / 1e6:.0f} M sessions"
    print(
        markdown(
            [
                Row(f"{what}, wall time", f"{time.perf_counter() - started:.0f} s"),
                Row(f"{what}, of that until charges and margins stand", f"{priced:.0f} s"),
                Row(f"{what}, CPU time", f"{time.process_time() - cpu:.0f} s"),
                Row(f"{what}, peak memory", f"{peak / 1e9:.2f} GB"),
            ]
        )
    )


if __name__ == "__main__":
    main()
