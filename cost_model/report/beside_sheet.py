"""The workbook's sheet of what stands beside the margin and in no figure of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from cost_model.quarterly import Quarterly
from cost_model.report import tables
from cost_model.report.sheets import CENT, COUNT, RATIO, UNIT, Book, Sheet
from cost_model.value import ContentCost

__all__ = ["beside_sheet"]


def beside_sheet(book: Book, q: Quarterly, totals: dict[str, str], units: dict[str, str]) -> None:
    """Content, the worth of systems and service credits, the last with their sum."""
    sheet = Sheet(book, "Beside the margin", (40, 18, 18, 18, 18, 14, 80))
    sheet.line("Content, the worth of systems, service credits: in no figure of the margin", style="title")
    if q.content:
        _with_content(sheet, q, q.content, totals, units)
    sheet.line(
        "USD a subscriber-month",
        "90 % low",
        "Median",
        "90 % high",
        "Stands on",
        "Grade",
        "Source",
        style="head",
    )
    rows: list[tuple[Any, ...]] = []
    if content := q.content:
        i = content.usd_per_member_month
        rows.append(("Content cost", i.low, i.median, i.high, content.basis, content.grade, content.source))
    rows += [
        (
            f"Worth of {v.system}",
            v.usd_per_member_month.low,
            v.usd_per_member_month.median,
            v.usd_per_member_month.high,
            v.basis,
            v.grade,
            v.source,
        )
        for v in q.values
    ]
    for cells in rows:
        sheet.line(*cells, formats=("", *[UNIT] * 3))
    if q.credits is None:
        return
    sheet.skip()
    sheet.line(
        "Objective",
        "Revenue, USD",
        "Attained",
        "Promised",
        "Credit, USD",
        "Region and month",
        style="head",
    )
    first = sheet.row
    for row in q.credits.iter_rows(named=True):
        where = f"{tables.title('region', row['region'])}, {row['period']:%Y-%m}"
        figures = (row[name] for name in ("revenue_usd", "attained_ratio", "objective_ratio", "credit_usd"))
        sheet.line(row["objective"], *figures, where, formats=("", CENT, RATIO, RATIO, CENT))
    if sheet.row > first:
        total = (f"=SUM(E{first}:E{sheet.row - 1})", float(q.credit_usd or 0))
        sheet.line("Sum", None, None, None, total, style="sum", formats=("", CENT, RATIO, RATIO, CENT))


def _with_content(
    sheet: Sheet, q: Quarterly, content: ContentCost, totals: dict[str, str], units: dict[str, str]
) -> None:
    """Serving, content and both, by hour, member-month and retained subscriber."""
    s = q.statement
    hours, months = s.usage.total_hours(), s.usage.member_months()
    head = ("USD", "In all", "A stream hour", "A subscriber-month", "A retained subscriber")
    sheet.line(*head, style="head")
    # Received content is in no bill of ours, so then it is a value.
    charged: Any = content.charged_usd
    if content.basis == "prior":
        charged = (f"={totals['content']}", float(content.charged_usd))
    first = sheet.row
    both = s.cost_usd + content.charged_usd
    revenue = s.total["revenue_usd"]
    lines: list[tuple[str, Any, Decimal]] = [
        (
            "Serving: delivery, encoding, control plane",
            (f"={totals['effective']}", float(s.cost_usd)),
            s.cost_usd,
        ),
        ("Content", charged, content.charged_usd),
        ("Serving and content", (f"=B{first}+B{first + 1}", float(both)), both),
    ]
    if revenue is not None:
        lines += [
            ("Revenue", (f"={units['revenue']}", float(revenue)), revenue),
            ("Left of revenue", (f"=B{first + 3}-B{first + 2}", float(revenue - both)), revenue - both),
        ]
    for name, amount, value in lines:
        at = sheet.row
        ratios: list[Any] = [
            (f"=B{at}/{units[unit]}", float(value / n)) if n else None
            for unit, n in (("hours", hours), ("member_months", months))
        ]
        if name == "Content" and content.retained:
            ratios.append((f"=B{at}/B{first + len(lines)}", float(value / content.retained)))
        sheet.line(name, amount, *ratios, formats=("", CENT, *[UNIT] * 3))
    sheet.line("Subscribers paying on the first and on the last day", content.retained, formats=("", COUNT))
    sheet.skip()
