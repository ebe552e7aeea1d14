"""What the network gave: periods of constant bandwidth and latency, repeated for as long as needed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from metrics.errors import InputError
from synthetic.arrays import Floats

__all__ = ["load_json", "numbers", "read_trace", "read_traces"]

# The columns of a trace, in this order.
_KEYS = ("duration_ms", "bandwidth_kbps", "latency_ms")
_LARGEST = 2**53


def read_traces(path: Path) -> dict[str, Floats]:
    """Traces by file name: one file, or every ``.json`` of a folder in the order of names.

    Raises :class:`InputError` where there is none, or at the first that cannot be used.
    """
    if not path.is_dir():
        return {path.name: read_trace(path)}
    files = sorted(path.glob("*.json"))
    if not files:
        raise InputError(
            "no traces (*.json) in this folder", where=path.as_posix(), mend="name the folder they are in"
        )
    return {file.name: read_trace(file) for file in files}


def read_trace(path: Path) -> Floats:
    """One trace, shape (periods, 3): duration in ms, bandwidth in kbit/s, latency in ms.

    Raises :class:`InputError` for a file that is no JSON list of such periods, a value that is negative or no
    number, or a trace that carries no bit.
    """
    where = path.as_posix()
    found = load_json(path)
    if not isinstance(found, list) or not found:
        what = "an empty trace" if found == [] else "no trace"
        raise InputError(what, where=where, mend=f"give a list of periods of {', '.join(_KEYS)}")
    rows = []
    for index, period in enumerate(found):
        missing = [key for key in _KEYS if not isinstance(period, dict) or key not in period]
        if missing:
            raise InputError(
                f"period {index} has no {missing[0]}", where=where, mend=f"give {', '.join(_KEYS)}"
            )
        row = numbers([period[key] for key in _KEYS], where, f"period {index}")
        for key, value in zip(_KEYS, row, strict=True):
            if value < 0:
                raise InputError(
                    f"period {index}: {key} is {value:g}", where=where, mend="it cannot be negative"
                )
        rows.append(row)
    trace = np.array(rows, np.float64)
    if not (trace[:, 0] * trace[:, 1]).any():
        raise InputError(
            "a trace that carries no bit", where=where, mend="no period has time and bandwidth over 0"
        )
    return trace


def load_json(path: Path) -> Any:
    """The file's JSON. Raises :class:`InputError` where it cannot be read or ends too early."""
    where = path.as_posix()
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(
            (error.strerror or "cannot be read").lower(), where=where, mend="check the path"
        ) from None
    except json.JSONDecodeError as error:
        what = f"not JSON, or cut off, at line {error.lineno}: {error.msg.lower()}"
        raise InputError(what, where=where, mend="fetch or write the file again") from None
    except (ValueError, RecursionError):  # other text encodings, numbers or depths beyond the parser
        raise InputError("not JSON text", where=where, mend="fetch or write the file again") from None


def numbers(values: Sequence[Any], where: str, what: str) -> tuple[float, ...]:
    """``values`` as floats. Raises :class:`InputError` where one is no number, or beyond what sums exactly."""
    for value in values:
        # Not isinstance: JSON's true would be Python's 1. Not a number compares false.
        if type(value) not in (int, float) or not abs(value) <= _LARGEST:
            shown = json.dumps(value)[:40]
            raise InputError(
                f"{what}: {shown} is not a number up to 2^53", where=where, mend="write a plain number"
            )
    return tuple(map(float, values))
