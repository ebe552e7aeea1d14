"""`playhead cost report`: a quarter, priced and written down."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from metrics.errors import InputError
from playhead.commands._common import json_option, lake_option, print_json, rates_option

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from cost_model.quarterly import Quarterly
    from playhead.economics import Booked

__all__ = ["report"]

_FIGURES = {
    "usd_per_hour": "cost per stream hour",
    "usd_per_gb": "cost per GB",
    "usd_per_member_month": "cost per subscriber-month",
    "revenue_usd_per_hour": "revenue per stream hour",
    "contribution_usd_per_hour": "contribution per stream hour",
}


@click.command(short_help="A quarter's charges and unit costs, and the report.")
@click.option("--quarter", required=True, help="A calendar quarter in UTC, as 2026Q2.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the report (HTML, PDF, XLSX), economics.json and the charges; the lake's artefacts by default.",
)
@click.option(
    "--budget",
    "budget_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A budget of the quarter to bridge from: CSV of measure, pool, region, cdn, codec, value.",
)
@click.option(
    "--attainment",
    "attainment_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Attainment of objectives, CSV or Parquet, for service credits.",
)
@click.option(
    "--churn-avoided",
    "trials",
    type=(str, float, float),
    multiple=True,
    metavar="SYSTEM LOW HIGH",
    help="Your own experiment on a system: 90 % interval of the share of churn it avoids; replaces its prior.",
)
@rates_option
@lake_option
@json_option
def report(
    quarter: str,
    out: Path | None,
    budget_path: Path | None,
    attainment_path: Path | None,
    trials: tuple[tuple[str, float, float], ...],
    rates_path: tuple[Path, ...],
    lake_path: Path,
    as_json: bool,
) -> None:
    """Price a quarter's measured usage with the rates, and write the report.

    Unit costs are modelled; a bill taken in by `playhead ingest charges` is shown beside them. Charges that the
    lake holds for the quarter follow the report, under a new version; with --out they stay, and the report is a
    look at other rates.
    """
    from cost_model.charges import neutralised
    from cost_model.credits import read_attainment
    from cost_model.period import read_budget
    from cost_model.rates import load
    from cost_model.report.numbers import count, months, ratio, unit_usd, usd
    from cost_model.usage import Quarter
    from cost_model.value import ChurnEffect
    from metrics.lake import Lake
    from metrics.ledger import ledger
    from playhead.economics import bill_of, book, booked, set_beside, statement, write_outputs

    period = Quarter.parse(quarter)
    budget = read_budget(budget_path, period) if budget_path else None
    attainment = read_attainment(attainment_path) if attainment_path else None
    experiments = {name: ChurnEffect(low, high, "your own experiment") for name, low, high in trials}
    lake = Lake.open(lake_path)
    result = statement(lake, period, load(rates_path))
    beside = set_beside(lake, result, budget=budget, attainment=attainment, experiments=experiments)
    folder = out or lake.artefact("report.html").parent
    try:
        page, _ = write_outputs(lake, beside, folder, ledger_residual=ledger(lake).residual)
        if out:
            neutralised(result.charges).write_csv(out / "charges.csv")
    except OSError as error:
        raise InputError(
            f"cannot be written ({error.strerror})", where=str(folder), mend="give a folder with --out"
        ) from error
    received = bill_of(lake, result)
    before = booked(lake, period)
    if before and not out:
        book(lake, result)
    now = booked(lake, period)
    if as_json:
        bill = received.as_dict() if received else None
        charges = {"version": now.version, "cost_usd": now.cost_usd} if now else None
        print_json(beside.as_dict() | {"bill": bill, "charges_in_lake": charges, "report": str(page)})
        return
    at_rates = f"{usd(float(result.cost_usd))} effective, {usd(float(result.billed_usd))} billed"
    click.echo(f"{period}, usage at the rates: {at_rates}, ", nl=False)
    click.echo(f"residual ${result.residual_usd:,.2f}")
    for name, title in _FIGURES.items():
        if name in result.figures:
            figure = result.figures[name]
            between = f"{unit_usd(figure.interval.low)} to {unit_usd(figure.interval.high)}"
            click.echo(f"  {title:<30} {unit_usd(figure.value):>10}  (90 %: {between})")
    for line in _content(beside):
        click.echo(line)
    for policy, found in result.breakevens.items():
        i = found.subscribers
        between = f"{count(i.low)} to {count(i.high)} subscribers"
        click.echo(f"  {f'own CDN breaks even, {policy}':<30} {count(i.median):>10}  (90 %: {between})")
    i = result.paybacks["third_party"].at.months
    between = f"{months(i.low)} to {months(i.high)} months"
    click.echo(f"  {'AV1 + film grain pays back':<30} {months(i.median):>10}  (90 %: {between})")
    for line in _compared(beside):
        click.echo(line)
    if received is None:
        click.echo(f"  no bill was received for {period}: every cost is modelled from usage and rates")
    else:
        between = f"{usd(float(received.billed_usd))} billed, {usd(float(received.effective_usd))} effective"
        click.echo(f"your bill: {between}, {received.charges:,} charges")
        if received.usd_per_hour is not None:
            by_bill = unit_usd(received.usd_per_hour)
            click.echo(f"  {'cost per stream hour, by bill':<30} {by_bill:>10}  (effective, from the bill)")
            if received.hours_told_ratio < 1:
                told = f"{ratio(received.hours_told_ratio)} of sessions tell time playing"
                click.echo(f"    {told}; the others are taken to play as long")
        for row in received.pools:
            amounts = f"{usd(float(row['billed_usd']))} billed, {usd(float(row['effective_usd']))} effective"
            click.echo(f"  {(row['pool'] or 'no cost pool').replace('_', ' '):<30} {amounts}")
        if received.without_pool:
            click.echo(f"  charges without a cost pool, in no unit cost: {received.without_pool:,}")
        if received.not_in_usd:
            click.echo(f"  charges not in USD, in no sum: {received.not_in_usd:,}")
    if before and now:
        click.echo(_charges_in_lake(before, now, result.charged_usd))
    click.echo(f"report: {page}, and beside it report.pdf, report.xlsx and charges.parquet")


def _content(beside: Quarterly) -> Iterator[str]:
    """What content costs beside serving, and each subscriber who was retained."""
    from cost_model.report.numbers import unit_usd

    content = beside.content
    if content is None:
        return
    ground = f"{content.basis}, {content.grade}; in no figure above"
    for name, i in (
        ("content per stream hour", content.usd_per_hour),
        ("content per subscriber-month", content.usd_per_member_month),
        ("content per retained subscriber", content.usd_per_retained_member),
    ):
        if i is not None:
            between = f"{unit_usd(i.low)} to {unit_usd(i.high)}"
            yield f"  {name:<31}{unit_usd(i.median):>10}  (90 %: {between}; {ground})"


def _compared(beside: Quarterly) -> Iterator[str]:
    """The quarter beside the one before, its budget and the next, a line each."""
    from cost_model.report.numbers import usd

    for bridge in filter(None, (beside.prior, beside.budget)):
        effects = ", ".join(f"{name} {usd(float(value))}" for name, value in bridge.effects_usd.items())
        change = usd(float(bridge.levels_usd[-1] - bridge.levels_usd[0]))
        against = f"{bridge.before.quarter}, {bridge.before.origin}"
        yield f"  against {against}: {change} ({effects}; residual ${bridge.residual_usd:.2f})"
    if beside.forecast.ahead:
        first = beside.forecast.ahead[0]
        between = f"{usd(first.interval.low)} to {usd(first.interval.high)}" if first.interval else ""
        yield f"  foreseen for {first.quarter}: {usd(first.usd)}  (90 %: {between})"
    if beside.credit_usd is not None:
        yield f"  service credits owed: ${beside.credit_usd:,.2f}"


def _charges_in_lake(before: Booked, now: Booked, charged_usd: Decimal) -> str:
    """What metrics and pages read, beside what was just reported."""
    from cost_model.report.numbers import usd

    amount = f"{usd(float(now.cost_usd))} effective"
    lake = "charges in the lake, content with them"
    if now.version != before.version:
        return f"{lake}: {amount} instead of {usd(float(before.cost_usd))}, version {now.version}"
    if now.cost_usd != charged_usd:
        mend = "without --out they follow the report"
        return f"{lake}: {amount}, version {now.version}, not this report's; {mend}"
    return f"charges in the lake: this report's, version {now.version}"
