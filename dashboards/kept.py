"""Answers kept beside a lake, of questions that no cube tells and that take every row, or every hour, to answer.

What is kept stands under the lake's version and a digest of what answers, so that it is never read for a lake that has
moved on, nor after a question has come to be answered otherwise::

    artefacts/answers/<version and definitions>/<question>.parquet
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path

import polars as pl

import alerts
import metrics
from dashboards.delivery import steered_by_day
from metrics.catalog import get_metric
from metrics.experiment import HEADLINE, compare
from metrics.lake import Lake
from metrics.ledger import Ledger, ledger
from metrics.plan import Source
from metrics.query import measure

__all__ = ["compared", "counted", "kept", "measured", "steered"]


def compared(lake: Lake, rows: Source, experiment: str) -> pl.DataFrame:
    """:func:`metrics.experiment.compare` of all members over all of an experiment.

    What is spread over titles, and over the genres of a member, is told by rows alone.
    """
    return kept(lake, f"compare {experiment}", lambda: compare(rows, HEADLINE, experiment=experiment))


def measured(
    lake: Lake, rows: Source, names: Sequence[str], start_ts_ms: int, end_ts_ms: int, *, intervals: bool
) -> pl.DataFrame:
    """:func:`metrics.query.measure` of all members in a period; what is told member by member is kept."""

    def ask(some: Sequence[str], *, intervals: bool) -> pl.DataFrame:
        return measure(rows, some, start_ts_ms=start_ts_ms, end_ts_ms=end_ts_ms, intervals=intervals)

    by_member = [name for name in names if get_metric(name).within]
    others = [name for name in names if name not in by_member]
    found = [
        kept(lake, f"measure {name} {start_ts_ms} {end_ts_ms}", partial(ask, [name], intervals=True))
        for name in by_member
    ]
    found += [ask(others, intervals=intervals)] if others else []
    columns = [name for name in found[-1].columns if intervals or name not in ("low", "high")]
    return pl.concat([frame.select(columns) for frame in found])


def counted(lake: Lake) -> Ledger:
    """:func:`metrics.ledger.ledger` of a lake: every session in is looked at."""
    found = kept(lake, "ledger", lambda: pl.DataFrame({"ledger": [json.dumps(asdict(ledger(lake)))]}))
    return Ledger(**json.loads(found["ledger"].item()))


def steered(lake: Lake) -> pl.DataFrame:
    """:func:`dashboards.delivery.steered_by_day` of every request."""
    return kept(lake, "steering", lambda: steered_by_day(lake.scan("control_request")).collect())


def kept(
    lake: Lake, question: str, ask: Callable[[], pl.DataFrame], schema: pl.Schema | None = None
) -> pl.DataFrame:
    """What ``ask`` answers to ``question``: read where it is kept, in the ``schema`` if one is given, else asked and
    kept. A lake that cannot be written is answered for all the same, anew each time."""
    version = lake.version()
    file = _folder(lake, version) / f"{_digest(question)}.parquet"
    with suppress(OSError, pl.exceptions.PolarsError):  # none yet, or a file cut short
        found = pl.read_parquet(file)
        if schema is None or found.schema == schema:
            return found
    found = ask()
    if lake.version() == version:  # else some rows are of a later one
        with suppress(OSError):
            _keep(found, file)
    return found


def _keep(found: pl.DataFrame, file: Path) -> None:
    """Appears whole, by a rename; what was kept of other versions goes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, new = tempfile.mkstemp(prefix=".new-", dir=file.parent)
    os.close(handle)
    found.write_parquet(new)
    Path(new).rename(file)
    for other in file.parent.parent.iterdir():
        if other != file.parent:
            shutil.rmtree(other, ignore_errors=True)


def _folder(lake: Lake, version: str) -> Path:
    return lake.path / "artefacts" / "answers" / _digest(f"{version} {_definitions()}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def _definitions() -> str:
    """Changes whenever an answer may be another: a digest of the packages that measure and watch."""
    roots = [Path(package.__file__).parent for package in (metrics, alerts) if package.__file__]
    files = [file for root in roots for pattern in ("*.py", "*.yaml") for file in sorted(root.rglob(pattern))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
