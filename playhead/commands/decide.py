"""``playhead decide``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from playhead.commands._common import json_option, lake_option, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from playhead.decision import Decision
    from playhead.effects import Effect

__all__ = ["command"]


@click.command("decide")
@lake_option
@click.option("--by", type=click.Choice(["region"]), help="Each switch in each region too, without cost.")
@json_option
def command(lake_path: Path, by: str | None, as_json: bool) -> None:
    """The decision table: what each switch does to viewers, bytes and cost.

    True effects: the emulator ran both worlds on one seed. On a lake of real telemetry there are none.
    """
    from metrics.errors import InputError
    from metrics.intervals import CONFIDENCE
    from metrics.lake import Lake
    from playhead.decision import LABEL, as_rows, decide

    lake = Lake.open(lake_path)
    found = decide(lake, by_region=by == "region")
    if not found:
        raise InputError(
            "nobody ran two worlds on this lake", where=str(lake_path), mend="run `playhead synthesize` first"
        )
    if as_json:
        print_json({"label": LABEL, "confidence": CONFIDENCE, "by": by, "decisions": as_rows(found)})
        return
    _show(found, LABEL, by)


def _show(found: list[Decision], label: str, by: str | None) -> None:
    from itertools import groupby

    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH)
    console.print(
        f"{label}; 90 % intervals from a paired jackknife; change from the alternative to what runs. "
        + (
            "A star where it leaves out no effect."
            if by
            else "Cost is at the rates' middle values: what prices may be is not in its interval (`playhead cost "
            "report` draws them)."
        )
    )
    for _, rows in groupby(found, key=lambda decision: decision.world):
        whole, *regions = rows
        console.print(f"\n{whole.switch}, was {whole.was}")
        console.print(_by_region([whole, *regions]) if by else _one(whole))


def _one(decision: Decision) -> Table:
    from rich.table import Table

    table = Table("", "with it", f"with {decision.was}", "effect", "90 % interval", "", box=None)
    for effect in decision.effects:
        mark = {True: "better", False: "worse", None: "–"}[effect.is_better]
        ends = (effect.low, effect.high)
        between = " to ".join("–" if v is None else _figure(v, effect.unit, signed=True) for v in ends)
        table.add_row(
            f"{effect.title}, {_UNITS.get(effect.unit, effect.unit)}",
            _figure(effect.now, effect.unit),
            _figure(effect.was, effect.unit),
            _figure(effect.effect, effect.unit, signed=True),
            between,
            mark,
        )
    return table


def _by_region(decisions: list[Decision]) -> Table:
    """A row a region, the whole first; a column a figure that both have, and the change of bytes an hour in %."""
    from rich.table import Table

    shown = [e.metric for e in decisions[-1].effects]
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for effect in decisions[-1].effects:
        table.add_column(f"{effect.title}, {_POINTS.get(effect.unit, effect.unit)}")
    table.add_column("data, %")
    for decision in decisions:
        effects = {effect.metric: effect for effect in decision.effects}
        relative = effects["gigabytes_per_hour"].relative
        table.add_row(
            decision.region or "all",
            *(_change(effects[name]) for name in shown),
            "–" if relative is None else f"{100 * relative:+.1f}",
        )
    return table


def _change(effect: Effect) -> str:
    if effect.low is None or effect.high is None:
        return _figure(effect.effect, effect.unit, signed=True)
    half = _figure((effect.high - effect.low) / 2, effect.unit)
    mark = "" if effect.is_better is None else "*"
    return f"{_figure(effect.effect, effect.unit, signed=True)} ±{half}{mark}"


_UNITS = {"ratio": "%"}
_POINTS = {"ratio": "pt", "h/subscriber-month": "h / subscriber-month"}
_WIDTH = 110


def _figure(value: float, unit: str, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    if unit == "ratio":
        return f"{100 * value:{sign}.3f}"
    if unit.startswith("USD"):
        return f"{value:{sign}.6f}"
    return f"{value:{sign},.0f}" if unit == "ms" else f"{value:{sign},.3f}"
