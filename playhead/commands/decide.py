"""``playhead decide``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from playhead.commands._common import json_option, lake_option, print_json

if TYPE_CHECKING:
    from playhead.decision import Decision

__all__ = ["command"]


@click.command("decide")
@lake_option
@json_option
def command(lake_path: Path, as_json: bool) -> None:
    """The decision table: what each switch does to viewers, bytes and cost.

    True effects: the emulator ran both worlds on one seed. On a lake of real telemetry there are none.
    """
    from metrics.errors import InputError
    from metrics.intervals import CONFIDENCE
    from metrics.lake import Lake
    from playhead.decision import LABEL, as_rows, decide

    lake = Lake.open(lake_path)
    found = decide(lake)
    if not found:
        raise InputError(
            "nobody ran two worlds on this lake", where=str(lake_path), mend="run `playhead synthesize` first"
        )
    if as_json:
        print_json({"label": LABEL, "confidence": CONFIDENCE, "decisions": as_rows(found)})
        return
    _show(found, LABEL)


def _show(found: list[Decision], label: str) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH)
    console.print(
        f"{label}; 90 % intervals from a paired jackknife; change from the alternative to what runs. Cost is at the "
        "rates' middle values: what prices may be is not in its interval (`playhead cost report` draws them)."
    )
    for decision in found:
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
        console.print(f"\n{decision.switch}, was {decision.was}")
        console.print(table)


_UNITS = {"ratio": "%"}
_WIDTH = 110


def _figure(value: float, unit: str, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    if unit == "ratio":
        return f"{100 * value:{sign}.3f}"
    if unit.startswith("USD"):
        return f"{value:{sign}.6f}"
    return f"{value:{sign},.0f}" if unit == "ms" else f"{value:{sign},.3f}"
