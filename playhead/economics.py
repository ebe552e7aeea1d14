"""The economics of a quarter in a lake: measured usage in; charges, statement and report out.

Reads tables aggregated where they lie. A quarter's charges are in the lake exactly once, as the last
report to it has them: other rates or more usage replace them under a new version.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import polars as pl

from cost_model.charges import bill_frame, charges, residual
from cost_model.period import Period, period_of
from cost_model.quarterly import Beside, Quarterly, quarterly
from cost_model.rates import Rates, load
from cost_model.received import ReceivedBill, received_bill
from cost_model.report.page import Quality, render
from cost_model.statement import Statement, state
from cost_model.usage import Quarter
from cost_model.value import ChurnEffect
from metrics.charges import COMPUTED_ACCOUNT
from metrics.lake import Lake
from metrics.upkeep import replace
from playhead.history import past, received_content, retained_members, supplied_budget, supply
from playhead.usage import hours_told, measured_usage, paired_worlds

__all__ = [
    "Booked", "bill_of", "book", "booked", "charged", "economics", "set_beside", "statement", "write_outputs",
]  # fmt: skip

ECONOMICS = "economics.json"
REPORT, PDF, WORKBOOK, CHARGES = "report.html", "report.pdf", "report.xlsx", "charges.parquet"


def economics(
    lake: Lake,
    quarter: Quarter | str,
    *,
    rates: Path | None = None,
    given: Mapping[str, tuple[float, str]] | None = None,
    ledger_residual: int | None = None,
    is_first: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Statement:
    """Compute the quarter, book its charges, and write the report in all its forms and ``economics.json``.

    ``given``: measured values that replace rates in break-even and payback, each with where it comes from
    (``{"av1_saving_ratio": (0.31, "two worlds of one seed")}``). ``ledger_residual`` is shown in the report.
    ``is_first``: the service has no past, so :func:`playhead.history.supply` gives it one that says it is synthetic.
    Raises :class:`~metrics.errors.InputError` for a quarter without data.
    """
    quarter = Quarter.parse(quarter) if isinstance(quarter, str) else quarter
    progress("charges and unit costs")
    result = statement(lake, quarter, load(rates), given=given)
    book(lake, result)
    if is_first:
        supply(lake, period_of(result.charges, result.usage))
    progress("quarterly report")
    write_outputs(
        lake, set_beside(lake, result), lake.artefact(REPORT).parent, ledger_residual=ledger_residual
    )
    return result


def statement(
    lake: Lake, quarter: Quarter, rates: Rates, *, given: Mapping[str, tuple[float, str]] | None = None
) -> Statement:
    """The quarter's statement from the lake; writes nothing."""
    usage, consumption = measured_usage(lake, quarter, rates)
    return state(
        usage,
        rates,
        given={**consumption, **(given or {})},
        given_encoding=paired_worlds(lake, usage),
        is_synthetic=_is_synthetic(lake),
    )


def charged(lake: Lake, quarter: Quarter, rates: Rates) -> tuple[pl.DataFrame, Decimal]:
    """The quarter's charges at these rates, and how far they are off the bill (0); writes nothing."""
    usage, _ = measured_usage(lake, quarter, rates)
    found = charges(usage, rates, is_synthetic=_is_synthetic(lake))
    return found, residual(found, bill_frame(usage, rates))


@dataclass(frozen=True)
class Booked:
    """The charges computed for a quarter that are in the lake: which version, and their effective cost, all pools."""

    version: int
    cost_usd: Decimal


def booked(lake: Lake, quarter: Quarter) -> Booked | None:
    """What is booked for the quarter; None where nothing ever was."""
    version = lake.appended_version("charge", _application(quarter))
    if version is None:
        return None
    cost = (
        lake.scan("charge").filter(_modelled(quarter)).select(pl.col("EffectiveCost").sum()).collect().item()
    )
    return Booked(version, Decimal(cost))


def book(lake: Lake, result: Statement) -> bool:
    """Make the charges in the lake those of the statement; False where they are already."""
    return replace(
        lake,
        "charge",
        result.charges,
        matches=_modelled(result.quarter),
        application=_application(result.quarter),
    )


def bill_of(lake: Lake, result: Statement) -> ReceivedBill | None:
    """The bill received for the statement's quarter, if any."""
    return received_bill(lake.scan("charge"), result.quarter, *hours_told(lake, result.quarter))


def set_beside(
    lake: Lake,
    result: Statement,
    *,
    budget: Period | None = None,
    attainment: pl.DataFrame | None = None,
    experiments: Mapping[str, ChurnEffect] | None = None,
) -> Quarterly:
    """The statement beside the lake's earlier quarters; a budget, attainment and experiments where given."""
    return quarterly(
        result,
        Beside(
            past=past(lake, result.quarter),
            budget=budget or supplied_budget(lake, result.quarter),
            attainment=attainment,
            retained=retained_members(lake, result.quarter),
            content=received_content(lake, result.quarter),
            experiments=experiments,
        ),
    )


def write_outputs(
    lake: Lake, result: Quarterly, folder: Path, *, ledger_residual: int | None = None
) -> tuple[Path, Path]:
    """Write the report as HTML, PDF and XLSX, the charges as FOCUS Parquet, and the figures as JSON into ``folder``.

    Returns the paths of the page and of the figures. The same lake and rates give the same bytes.
    """
    from cost_model.focus import write_focus
    from cost_model.report.pdf import as_pdf
    from cost_model.report.workbook import as_workbook

    folder.mkdir(parents=True, exist_ok=True)
    report, figures = folder / REPORT, folder / ECONOMICS
    received = bill_of(lake, result.statement)
    stands_on = quality(lake, result.statement, ledger_residual)
    report.write_text(render(result, stands_on, received), encoding="utf-8")
    (folder / PDF).write_bytes(as_pdf(result, stands_on, received))
    (folder / WORKBOOK).write_bytes(as_workbook(result, stands_on))
    write_focus(result.statement.charges, folder / CHARGES)
    shown = result.as_dict() | {"bill": received.as_dict() if received else None}
    figures.write_text(json.dumps(shown, indent=2, default=str) + "\n", encoding="utf-8")
    return report, figures


def quality(lake: Lake, result: Statement, ledger_residual: int | None = None) -> Quality:
    """What the report says about the data it stands on."""
    start, end = result.quarter.months[0], result.quarter.end
    here = pl.col("day").is_between(start, end, closed="left")
    sessions = lake.scan("playback_session").filter(here).select(pl.len(), pl.col("weight").sum()).collect()
    quarantined = lake.scan("quarantine").select(pl.len()).collect().item()
    return Quality(
        sessions=int(sessions.item(0, 0)),
        sessions_weighted=int(sessions.item(0, 1) or 0),
        quarantined=int(quarantined),
        ledger_residual=ledger_residual,
        is_synthetic=bool(result.charges["is_synthetic"].any()),
    )


def _application(quarter: Quarter) -> str:
    return f"charges/{quarter}"


def _modelled(quarter: Quarter) -> pl.Expr:
    """Charges computed here and not received, of the quarter."""
    start, end = quarter.ts_ms()
    at = pl.col("x_period_start_ts_ms").is_between(start, end, closed="left")
    return at & (pl.col("BillingAccountId") == COMPUTED_ACCOUNT)


def _is_synthetic(lake: Lake) -> bool:
    flags = lake.scan("playback_session").select(pl.col("is_synthetic").any()).collect()
    return bool(flags.item())
