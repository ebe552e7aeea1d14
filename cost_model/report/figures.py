"""The report's figures as inline SVG: small, the same bytes for the same input, coloured by the page's CSS.

Colours are classes (``s1``, ``s2``, ``muted``), so that one drawing serves light, dark and print.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from cost_model.bridge import EFFECTS, Bridge
from cost_model.cdn import Breakeven
from cost_model.encoding import PaybackPoint
from cost_model.forecast import Forecast
from cost_model.report import numbers
from cost_model.sensitivity import Swing
from cost_model.uncertainty import Driver, Interval

__all__ = [
    "breakeven_curve",
    "breakeven_histogram",
    "forecast_fan",
    "interval_bar",
    "payback_fan",
    "share_bars",
    "swings",
    "tornado",
    "waterfall",
]

_WIDE, _HIGH = 520, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 14, 26, 40
_END, _FLOOR = _WIDE - _RIGHT, _HIGH - _BOTTOM
_FAMILIAR_SUBSCRIBERS = 50e6
_MOST_DRIVERS = 7


@dataclass(frozen=True)
class _Log:
    """A logarithmic axis: positions of values, held inside it."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        inside = min(max(value, self.low), self.high)
        share = math.log(inside / self.low) / math.log(self.high / self.low)
        return round(self.start + share * (self.end - self.start), 2)


def breakeven_curve(breakevens: Sequence[Breakeven], members: float) -> str:
    """Break-even subscribers against the negotiated price: median and 90 % band of each policy."""
    prices = [point.price_usd_per_gb for point in breakevens[0].curve]
    x, y = _Log(prices[0], prices[-1], _LEFT, _END), _Log(3e6, 2e9, _FLOOR, _TOP)
    parts = [
        *_ticks_y(y, [1e7, 3e7, 1e8, 3e8, 1e9], numbers.count, "subscribers at break-even"),
        *_ticks_x(
            x, [0.001, 0.002, 0.004, 0.008], lambda v: f"${v:g}", "negotiated third-party price, USD/GB"
        ),
        *_level(y, _FAMILIAR_SUBSCRIBERS, numbers.count(_FAMILIAR_SUBSCRIBERS)),
        *(_level(y, members, f"this service, {numbers.count(members)}") if members > y.low else []),
    ]
    for series, result in enumerate(breakevens, start=1):
        points = [(p.price_usd_per_gb, p.subscribers) for p in result.curve]
        parts += _fan(x, y, points, series, lambda v: f"${v:g}/GB", numbers.count)
        at = next(((v, i.median) for v, i in points if i.median < y.high * 0.5), None)
        if at:
            parts.append(
                _text(x(at[0]) + 8, y(at[1]) - (6 if series == 2 else -16), result.policy, f"s{series} key")
            )
    return _svg(
        parts, "Break-even subscribers by negotiated third-party price, median and 90 % band by footprint"
    )


def breakeven_histogram(breakevens: Sequence[Breakeven]) -> str:
    """How break-even is distributed: a stepped area a policy on one logarithmic axis."""
    x = _Log(2e6, 3e9, _LEFT, _END)
    edges = np.geomspace(x.low, x.high, 45)
    shares = [np.histogram(b.draws, edges)[0] / len(b.draws) for b in breakevens]
    top = max(float(s.max()) for s in shares) * 1.32

    def height(share: float) -> float:
        return round(_FLOOR - share / top * (_FLOOR - _TOP), 2)

    parts = [_text(0, 14, "share of draws", "label")]
    parts += _ticks_x(x, [3e6, 1e7, 3e7, 1e8, 3e8, 1e9], numbers.count, "subscribers at break-even")
    for series, (result, share) in enumerate(zip(breakevens, shares, strict=True), start=1):
        steps = "".join(
            f"L{x(left)} {height(float(part))}L{x(right)} {height(float(part))}"
            for left, right, part in zip(edges[:-1], edges[1:], share, strict=True)
        )
        parts.append(
            f'<path class="s{series} area" d="M{x(edges[0])} {_FLOOR}{steps}L{x(edges[-1])} {_FLOOR}Z"/>'
        )
        median = result.subscribers.median
        if math.isfinite(median):
            parts.append(_line(x(median), _TOP + 36, x(median), _FLOOR, f"s{series} line dash"))
        never = f", never in {numbers.ratio(result.never_ratio)}" if result.never_ratio else ""
        note = f"{result.policy}: median {numbers.count(median)}{never}"
        parts.append(_text(_END, _TOP + 18 * (series - 1) + 4, note, f"s{series} key", "end"))
    return _svg(parts, "Distribution of break-even subscribers by footprint policy")


