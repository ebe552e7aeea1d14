"""``playhead decide``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from playhead.commands._common import json_option, lake_option, print_json

if TYPE_CHECKING:
    import polars as pl
    from rich.table import Table

__all__ = ["command"]


@click.command("decide")
@lake_option
@click.option("--by", type=click.Choice(["region"]), help="Each switch in each region too, without margin.")
@click.option(
    "--experiment",
    "named",
    multiple=True,
    metavar="SWITCH=NAME",
    help="The experiment that turns a switch, where its name does not hold the switch's (siloed, keyword_search, …).",
)
@json_option
def command(lake_path: Path, by: str | None, named: tuple[str, ...], as_json: bool) -> None:
    """The decision table: what each switch does to viewers, retention and margin.

    Estimated from telemetry with a 90 % interval, by an experiment in the lake, a comparison of like sessions or the
    rates; else how many members an experiment needs. Beside it the true effect, where the emulator ran both worlds on
    one seed. Of what runs over the alternative.
    """
    from metrics.errors import InputError
    from metrics.intervals import CONFIDENCE
    from metrics.lake import Lake
    from playhead.decision import LABEL, as_rows, table

    experiments = {}
    for pair in named:
        world, _, name = pair.partition("=")
        if not (world and name):
            raise InputError(
                f"--experiment {pair!r} names no switch", mend="--experiment keyword_search=my-experiment"
            )
        experiments[world] = name
    cells = table(Lake.open(lake_path), experiments=experiments, by_region=by == "region")
    if as_json:
        print_json({"label": LABEL, "confidence": CONFIDENCE, "by": by, "decisions": as_rows(cells)})
        return
    _show(cells)


def _show(cells: pl.DataFrame) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH)
    console.print(
        "Effect of what runs over the alternative, with 90 % intervals. Estimates are from telemetry alone; true "
        "effects are from both worlds run on one seed. Margin moves with cost: what members pay for an hour is held."
    )
    for (switch, was), rows in cells.group_by("switch", "was", maintain_order=True):
        console.print(f"\n{switch}, not {was}")
        regions = rows["region"].unique(maintain_order=True).to_list()
        console.print(_one(rows) if regions == [None] else _by_region(rows, regions))
        for ground, leaves in _grounds(rows):
            console.print(f"  {leaves}: {ground}", style="dim", soft_wrap=False)
    if takes := _planned(cells):
        console.print(
            f"\nMembers an arm, for an experiment over as long a time to tell a change of 5 %: {takes}."
        )


def _one(rows: pl.DataFrame) -> Table:
    from rich.table import Table

    table = Table("", "estimate", "90 % interval", "by", "true effect", "90 % interval", "", box=None)
    for cell in rows.iter_rows(named=True):
        if cell["estimate"] is None and cell["true_effect"] is None:
            continue
        unit = cell["unit"]
        table.add_row(
            f"{cell['title']}, {_POINTS.get(unit, unit)}",
            _signed(cell["estimate"], unit),
            _between(cell["low"], cell["high"], unit),
            cell["method"] if cell["estimate"] is not None else "–",
            _signed(cell["true_effect"], unit),
            _between(cell["true_low"], cell["true_high"], unit),
            {True: "held", False: "missed", None: ""}[cell["holds"]],
        )
    return table


def _by_region(rows: pl.DataFrame, regions: list[str | None]) -> Table:
    """A row a region, the whole first; a column a leaf: estimate ± half its interval, and (true)."""
    from rich.table import Table

    leaves = rows.filter(rows["region"].is_not_null()).unique("metric", maintain_order=True)
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("estimate (true)", no_wrap=True)
    for leaf in leaves.iter_rows(named=True):
        table.add_column(f"{leaf['title']}, {_POINTS.get(leaf['unit'], leaf['unit'])}")
    cells: dict[tuple[Any, ...], dict[str, Any]] = {
        (cell["region"], cell["metric"]): cell for cell in rows.iter_rows(named=True)
    }
    for region in regions:
        table.add_row(region or "all", *(_both(cells[region, metric]) for metric in leaves["metric"]))
    return table


def _both(cell: dict[str, Any]) -> str:
    unit = cell["unit"]
    said = "–"
    if cell["estimate"] is not None:
        half = _figure((cell["high"] - cell["low"]) / 2, unit)
        said = f"{_signed(cell['estimate'], unit)} ±{half}"
    return said if cell["true_effect"] is None else f"{said} ({_signed(cell['true_effect'], unit)})"


def _grounds(rows: pl.DataFrame) -> list[tuple[str, str]]:
    """Of the whole: each ground once, with the figures that stand on it; and why there is none, where there is none."""
    import polars as pl

    whole = rows.filter(rows["region"].is_null())
    is_told = whole["estimate"].is_not_null() | (whole["metric"] == "margin_usd_per_hour")
    found = [
        (str(ground), "; ".join(part["title"]))
        for (ground,), part in whole.filter(is_told).group_by("ground", maintain_order=True)
    ]
    rest = whole.filter(~is_told & pl.lit(whole["true_effect"].is_not_null()))
    if rest.height:
        found.append(("not estimable from this lake: nobody lives without it", "; ".join(rest["title"])))
    return found


def _planned(cells: pl.DataFrame) -> str:
    """What an experiment takes, by figure: it hangs on the figure alone, whatever the switch."""
    whole = (
        cells.filter(cells["region"].is_null())
        .drop_nulls("members_needed")
        .unique("metric", maintain_order=True)
    )
    return "; ".join(f"{title} {n:,}" for title, n in whole.select("title", "members_needed").iter_rows())


_POINTS = {
    "ratio": "pt",
    "ratio/month": "pt a month",
    # Shares in percentage points; dollars by the million hours, since some switches move far less than a cent an hour.
    "USD/h": "USD a million hours",
}
_DIGITS = {"ms": 0, "USD/h": 2}
# Shares in percentage points; dollars by the million hours, since some switches move far less than a cent an hour.
_SCALES = {"ratio": 100, "ratio/month": 100, "USD/h": 1_000_000}
_WIDTH = 120


def _between(low: float | None, high: float | None, unit: str) -> str:
    return "–" if low is None or high is None else f"{_signed(low, unit)} to {_signed(high, unit)}"


def _signed(value: float | None, unit: str) -> str:
    return "–" if value is None else _figure(value, unit, signed=True)


def _figure(value: float, unit: str, *, signed: bool = False) -> str:
    shown, digits = value * _SCALES.get(unit, 1), _DIGITS.get(unit, 3)
    text = f"{abs(shown):,.{digits}f}"
    sign = "-" if shown < 0 else "+" if signed else ""
    return f"{sign if text.strip('0.,') else ''}{text}"
