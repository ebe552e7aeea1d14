"""A user's own table, CSV or Parquet, as it is: text stays text until a mapping says what it is."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from metrics.contract import Validated
from metrics.errors import InputError

__all__ = ["digest", "instant_ms_of", "read_table", "usable"]

# Tables of sessions shrink to a tenth or a twentieth; what shrinks to less than this was made to.
MAX_RATIO = 500
_SMALL_BYTES = 1 << 28
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def read_table(path: Path) -> pl.DataFrame:
    """Every row of a CSV or Parquet file; CSV columns are strings, and empty or ``NULL`` is null.

    Raises :class:`~metrics.errors.InputError` where the file is missing, of another kind, or broken.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    try:
        if suffixes[-1:] == [".parquet"]:
            _bounded(path, _parquet_bytes(path))
            return pl.read_parquet(path, hive_partitioning=False)
        if ".csv" in suffixes[-2:]:
            if suffixes[-1] == ".gz":
                _bounded(path, _gzip_bytes(path))
            return _comma_separated(path, pl.read_csv(path, infer_schema=False, null_values=["", "NULL"]))
    except FileNotFoundError as error:
        raise InputError("no such file", where=str(path), mend="check the path") from error
    except IsADirectoryError as error:
        raise InputError("a folder, not a file", where=str(path), mend="name the file in it") from error
    except (PolarsError, OSError, EOFError, zlib.error) as error:
        what = str(error).splitlines()[0]
        mend = "save it as CSV in UTF-8, separated by commas, or as Parquet"
        raise InputError(f"cannot be read as a table ({what})", where=str(path), mend=mend) from error
    raise InputError("neither .csv nor .parquet", where=str(path), mend="convert or rename the file")


def _bounded(path: Path, unpacked_bytes: int) -> None:
    if unpacked_bytes > max(MAX_RATIO * path.stat().st_size, _SMALL_BYTES):
        what = f"unpacks to more than {MAX_RATIO} times its size"
        raise InputError(what, where=str(path), mend="if it is meant, unpack it and give the plain file")


def _gzip_bytes(path: Path) -> int:
    """Its size unpacked, or one byte over what is allowed: nothing is held, and a bomb is not unpacked to its end."""
    limit = max(MAX_RATIO * path.stat().st_size, _SMALL_BYTES)
    size = 0
    with gzip.open(path) as file:
        while size <= limit and (chunk := file.read(1 << 20)):
            size += len(chunk)
    return size


def _parquet_bytes(path: Path) -> int:
    """Rows by columns by 8 bytes: what a column of one value takes is told by its rows, not by its pages."""
    rows = pl.scan_parquet(path, hive_partitioning=False, glob=False)
    width = len(rows.collect_schema())
    return int(rows.select(pl.len()).collect().item()) * width * 8


def _comma_separated(path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame, unless its header is of another encoding or separator: then no column would be found."""
    header = ",".join(frame.columns)
    if "\0" in header or "\ufffd" in header:
        raise InputError("the header is not UTF-8", where=str(path), mend="save the file in UTF-8")
    other = next((name for sign, name in _SEPARATORS.items() if sign in header), None)
    if frame.width == 1 and other:
        raise InputError(
            f"one column {header!r}, it seems separated by {other}",
            where=str(path),
            mend="separate by commas",
        )
    return frame


def instant_ms_of(here: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """A column of dates or times (ISO 8601 text, or typed) as UTC epoch ms; without an offset it is UTC.

    >>> texts = pl.Series("t", ["2026-04-01", "2026-04-01 12:00:00", "2026-04-01T14:00:00+02:00", "soon"])
    >>> texts.to_frame().select(instant_ms_of(pl.col("t"), texts.dtype))["t"].to_list()
    [1775001600000, 1775044800000, 1775044800000, None]
    """
    if dtype == pl.String:
        text = here.str.strip_chars().str.replace(r"^(\d{4}-\d\d-\d\d)$", "${1}T00:00:00")
        text = text.str.replace(" ", "T", literal=True).str.replace(r"[Zz]$", "+00:00")
        away = text.str.contains(r"[+-]\d\d:?\d\d$")
        text = pl.when(away).then(text).otherwise(text + "+00:00")
        here = text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", time_zone="UTC", strict=False)
    elif isinstance(dtype, pl.Datetime) and dtype.time_zone:
        here = here.dt.convert_time_zone("UTC")
    return here.cast(pl.Datetime("ms")).dt.epoch("ms")


def usable(validated: Validated, path: Path) -> Validated:
    """The same, unless no row of the file can be let in.

    Raises :class:`~metrics.errors.InputError` with the commonest reasons.
    """
    if validated.good.height:
        return validated
    whys = [f"{rows:,} x {reason}" for reason, rows in [*validated.reasons.items()][:3]]
    told = f" ({', '.join(whys)})" if whys else ""
    what = f"no usable row in {validated.quarantined.height:,}{told}"
    raise InputError(what, where=str(path), mend="nothing was written")


def digest(path: Path, *more: str) -> str:
    """What a file is known by: the hash of its bytes and of what else decides its rows."""
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            hashed.update(chunk)
    for text in more:
        hashed.update(b"\0" + text.encode())
    return hashed.hexdigest()[:32]