def payback_fan(points: Sequence[PaybackPoint], members: float) -> str:
    """Payback months against subscribers: median, 90 % band, and the band of 8 to 12 months."""
    x = _Log(points[0].subscribers, points[-1].subscribers, _LEFT, _END)
    y = _Log(1, 300, _FLOOR, _TOP)
    parts = [
        f'<rect class="familiar" x="{_LEFT}" width="{_END - _LEFT}" y="{y(12)}" '
        f'height="{round(y(8) - y(12), 2)}"/>',
        *_ticks_y(y, [1, 3, 10, 30, 100, 300], lambda v: f"{v:g}", "months to pay back"),
        *_ticks_x(
            x, [1e7, 2.5e7, 5e7, 1e8, 2e8], lambda v: numbers.count(v).replace(".0 ", " "), "subscribers"
        ),
        *_fan(x, y, [(p.subscribers, p.months) for p in points], 1, numbers.count, numbers.months),
        _text(_LEFT + 6, y(12) - 4, "8–12 months", "key muted"),
    ]
    if points[0].subscribers < members <= points[-1].subscribers * 1.1:
        parts.append(_line(x(members), _TOP, x(members), _FLOOR, "muted line dash"))
        parts.append(_text(x(members) - 5, _TOP + 10, "this service", "key muted", "end"))
    return _svg(parts, "Payback of AV1 with film grain by subscribers, median and 90 % band")


def tornado(found: Sequence[Driver], median: float, words: Callable[[float], str]) -> str:
    """The outcome's median where a rate lies in its lowest (pale) and in its highest tenth (full)."""
    rows = [d for d in found if d.first_order >= 0.005][:_MOST_DRIVERS]
    ends = [v for d in rows for v in (d.low, d.high) if math.isfinite(v)]
    if not ends or not math.isfinite(median):
        return ""
    left, right, row = 168, 66, 30
    x = _Log(min([*ends, median]) / 1.02, max([*ends, median]) * 1.02, left + 46, _WIDE - right - 46)
    high = len(rows) * row + 22
    parts = [_text(_WIDE, 12, "share", "tick", "end"), _text(x(median), 12, words(median), "tick", "middle")]
    for number, driver in enumerate(rows):
        y = number * row + 20
        parts.append(_text(left - 12, y + 13, numbers.rate_name(driver.rate), "name", "end"))
        for end, style in ((driver.low, "s1 pale"), (driver.high, "s1 fill")):
            start, stop = sorted((x(median), x(end)))
            parts.append(
                f'<rect class="{style}" x="{start}" y="{y + 2}" width="{round(stop - start, 2)}" height="16"/>'
            )
            anchor, gap = ("start", 5) if end > median else ("end", -5)
            parts.append(_text(x(end) + gap, y + 14, words(end), "tick", anchor))
        parts.append(_text(_WIDE, y + 14, f"{driver.first_order:.2f}", "key", "end"))
    parts.append(_line(x(median), 17, x(median), high, "muted line dash"))
    return _svg(parts, "Median outcome with each rate low and high", _WIDE, high)


def share_bars(rows: Sequence[tuple[str, float, str, int]]) -> str:
    """Horizontal bars: name, value, value in words, series number."""
    top = max((value for _, value, _, _ in rows), default=1.0) or 1.0
    wide, left, row, parts = 1060, 200, 25, []
    for number, (name, value, words, series) in enumerate(rows):
        y = number * row + 2
        length = max(1.5, round((wide - left - 150) * value / top, 2))
        parts.append(_text(left - 12, y + 14, name, "name", "end"))
        parts.append(_bar(left, y + 2, length, series))
        parts.append(_text(left + length + 8, y + 14, words, "key"))
    return _svg(parts, "Effective cost by pool", wide, len(rows) * row + 4)


def waterfall(found: Bridge) -> str:
    """From the cost before to the cost now by effect; dearer in one colour, cheaper in another."""
    levels = [float(level) for level in found.levels_usd]
    low, high = min(levels), max(levels)
    room = (high - low) or high or 1.0
    floor, top = max(0.0, low - 0.45 * room), high + 0.12 * room

    def y(value: float) -> float:
        return round(_FLOOR - (value - floor) / (top - floor) * (_FLOOR - _TOP), 2)

    step = (_END - 8) / (len(levels) + 1)
    wide = round(step * 0.62, 2)
    parts = [_line(0, _FLOOR, _END, _FLOOR, "axis")]
    names = (str(found.before.quarter), *EFFECTS, str(found.now.quarter))
    if found.before.quarter == found.now.quarter:
        names = ("budget", *EFFECTS, "actual")
    for number, name in enumerate(names):
        x = round(8 + number * step, 2)
        is_whole = number in (0, len(names) - 1)
        before, after = (floor, levels[min(number, 4)]) if is_whole else (levels[number - 1], levels[number])
        at, length = y(max(before, after)), round(abs(y(before) - y(after)), 2)
        style = "s1" if is_whole else "up" if after > before else "down"
        words = numbers.usd(after) if is_whole else _signed(after - before)
        parts.append(
            f'<rect class="{style} fill" x="{x}" y="{at}" width="{wide}" height="{max(length, 1)}" rx="1"/>'
        )
        parts.append(_text(x + wide / 2, at - 7, words, "key", "middle"))
        parts.append(_text(x + wide / 2, _FLOOR + 17, name, "tick", "middle"))
        if number < len(names) - 1:
            level = y(after)
            parts.append(_line(x + wide, level, round(x + step, 2), level, "muted line dash"))
    if floor:
        parts.append(_text(_END, _FLOOR + 34, f"the axis begins at {numbers.usd(floor)}", "label", "end"))
    return _svg(parts, f"Cost from {found.before.origin} to {found.now.quarter} by effect")


