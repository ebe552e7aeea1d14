"""Who asked for what, in order: a trace of object ids from a file, with the ids numbered."""

from __future__ import annotations

import csv
import math
import os
import tokenize
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from metrics.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Trace", "numbered", "read_trace"]

# Names by which a column of ids is known, the surest first.
_ID_COLUMNS = ("object_id", "obj_id", "object", "obj", "id", "key")
_MOST_REQUESTS = 2**31 - 1
_NPY = b"\x93NUMPY"
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


@dataclass(frozen=True)
class Trace:
    """``requests`` [requests] are numbers of objects; ``keys`` [objects] their ids as 64 bits.

    Ids that are no integers have their numbers as keys. A number may never be asked for.
    """

    requests: npt.NDArray[np.int32]
    keys: npt.NDArray[np.uint64]

    @property
    def objects(self) -> int:
        """One more than the largest number an object can have."""
        return len(self.keys)

    @property
    def distinct(self) -> int:
        """How many objects are asked for at all."""
        return int(np.count_nonzero(np.bincount(self.requests)))


def numbered(ids: npt.NDArray[np.integer[Any]]) -> Trace:
    """The trace of integer ids of any size and sign, shape [requests], one or more."""
    signed = ids.dtype.kind == "i" or ids.dtype.itemsize < 8
    ids = ids.astype(np.int64 if signed else np.uint64, copy=False)
    least = int(ids.min())
    span = int(ids.max()) - least + 1
    if span <= 4 * len(ids):  # dense enough to be numbers already
        requests = np.empty(len(ids), np.int32)
        np.subtract(ids, ids.dtype.type(least), out=requests, casting="unsafe")
        return Trace(requests, np.arange(span, dtype=np.uint64) + np.uint64(least % 2**64))
    import pyarrow as pa

    found = pa.array(ids).dictionary_encode()
    return Trace(
        found.indices.to_numpy(zero_copy_only=False, writable=True),
        found.dictionary.to_numpy().astype(ids.dtype).view(np.uint64),
    )


def read_trace(path: Path, column: str | None = None) -> Trace:
    """A ``.npy`` of integers, or a CSV file with a column of ids (integers or any text).

    Without ``column`` the ids are in the column called ``object_id``, ``obj_id``, ``object``, ``obj``, ``id``
    or ``key``, or in the only one there is, then with or without a header. Raises :class:`InputError` for a
    file that is missing, empty, cut off or something else, and for a request without an id.
    """
    where = path.as_posix()
    try:
        with path.open("rb") as file:
            is_npy = file.read(len(_NPY)) == _NPY or path.suffix == ".npy"
            file.seek(0)
            if os.fstat(file.fileno()).st_size == 0:
                raise InputError("an empty trace", where=where, mend="give one request or more")
            if is_npy:
                return numbered(_npy_ids(file, where))
            header, last_line = _ends(file)
    except OSError as error:
        what = (error.strerror or "cannot be read").lower()
        raise InputError(what, where=where, mend="check the path") from None
    except (UnicodeDecodeError, csv.Error):
        mend = "give a .npy of integers, or CSV in UTF-8"
        raise InputError("neither .npy nor CSV text", where=where, mend=mend) from None
    if len(last_line) not in (0, len(header)):
        what = f"cut off: the last line has {len(last_line)} of {len(header)} columns"
        raise InputError(what, where=where, mend="fetch or write the file again")
    return _numbered_texts(_csv_ids(path, header, column, where), where)


def _npy_ids(file: BinaryIO, where: str) -> npt.NDArray[np.integer[Any]]:
    try:
        with warnings.catch_warnings(action="ignore"):  # that a header is odd, before it is refused
            shape, _, dtype = _HEADERS[np.lib.format.read_magic(file)](file)
    except (ValueError, KeyError, EOFError, SyntaxError, tokenize.TokenError):
        what = "no .npy file, or one cut off in its header"
        raise InputError(what, where=where, mend="write it with numpy.save") from None
    mend = "give a one-dimensional array of integer ids"
    if dtype.hasobject:
        raise InputError("pickled objects, which are not loaded", where=where, mend=mend)
    if len(shape) != 1:
        raise InputError(f"an array of {len(shape)} dimensions", where=where, mend=mend)
    if shape[0] < 1:
        raise InputError("an empty trace", where=where, mend="give one request or more")
    if dtype.kind not in "iu":
        raise InputError(f"ids of type {dtype}, which are no integers", where=where, mend=mend)
    _refuse_too_long(shape[0], where)
    there = os.fstat(file.fileno()).st_size - file.tell()
    if there < math.prod(shape) * dtype.itemsize:
        what = f"cut off: {there // dtype.itemsize} of {shape[0]} ids are there"
        raise InputError(what, where=where, mend="fetch or write the file again")
    return np.fromfile(file, dtype, shape[0])


