"""`playhead cost capacity`: what breaks first, and what to buy."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metrics.errors import InputError
from playhead.commands._common import Finite, json_option, lake_option, print_json, rates_option

if TYPE_CHECKING:
    from cost_model.capacity import Capacity

__all__ = ["capacity"]

_LARGEST = 325e6  # members of the largest public service


@click.command(short_help="What breaks first at a given concurrency, and what to buy.")
@click.option("--concurrent", type=Finite(min=1), required=True, help="Streams at once, as 300e6.")
@click.option(
    "--subscribers",
    type=Finite(min=1),
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
            click.echo(f"{name:<42} {_times(used['median'])} its capacity, whatever the streams")
            continue
        between = f"{_times(used['low'])} to {_times(used['high'])}"
        click.echo(
            f"{name:<42} {_times(used['median'])} its capacity (90 %: {between}); full at {count(at['median'])}, "
            f"first in {ratio(row['first_ratio'])} of draws"
        )
        if buy["pieces"]["median"]:
            cost = f", {usd(buy['usd']['median'])} a {buy['per']}" if buy["usd"]["median"] else ""
            click.echo(f"{'':<5}buy {count(buy['pieces']['median'])} × {buy['piece']}{cost}")


def _times(utilisation: float) -> str:
    return f"{utilisation:,.0f} ×" if utilisation >= 10 else f"{utilisation:.2g} ×"