def forecast_fan(found: Forecast) -> str:
    """Quarters so far, hollow where they are not measured, and those foreseen with their 90 % interval."""
    shown = [*found.actual, *found.ahead]
    ends = [v for p in shown for v in ((p.interval.low, p.interval.high) if p.interval else (p.usd,))]
    if not ends:
        return ""
    room = (max(ends) - min(ends)) or 1.0
    floor, top = max(0.0, min(ends) - 0.25 * room), max(ends) + 0.1 * room
    step = (_END - _LEFT - 20) / max(1, len(shown) - 1)

    def y(value: float) -> float:
        return round(_FLOOR - (value - floor) / (top - floor) * (_FLOOR - _TOP), 2)

    def x(number: int) -> float:
        return round(_LEFT + 10 + number * step, 2)

    parts = [_text(0, 14, "cost a quarter", "label"), _line(_LEFT, _FLOOR, _END, _FLOOR, "axis")]
    for value in _round_ticks(floor, top):
        parts.append(_line(_LEFT, y(value), _END, y(value), "grid"))
        parts.append(_text(_LEFT - 8, y(value) + 4, numbers.usd(value).replace(".0 ", " "), "tick", "end"))
    last = len(found.actual) - 1
    if found.ahead:
        fan = [(last, shown[last].usd, shown[last].usd)]
        fan += [
            (last + n, p.interval.low, p.interval.high) for n, p in enumerate(found.ahead, 1) if p.interval
        ]
        upper = [f"{x(n)} {y(high)}" for n, _, high in fan]
        lower = [f"{x(n)} {y(low)}" for n, low, _ in reversed(fan)]
        parts.append(f'<path class="s1 band" d="M{"L".join(upper + lower)}Z"/>')
        middle = "L".join(f"{x(last + n)} {y(p.usd)}" for n, p in enumerate([shown[last], *found.ahead]))
        parts.append(f'<path class="s1 line dash" d="M{middle}"/>')
    so_far = "L".join(f"{x(n)} {y(p.usd)}" for n, p in enumerate(found.actual))
    parts.append(f'<path class="s1 line" d="M{so_far}"/>')
    for number, point in enumerate(shown):
        style = "fill" if point.origin == "measured" else "hollow"
        note = escape(f"{point.quarter}, {point.origin}: {numbers.usd(point.usd)}")
        parts.append(
            f'<circle class="s1 {style}" cx="{x(number)}" cy="{y(point.usd)}" r="3.5"><title>{note}</title></circle>'
        )
        if (len(shown) - 1 - number) % 2 == 0 or number == last:
            parts.append(_text(x(number), _FLOOR + 17, str(point.quarter), "tick", "middle"))
    return _svg(parts, "Cost by quarter and forecast with 90 % interval")


def swings(rows: Sequence[Swing], words: Callable[[float], str]) -> str:
    """One price at a time at its 5 % (pale) and 95 % quantile (full), all others at their point."""
    if not rows:
        return ""
    ends = [v for r in rows for v in (r.low, r.high)]
    low, high = min([*ends, rows[0].base]), max([*ends, rows[0].base])
    left, right, row = 168, 20, 27

    def x(value: float) -> float:
        return round(left + 56 + (value - low) / ((high - low) or 1.0) * (_WIDE - left - right - 112), 2)

    parts = [_text(x(rows[0].base), 12, words(rows[0].base), "tick", "middle")]
    for number, swing in enumerate(rows):
        y = 22 + number * row
        parts.append(_text(left - 12, y + 15, numbers.rate_name(swing.rate), "name", "end"))
        for value, style in ((swing.low, "pale"), (swing.high, "fill")):
            start, end = sorted((x(value), x(swing.base)))
            parts.append(
                f'<rect class="s1 {style}" x="{start}" y="{y + 3}" width="{round(end - start, 2)}" height="16" rx="2"/>'
            )
        inner, outer = sorted((swing.low, swing.high))
        parts.append(_text(x(inner) - 6, y + 15, words(inner), "tick", "end"))
        parts.append(_text(x(outer) + 6, y + 15, words(outer), "tick"))
    height = 22 + len(rows) * row + 6
    parts.append(_line(x(rows[0].base), 18, x(rows[0].base), height - 4, "axis"))
    return _svg(parts, "Cost of the quarter with one price at a time over its range", _WIDE, height)


