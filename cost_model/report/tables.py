"""The report's tables in words and figures, once for HTML and PDF: what is printed there is the same text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import polars as pl

from cost_model.bridge import EFFECTS, Bridge
from cost_model.quarterly import Quarterly
from cost_model.report import numbers
from cost_model.uncertainty import Interval

__all__ = [
    "POOLS",
    "Table",
    "assets",
    "bridge",
    "case",
    "cents",
    "credited",
    "foreseen",
    "slices",
    "title",
    "valued",
    "with_content",
]

POOLS = {
    "delivery": "Delivery",
    "encoding": "Encoding",
    "control_plane": "Control plane",
    "content": "Content",
}
_NAMES = {
    "h264": "H.264", "hevc": "HEVC", "av1": "AV1", "av1_fgs": "AV1 + film grain",
    "own": "Own CDN", "third_party": "Third-party CDN",
    "mena": "Middle East and North Africa", "sub-saharan-africa": "Sub-Saharan Africa",
    "asia-pacific": "Asia-Pacific",
    "smart_tv": "Smart TV", "connected_tv": "Connected TV", "mobile": "Mobile", "tablet": "Tablet", "web": "Web",
}  # fmt: skip
_DIMENSIONS = {"region": "region", "codec": "codec", "cdn": "CDN", "device": "device", "isp": "ISP"}
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class Table:
    """Head and rows as text; the first column is words, the others figures. ``is_summed``: the last row is a sum."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    is_summed: bool = False
    note: str = ""


def cents(amount: Decimal | float | None) -> str:
    """An amount to the cent.

    >>> cents(Decimal("-1234.565"))
    '−1,234.56'
    """
    if amount is None:
        return "–"
    exact = Decimal(amount).quantize(_CENT, rounding=ROUND_HALF_EVEN)
    return f"{exact:,}".replace("-", "−")


def title(dimension: str, value: str | None) -> str:
    """A dimension's value for people; ``no codec`` where it is null."""
    if value is None:
        return f"no {_DIMENSIONS[dimension]}"
    if value in _NAMES:
        return _NAMES[value]
    return value.replace("-", " ").title() if dimension == "region" else value


def bridge(found: Bridge) -> Table:
    """The bridge by pool, to the cent; rows and columns add up."""
    frame = found.by("pool")
    rows = [
        [POOLS[row["pool"]], *(cents(row[name]) for name in ("before_usd", *EFFECTS, "now_usd"))]
        for row in frame.iter_rows(named=True)
    ]
    levels = found.levels_usd
    rows.append(["Sum", cents(levels[0]), *(cents(v) for v in found.effects_usd.values()), cents(levels[-1])])
    same = found.before.quarter == found.now.quarter
    head = ["Pool, USD", "Budget" if same else str(found.before.quarter), *(e.capitalize() for e in EFFECTS)]
    by = ", ".join(_DIMENSIONS.get(key, key) for key in found.keys)
    cells = f"From {len(found.cells):,} cells of pool, {by}"
    note = f"{cells}; residual {cents(found.residual_usd)}. Volume is {found.driver}."
    return Table([*head, "Actual" if same else str(found.now.quarter)], rows, True, note)


def foreseen(q: Quarterly) -> Table:
    """The next quarters with their intervals."""
    rows = [
        [
            str(p.quarter),
            *((cents(p.interval.low), cents(p.usd), cents(p.interval.high)) if p.interval else ()),
        ]
        for p in q.forecast.ahead
    ]
    note = ""
    if score := q.forecast.score:
        held = "inside" if score.is_inside else "outside"
        error = f"{100 * score.error_ratio:+.1f} %".replace("-", "−")
        note = (
            f"The last forecast: for this quarter, made from those before it, ${cents(score.foreseen.median)} "
            f"(${cents(score.foreseen.low)} to ${cents(score.foreseen.high)}); it was ${cents(score.actual_usd)}, "
            f"{held} the interval, off by {error}."
        )
    return Table(["Quarter, USD", "90 % low", "Median", "90 % high"], rows, note=note)


def assets(q: Quarterly) -> Table:
    """Roll-forward of what is owned."""
    columns = (
        "opening_gross_usd", "additions_usd", "retirements_usd", "closing_gross_usd", "opening_accumulated_usd",
        "depreciation_usd", "closing_accumulated_usd", "opening_net_usd", "closing_net_usd",
    )  # fmt: skip
    rows = [[row.name, *(cents(getattr(row, name)) for name in columns)] for row in q.assets]
    sums = [sum((getattr(row, name) for row in q.assets), Decimal(0)) for name in columns]
    rows.append(["Sum", *(cents(value) for value in sums)])
    head = (
        "Class, USD", "At cost, opening", "Additions", "Retired", "At cost, closing", "Written off, opening",
        "Depreciation", "Written off, closing", "Net, opening", "Net, closing",
    )  # fmt: skip
    bases: dict[str, list[str]] = {}
    for row in q.assets:
        bases.setdefault(row.basis, []).append(row.name)
    note = " ".join(f"{' and '.join(names)}: {basis}." for basis, names in bases.items())
    return Table(head, rows, True, note)


