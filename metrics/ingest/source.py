"""A log to read: a file or standard input, plain or gzip, known by the hash of its content.

A plain file may be written on, and a zipped one that is cut off may come whole. The last line of either, where no
line feed ends it, is :class:`Unfinished`: it may be half a line. What has ended has no such line.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import sys
import time
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from metrics.errors import InputError

__all__ = ["STDIN", "Source", "Unfinished", "Unreadable", "open_source"]

STDIN = "-"
MAX_LINE_BYTES = 1 << 18
_CHUNK_BYTES = 1 << 20
# Logs shrink 5 to 50 times; what grows so much more is no log.
_MAX_EXPANSION, _EXPANSION_FREE_BYTES = 250, 1 << 26
_GZIP = b"\x1f\x8b"
_CUT_OFF = (EOFError, gzip.BadGzipFile, zlib.error)


@dataclass(frozen=True)
class Unreadable:
    """A line that is no text; ``shown`` is what can be shown of it."""

    reason: str
    shown: str


@dataclass(frozen=True)
class Unfinished:
    """The last line of a file that may be written on: what there is of it, and where it begins."""

    text: str
    start_bytes: int


@dataclass(frozen=True)
class Source:
    """The bytes of one log as they were when it was opened; what a log grows by meanwhile is not read.

    ``digest`` and ``size_bytes`` are of all of it up to where reading ends, unzipped, also where reading starts at
    ``start_bytes``.
    """

    name: str
    digest: str
    size_bytes: int
    modified_ts_ms: int
    path: Path | None = None
    content: bytes = b""
    start_bytes: int = 0
    is_cut_off: bool = False
    """A zipped stream that breaks off; the size is that of what there is of it."""
    inode: tuple[int, int] | None = None

    def lines(self) -> Iterator[str | Unreadable | Unfinished]:
        """Lines without their line feed; what is no UTF-8, too long or cut off is :class:`Unreadable`.

        Raises :class:`~metrics.errors.InputError` where the file is another one by now, or shorter.
        """
        with self._open() as raw:
            unzipped = _unzipped(raw)
            file = unzipped or raw
            if self.start_bytes:
                file.seek(self.start_bytes)
            may_go_on = self.is_cut_off if unzipped else self.path is not None
            left = self.size_bytes - self.start_bytes
            try:
                yield from _lines(file, left, self.start_bytes if may_go_on else None)
            except (*_CUT_OFF, OSError) as error:
                raise self._changed() from error
            if file.tell() < self.size_bytes:
                raise self._changed()
        if self.is_cut_off:
            yield Unreadable("the gzip stream is broken or cut off", "")

    def starting_at(self, position_bytes: int) -> Source:
        """The rest of the log from there."""
        return replace(self, start_bytes=position_bytes)

    def up_to(self, size_bytes: int, digest: str) -> Source:
        """The log as it was when it had that size; the digest is that of its beginning."""
        is_cut_off = self.is_cut_off and size_bytes == self.size_bytes
        return replace(self, size_bytes=size_bytes, digest=digest, is_cut_off=is_cut_off)

    def prefix_digests(self, sizes: Collection[int]) -> dict[int, str]:
        """Hashes of the first so many bytes, unzipped, for every size up to that of the log."""
        found, hashed, at = {}, hashlib.sha256(), 0
        with self._open() as raw, contextlib.suppress(*_CUT_OFF):
            file = _unzipped(raw) or raw
            for size in sorted({size for size in sizes if size <= self.size_bytes}):
                while at < size and (chunk := file.read(min(_CHUNK_BYTES, size - at))):
                    hashed.update(chunk)
                    at += len(chunk)
                if at == size:
                    found[size] = hashed.hexdigest()
        return found

    def _open(self) -> BinaryIO:
        if self.path is None:
            return io.BytesIO(self.content)
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise self._changed() from error
        if self.inode != _inode(file):
            file.close()
            raise self._changed()
        return file

    def _changed(self) -> InputError:
        mend = "run the command again, and name the rotated file too"
        return InputError("was rotated or cut while it was read", where=self.name, mend=mend)


def open_source(name: str) -> Source:
    """The file of that name, or standard input for ``-``.

    Raises :class:`~metrics.errors.InputError` where there is no such file or it cannot be read.
    """
    if name == STDIN:
        content = sys.stdin.buffer.read()
        digest, size, cut_off = _digest(io.BytesIO(content), "standard input")
        now = int(time.time() * 1000)
        return Source("standard input", digest, size, now, content=content, is_cut_off=cut_off)
    path = Path(name)
    try:
        with path.open("rb") as file:
            digest, size, cut_off = _digest(file, name)
            inode = _inode(file)
        modified = int(path.stat().st_mtime * 1000)
    except FileNotFoundError as error:
        raise InputError("no such file", where=name, mend="check the path") from error
    except IsADirectoryError as error:
        raise InputError("a folder, not a file", where=name, mend="name the files in it") from error
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=name) from error
    return Source(name, digest, size, modified, path=path, is_cut_off=cut_off, inode=inode)


def _inode(file: BinaryIO) -> tuple[int, int]:
    found = os.fstat(file.fileno())
    return found.st_dev, found.st_ino


def _unzipped(raw: BinaryIO) -> gzip.GzipFile | None:
    zipped = raw.read(len(_GZIP)) == _GZIP
    raw.seek(0)
    return gzip.GzipFile(fileobj=raw) if zipped else None


def _digest(raw: BinaryIO, name: str) -> tuple[str, int, bool]:
    """Hash and size of the content, and whether it breaks off: a log and the same log zipped are one."""
    hashed, size = hashlib.sha256(), 0
    unzipped = _unzipped(raw)
    # Not more at once than there is, so that of a stream that breaks off nothing is lost before the break.
    read = unzipped.read1 if unzipped else raw.read
    try:
        while chunk := read(_CHUNK_BYTES):
            hashed.update(chunk)
            size += len(chunk)
            if size > _EXPANSION_FREE_BYTES and size > _MAX_EXPANSION * raw.tell():
                what = f"unzips to more than {_MAX_EXPANSION} times its size, which no log does"
                raise InputError(what, where=name, mend="unzip it yourself if you trust it")
    except _CUT_OFF:
        return hashed.hexdigest(), size, True
    return hashed.hexdigest(), size, False


def _lines(
    file: BinaryIO | gzip.GzipFile, size_bytes: int, start_bytes: int | None
) -> Iterator[str | Unreadable | Unfinished]:
    """``size_bytes`` of lines; ``start_bytes`` is where the first begins if the last may go on, else None."""
    left, at = size_bytes, start_bytes
    while left and (line := file.readline(min(MAX_LINE_BYTES + 1, left))):
        length, ends = len(line), line.endswith(b"\n")
        if length > MAX_LINE_BYTES and not ends:
            skipped, ends = _skip_line(file, left - length)
            length += skipped
        left -= length
        if at is not None and not ends:
            yield Unfinished(line[:MAX_LINE_BYTES].rstrip(b"\r").decode(errors="replace"), at)
            return
        at = None if at is None else at + length
        if length > MAX_LINE_BYTES:
            yield Unreadable(f"longer than {MAX_LINE_BYTES} bytes", _shown(line))
            continue
        try:
            yield line.rstrip(b"\r\n").decode()
        except UnicodeDecodeError:
            yield Unreadable("not UTF-8", _shown(line))


def _skip_line(file: BinaryIO | gzip.GzipFile, left: int) -> tuple[int, bool]:
    """Read on to the end of a line; how many bytes that were, and whether a line feed ended it."""
    skipped = 0
    while chunk := file.readline(min(_CHUNK_BYTES, left - skipped)):
        skipped += len(chunk)
        if chunk.endswith(b"\n"):
            return skipped, True
    return skipped, False


def _shown(line: bytes) -> str:
    return line[:200].decode(errors="backslashreplace").rstrip("\r\n")
