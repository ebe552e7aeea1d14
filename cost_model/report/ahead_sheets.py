"""Sheets of the workbook that look beyond the quarter: forecast, assets, the case for an own CDN."""

from __future__ import annotations

from decimal import Decimal

from numpy import array

from cost_model.investment import irr, npv
from cost_model.quarterly import Quarterly
from cost_model.report import tables
from cost_model.report.sheets import CENT, COUNT, Book, Sheet

__all__ = ["assets_sheet", "forecast_sheet", "investment_sheet"]


def forecast_sheet(book: Book, q: Quarterly) -> None:
    """What quarters cost, those ahead with their intervals, and how the last forecast did."""
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


def assets_sheet(book: Book, q: Quarterly) -> None:
    """The roll-forward of every class of assets, and a check of its sum."""
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


def investment_sheet(book: Book, q: Quarterly) -> None:
    """The yearly flows of owning against buying, with NPV and IRR over them; nothing where no case is made."""
    found = q.case
    if found is None:
        return
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
