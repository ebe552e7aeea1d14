"""Calendar periods of an objective: a month in Paris begins at midnight there, whatever the season.

Days, weeks, months, quarters and years are counted on the wall clock of the zone; hours and minutes are elapsed
time. A month that has no 31st ends with its last day.
"""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

__all__ = ["CalendarPeriod"]

_MONTHS = {"M": 1, "Q": 3, "Y": 12}
_DAYS = {"d": 1, "w": 7}
_ELAPSED = {"m": timedelta(minutes=1), "h": timedelta(hours=1)}
_DAY_MS = 86_400_000
# For policies, which are made for a period of so many days.
_NOMINAL_MS = {
    "m": 60_000, "h": 3_600_000, "d": _DAY_MS, "w": 7 * _DAY_MS, "M": 30 * _DAY_MS, "Q": 90 * _DAY_MS,
    "Y": 365 * _DAY_MS,
}  # fmt: skip


class CalendarPeriod(BaseModel):
    """Periods of ``count`` ``unit`` (``m h d w M Q Y``), one of which begins at ``start``, local to ``zone``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: datetime
    zone: str
    count: int
    unit: str

    @property
    def nominal_ms(self) -> int:
        """Length of a period: a month has 30 days, a year 365."""
        return self.count * _NOMINAL_MS[self.unit]

    def begin_ms(self, at_ms: int) -> int:
        """Start of the period that ``at_ms`` lies in; it may be before the first.

        >>> month = CalendarPeriod(start=datetime(2026, 1, 1), zone="Europe/Paris", count=1, unit="M")
        >>> instant = int(datetime(2026, 4, 15, tzinfo=UTC).timestamp() * 1000)
        >>> datetime.fromtimestamp(month.begin_ms(instant) / 1000, UTC).isoformat()
        '2026-03-31T22:00:00+00:00'
        """
        return self._begin(self._number(at_ms))

    def starts_ms(self, at_ms: int, count: int) -> list[int]:
        """Start of the period that ``at_ms`` lies in, and of those after it: ``count`` in all."""
        first = self._number(at_ms)
        return [self._begin(n) for n in range(first, first + count)]

    def _number(self, at_ms: int) -> int:
        n = (at_ms - self._begin(0)) // self.nominal_ms
        while self._begin(n) > at_ms:
            n -= 1
        while self._begin(n + 1) <= at_ms:
            n += 1
        return n

    def _begin(self, n: int) -> int:
        """Start of the n-th period from the given one."""
        steps = n * self.count
        zone = ZoneInfo(self.zone)
        if self.unit in _ELAPSED:
            at = self.start.replace(tzinfo=zone).astimezone(UTC) + steps * _ELAPSED[self.unit]
        elif self.unit in _DAYS:
            at = (self.start + timedelta(days=steps * _DAYS[self.unit])).replace(tzinfo=zone)
        else:
            at = self._in_months(steps * _MONTHS[self.unit]).replace(tzinfo=zone)
        return int(at.timestamp() * 1000)

    def _in_months(self, months: int) -> datetime:
        year, month = divmod(self.start.year * 12 + self.start.month - 1 + months, 12)
        last = calendar.monthrange(year, month + 1)[1]
        day = date(year, month + 1, min(self.start.day, last))
        return datetime.combine(day, self.start.time())
