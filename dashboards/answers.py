"""Answers kept from one run of a page to the next: a metric at a time, so that pages share what they ask alike."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import polars as pl

__all__ = ["Answers"]


class Answers:
    """Frames by cut and metric, those asked for last, of ``most_bytes`` at most. Frames are never changed in place."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._frames: OrderedDict[tuple[Hashable, str], pl.DataFrame] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._turns: dict[Hashable, _Turn] = {}

    def of(
        self, cut: Hashable, names: Sequence[str], ask: Callable[[Sequence[str]], pl.DataFrame]
    ) -> pl.DataFrame:
        """``ask(names)``, which has a column ``metric`` and rows in the order of ``names``; asked are those not known.

        Who asks the same cut meanwhile waits: parts of a page that are drawn at once ask alike. ``ask`` may answer more
        than it was asked, which is kept as well.
        """
        with self._turn(cut):
            found = {name: frame for name in names if (frame := self.known(cut, name)) is not None}
            missing = [name for name in dict.fromkeys(names) if name not in found]
            if missing:
                asked = ask(missing)
                apart = asked.partition_by("metric", as_dict=True)
                told = dict.fromkeys(missing, asked.clear()) | {
                    str(name): part for (name,), part in apart.items()
                }
                for name, frame in told.items():
                    self._keep(cut, name, frame)
                found |= told
        return pl.concat([found[name] for name in dict.fromkeys(names)])

    @contextmanager
    def _turn(self, cut: Hashable) -> Iterator[None]:
        """One at a time by cut; a cut's lock goes with the last who waits for it."""
        with self._lock:
            turn = self._turns.setdefault(cut, _Turn())
            turn.waiting += 1
        try:
            with turn.lock:
                yield
        finally:
            with self._lock:
                turn.waiting -= 1
                if not turn.waiting:
                    del self._turns[cut]

    def known(self, cut: Hashable, name: str) -> pl.DataFrame | None:
        """What was answered of a metric, if it is still kept."""
        with self._lock:
            frame = self._frames.get((cut, name))
            if frame is not None:
                self._frames.move_to_end((cut, name))
            return frame

    def _keep(self, cut: Hashable, name: str, frame: pl.DataFrame) -> None:
        with self._lock:
            before = self._frames.pop((cut, name), None)
            self._frames[cut, name] = frame
            self._bytes += int(frame.estimated_size()) - (
                0 if before is None else int(before.estimated_size())
            )
            while self._bytes > self._most_bytes and self._frames:
                self._bytes -= int(self._frames.popitem(last=False)[1].estimated_size())


@dataclass
class _Turn:
    lock: threading.Lock = field(default_factory=threading.Lock)
    waiting: int = 0
