"""What an indicator counts, as PromQL over per-minute gauges and over the series recorded of them.

``by`` are the labels kept apart, ``select`` the matchers of the objective's own recorded series. Ranges over recorded
series are a second short: their samples lie on the minute, and whether a window holds the one on its far edge differs
between versions of Prometheus.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from alerts import names
from alerts.indicator import Composite, Counted, CountRatio, Slices, Threshold
from alerts.policy import duration_text

__all__ = [
    "bad_events",
    "gauges_sum",
    "minute_sums",
    "number",
    "period_share",
    "period_start",
    "share",
    "since_hour",
    "whole_hours",
]

By = tuple[str, ...]
_NOT_HOLDING = {"lte": ">", "gte": "<", "lt": ">=", "gt": "<="}
_MINUTE = "floor(vector(time()) / 60)"


def number(value: float) -> str:
    """The shortest text that reads back as the same float.

    >>> number(14.4), number(6.0)
    ('14.4', '6')
    """
    return repr(value).removesuffix(".0")


def gauges_sum(columns: Sequence[str], window: str, by: By) -> str:
    """Events of ``columns`` in a window."""
    over = f"sum by ({', '.join(by)}) " if by else "sum"
    return " + ".join(f"{over}(sum_over_time({names.gauge(column)}[{window}]))" for column in columns)


def bad_events(indicator: Counted, window: str, by: By) -> str:
    """Events in a window that are bad, whatever the objective makes of them: what the low-traffic guard counts."""
    if isinstance(indicator, CountRatio):
        return _bad(indicator, window, by)
    if isinstance(indicator, Slices):
        return bad_events(indicator.of, window, by)
    if isinstance(indicator, Composite):
        return " + ".join(f"({_bad(part.of, window, by)})" for part in indicator.parts)
    above = gauges_sum(indicator.numerator, window, by)
    if indicator.operator in {"lt", "lte"} or not indicator.denominator:
        return above
    return f"clamp_min(({gauges_sum(indicator.denominator, window, by)}) - ({above}), 0)"


def share(indicator: Counted, window_ms: int, by: By, select: str) -> str:
    """Share of bad events over a window; no sample where there were none."""
    if isinstance(indicator, CountRatio):
        window = duration_text(window_ms)
        return f"({_bad(indicator, window, by)})\n/\n(({gauges_sum(indicator.total, window, by)}) > 0)"
    if isinstance(indicator, Composite):
        window = duration_text(window_ms)
        return _composite(
            [
                (part.weight, f"({_bad(part.of, window, by)})", f"({gauges_sum(part.of.total, window, by)})")
                for part in indicator.parts
            ]
        )
    bad, total = (
        f"sum_over_time({name}{select}[{short_of(window_ms)}])"
        for name in (names.BAD_SUM_1M, names.TOTAL_SUM_1M)
    )
    return f"{bad}\n/\n({total} > 0)"


def minute_sums(indicator: Counted, by: By, select: str) -> list[tuple[str, dict[str, str], str]]:
    """Name, labels and expression of what is recorded of each minute: bad and all events of each part.

    NaN fails every comparison, so one bad sample costs its minute and not the whole period. What was seen within the
    hour goes on with 0, so that what is added up minute by minute has no holes.
    """
    parts: list[tuple[str, CountRatio | Threshold | Slices]]
    if isinstance(indicator, Composite):
        parts = [(f', {names.LABEL_PART}="{i}"', part.of) for i, part in enumerate(indicator.parts)]
    else:
        parts = [("", indicator)]
    rules = []
    for i, (matcher, counted) in enumerate(parts):
        labels = {names.LABEL_PART: str(i)} if matcher else {}
        for name, expr in _minute_sums(counted, by, select):
            if name in (names.BAD_SUM_1M, names.TOTAL_SUM_1M):
                before = f"last_over_time({name}{select[:-1]}{matcher}}}[{short_of(3_600_000)}])"
                expr = f"({expr})\nor on ({', '.join(by)})\n0 * {before}"
            rules.append((name, labels, expr))
    return rules


def _minute_sums(indicator: CountRatio | Threshold | Slices, by: By, select: str) -> list[tuple[str, str]]:
    if isinstance(indicator, CountRatio):
        bad, total = _bad(indicator, "1m", by), gauges_sum(indicator.total, "1m", by)
        return [(names.BAD_SUM_1M, f"({bad}) >= 0"), (names.TOTAL_SUM_1M, f"({total}) >= 0")]
    if isinstance(indicator, Threshold):
        return list(zip((names.BAD_SUM_1M, names.TOTAL_SUM_1M), _beyond(indicator, by), strict=True))
    return _slices(indicator, by, select)


def period_start(starts_ms: Sequence[int]) -> str:
    """When the calendar period of the minutes just over began, in seconds, of periods that begin then.

    PromQL knows no months, so their starts are written out; after the last one the rules want compiling anew.
    """
    first, *later = (start_ms // 1000 for start_ms in starts_ms)
    text, before = f"vector({first})", first
    for start in later:
        # What is evaluated at a period's very start is about the minutes before it.
        text += f"\n+ {start - before} * (vector(time()) > bool {start})"
        before = start
    return text


def whole_hours(select: str, *, by_period: bool = False) -> list[tuple[str, str]]:
    """Name and expression of the sums over a clock hour, one sample an hour: at its end, or within five minutes of it.

    Recorded after :func:`since_hour`, whose sum a sample that comes late is freed of; and ``by_period`` after the
    period's start, which then labels them.
    """
    times = f"\n* on () group_left ({names.LABEL_PERIOD}) {_this_period(select)}" if by_period else ""
    aside = f"ignoring ({names.LABEL_PERIOD}) " if by_period else ""
    return [
        (
            hour,
            f"(sum_over_time({minute}{select}[{short_of(3_600_000)}]) - {so_far}{select}){times}\n"
            f"and on() ({_MINUTE} % 60 < 5)\n"
            f"unless {aside}count_over_time({hour}{select}[{short_of(300_000)}])",
        )
        for hour, minute, so_far in (
            (names.BAD_SUM_1H, names.BAD_SUM_1M, names.BAD_SUM_HOUR),
            (names.TOTAL_SUM_1H, names.TOTAL_SUM_1M, names.TOTAL_SUM_HOUR),
        )
    ]


def since_hour(select: str) -> list[tuple[str, str]]:
    """Name and expression of the sums since the hour began, each from the one a minute before.

    A sum of another hour is not carried on, so what a gap in the evaluations loses is back with the next hour.
    """
    rules = []
    for so_far, minute in (
        (names.BAD_SUM_HOUR, names.BAD_SUM_1M),
        (names.TOTAL_SUM_HOUR, names.TOTAL_SUM_1M),
    ):
        same_hour = (
            f"floor(timestamp({so_far}{select}) / 3600) == on() group_left() floor(vector(time()) / 3600)"
        )
        before = f"({so_far}{select} and ({same_hour})) or 0 * {minute}{select}"
        rules.append(
            (so_far, f"({minute}{select} + ({before}))\n* on() group_left() ({_MINUTE} % 60 != bool 0)")
        )
    return rules


def period_share(indicator: Counted, period_ms: int, select: str, *, by_period: bool = False) -> str:
    """Share of bad events over the last ``period_ms``, to the whole hour at its far end; ``by_period`` of those hours
    only that lie in the present period.

    Of 30 days 720 samples are read and not 43,200: those of whole hours, and what has come since.
    """

    def over(hours: str, so_far: str, part: str) -> str:
        chosen = select[:-1] + part + "}"
        whole = f"sum_over_time({hours}{chosen}[{short_of(period_ms)}])"
        if by_period:
            whole += f" * on ({names.LABEL_PERIOD}) group_left () {_this_period(select)}"
            whole = f"sum without ({names.LABEL_PERIOD}) ({whole})"
        return f"(({whole} or 0 * {so_far}{chosen}) + {so_far}{chosen})"

    def sums(part: str) -> tuple[str, str]:
        return (
            over(names.BAD_SUM_1H, names.BAD_SUM_HOUR, part),
            over(names.TOTAL_SUM_1H, names.TOTAL_SUM_HOUR, part),
        )

    if isinstance(indicator, Composite):
        return _composite(
            [(part.weight, *sums(f', {names.LABEL_PART}="{i}"')) for i, part in enumerate(indicator.parts)]
        )
    bad, total = sums("")
    return f"{bad}\n/\n({total} > 0)"


def _this_period(select: str) -> str:
    """1, labelled by the present period's start."""
    return f'count_values("{names.LABEL_PERIOD}", {names.PERIOD_START}{select})'


