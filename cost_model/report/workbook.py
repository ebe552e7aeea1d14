"""The report as XLSX: what was measured and priced as values, everything computed from it as live formulas.

Sheets name their inputs and compute in sight: sums, unit costs, the bridge from its cells, roll-forward, NPV and
IRR, and a sheet of checks that must read 0. Draws are not recomputed there: intervals are values, and say so. Every
formula carries its result, so a reader that does not calculate sees the same. No clock: the same bytes again.
"""

from __future__ import annotations

import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from cost_model.margin import COST_POOLS
from cost_model.quarterly import Quarterly
from cost_model.report import tables
from cost_model.report.ahead_sheets import assets_sheet, forecast_sheet, investment_sheet
from cost_model.report.beside_sheet import beside_sheet
from cost_model.report.bridge_sheet import bridge_sheet
from cost_model.report.page import Quality, cards, checks
from cost_model.report.sheets import CENT, COUNT, UNIT, Book, Sheet
from cost_model.statement import Statement

__all__ = ["as_workbook"]

_SLICED = ("region", "device", "codec", "cdn", "isp")


def as_workbook(q: Quarterly, quality: Quality) -> bytes:
    """The workbook's bytes."""
    import xlsxwriter

    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(
        buffer, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    )
    end = q.statement.quarter.end
    book.set_properties(
        {
            "title": f"Quarterly cost report {q.statement.quarter}",
            "created": datetime(end.year, end.month, end.day, tzinfo=UTC),
        }
    )
    book.set_calc_mode("auto")
    _write(Book(book), q, quality)
    book.close()
    return buffer.getvalue()


def _write(book: Book, q: Quarterly, quality: Quality) -> None:
    s = q.statement
    summary = Sheet(book, "Summary", (38, 18, 16, 16, 16, 60))
    totals = _bill(book, s)
    units = _unit_costs(book, q, totals)
    for name, found in (("Bridge prior", q.prior), ("Bridge budget", q.budget)):
        if found:
            bridge_sheet(book, name, found, totals["effective"])
    forecast_sheet(book, q)
    assets_sheet(book, q)
    investment_sheet(book, q)
    beside_sheet(book, q, totals, units)
    _rates(book, s)
    _check_sheet(book)
    _summary(summary, q, quality, totals, units)


def _summary(
    sheet: Sheet, q: Quarterly, quality: Quality, totals: dict[str, str], units: dict[str, str]
) -> None:
    s = q.statement
    sheet.line(f"Quarterly cost report {s.quarter}", style="title")
    sheet.line(
        "Emulated service: no figure is a real company's." if quality.is_synthetic else "",
        style="note",
    )
    sheet.skip()
    sheet.line("Figure", "Value", "90 % low", "90 % high", "Confidence", "How", style="head")
    names = ("usd_per_hour", "usd_per_member_month", "contribution_usd_per_hour")
    for name, card in zip(names, cards(s), strict=False):
        figure = s.figures.get(name)
        if figure is None:
            sheet.line(card["name"], None, None, None, None, card["about"])
            continue
        value = (f"={units[name]}", figure.value)
        sheet.line(
            card["name"], value, figure.interval.low, figure.interval.high, card["confidence"],
            f"{figure.unit}; value live, interval from draws", formats=("", *[UNIT] * 3),
        )  # fmt: skip
    for card, found, unit in (
        (cards(s)[-2], s.breakevens["lean"].subscribers, "subscribers; from draws"),
        (cards(s)[-1], s.paybacks["third_party"].at.months, "months; from draws"),
    ):
        values = [v if abs(v) < float("inf") else "never" for v in (found.median, found.low, found.high)]
        sheet.line(card["name"], *values, card["confidence"], unit, formats=("", *[COUNT] * 3))
    sheet.skip()
    sheet.line("Effective cost, USD", (f"={totals['effective']}", float(s.cost_usd)), formats=("", CENT))
    sheet.line("Billed cost, USD", (f"={totals['billed']}", float(s.billed_usd)), formats=("", CENT))
    sheet.skip()
    for words in checks(q, quality, None):
        sheet.line(words, style="note")


def _bill(book: Book, s: Statement) -> dict[str, str]:
    sheet = Sheet(book, "Bill", (11, 15, 26, 22, 28, 17, 17, 17))
    sheet.line("The modelled bill: charges sum to it by month and SKU", style="title")
    sheet.line(
        "Month",
        "Pool",
        "SKU",
        "Region",
        "Rate",
        "Billed, USD",
        "Effective, USD",
        "At list price, USD",
        style="head",
    )
    sheet.freeze()
    columns = ("billed_usd", "effective_usd", "list_usd")
    frame = s.bill.group_by("month", "pool", "sku", "region", "rate").agg(pl.col(columns).sum())
    frame = frame.sort("month", "pool", "sku", "region", nulls_last=True)

    def block(name: str, part: pl.DataFrame) -> int:
        first = sheet.row
        for row in part.iter_rows(named=True):
            words = (f"{row['month']:%Y-%m}", row["pool"], row["sku"], row["region"] or "", row["rate"])
            sheet.line(*words, *(row[c] for c in columns), formats=("",) * 5 + (CENT,) * 3)
        sums = [
            (f"=SUM({letter}{first}:{letter}{sheet.row - 1})", float(part[column].sum()))
            for letter, column in zip("FGH", columns, strict=True)
        ]
        return sheet.line(name, None, None, None, None, *sums, style="sum", formats=("",) * 5 + (CENT,) * 3)

    at = block("Serving", frame.filter(pl.col("pool").is_in(COST_POOLS)))
    where = {
        name: f"Bill!${letter}${at}"
        for letter, name in zip("FGH", ("billed", "effective", "list"), strict=True)
    }
    charged = frame.filter(pl.col("pool") == "content")
    if charged.height:
        sheet.skip()
        where["content"] = f"Bill!$G${block('Content', charged)}"
    return where


