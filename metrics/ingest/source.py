"""A log to read: a file or standard input, plain or gzip, known by the hash of its content."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from metrics.errors import InputError

__all__ = ["STDIN", "Source", "Unreadable", "open_source"]

STDIN = "-"
MAX_LINE_BYTES = 1 << 18
_CHUNK_BYTES = 1 << 20
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Unreadable:
    """A line that is no text; ``shown`` is what can be shown of it."""

    reason: str
    shown: str


@dataclass(frozen=True)
class Source:
    """The bytes of one log as they were when it was opened; what a log grows by meanwhile is not read."""

    name: str
    digest: str
    size_bytes: int
    modified_ts_ms: int
    path: Path | None = None
    content: bytes = b""

    def lines(self) -> Iterator[str | Unreadable]:
        """Lines without their line feed; what is no UTF-8, too long or cut off is :class:`Unreadable`."""
        with self.path.open("rb") if self.path else io.BytesIO(self.content) as raw:
            unzipped = _unzipped(raw)
            yield from _lines(unzipped or raw, None if unzipped else self.size_bytes)


def open_source(name: str) -> Source:
    """The file of that name, or standard input for ``-``.

    Raises :class:`~metrics.errors.InputError` where there is no such file or it cannot be read.
    """
    if name == STDIN:
        content = sys.stdin.buffer.read()
        digest, size = _digest(io.BytesIO(content))
        return Source("standard input", digest, size, int(time.time() * 1000), content=content)
    path = Path(name)
    try:
        with path.open("rb") as file:
            digest, size = _digest(file)
        modified = int(path.stat().st_mtime * 1000)
    except FileNotFoundError as error:
        raise InputError("no such file", where=name, mend="check the path") from error
    except IsADirectoryError as error:
        raise InputError("a folder, not a file", where=name, mend="name the files in it") from error
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=name) from error
    return Source(name, digest, size, modified, path=path)


def _unzipped(raw: BinaryIO) -> BinaryIO | None:
    zipped = raw.read(len(_GZIP)) == _GZIP
    raw.seek(0)
    return io.BufferedReader(gzip.GzipFile(fileobj=raw)) if zipped else None


def _digest(raw: BinaryIO) -> tuple[str, int]:
    """Hash and size of the content: a log and the same log zipped are one."""
    hashed, size = hashlib.sha256(), 0
    file = _unzipped(raw) or raw
    # A stream that is cut off is known by what there is of it.
    with contextlib.suppress(EOFError, gzip.BadGzipFile, zlib.error):
        while chunk := file.read(_CHUNK_BYTES):
            hashed.update(chunk)
            size += len(chunk)
    return hashed.hexdigest(), size


def _lines(file: BinaryIO, size_bytes: int | None) -> Iterator[str | Unreadable]:
    left = size_bytes
    while True:
        try:
            line = file.readline(MAX_LINE_BYTES + 1 if left is None else min(MAX_LINE_BYTES + 1, left))
            length = len(line)
            if length > MAX_LINE_BYTES and not line.endswith(b"\n"):
                length += _skip_line(file)
        except (EOFError, OSError, zlib.error):
            yield Unreadable("the gzip stream is broken or cut off", "")
            return
        if not line:
            return
        left = None if left is None else left - length
        if length > MAX_LINE_BYTES:
            yield Unreadable(f"longer than {MAX_LINE_BYTES} bytes", _shown(line))
            continue
        try:
            yield line.rstrip(b"\r\n").decode()
        except UnicodeDecodeError:
            yield Unreadable("not UTF-8", _shown(line))


def _skip_line(file: BinaryIO) -> int:
    skipped = 0
    while chunk := file.readline(_CHUNK_BYTES):
        skipped += len(chunk)
        if chunk.endswith(b"\n"):
            break
    return skipped


def _shown(line: bytes) -> str:
    return line[:200].decode(errors="backslashreplace").rstrip("\r\n")