def short_of(window_ms: int) -> str:
    """The window less a second.

    >>> short_of(300_000), short_of(3_600_000), short_of(2_592_000_000)
    ('4m59s', '59m59s', '29d23h59m59s')
    """
    seconds, text = window_ms // 1000 - 1, ""
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        if seconds >= length:
            text += f"{seconds // length}{unit}"
            seconds %= length
    return text


def _bad(ratio: CountRatio, window: str, by: By) -> str:
    if ratio.bad:
        return gauges_sum(ratio.bad, window, by)
    return f"{gauges_sum(ratio.total, window, by)} - ({gauges_sum(ratio.good, window, by)})"


def _composite(parts: Sequence[tuple[Decimal, str, str]]) -> str:
    """Weighted mean of bad ÷ total over the parts with traffic. A label keeps the parts apart until they are added."""

    def added(exprs: list[str]) -> str:
        apart = [
            f'label_replace({expr}, "{names.LABEL_PART}", "{i}", "", "")' for i, expr in enumerate(exprs)
        ]
        return f"sum without ({names.LABEL_PART}) (\n  " + "\n  or\n  ".join(apart) + "\n)"

    shares = [f"{number(float(weight))} * ({bad} / ({total} > 0))" for weight, bad, total in parts]
    weights = [f"{number(float(weight))} * ({total} > bool 0)" for weight, _, total in parts]
    return f"{added(shares)}\n/\n({added(weights)} > 0)"


