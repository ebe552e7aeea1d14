"""Files that appear whole or not at all, whoever is killed while writing them."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

__all__ = ["write_once"]


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