def case(q: Quarterly) -> Table | None:
    """The investment case of an own CDN at this size."""
    if q.case is None:
        return None
    found = q.case
    rows = [
        ["Net present value", *_three(found.npv_usd, numbers.usd)],
        ["Internal rate of return", *_three(found.irr_ratio, _rate)],
        ["Payback, years", *_three(found.payback_years, lambda v: f"{v:.2f}")],
        ["Own CDN, all costs, a GB", *_three(found.usd_per_gb, numbers.unit_usd)],
    ]
    note = (
        f"{found.years} years at {numbers.count(found.subscribers)} subscribers, cost of capital "
        f"{100 * found.wacc_ratio:.1f} % at the median; positive in {numbers.ratio(found.positive_npv_ratio)} of "
        "draws. What reliability is worth is not in it."
    )
    return Table(
        ["Own CDN against buying the same bytes", "90 % low", "Median", "90 % high"], rows, note=note
    )


def with_content(q: Quarterly) -> Table | None:
    """What serving costs, what content costs, and what both leave of revenue; None without members."""
    s, content = q.statement, q.content
    if content is None:
        return None
    hours, months = s.usage.total_hours(), s.usage.member_months()
    revenue = s.total["revenue_usd"]
    both = s.cost_usd + content.charged_usd

    def row(name: str, amount: Decimal, *, by_retained: bool = False) -> list[str]:
        retained = content.retained if by_retained else 0
        ratios = (
            numbers.unit_usd(float(amount / n)) if n else "–" for n in (hours, months, Decimal(retained))
        )
        return [name, cents(amount), *ratios]

    rows = [
        row("Serving: delivery, encoding, control plane", s.cost_usd),
        row("Content", content.charged_usd, by_retained=True),
        row("Serving and content", both),
    ]
    if revenue is not None:
        rows += [row("Revenue", revenue), row("Left of revenue", revenue - both)]
    retained = content.usd_per_retained_member
    note = f"Content, {content.basis}, grade {content.grade}: {content.source}."
    if retained:
        between = numbers.span(numbers.unit_usd(retained.low), numbers.unit_usd(retained.high))
        note = (
            f"{numbers.count(content.retained)} subscribers were retained: paying on the quarter's first and last "
            f"day. Content for each of them: {between} at 90 %. {note}"
        )
    head = ("USD", "In all", "A stream hour", "A subscriber-month", "A retained subscriber")
    return Table(head, rows, note=note)


def valued(q: Quarterly) -> Table:
    """Content and the worth of systems, each with what it stands on and the grade of that."""
    rows = []
    if content := q.content:
        words = _three(content.usd_per_member_month, numbers.unit_usd)
        rows.append(["Content cost", *words, content.basis, content.grade])
    rows += [
        [f"Worth of {v.system}", *_three(v.usd_per_member_month, numbers.unit_usd), v.basis, v.grade]
        for v in q.values
    ]
    note = " ".join(f"{v.system.capitalize()}, {v.basis}: {v.source}." for v in q.values)
    head = ["USD a subscriber-month", "90 % low", "Median", "90 % high", "Stands on", "Grade"]
    return Table(head, rows, note=note)


def credited(q: Quarterly) -> Table | None:
    """Service credits of missed objectives; None where no attainment was given."""
    if q.credits is None:
        return None
    missed = q.credits.filter("is_missed")
    rows = [
        [
            row["objective"],
            title("region", row["region"]),
            f"{row['period']:%Y-%m}",
            f"{100 * row['attained_ratio']:.3f} %",
            f"{100 * row['objective_ratio']:.3f} %",
            cents(row["credit_usd"]),
        ]
        for row in missed.iter_rows(named=True)
    ]
    rows.append(["Sum", "", "", "", "", cents(q.credit_usd)])
    head = ["Missed objective", "Region", "Month", "Attained", "Promised", "Credit, USD"]
    note = f"{q.credits.height:,} objectives judged, {missed.height:,} missed; the largest credit of a month is owed."
    return Table(head, rows, True, note)


def slices(frame: pl.DataFrame, dimension: str, *, most: int | None = None) -> Table:
    """Unit costs of one dimension, dearest in all first; ``most`` keeps that many rows and says so."""
    ordered = frame.sort("cost_usd", descending=True, maintain_order=True)
    shown = ordered if most is None else ordered.head(most)
    rows = [
        [
            title(dimension, row[dimension]),
            cents(row["cost_usd"]),
            numbers.count(_float(row["hours"])),
            numbers.count(_float(row["streams"])),
            _fixed(row["gb_per_hour"]),
            *(numbers.unit_usd(_float(row[name])) for name in (
                "usd_per_gb", "usd_per_hour", "revenue_usd_per_hour", "contribution_usd_per_hour",
                "contribution_usd_per_stream",
            )),
        ]
        for row in shown.iter_rows(named=True)
    ]  # fmt: skip
    rest = ordered.height - shown.height
    if rest:
        left = sum(ordered["cost_usd"].to_list()[shown.height :], Decimal(0))
        rows.append([f"{rest} others", cents(left), *[""] * 8])
    rows.append(["Sum", cents(sum(frame["cost_usd"].to_list(), Decimal(0))), *[""] * 8])
    head = (
        _DIMENSIONS[dimension][0].upper() + _DIMENSIONS[dimension][1:], "Cost, USD", "Hours", "Streams", "GB an hour",
        "Cost a GB", "Cost an hour", "Revenue an hour", "Contribution an hour", "Contribution a stream",
    )  # fmt: skip
    return Table(head, rows, True)


def _three(i: Interval, words: Callable[[float], str]) -> Iterable[str]:
    return [words(v) if abs(v) < float("inf") else "never" for v in (i.low, i.median, i.high)]


def _rate(value: float) -> str:
    return "over 1,000 %" if value > 10 else numbers.ratio(value) if value > -1 else "none"


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _fixed(value: Any) -> str:
    return "–" if value is None else f"{value:.2f}"
