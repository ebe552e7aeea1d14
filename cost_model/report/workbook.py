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
from cost_model.report.bridge_sheet import bridge_sheet
from cost_model.report.page import Quality, cards, checks
from cost_model.report.sheets import CENT, COUNT, RATIO, UNIT, Book, Sheet
from cost_model.statement import Statement
from cost_model.value import ContentCost

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
    _forecast(book, q)
    _assets(book, q)
    _case(book, q)
    _beside(book, q, totals, units)
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


def _forecast(book: Book, q: Quarterly) -> None:
    found = q.forecast
    sheet = Sheet(book, "Forecast", (12, 18, 18, 18, 26))
    sheet.line("Cost by quarter and forecast: statsmodels, values", style="title")
    sheet.line("Quarter", "USD", "90 % low", "90 % high", "Origin", style="head")
    for p in (*found.actual, *found.ahead):
        ends = (p.interval.low, p.interval.high) if p.interval else (None, None)
        sheet.line(str(p.quarter), p.usd, *ends, p.origin, formats=("", *[CENT] * 3))
    if score := found.score:
        sheet.skip()
        sheet.line("The last forecast for this quarter", style="head")
        at = sheet.line(
            "Foreseen",
            score.foreseen.median,
            score.foreseen.low,
            score.foreseen.high,
            formats=("", *[CENT] * 3),
        )
        sheet.line("Was", score.actual_usd, formats=("", CENT))
        sheet.line("Error", (f"=(B{at}-B{at + 1})/B{at + 1}", score.error_ratio), formats=("", "0.0%"))
        held = "yes" if score.is_inside else "no"
        sheet.line("Inside", (f'=IF(AND(B{at + 1}>=C{at},B{at + 1}<=D{at}),"yes","no")', held))


def _assets(book: Book, q: Quarterly) -> None:
    sheet = Sheet(book, "Assets", (44, *[19] * 9))
    sheet.line("Capex, additions and depreciation", style="title")
    sheet.line(*tables.assets(q).head, "Basis", style="head")
    first = sheet.row
    for row in q.assets:
        r = sheet.row
        sheet.line(
            row.name, row.opening_gross_usd, row.additions_usd, row.retirements_usd,
            (f"=B{r}+C{r}-D{r}", float(row.closing_gross_usd)), row.opening_accumulated_usd, row.depreciation_usd,
            (f"=F{r}+G{r}-D{r}", float(row.closing_accumulated_usd)), (f"=B{r}-F{r}", float(row.opening_net_usd)),
            (f"=E{r}-H{r}", float(row.closing_net_usd)), row.basis, formats=("", *[CENT] * 9),
        )  # fmt: skip
    names = (
        "opening_gross_usd", "additions_usd", "retirements_usd", "closing_gross_usd", "opening_accumulated_usd",
        "depreciation_usd", "closing_accumulated_usd", "opening_net_usd", "closing_net_usd",
    )  # fmt: skip
    sums = [
        (
            f"=SUM({letter}{first}:{letter}{sheet.row - 1})",
            float(sum((getattr(a, n) for a in q.assets), Decimal(0))),
        )
        for letter, n in zip("BCDEFGHIJ", names, strict=True)
    ]
    if q.assets:
        at = sheet.line("Sum", *sums, style="sum", formats=("", *[CENT] * 9))
        book.check(
            "Net assets: opening + additions − depreciation − closing",
            f"Assets!I{at}+Assets!C{at}-Assets!G{at}-Assets!J{at}",
        )


def _case(book: Book, q: Quarterly) -> None:
    found = q.case
    if found is None:
        return
    from numpy import array

    from cost_model.investment import irr, npv

    sheet = Sheet(book, "Investment", (40, *[18] * (found.years + 1)))
    sheet.line("Own CDN against buying the same bytes: medians of the yearly flows", style="title")
    sheet.line("Cost of capital, median", found.wacc_ratio, formats=("", "0.00%"))
    sheet.line("Year", *range(found.years + 1), style="head")
    at = sheet.line("Flow, USD", *found.flows_usd, formats=("", *[CENT] * (found.years + 1)))
    flows = array(found.flows_usd)[:, None]
    end = chr(ord("B") + found.years)
    worth = float(npv(array([found.wacc_ratio]), flows)[0])
    sheet.line(
        "Net present value of these flows, USD",
        (f"=B{at}+NPV(B2,C{at}:{end}{at})", worth),
        formats=("", CENT),
    )
    if found.flows_usd[0] < 0 < max(found.flows_usd):
        sheet.line(
            "Internal rate of return",
            (f"=IRR(B{at}:{end}{at},1)", float(irr(flows)[0])),
            formats=("", "0.0000%"),
        )
    sheet.skip()
    sheet.line("From draws", "90 % low", "Median", "90 % high", style="head")
    for name, i, form in (
        ("Net present value, USD", found.npv_usd, CENT),
        ("Internal rate of return", found.irr_ratio, "0.0%"),
        ("Payback, years", found.payback_years, COUNT),
    ):
        sheet.line(
            name,
            *(v if abs(v) < float("inf") else "never" for v in (i.low, i.median, i.high)),
            formats=("", form, form, form),
        )


def _beside(book: Book, q: Quarterly, totals: dict[str, str], units: dict[str, str]) -> None:
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
