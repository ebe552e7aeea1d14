"""Alerts of the shipped baselines on a lake, kept beside it: to judge every hour by its season takes seconds.

What is kept stands under the lake's version and a digest of what judges, so that it is never read for a lake that has
moved on, nor after an hour has come to be judged otherwise::

    artefacts/baseline/<version and definitions>.parquet
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

import polars as pl

import alerts
import metrics
from alerts.baseline import ALERTS, load_baselines, watch_all
from metrics.baseline import seasonal_anomalies
from metrics.lake import Lake
from metrics.query import measure

__all__ = ["alerts_of"]


def alerts_of(lake: Lake) -> pl.DataFrame:
    """Rows of :data:`alerts.baseline.ALERTS` over the whole lake: read where they are kept, else found and kept.

    Over the whole, since a baseline judges an hour by all the hours before it. A lake that cannot be written is told
    all the same, anew each time.
    """
    version = lake.version()
    kept = _file(lake, version)
    with suppress(OSError, pl.exceptions.PolarsError):  # none yet, or a file cut short
        found = pl.read_parquet(kept)
        if found.schema == ALERTS:
            return found
    found = watch_all(
        load_baselines(),
        lambda each: measure(lake, [each.metric], by=each.by, where=each.where, grain="1h"),
        seasonal_anomalies,
    )
    if lake.version() == version:  # else some hours are of a later one
        with suppress(OSError):
            _keep(found, kept)
    return found


def _keep(found: pl.DataFrame, kept: Path) -> None:
    """Appears whole, by a rename; what was kept of other versions goes."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    handle, new = tempfile.mkstemp(prefix=".new-", dir=kept.parent)
    os.close(handle)
    found.write_parquet(new)
    Path(new).rename(kept)
    for other in kept.parent.glob("*.parquet"):
        if other != kept:
            other.unlink(missing_ok=True)


def _file(lake: Lake, version: str) -> Path:
    name = hashlib.sha256(f"{version} {_definitions()}".encode()).hexdigest()[:16]
    return lake.path / "artefacts" / "baseline" / f"{name}.parquet"


@cache
def _definitions() -> str:
    """Changes whenever an hour may be judged otherwise: a digest of the packages that measure and watch."""
    roots = [Path(package.__file__).parent for package in (metrics, alerts) if package.__file__]
    files = [file for root in roots for pattern in ("*.py", "*.yaml") for file in sorted(root.rglob(pattern))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
