"""`playhead cost breakeven`: where an own CDN, or AV1 with film grain, pays."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from playhead.commands._common import Finite, json_option, print_json, rates_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cost_model.backtest import Backtest
    from cost_model.cdn import Breakeven
    from cost_model.reliability import Reliability
    from cost_model.sensitivity import Sobol
    from cost_model.uncertainty import Interval

__all__ = ["breakeven"]


@click.group()
def breakeven() -> None:
    """Where an own CDN, or AV1 with film grain, pays."""


def _options(function: Any) -> Any:
    for option in (
        rates_option,
        json_option,
        click.option("--price", type=Finite(min=0, min_open=True), help="Negotiated price, USD/GB."),
        click.option(
            "--subscribers",
            type=Finite(min=1),
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
    type=Finite(),
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
@click.option("--saving", type=Finite(0, 1, min_open=True, max_open=True), help="Share of bytes saved.")
@click.option(
    "--device-share",
    type=Finite(0, 1, min_open=True, max_open=True),
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
