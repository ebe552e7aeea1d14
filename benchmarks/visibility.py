"""How far incidents are localised with an own CDN's telemetry and without what a third party's does not tell.

Worlds of :mod:`playhead.visibility`, a seed each; about forty seconds of one core a world.
"""

from __future__ import annotations

import polars as pl

from benchmarks.harness import Row
from metrics.localise.located import score
from playhead.visibility import trials

__all__ = ["rows", "score_rows"]

WORLDS, SEED, PANEL, DAYS = 6, 711, 16_000, 4


def rows() -> list[Row]:
    """What each view found, by kind and width of the incident."""
    found = score_rows().filter(
        pl.col("measure").is_in(["located_30_minutes", "located_120_minutes", "false_named"])
    )
    return [
        Row(
            f"{row['estimator']}, {row['case_set']}: {row['measure'].replace('_', ' ')}",
            f"{row['value']:.0%} ({row['low']:.0%} to {row['high']:.0%})",
            "cases",
            str(row["cases_count"]),
        )
        for row in found.iter_rows(named=True)
    ]


def score_rows(worlds: int = WORLDS) -> pl.DataFrame:
    """Rows of the table ``score``."""
    return score(pl.concat(trials(SEED + world, panel=PANEL, days=DAYS) for world in range(worlds)))
