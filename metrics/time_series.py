"""One series from a CSV file of ``timestamp,value``, with timestamps as people write them."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from metrics.errors import InputError

__all__ = ["read_series"]

# Day before month and month before day cannot be told apart, so neither is taken.
_FORMATS = (
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y/%m/%d %H:%M:%S%.f",
    "%Y/%m/%d %H:%M",
    "%Y%m%dT%H%M%S",
)
_ZONED = ("%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z")
_DATES = ("%Y-%m-%d", "%Y/%m/%d")
_MISSING = ("", "null", "none", "nan", "na", "n/a", "-")
# From each of these on, a count since 1970 is in the next smaller unit: seconds, milli-, micro-, nanoseconds.
_MS_PER_UNIT = ((1e17, 1e-6), (1e14, 1e-3), (1e11, 1.0), (0.0, 1e3))
_YEARS_MS = 253_402_300_800_000  # the year 10,000


def read_series(path: Path) -> pl.DataFrame:
    """``timestamp`` and ``value`` as written, ``ts_ms`` and ``number`` (null where missing), a row a line.

    Raises :class:`~metrics.errors.InputError`, with the line, for a file that is no such table, a timestamp
    that cannot be read, and a value that is neither a finite number nor missing.
    """
    try:
        table = pl.read_csv(path, infer_schema=False, encoding="utf8", truncate_ragged_lines=False)
    except pl.exceptions.NoDataError:
        raise InputError("empty", where=str(path), mend="give it a header and rows") from None
    except pl.exceptions.PolarsError as error:
        raise InputError(
            f"no CSV: {str(error).splitlines()[0]}", where=str(path), mend="write timestamp,value"
        ) from None
    columns = {name.strip().lower(): name for name in reversed(table.columns)}
    for name in ("timestamp", "value"):
        if name not in columns:
            raise InputError(
                f"no column {name}", where=str(path), mend=f"its columns are {', '.join(table.columns)[:200]}"
            )
    if table.is_empty():
        raise InputError("no rows", where=str(path), mend="give it a row an instant")
    series = table.select(
        timestamp=pl.col(columns["timestamp"]).fill_null("").str.strip_chars(),
        value=pl.col(columns["value"]).fill_null("").str.strip_chars(),
    )
    missing = pl.col("value").str.to_lowercase().is_in(_MISSING)
    series = series.with_columns(
        value=pl.when(missing).then(pl.lit(None)).otherwise("value"), ts_ms=_instants()
    ).with_columns(number=pl.col("value").cast(pl.Float64, strict=False))
    _refuse(
        series, path, pl.col("ts_ms").is_null(), "timestamp", "write 2026-04-01 12:00:00, or epoch seconds"
    )
    finite = pl.col("number").is_finite()
    wrong = pl.col("value").is_not_null() & ~finite.fill_null(False)
    _refuse(series, path, wrong, "value", "write a finite number, or nothing where it is not known")
    if series["number"].null_count() == series.height:
        raise InputError("no value in any row", where=str(path), mend="give it numbers")
    return series


def _instants() -> pl.Expr:
    text = pl.col("timestamp")
    number = text.cast(pl.Float64, strict=False)
    epoch = pl.lit(None, dtype=pl.Float64)
    for least, ms in reversed(_MS_PER_UNIT):
        epoch = pl.when(number >= least).then(number * ms).otherwise(epoch)
    epoch_ms = pl.when(epoch < _YEARS_MS).then(epoch).round().cast(pl.Int64, strict=False)
    written = [
        *(text.str.to_datetime(form, time_unit="ms", strict=False).dt.epoch("ms") for form in _FORMATS),
        *(
            text.str.replace("Z$", "+00:00")
            .str.to_datetime(form, time_unit="ms", time_zone="UTC", strict=False)
            .dt.epoch("ms")
            for form in _ZONED
        ),
        *(text.str.to_date(form, strict=False).cast(pl.Datetime("ms")).dt.epoch("ms") for form in _DATES),
    ]
    return pl.coalesce(epoch_ms, *written)


def _refuse(series: pl.DataFrame, path: Path, wrong: pl.Expr, column: str, mend: str) -> None:
    first = series.with_row_index("line", 2).filter(wrong).head(1)
    for line, text in first.select("line", column).iter_rows():
        raise InputError(
            f"line {line}: {column} {str(text)[:40]!r} cannot be used", where=str(path), mend=mend
        )
