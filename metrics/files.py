"""Files that appear whole or not at all, and locks that no killed process leaves behind."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

__all__ = ["locked", "write_once", "write_over"]


def write_once(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Create ``path`` whole, or leave the file that another process created first."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        # A link fails where the name exists; a rename would replace the other process's file.
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()


def write_over(path: Path, text: str) -> None:
    """Put ``text`` in the place of ``path``: whoever reads has the old file or the new one."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(path: Path, *, exclusive: bool) -> Iterator[None]:
    """Hold the file as an advisory lock, which a killed process cannot leave behind."""
    try:
        import fcntl
    except ImportError:  # a platform without it: appends are safe all the same, compaction needs care
        yield
        return
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield
