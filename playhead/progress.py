"""Progress on standard error: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress", "say"]

_QUIET_S = 5.0


def say(text: str) -> None:
    """One line on standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


@contextmanager
def progress(title: str) -> Iterator[Callable[[str, float], None]]:
    """A function ``tell(what, share done)`` that shows how far the work is."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[what]}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task(title, total=1.0, what="")
            yield lambda what, share: bar.update(task, completed=share, what=what)
        return
    last = [0.0]

    def tell(what: str, share: float) -> None:
        now = time.monotonic()
        if now - last[0] >= _QUIET_S or share >= 1.0:
            last[0] = now
            say(f"{title}: {what} ({share:.0%})")

    yield tell
