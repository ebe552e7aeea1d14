"""Members of sets judged once: players repeat most of them (session, content, bitrate) on every request.

What is remembered is what :func:`~metrics.ingest.cmcd_judge.judge` says of a member; only numbers, which
change from line to line, are read and judged here, and to the same effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metrics.ingest.cmcd_judge import Issue, Judged, Mode, judge, rounding
from metrics.ingest.cmcd_keys import KEYS, NEWEST_VERSION, OBJECT_TYPES, Key
from metrics.ingest.structured_field import parse_member

__all__ = ["REMARKABLE", "REMEMBERED", "REMEMBERED_CHARS", "REMEMBERED_MEMBERS", "Remembered"]

REMEMBERED_MEMBERS, REMEMBERED_CHARS = 1 << 15, 256
REMARKABLE: tuple[str, Any] = ("", None)
_FEW_DIGITS, _MOST_DIGITS = 5, 15


class Remembered(dict[str, tuple[str, Any]]):
    """By how a member is written, with or without spaces around: its key and value, if a server keeps them as
    they are, and else ``REMARKABLE``. ``remarks`` has what is said of those that are kept nevertheless.

    It grows while it is asked: whoever asks has it :meth:`forget` between two sets.
    """

    def __init__(self, version: int, mode: Mode) -> None:
        super().__init__()
        self.remarks: dict[str, tuple[Issue, ...]] = {}
        self._version, self._mode = version, mode
        self._items: dict[str, Any] = {}
        known = [key for key in KEYS.values() if key.least == 0 and (mode == "event" or not key.event_only)]
        self._integers = {key.name: key for key in known if key.kind(version) == "integer"}
        self._lists = {key.name: key for key in known if key.kind(version) == "integers"}
        self._unrounded = {key.name: (rounding(key),) for key in known if key.rounded > 1}

    def forget(self) -> None:
        """Start anew."""
        self.clear()
        self.remarks.clear()
        self._items.clear()

    def __missing__(self, segment: str) -> tuple[str, Any]:
        name, _, text = segment.partition("=")
        key = self._integers.get(name)
        if key is not None and len(text) <= _MOST_DIGITS and text.isascii() and text.isdecimal():
            number = int(text)
            pair: tuple[str, Any] = (key.name, number)
            if number % key.rounded:
                self.remarks[segment] = self._unrounded[key.name]
            elif len(text) > _FEW_DIGITS:
                return pair  # times and counters are seldom twice the same
            self[segment] = pair
            return pair
        if name in self._lists and (items := self._listed(text)):
            return self._list(segment, self._lists[name], items)
        member = judge(parse_member(segment.strip(" ")), self._version, self._mode)
        # What a long one calls for is not remembered, so it is left to the way round.
        if len(segment) > REMEMBERED_CHARS:
            return (member.key, member.value) if self._is_plain(member) and not member.issues else REMARKABLE
        pair = (member.key, member.value) if self._is_plain(member) else REMARKABLE
        self[segment] = pair
        if pair is not REMARKABLE and member.issues:
            self.remarks[segment] = member.issues
        return pair

    def _is_plain(self, member: Judged) -> bool:
        if member.key == "v" and member.value != self._version:
            return False  # the set is to be judged by another version
        return member.keep and member.value is member.raw

    def _list(self, segment: str, key: Key, items: list[Any]) -> tuple[str, Any]:
        self[segment] = pair = (key.name, items)
        if key.rounded > 1:
            numbers = [item["value"] if isinstance(item, dict) else item for item in items]
            if any(number % key.rounded for number in numbers):
                self.remarks[segment] = self._unrounded[key.name]
        return pair

    def _listed(self, text: str) -> list[Any] | None:
        """The items of an inner list of integers and object types; None for what is written otherwise."""
        if not text.startswith("(") or not text.endswith(")") or len(text) > REMEMBERED_CHARS:
            return None
        known, items = self._items, []
        for written in text[1:-1].split(" "):
            item = known.get(written)
            if item is None:
                digits, *types = written.split(";")
                is_number = len(digits) <= _MOST_DIGITS and digits.isascii() and digits.isdecimal()
                if not is_number or not all(name in OBJECT_TYPES for name in types):
                    return None
                number = int(digits)
                item = {"value": number, "params": dict.fromkeys(types, True)} if types else number
                known[written] = item
            items.append(item)
        return items


REMEMBERED: Mapping[tuple[int, Mode], Remembered] = {
    (version, mode): Remembered(version, mode)
    for version in range(1, NEWEST_VERSION + 1)
    for mode in ("request", "event")
}