def _refuse_too_long(requests: int, where: str) -> None:
    if requests > _MOST_REQUESTS:
        raise InputError(f"{requests} requests, over 2^31 - 1", where=where, mend="cut the trace in parts")


def _ends(file: BinaryIO, reach: int = 65536) -> tuple[list[str], list[str]]:
    """The cells of the first line; those of the last one where no line break ends it."""
    first = file.readline(reach).decode("utf-8-sig")
    header = next(csv.reader([first]), [])
    file.seek(0, os.SEEK_END)
    size = file.tell()
    file.seek(max(0, size - reach))
    rest = file.read().rpartition(b"\n")
    return header, next(csv.reader([rest[2].decode()]), []) if rest[1] else []


def _csv_ids(path: Path, header: list[str], column: str | None, where: str) -> pl.Series:
    import polars as pl

    names = [name.strip() for name in header]
    index, has_header = _id_column(names, column, where)
    try:
        ids = pl.read_csv(path, columns=[index], has_header=has_header, infer_schema=False).to_series()
    except pl.exceptions.NoDataError:
        raise InputError("an empty trace", where=where, mend="give one request or more") from None
    except pl.exceptions.PolarsError as error:
        what = f"no CSV: {str(error).splitlines()[0]}"
        raise InputError(what, where=where, mend="check its quotes and its columns") from None
    ids = ids.fill_null("").str.strip_chars()
    # A header of a name we do not know: a text over nothing but numbers.
    if not has_header and len(ids) > 1 and ids[:1].str.to_integer(strict=False).null_count():
        numbers = ids[1:].str.to_integer(strict=False)
        if not numbers.null_count():
            ids, has_header = ids[1:], True
    if ids.is_empty():
        raise InputError("an empty trace", where=where, mend="give one request or more")
    _refuse_too_long(len(ids), where)
    return ids


def _id_column(names: list[str], column: str | None, where: str) -> tuple[int, bool]:
    """Where the ids are, and whether the first line is a header."""
    if column is not None:
        if column not in names:
            raise InputError(f"no column {column!r}", where=where, mend=did_you_mean(column, names))
        return names.index(column), True
    plain = [name.lower().replace("-", "_").replace(" ", "_") for name in names]
    for known in _ID_COLUMNS:
        if known in plain:
            return plain.index(known), True
    if len(names) > 1:
        shown = ", ".join(names[:8])
        mend = "name it in the first line, and with --column if it is called otherwise"
        raise InputError(f"no column of object ids among {shown}", where=where, mend=mend)
    return 0, False


def _numbered_texts(ids: pl.Series, where: str) -> Trace:
    import polars as pl

    found = ids.to_arrow(compat_level=pl.CompatLevel.oldest()).dictionary_encode()
    numbers = found.indices.to_numpy(zero_copy_only=False, writable=True)
    names = pl.Series(pl.from_arrow(found.dictionary))
    blank = names.str.to_lowercase().is_in(["", "nan"])
    if blank.any():
        row = int(np.flatnonzero(numbers == blank.arg_true()[0])[0])
        what = f"request {row + 1} has no id ({names[int(numbers[row])] or 'blank'})"
        raise InputError(what, where=where, mend="mend that line, or leave it out")
    integers = names.str.to_integer(dtype=pl.Int64, strict=False)
    # "7" and "007" are two objects: integers are keys only where writing them gives the ids back.
    if integers.null_count() == 0 and (integers.cast(pl.String) == names).all():
        return Trace(numbers, integers.to_numpy().view(np.uint64))
    return Trace(numbers, np.arange(len(names), dtype=np.uint64))
