"""Figures as people read them: the catalogue's formats, changes with a sign, sizes with a unit."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from itertools import pairwise

from metrics.metric import Metric

__all__ = [
    "NOTHING",
    "change",
    "day",
    "duration",
    "escaped",
    "instant",
    "moment",
    "named",
    "plain",
    "share",
    "signed",
    "spaced",
    "span",
    "titled",
    "written",
]

NOTHING = "–"
_MINUS = "−"
_JOINED = "\u00a0"  # no line ends at it


def written(metric: Metric, value: float | None) -> str:
    """A value in the catalogue's format; a dash where there is none."""
    return NOTHING if value is None else spaced(metric.show(value))


def spaced(text: str) -> str:
    r"""Figures of the catalogue as pages write them: a minus that is one, a percent sign that stands apart.

    >>> spaced("12.39% bad, -0.2%")
    '12.39\xa0% bad, −0.2\xa0%'
    """
    return re.sub(r"(?<=\d) ?%", f"{_JOINED}%", re.sub(r"(?<![\w.])-(?=[$\d])", _MINUS, text))


def change(metric: Metric, value: float | None, before: float | None) -> str:
    """The difference with its sign, shares in percentage points.

    A difference that its format rounds to nothing is written as 0.
    """
    if value is None or before is None:
        return NOTHING
    found = re.search(r"\.(\d)%", metric.format)
    if found:
        text = f"{100 * (value - before):+.{found[1]}f} pt"
    else:
        text = re.sub(r"\{:", "{:+", metric.format, count=1).format(value - before)
        text = re.sub(r"^\$([+-])", r"\1$", text)
    if not re.search(r"[1-9]", text.split()[0]):
        return "0"
    return text.replace("-", _MINUS)


def share(ratio: float | None, digits: int = 1) -> str:
    r"""A share of 1 as a percentage.

    >>> share(0.174), share(-0.5, 0)
    ('17.4\xa0%', '−50\xa0%')
    """
    return NOTHING if ratio is None else spaced(f"{100 * ratio:,.{digits}f}%")


def signed(ratio: float | None, digits: int = 1, unit: str = "%") -> str:
    r"""A share of 1 with its sign, as a percentage or in points; what rounds to nothing has none.

    >>> signed(0.0741), signed(-0.0001), signed(-0.02, 2, "pt")
    ('+7.4\xa0%', '0.0\xa0%', '−2.00\xa0pt')
    """
    if ratio is None:
        return NOTHING
    text = f"{100 * ratio:+,.{digits}f}"
    return f"{text.replace('-', _MINUS) if re.search('[1-9]', text) else text[1:]}{_JOINED}{unit}"


def plain(value: float) -> str:
    """Three figures of a number, and no power of ten.

    >>> plain(0.00000889), plain(1.81), plain(12345.0)
    ('0.00000889', '1.81', '12,300')
    """
    digits = 2 - math.floor(math.log10(abs(value))) if value else 0
    text = f"{round(value, digits):,.{max(digits, 0)}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", _MINUS)


def duration(ms: float | None) -> str:
    """A span of time in its two largest units.

    >>> duration(9_000_000), duration(45_000)
    ('2 h 30 min', '45 s')
    """
    if ms is None:
        return NOTHING
    seconds = round(ms / 1000)
    for (name, size), (small_name, small) in pairwise(_SPANS):
        if seconds >= size:
            whole, rest = seconds // size, seconds % size // small
            return f"{whole} {name} {rest} {small_name}" if rest else f"{whole} {name}"
    return f"{seconds} s"


_SPANS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def instant(ts_ms: int | None) -> str:
    """A UTC instant to the minute.

    >>> instant(1_775_001_600_000)
    '2026-04-01 00:00'
    """
    if ts_ms is None:
        return NOTHING
    return datetime.fromtimestamp(ts_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def moment(ts_ms: int) -> str:
    """A UTC instant where the year is plain.

    >>> moment(1_775_001_600_000)
    '1 Apr 00:00'
    """
    when = datetime.fromtimestamp(ts_ms / 1000, UTC)
    return f"{when.day} {when:%b %H:%M}"


def span(start_ts_ms: int, end_ts_ms: int) -> str:
    """A span of UTC time, as whole days where it is: its last day is the last one it holds.

    >>> span(1_775_001_600_000, 1_775_174_400_000), span(1_775_001_600_000, 1_775_005_200_000)
    ('1 Apr to 2 Apr', '1 Apr 00:00 to 01:00')
    """
    if start_ts_ms % _DAY_MS == 0 and end_ts_ms % _DAY_MS == 0:
        first, last = moment(start_ts_ms)[:-6], moment(end_ts_ms - _DAY_MS)[:-6]
        return first if first == last else f"{first} to {last}"
    is_one_day = start_ts_ms // _DAY_MS == (end_ts_ms - 1) // _DAY_MS
    return f"{moment(start_ts_ms)} to {moment(end_ts_ms)[-5:] if is_one_day else moment(end_ts_ms)}"


_DAY_MS = 86_400_000


def titled(dimension: str) -> str:
    """A dimension as people write it.

    >>> titled("isp"), titled("player_version")
    ('ISP', 'player version')
    """
    return {"isp": "ISP", "cdn": "CDN", "os": "OS"}.get(dimension, dimension.replace("_", " "))


def day(value: date) -> str:
    """A day, short.

    >>> day(date(2026, 6, 1))
    '1 Jun 2026'
    """
    return f"{value.day} {value:%b %Y}"


def escaped(text: str) -> str:
    """Text of the telemetry as Markdown shows it: what somebody named a region is no markup of ours.

    >>> escaped("a_b [c](d)")
    'a\\\\_b \\\\[c\\\\](d)'
    """
    return re.sub(r"([\\`*_\[\]$:<>~#|])", r"\\\1", text)


def named(value: str | None) -> str:
    """A dimension's value as a name: machine spelling is undone, anything else is left as it is.

    >>> named("south-asia"), named("mena"), named("connected_tv"), named("sa-isp-1"), named(None)
    ('South Asia', 'MENA', 'Connected TV', 'sa-isp-1', 'unknown')
    >>> named("keyword_search"), named("popularity holdout"), named("throughput ABR")
    ('Keyword Search', 'Popularity Holdout', 'Throughput ABR')
    """
    if value is None:
        return "unknown"
    known = _NAMES.get(value)
    if known:
        return known
    if re.fullmatch(r"[a-z]{4,}([-_ ]([a-z]{4,}|[A-Z]{2,}))*", value):
        return " ".join(word[0].upper() + word[1:] for word in re.split(r"[-_ ]", value))
    return value


_NAMES = {
    "mena": "MENA", "smart_tv": "Smart TV", "connected_tv": "Connected TV", "web": "Web", "h264": "H.264",
    "hevc": "HEVC", "av1": "AV1", "av1_fgs": "AV1 + film grain", "own": "own CDN", "third_party": "third party",
    "home": "Home", "direct": "Direct", "asia-pacific": "Asia-Pacific", "sub-saharan-africa": "Sub-Saharan Africa",
    "no_first_week_diversity": "No first-week diversity", "no first-week diversity": "No First-Week Diversity",
    "pull on miss": "Pull on Miss",
}  # fmt: skip