def _beyond(threshold: Threshold, by: By) -> tuple[str, str]:
    """Whether the minute's ratio is not as it should be, and whether it had traffic."""
    above = gauges_sum(threshold.numerator, "1m", by)
    not_holding = f"{_NOT_HOLDING[threshold.operator]} bool {number(float(threshold.value))}"
    if not threshold.denominator:
        return f"({above}) {not_holding}", f"({above}) >= bool 0"
    below = gauges_sum(threshold.denominator, "1m", by)
    return f"(({above}) / (({below}) > 0) {not_holding})\nor\n0 * ({below})", f"({below}) > bool 0"


def _slices(slices: Slices, by: By, select: str) -> list[tuple[str, str]]:
    rules: list[tuple[str, str]] = []
    if isinstance(slices.of, CountRatio):
        window = duration_text(slices.slice_ms)
        bad, total = _bad(slices.of, window, by), gauges_sum(slices.of.total, window, by)
    else:
        rules += zip((names.BAD_MINUTE, names.TOTAL_MINUTE), _beyond(slices.of, by), strict=True)
        bad, total = (
            f"sum_over_time({name}{select}[{short_of(slices.slice_ms)}])"
            for name in (names.BAD_MINUTE, names.TOTAL_MINUTE)
        )
    is_end = f"and on() ({_MINUTE} % {slices.slice_ms // 60_000} == 0)"
    is_bad = f"({bad}) / (({total}) > 0) > bool {number(slices.bad_ratio)}"
    return [
        *rules,
        (names.BAD_SUM_1M, f"(({is_bad})\nor\n0 * ({total}))\n{is_end}"),
        (names.TOTAL_SUM_1M, f"(({total}) > bool 0)\n{is_end}"),
    ]