def _unit_costs(book: Book, q: Quarterly, totals: dict[str, str]) -> dict[str, str]:
    s = q.statement
    sheet = Sheet(book, "Unit costs", (30, *[17] * 14))
    sheet.line("Unit costs and contribution: parts are values, ratios live", style="title")
    parts = (
        "delivery_usd",
        "encoding_usd",
        "control_plane_usd",
        "revenue_usd",
        "hours",
        "streams",
        "gb",
        "member_months",
    )
    head = (
        "Delivery, USD", "Encoding, USD", "Control plane, USD", "Revenue, USD", "Hours", "Streams", "GB",
        "Member-months", "Cost, USD", "Cost a GB", "Cost an hour", "Cost a member-month", "Contribution an hour",
        "Contribution a stream",
    )  # fmt: skip
    formats = ("", *[CENT] * 4, *[COUNT] * 4, CENT, *[UNIT] * 5)

    def ratios(at: int, row: dict[str, Any]) -> list[Any]:
        known = {k: None if row[k] is None else float(row[k]) for k in (*parts, "cost_usd")}
        cost = (f"=SUM(B{at}:D{at})", known["cost_usd"])

        def over(top: str, bottom: str, value: Any) -> tuple[str, Any]:
            return f'=IF(N({bottom}{at})=0,"",({top})/{bottom}{at})', "" if value is None else float(value)

        earned = f'IF(E{at}="",NA(),E{at}-J{at})'
        margin: list[Any] = [
            over(earned, "F", row["contribution_usd_per_hour"]),
            over(earned, "G", row["contribution_usd_per_stream"]),
        ]
        if row["revenue_usd"] is None:
            margin = ["", ""]
        return [
            cost,
            over(f"J{at}", "H", row["usd_per_gb"]),
            over(f"J{at}", "F", row["usd_per_hour"]),
            over(f"J{at}", "I", row["usd_per_member_month"]),
            *margin,
        ]

    sheet.skip()
    sheet.line("The whole service", *head, style="head")
    total = dict(s.total)
    at = sheet.row
    sheet.line("All", *(total[p] for p in parts), *ratios(at, total), formats=formats)
    book.check(
        "Unit costs of the whole service against the bill", f"'Unit costs'!J{at}-{totals['effective']}"
    )
    columns = {
        "usd_per_hour": "L", "usd_per_member_month": "M", "contribution_usd_per_hour": "N", "hours": "F",
        "member_months": "I", "revenue": "E",
    }  # fmt: skip
    where = {name: f"'Unit costs'!${letter}${at}" for name, letter in columns.items()}
    for name in _SLICED:
        frame = s.by[name] if name in s.by else q.by[name]
        sheet.skip()
        sheet.line(f"By {'CDN' if name == 'cdn' else 'ISP' if name == 'isp' else name}", *head, style="head")
        first = sheet.row
        for row in frame.iter_rows(named=True):
            at = sheet.row
            sheet.line(
                tables.title(name, row[name]), *(row[p] for p in parts), *ratios(at, row), formats=formats
            )
        last = sheet.row - 1
        sums: list[Any] = []
        for letter, part in zip("BCDEFGHI", parts, strict=True):
            known = [value for value in frame[part].to_list() if value is not None]
            # Slices of anything but regions each keep the whole service's member-months.
            is_additive = part != "member_months" or name == "region"
            added = (f"=SUM({letter}{first}:{letter}{last})", float(sum(known, Decimal(0))))
            sums.append(added if is_additive else "")
        cost = (f"=SUM(J{first}:J{last})", float(sum(frame["cost_usd"].to_list(), Decimal(0))))
        at = sheet.line("Sum", *sums, cost, style="sum", formats=formats)
        book.check(f"Slices by {name} against the bill", f"'Unit costs'!J{at}-{totals['effective']}")
    return where


def _rates(book: Book, s: Statement) -> None:
    sheet = Sheet(book, "Rates", (30, 52, 26, 22, 14, 12, 12, 70))
    sheet.line(f"Every price and quantity, from {s.rates.file}", style="title")
    sheet.line("Rate", "What", "Figure", "Unit", "Region", "From", "Grade", "Source", style="head")
    sheet.freeze()
    for r in s.rates.entries:
        sheet.line(r.name, r.about, r.figure, r.unit, r.region, str(r.effective_from), r.grade, r.source)


def _check_sheet(book: Book) -> None:
    sheet = Sheet(book, "Checks", (60, 16))
    sheet.line("Each must read 0.00", style="title")
    sheet.line("Check", "USD", style="head")
    first = sheet.row
    for words, formula in book.checks:
        sheet.line(words, (f"=ROUND({formula},2)", 0.0), formats=("", CENT))
    total = (f"=SUMPRODUCT(ABS(B{first}:B{sheet.row - 1}))", 0.0)
    sheet.line("Sum of the absolute values", total, style="sum", formats=("", CENT))
