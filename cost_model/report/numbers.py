"""How figures are written for people: rounded for display only, with their unit."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["confidence", "count", "months", "rate_name", "ratio", "size", "span", "unit_usd", "usd"]

_STEPS = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
_BYTES = ((1e18, "EB"), (1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"))
_NONE = "–"
_CENTURY_MONTHS = 1200
_CAPITALS = {
    "av1": "AV1",
    "cdn": "CDN",
    "gb": "GB",
    "isp": "ISP",
    "wacc": "cost of capital,",
    "h264": "H.264",
}


def usd(value: float | None) -> str:
    """An amount.

    >>> usd(45_536_752.75)
    '$45.5 M'
    """
    if value is None or math.isnan(value):
        return _NONE
    sign, size = ("−" if value < 0 else ""), abs(value)
    if 0 < size < 0.1:
        return unit_usd(value)
    if scaled := _in_steps(size, _STEPS[2:]):
        return f"{sign}${scaled}"
    return f"{sign}${size:,.0f}" if size >= 10 else f"{sign}${size:,.2f}"


def unit_usd(value: float | None) -> str:
    """A unit price to three significant digits.

    >>> unit_usd(0.000948), unit_usd(17.264)
    ('$0.000948', '$17.26')
    """
    if value is None or math.isnan(value):
        return _NONE
    if math.isinf(value):
        return "∞"
    sign, size = ("−" if value < 0 else ""), abs(value)
    if size >= 1:
        return f"{sign}${size:,.2f}"
    digits = 2 - math.floor(math.log10(size)) if size else 2
    return f"{sign}${size:.{min(digits, 8)}f}"


def count(value: float | None) -> str:
    """A count; infinite is ``never``.

    >>> count(47_230_425)
    '47.2 M'
    """
    if value is None or math.isnan(value):
        return _NONE
    if math.isinf(value):
        return "never"
    if scaled := _in_steps(abs(value), _STEPS):
        return f"{'-' if value < 0 else ''}{scaled}"
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:.3g}"


def size(value: float) -> str:
    """Bytes, in powers of 1,000.

    >>> size(161e18)
    '161 EB'
    """
    return _in_steps(value, _BYTES) or f"{value:,.0f} bytes"


def months(value: float | None) -> str:
    """Months; infinite or longer than a century is ``never``."""
    if value is None or math.isnan(value):
        return _NONE
    if value > _CENTURY_MONTHS:
        return "never"
    return f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"


def rate_name(name: str) -> str:
    """A rate's name as words.

    >>> rate_name("third_party_price"), rate_name("gb_per_hour")
    ('third-party price', 'GB per hour')
    """
    words = name.replace("third_party", "third-party").replace("_ratio", " share").replace("_", " ").split()
    return " ".join(_CAPITALS.get(word, word) for word in words)


def ratio(value: float | None) -> str:
    """A share, as a percentage for reading."""
    if value is None or math.isnan(value):
        return _NONE
    percent = 100 * value
    if percent == 0:
        return "none"
    if percent < 0.1:
        return "under 0.1 %"
    return f"{percent:.1f} %" if percent < 10 else f"{percent:.0f} %"


def span(low: str, high: str) -> str:
    """Two ends of an interval, the unit said once where both share it.

    >>> span("9.2 M", "142 M")
    '9.2–142 M'
    """
    if high == "never":
        return f"{low} to never"
    for _, step in _STEPS:
        if low.endswith(f" {step}") and high.endswith(f" {step}"):
            return f"{low.removesuffix(f' {step}')}–{high}"
    return f"{low}–{high}"


def confidence(low: float, high: float) -> str:
    """How far the 90 % interval reaches: high under a factor of 1.5, moderate under 4, low beyond."""
    if not math.isfinite(high) or low <= 0:
        return "low"
    return "high" if high / low < 1.5 else "moderate" if high / low < 4 else "low"


def _in_steps(size: float, steps: Sequence[tuple[float, str]]) -> str:
    """``size`` in the largest step that it comes to once rounded, so that no 1000 k is written; empty below all.

    >>> _in_steps(999_800, _STEPS), _in_steps(99_960, _STEPS), _in_steps(12, _STEPS)
    ('1.0 M', '100 k', '')
    """
    for step, name in steps:
        if size >= 0.9995 * step:
            scaled = size / step
            return f"{scaled:.0f} {name}" if scaled >= 99.95 else f"{scaled:.1f} {name}"
    return ""