def interval_bar(interval: Interval, value: float) -> str:
    """A small bar of the 90 % interval with the figure marked, on a logarithmic scale of its own."""
    if interval.low <= 0 or value <= 0:
        return ""
    top = interval.high if math.isfinite(interval.high) else value * 30
    x = _Log(min(interval.low, value) / 1.5, max(top, value) * 1.5, 0, 160)
    length = round(x(top) - x(interval.low), 2)
    return (
        '<svg class="interval" viewBox="0 0 160 12" preserveAspectRatio="xMinYMid" '
        'role="img" aria-label="90 % interval">'
        '<rect class="rail" y="5" width="160" height="2" rx="1"/>'
        f'<rect class="s1 fill" x="{x(interval.low)}" y="3" width="{length}" height="6" rx="3"/>'
        f'<rect class="mark" x="{round(x(value) - 1.5, 2)}" width="3" height="12" rx="1.5"/></svg>'
    )


def _signed(value: float) -> str:
    return f"+{numbers.usd(value)}" if value > 0 else numbers.usd(value)


def _round_ticks(low: float, high: float) -> list[float]:
    step = 10 ** math.floor(math.log10((high - low) or 1.0))
    step *= next(m for m in (0.2, 0.5, 1, 2, 5) if (high - low) / (m * step) <= 6)
    first = math.ceil(low / step)
    return [number * step for number in range(first, math.floor(high / step) + 1)]


def _fan(
    x: _Log,
    y: _Log,
    points: Sequence[tuple[float, Interval]],
    series: int,
    words_x: Callable[[float], str],
    words_y: Callable[[float], str],
) -> list[str]:
    upper = [f"{x(at)} {y(i.high)}" for at, i in points]
    lower = [f"{x(at)} {y(i.low)}" for at, i in reversed(points)]
    medians = "L".join(f"{x(at)} {y(i.median)}" for at, i in points if i.median < y.high)
    parts = [f'<path class="s{series} band" d="M{"L".join(upper + lower)}Z"/>']
    if medians:
        parts.append(f'<path class="s{series} line" d="M{medians}"/>')
    for at, i in points:
        low, median, high = (words_y(v) for v in (i.low, i.median, i.high))
        note = escape(f"{words_x(at)}: median {median} ({low} to {high})")
        parts.append(
            f'<circle class="s{series} hover" cx="{x(at)}" cy="{y(i.median)}" r="5">'
            f"<title>{note}</title></circle>"
        )
    return parts


def _ticks_y(y: _Log, at: Sequence[float], words: Callable[[float], str], title: str) -> list[str]:
    parts = [_text(0, 14, title, "label")]
    for value in at:
        parts.append(_line(_LEFT, y(value), _END, y(value), "grid"))
        parts.append(_text(_LEFT - 8, y(value) + 4, words(value).replace(".0 ", " "), "tick", "end"))
    return parts


def _ticks_x(x: _Log, at: Sequence[float], words: Callable[[float], str], title: str) -> list[str]:
    parts = [_line(_LEFT, _FLOOR, _END, _FLOOR, "axis")]
    parts += [
        _text(x(value), _FLOOR + 16, words(value).replace(".0 ", " "), "tick", "middle") for value in at
    ]
    return [*parts, _text(_END, _FLOOR + 34, title, "label", "end")]


def _level(y: _Log, value: float, words: str) -> list[str]:
    line = _line(_LEFT, y(value), _END, y(value), "muted line dash")
    return [line, _text(_END, y(value) - 4, words, "key muted", "end")]


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line class="{style}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'


def _bar(x: float, y: float, length: float, series: int) -> str:
    return f'<rect class="s{series} fill" x="{x}" y="{y}" width="{length}" height="16" rx="2"/>'


def _text(x: float, y: float, words: str, style: str, anchor: str = "start") -> str:
    end = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text class="{style}" x="{round(x, 2)}" y="{round(y, 2)}"{end}>{escape(words)}</text>'


def _svg(parts: Sequence[str], title: str, wide: float = _WIDE, high: float = _HIGH) -> str:
    return f'<svg viewBox="0 0 {wide} {high}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
