"""``playhead anomalies``: what is unusual in a series, told row by row from the past alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from metrics.errors import InputError
from playhead.commands._common import json_option, print_json

if TYPE_CHECKING:
    import polars as pl


@click.command()
@click.argument(
    "paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True)
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write a CSV a file here, in folders as found.",
)
@json_option
def command(paths: tuple[Path, ...], out: Path | None, as_json: bool) -> None:
    """Score every row of a series: timestamp,value,anomaly_score,is_anomaly.

    A FILE is CSV with columns timestamp and value, or a folder of such files. The score is 0 to 1 and the flag
    stands at 0.5, at the onset of an anomaly and not on every row of it. No row's score uses a later instant.
    The first 60 values are learned from and not judged.
    """
    files = _files(paths)
    if out is None and len(files) > 1:
        raise InputError(f"{len(files)} files, one output", mend="say where to with --out DIR")
    for name, path in files.items():
        scored = _scored(path)
        if out is not None:
            target = out / name
            if target.exists() and target.samefile(path):
                raise InputError("would be overwritten", where=str(path), mend="give another --out")
            target.parent.mkdir(parents=True, exist_ok=True)
            scored.write_csv(target)
        elif as_json:
            print_json(scored.to_dicts())
        else:
            scored.write_csv(sys.stdout)
    if out is not None:
        click.echo(f"{len(files)} series scored into {out}", err=True)


def _files(paths: tuple[Path, ...]) -> dict[Path, Path]:
    files: dict[Path, Path] = {}
    for given in paths:
        found = sorted(given.rglob("*.csv")) if given.is_dir() else [given]
        if not found:
            raise InputError(
                "no CSV file in it", where=str(given), mend="give a folder of timestamp,value files"
            )
        for path in found:
            name = path.relative_to(given) if given.is_dir() else Path(path.name)
            if files.setdefault(name, path) != path:
                raise InputError(f"{name} is given twice", where=str(path), mend="rename one")
    return files


def _scored(path: Path) -> pl.DataFrame:
    import numpy as np

    from metrics.anomalies import anomalies
    from metrics.time_series import read_series

    series = read_series(path)
    numbers = series["number"].fill_null(np.nan).to_numpy()
    return series.select("timestamp", value="number").hstack(anomalies(series["ts_ms"].to_numpy(), numbers))
