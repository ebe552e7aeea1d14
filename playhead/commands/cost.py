"""``playhead cost``: charges and the quarterly report, break-even, payback, rates."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metrics.errors import InputError
from playhead.commands._common import json_option, lake_option, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from decimal import Decimal

    from cost_model.backtest import Backtest
    from cost_model.capacity import Capacity
    from cost_model.cdn import Breakeven
    from cost_model.quarterly import Quarterly
    from cost_model.reliability import Reliability
    from cost_model.sensitivity import Sobol
    from cost_model.uncertainty import Interval
    from playhead.economics import Booked

__all__ = ["command"]

_FIGURES = {
    "usd_per_hour": "cost per stream hour",
    "usd_per_gb": "cost per GB",
    "usd_per_member_month": "cost per subscriber-month",
    "revenue_usd_per_hour": "revenue per stream hour",
    "contribution_usd_per_hour": "contribution per stream hour",
}

_LARGEST = 325e6  # members of the largest public service

rates_option = click.option(
    "--rates",
    "rates_path",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Your own rates: entries of the same name replace the shipped ones; of several files, the last.",
)


@click.group()
def command() -> None:
    """Unit economics, break-even and the quarterly report."""


@command.command(short_help="A quarter's charges and unit costs, and the report.")
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
        click.echo(_charges_in_lake(before, now, result.cost_usd))
    click.echo(f"report: {page}, and beside it report.pdf, report.xlsx and charges.parquet")


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


@command.command(short_help="A quarter's charges as a FOCUS 1.2 file.")
@click.option("--quarter", required=True, help="A calendar quarter in UTC, as 2026Q2.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="File to write: .parquet, or .csv.",
)
@rates_option
@lake_option
@json_option
def charges(quarter: str, out: Path, rates_path: tuple[Path, ...], lake_path: Path, as_json: bool) -> None:
    """Price a quarter's measured usage, and write the charges in the columns of FOCUS 1.2.

    Costs are exact decimals and sum to the bill. Hardware is bought (BilledCost) and written off
    (EffectiveCost); x_ columns say cost pool, ISP, tier, codec, CDN, appliance and the rate used.
    """
    from cost_model.focus import write_focus
    from cost_model.rates import load
    from cost_model.report.numbers import usd
    from cost_model.usage import Quarter
    from metrics.lake import Lake
    from playhead.economics import charged

    frame, residual_usd = charged(Lake.open(lake_path), Quarter.parse(quarter), load(rates_path))
    write_focus(frame, out)
    billed, effective = frame["BilledCost"].sum(), frame["EffectiveCost"].sum()
    if as_json:
        costs = {
            "billed_usd": str(billed),
            "effective_usd": str(effective),
            "residual_usd": str(residual_usd),
        }
        print_json({"file": str(out), "charges": frame.height, **costs})
        return
    click.echo(f"{out}: {frame.height:,} charges, {usd(float(billed))} billed, ", nl=False)
    click.echo(f"{usd(float(effective))} effective, ${residual_usd:,.2f} off the bill")


def _charges_in_lake(before: Booked, now: Booked, cost_usd: Decimal) -> str:
    """What metrics and pages read, beside what was just reported."""
    from cost_model.report.numbers import usd

    amount = usd(float(now.cost_usd))
    if now.version != before.version:
        was = usd(float(before.cost_usd))
        return f"charges in the lake: {amount} effective instead of {was}, version {now.version}"
    if now.cost_usd != cost_usd:
        mend = "without --out they follow the report"
        return f"charges in the lake: {amount} effective, version {now.version}, not this report's; {mend}"
    return f"charges in the lake: this report's, version {now.version}"


@command.group()
def breakeven() -> None:
    """Where an own CDN, or AV1 with film grain, pays."""


def _options(function: Any) -> Any:
    for option in (
        rates_option,
        json_option,
        click.option(
            "--price", type=click.FloatRange(min=0, min_open=True), help="Negotiated price, USD/GB."
        ),
        click.option(
            "--subscribers",
            type=click.FloatRange(min=1),
            default=100e6,
            show_default=True,
            help="Size of the service to look at.",
        ),
        click.option(
            "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the draws."
        ),
    ):
        function = option(function)
    return function


@breakeven.command()
@click.option("--policy", type=click.Choice(["lean", "dense"]), help="Footprint; both by default.")
@click.option(
    "--churn-avoided",
    type=float,
    nargs=2,
    metavar="LOW HIGH",
    help="Your experiment's 90 % interval of the share of churn that own delivery avoids.",
)
@_options
def cdn(
    policy: str | None,
    churn_avoided: tuple[float, float] | None,
    rates_path: tuple[Path, ...],
    as_json: bool,
    price: float | None,
    subscribers: float,
    seed: int,
) -> None:
    """Own CDN against a third party: break-even in subscribers.

    The negotiated price decides: give yours with --price. What reliability is worth stands apart, and the model
    is held beside what is public of the largest own CDN.
    """
    from cost_model.backtest import backtest
    from cost_model.cdn import POLICIES, crossing_model, rate_names
    from cost_model.cdn import breakeven as solve
    from cost_model.rates import load
    from cost_model.reliability import reliability
    from cost_model.sensitivity import sobol
    from cost_model.statement import CURVE_PRICES

    rates, day = load(rates_path), datetime.now(UTC).date()
    given = {} if price is None else {"third_party_price": price}
    chosen = [p for p in POLICIES if policy in (None, p)]
    results = [
        solve(rates, day, policy=p, given=given, at_subscribers=subscribers, prices=CURVE_PRICES, seed=seed)
        for p in chosen
    ]
    at_list = {
        p: solve(rates, day, policy=p, at_list_price=True, draws=2_000, seed=seed).subscribers for p in chosen
    }
    shares = {
        p: sobol(crossing_model(p), rates, rate_names(), day, given=given, points=1_024, seed=seed)
        for p in chosen
    }
    public = backtest(rates, day, seed=seed)
    apart = reliability(rates, day, subscribers, experiment=churn_avoided, seed=seed)
    if as_json:
        print_json(
            {
                r.policy: r.as_dict()
                | {
                    "at_list_price": at_list[r.policy].as_dict(),
                    "sobol": [vars(index) for index in shares[r.policy]],
                }
                for r in results
            }
            | {"backtest": [row.as_dict() for row in public], "reliability": apart.as_dict()}
        )
        return
    for r in results:
        _tell_breakeven(r, at_list[r.policy], shares[r.policy])
    _tell_beside(public, apart)


def _tell_breakeven(r: Breakeven, at_list: Interval, shares: Sequence[Sobol]) -> None:
    from cost_model.report.numbers import count, ratio, unit_usd, usd

    between = f"{count(r.subscribers.low)} to {count(r.subscribers.high)}"
    click.echo(f"{r.policy} footprint: {count(r.subscribers.median)} subscribers (90 %: {between})")
    ever = f"never breaks even in {ratio(r.never_ratio)} of" if r.never_ratio else "breaks even in each of"
    click.echo(f"  {ever} {len(r.draws):,} draws")
    by_price = (f"{count(p.subscribers.median)} at {unit_usd(p.price_usd_per_gb)}" for p in r.curve[::4])
    click.echo(f"  by negotiated price a GB: {', '.join(by_price)}; at list price {count(at_list.median)}")
    if (familiar := r.price_for(50e6)) is not None:
        click.echo(f"  50 M is the median at {unit_usd(familiar)}/GB")
    saving, cheaper = usd(r.saving_usd_per_year.median), ratio(r.own_cheaper_ratio)
    click.echo(
        f"  at {count(r.at_subscribers)}: own is cheaper in {cheaper} of draws, median saving {saving} a year"
    )
    for index in shares[:4]:
        click.echo(
            f"  hangs on {index.rate.replace('_', ' ')}: {index.first_order:.2f} of rank variance alone, "
            f"{index.total_order:.2f} with interactions"
        )


def _tell_beside(public: Sequence[Backtest], apart: Reliability) -> None:
    from cost_model.report.numbers import count, ratio, usd

    click.echo("beside what is public of the largest own CDN (nothing is fitted to it):")
    for row in public:
        show = ratio if row.anchor.unit == "ratio" else count
        between = f"{show(row.model.low)} to {show(row.model.high)}"
        click.echo(
            f"  {row.anchor.name}: {show(row.model.median)} ({between}) against {show(row.anchor.value)}, "
            f"a factor of {row.factor:.2f}"
        )
    i = apart.usd_per_year
    click.echo(
        f"apart from all of this, reliability at {count(apart.subscribers)}: {usd(i.median)} a year "
        f"({usd(i.low)} to {usd(i.high)}), from {'a prior' if apart.basis == 'prior' else apart.source}"
    )


@breakeven.command()
@click.option(
    "--saving", type=click.FloatRange(0, 1, min_open=True, max_open=True), help="Share of bytes saved."
)
@click.option(
    "--device-share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of bytes replaced.",
)
@click.option(
    "--lake",
    "lake_path",
    type=click.Path(path_type=Path),
    help="Take titles and the hours they are watched from this lake; else a typical catalogue.",
)
@_options
def encoding(
    saving: float | None,
    device_share: float | None,
    lake_path: Path | None,
    rates_path: tuple[Path, ...],
    as_json: bool,
    price: float | None,
    subscribers: float,
    seed: int,
) -> None:
    """AV1 with film grain: payback in months, and which titles are worth it.

    Bytes are priced at the margin: at the negotiated price, or what fewer of them save an own CDN whose sites stand.
    """
    from cost_model.encoding import payback
    from cost_model.rates import load
    from cost_model.report.numbers import count, months, ratio, unit_usd
    from cost_model.titles import CODECS, TITLE_COUNT, tail, typical_catalogue
    from metrics.lake import Lake
    from playhead.usage import title_hours

    rates, day = load(rates_path), datetime.now(UTC).date()
    asked = {"third_party_price": price, "av1_saving_ratio": saving, "av1_device_ratio": device_share}
    given = {name: value for name, value in asked.items() if value is not None}
    third_party = payback(rates, day, given=given, at_subscribers=subscribers, seed=seed)
    own = payback(rates, day, delivery="own", given=given, at_subscribers=subscribers, seed=seed)
    if lake_path is None:
        runtime = float(rates.usd("catalogue_hours", day)) / TITLE_COUNT
        titles = typical_catalogue(subscribers, float(rates.usd("hours_per_member_day", day)), runtime)
    else:
        titles = title_hours(Lake.open(lake_path))
    tails = [
        tail(titles, rates, day, codec, subscribers=subscribers, delivery=r.delivery, given=given, seed=seed)
        for codec in CODECS
        for r in (third_party, own)
    ]
    if as_json:
        print_json(
            {r.delivery: r.as_dict() for r in (third_party, own)} | {"titles": [t.as_dict() for t in tails]}
        )
        return
    for r in (third_party, own):
        i = r.at.months
        where = "bytes from a third party" if r.delivery == "third_party" else "bytes from the own CDN"
        click.echo(
            f"{where} ({unit_usd(r.marginal_usd_per_gb.median)}/GB at the margin): "
            f"{months(i.median)} months at {count(subscribers)} subscribers "
            f"(90 %: {months(i.low)} to {months(i.high)}; 8–12 in {ratio(r.at.within_ratio)} of draws)"
        )
    for target, sizes in (
        (12, third_party.subscribers_for_12_months),
        (8, third_party.subscribers_for_8_months),
    ):
        if sizes:
            between = f"{count(sizes.low)} to {count(sizes.high)}"
            click.echo(
                f"{target} months at third-party price take {count(sizes.median)} subscribers ({between})"
            )
    for t in tails:
        named = {"hevc": "HEVC", "av1_fgs": "AV1 + film grain"}[t.codec]
        where = "third party" if t.delivery == "third_party" else "own CDN"
        i, share = t.worth_it, t.worth_it_hours_ratio
        click.echo(
            f"{named}, {where}: {count(i.median)} of {count(t.titles)} titles are worth their encode "
            f"({count(i.low)} to {count(i.high)}), {ratio(share.median)} of hours; from "
            f"{t.hours_watched_per_hour.median:,.0f} hours watched a month for each hour of runtime"
        )


@command.command(short_help="Measure real encodes, for --rates.")
@click.argument("clips", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("encoders.toml"),
    show_default=True,
    help="Rates file to write, of grade measured.",
)
@click.option(
    "--seconds", type=click.FloatRange(0.5, 60), default=1.5, show_default=True, help="How much of each clip."
)
@click.option(
    "--height", type=click.IntRange(90, 2160), default=360, show_default=True, help="Lines it is encoded at."
)
@json_option
def calibrate_encoders(
    clips: tuple[Path, ...], out: Path, seconds: float, height: int, as_json: bool
) -> None:
    """Encode CLIPs, or generated ones, with x264 and SVT-AV1, with and without film-grain synthesis.

    Measures bitrate at equal SSIM and CPU seconds a minute, and writes them as rates that
    `playhead cost breakeven encoding --rates` and the report take. Generated clips say what the encoders cost
    here; what they save is a matter of your content, so give clips of it.
    """
    from cost_model.calibration import calibrate, rates_file
    from cost_model.rates import load
    from playhead.encoders import GENERATED, encoders_of, encodes, version

    ffmpeg = encoders_of()
    found = calibrate(
        encodes(
            ffmpeg, clips, seconds=seconds, height=height, progress=lambda line: click.echo(line, err=True)
        )
    )
    which = f"clips of one's own ({len(clips)})" if clips else f"generated clips ({len(GENERATED)})"
    today = datetime.now(UTC).date()
    source = (
        f"measured {today} with ffmpeg {version(ffmpeg)}, libx264 medium and libsvtav1 preset 8, on {which} of "
        f"{seconds:g} s at {height} lines"
    )
    text, unsaid = rates_file(found, load(), today, source)
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"cannot be written ({error.strerror})",
            where=str(out),
            mend="give a file in a folder that exists",
        ) from error
    load(out)
    if as_json:
        print_json(found.as_dict() | {"rates": str(out), "unsaid": unsaid})
        return
    for clip in dict.fromkeys(encode.clip for encode in found.encodes):
        parts = [f"{codec} {of[clip]:,.0f}" for codec, of in found.cpu_s_per_minute.items() if clip in of]
        saved = [
            f"{title} saves {of[clip]:.0%}"
            for title, of in (("AV1", found.av1_saving), ("with film grain", found.film_grain_saving))
            if clip in of
        ]
        click.echo(
            f"{clip}: CPU seconds a 1080p minute: {', '.join(parts)}; {', '.join(saved) or 'no saving told'}"
        )
    for line in unsaid:
        click.echo(line)
    click.echo(f"rates: {out}")


@command.command(short_help="What breaks first at a given concurrency, and what to buy.")
@click.option("--concurrent", type=click.FloatRange(min=1), required=True, help="Streams at once, as 300e6.")
@click.option(
    "--subscribers",
    type=click.FloatRange(min=1),
    help="Look at a fleet planned for so many; else at the lake's, or one for 325 M where there is no lake.",
)
@click.option(
    "--policy",
    type=click.Choice(["lean", "dense"]),
    default="lean",
    show_default=True,
    help="Footprint of a planned fleet.",
)
@click.option("--region", help="The surge is in one region of the lake alone.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the draws.")
@rates_option
@lake_option
@json_option
def capacity(
    concurrent: float,
    subscribers: float | None,
    policy: Any,
    region: str | None,
    seed: int,
    rates_path: tuple[Path, ...],
    lake_path: Path,
    as_json: bool,
) -> None:
    """Utilisation of every tier and service at so many streams at once, in the order in which they break.

    Capacity is what appliances report in the lake and what its services answered in their busiest hour, or a
    fleet planned for a number of subscribers. Everybody comes within the rate surge_ramp.
    """
    from cost_model.capacity import capacity as load_up
    from cost_model.rates import load
    from cost_model.standing import planned
    from metrics.lake import Lake
    from playhead.capacity import standing

    prices = load(rates_path)
    if subscribers is None and (lake_path.exists() or region):
        stands = standing(Lake.open(lake_path), prices, region=region, seed=seed)
    elif region:
        raise InputError("--region is of a lake", mend="leave out --subscribers")
    else:
        size = _LARGEST if subscribers is None else subscribers
        stands = planned(prices, datetime.now(UTC).date(), size, policy=policy, seed=seed)
    result = load_up(stands, concurrent)
    if as_json:
        print_json(result.as_dict())
        return
    _tell_capacity(result)


def _tell_capacity(result: Capacity) -> None:
    from cost_model.report.numbers import count, ratio, usd

    regular = count(result.standing.concurrent.median)
    click.echo(f"{count(result.concurrent)} streams at once; service {result.standing.source}")
    click.echo(f"its regular peak is {regular} streams")
    for number, row in enumerate(result.rows, start=1):
        used, at, buy = row["utilisation"], row["breaks_at_concurrent"], row["buy"]
        name = f"{number}. {row['resource']}" + (f" ({row['place']})" if row["place"] else "")
        if at["median"] is None:
            click.echo(f"{name:<42} {_times(used['median'])} full, whatever the streams")
            continue
        between = f"{_times(used['low'])} to {_times(used['high'])}"
        click.echo(
            f"{name:<42} {_times(used['median'])} full (90 %: {between}); full at {count(at['median'])}, "
            f"first in {ratio(row['first_ratio'])} of draws"
        )
        if buy["pieces"]["median"]:
            cost = f", {usd(buy['usd']['median'])} a {buy['per']}" if buy["usd"]["median"] else ""
            click.echo(f"{'':<5}buy {count(buy['pieces']['median'])} × {buy['piece']}{cost}")


def _times(utilisation: float) -> str:
    return f"{100 * utilisation:.0f} %" if utilisation < 10 else f"{utilisation:,.0f} ×"


@command.group()
def rates() -> None:
    """The prices and quantities everything stands on."""


@rates.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def check(file: Path, as_json: bool) -> None:
    """Validate a rates file and list what it changes."""
    from cost_model.rates import load

    loaded = load(file)
    changed = loaded.differences(load())
    if as_json:
        print_json({"file": str(file), "entries": len(loaded.overridden), "differences": changed})
        return
    click.echo(f"{file}: {len(loaded.overridden)} entries, all well-formed; {len(changed)} differences")
    for row in changed:
        click.echo(
            f"  {row['rate']} ({row['region']}): {row['figure']} {row['unit']} instead of {row['instead_of']}"
        )
