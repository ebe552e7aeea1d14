"""``playhead experiment``: how far each arm is from the control, in a lake or in a table of units."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metrics.errors import InputError
from playhead.commands._common import Finite, json_option, lake_option, p_text, print_json, where_of

if TYPE_CHECKING:
    import polars as pl

_TABLE_ONLY = ("unit", "arm", "control")


@click.command()
@click.argument("source", metavar="[NAME | FILE.csv]", required=False)
@click.option("-m", "--metric", "names", multiple=True, help="A metric, or FILE's column; may be repeated.")
@click.option("--unit", help="FILE: the column of units, as members. Rows of one unit are summed.")
@click.option("--arm", help="FILE: the column of arms.")
@click.option("--control", help="FILE: the control's name in it.")
@click.option(
    "--covariate", help="FILE: what was known of a unit before the experiment; narrows intervals (CUPED)."
)
@click.option("--denominator", help="FILE: the metric is a ratio, of sums over units.")
@click.option("--quantile", type=Finite(), help="FILE: compare this quantile, 0 to 1, and not the mean.")
@click.option("--cluster", help="FILE: the column arms were drawn by, where it is coarser than the unit.")
@click.option("--sequential", is_flag=True, help="FILE: intervals and p that hold however often one looks.")
@click.option(
    "--tuning",
    type=Finite(),
    default=5_000.0,
    show_default=True,
    help="FILE: units at which those are narrowest.",
)
@click.option("--level", type=Finite(), default=0.95, show_default=True, help="FILE: of intervals.")
@click.option(
    "--adjustment",
    type=click.Choice(["cuped", "lin"]),
    default="cuped",
    show_default=True,
    help="FILE: how the covariate is used: one slope for both arms, or a regression with a slope an arm.",
)
@click.option(
    "--correction",
    type=click.Choice(["holm", "bh", "none"]),
    default="holm",
    show_default=True,
    help="FILE: p_adjusted over all metrics and arms.",
)
@click.option(
    "--share", "shares", multiple=True, help="FILE: an arm's share as meant, ARM=0.9; of every arm, or none."
)
@click.option("--where", "where", multiple=True, help="Lake: keep a slice, region=mena; may be repeated.")
@click.option("--experiment", "experiment", help="Lake: the experiment's name, as the argument NAME.")
@click.option("--from", "start", help="Lake: start of the period, UTC: 2026-04-01 or 2026-04-01T12:00.")
@click.option("--to", "end", help="Lake: end of the period, exclusive.")
@lake_option
@json_option
def command(
    source: str | None,
    names: tuple[str, ...],
    where: tuple[str, ...],
    experiment: str | None,
    start: str | None,
    end: str | None,
    lake_path: Path,
    as_json: bool,
    shares: tuple[str, ...],
    **table: Any,
) -> None:
    """How far each arm of an experiment is from the control.

    Of the experiment NAME in the lake (the only one where absent): metrics by arm, and each arm's difference from the
    control with its 90 % interval. Members count in the arm they were assigned to, from the assignment on, whatever
    they got of it.

    Of FILE.csv with --unit, --arm, --control and --metric: a row an arm and metric, absolute and relative effect with
    interval and p, sample-ratio mismatch, power, and the least effect that would be seen.
    """
    is_table = any(table[name] for name in _TABLE_ONLY) or (source or "").lower().endswith(
        (".csv", ".csv.gz")
    )
    if is_table:
        if source is None:
            raise InputError(
                "no file", mend="playhead experiment FILE.csv --unit … --arm … --control … --metric …"
            )
        for option, given in (
            ("--where", where),
            ("--experiment", experiment),
            ("--from", start),
            ("--to", end),
        ):
            if given:
                raise InputError("a file has no such choice", where=option, mend=f"leave {option} out")
        for name, given in (*((name, table[name]) for name in _TABLE_ONLY), ("metric", names)):
            if not given:
                raise InputError("not told", where=f"--{name}", mend=f"name the file's {name}: --{name} NAME")
        from metrics.effects import effects

        found = effects(_read(Path(source)), names, shares=_shares(shares), **table)
        if as_json:
            print_json(found.to_dicts())
        else:
            _print_effects(found, table["level"])
        return
    from metrics.experiment import HEADLINE, compare
    from metrics.lake import Lake
    from metrics.period import instant_ms

    if source and experiment and source != experiment:
        raise InputError(f"two experiments, {source} and {experiment}", mend="name one")
    found = compare(
        Lake.open(lake_path),
        names or HEADLINE,
        experiment=experiment or source,
        where=where_of(where),
        start_ts_ms=instant_ms(start, where="--from") if start else None,
        end_ts_ms=instant_ms(end, where="--to") if end else None,
    )
    if as_json:
        print_json(found.to_dicts())
    else:
        _print_lake(found)


def _read(path: Path) -> pl.DataFrame:
    """All columns as text. What is not UTF-8, or no table, is refused."""
    import polars as pl

    if not path.is_file():
        what = "a folder" if path.is_dir() else "no such file"
        raise InputError(what, where=str(path), mend="give a CSV file")
    try:
        return pl.read_csv(path, infer_schema=False)
    except (pl.exceptions.PolarsError, UnicodeDecodeError, OSError) as error:
        why = str(error).splitlines()[0] if str(error) else "no rows"
        raise InputError(
            f"not a CSV in UTF-8 ({why})", where=str(path), mend="save it as UTF-8 CSV"
        ) from None


def _shares(given: tuple[str, ...]) -> dict[str, float] | None:
    shares = {}
    for text in given:
        name, _, share = text.rpartition("=")
        try:
            shares[name.strip()] = float(share)
        except ValueError:
            raise InputError(f"no share {text!r}", where="--share", mend="write ARM=0.9") from None
    return shares or None


def _print_effects(found: pl.DataFrame, level: float) -> None:
    from rich import box
    from rich.table import Table

    table = Table("Metric", "Arm", box=box.SIMPLE)
    for column in (
        "Units",
        "Control",
        "Value",
        f"Effect ({100 * level:.4g} % interval)",
        "Relative",
        "p",
        "Power",
    ):
        table.add_column(column, justify="right")
    for row in found.iter_rows(named=True):
        absolute, relative = row["absolute"], row["relative"]
        lift = "control at 0"
        if relative["effect"] is not None:
            lift = f"{relative['effect']:+.2%} ({relative['low']:+.2%} to {relative['high']:+.2%})"
        table.add_row(
            row["metric"], row["arm"], f"{row['n']:,}", f"{row['control_value']:.5g}", f"{row['value']:.5g}",
            f"{absolute['effect']:+.4g} ({absolute['low']:+.4g} to {absolute['high']:+.4g})", lift,
            p_text(absolute["p"]), f"{row['power']:.2f}",
        )  # fmt: skip
    _console().print(table)
    last = found.row(0, named=True)
    click.echo(
        f"{'; '.join(found['method'].unique(maintain_order=True))}. Sample ratio p {p_text(last['srm_p'])}; "
        f"{last['contaminated']:,} units in several arms left out, {last['unassigned_rows']:,} rows unassigned."
    )


def _print_lake(found: pl.DataFrame) -> None:
    from rich import box
    from rich.table import Table

    from metrics.catalog import get_metric

    table = Table("Metric", "Arm", box=box.SIMPLE)
    for column in ("Value", "Against the control", "Rows"):
        table.add_column(column, justify="right")
    last = control = None
    for row in found.iter_rows(named=True):
        metric = get_metric(row["metric"])
        if row["is_control"]:
            control = row["value"]
        apart = _against(row, control)
        title = "" if metric.name == last else metric.title
        table.add_row(title, row["arm"], metric.show(row["value"]), apart, f"{row['n']:,}")
        last = metric.name
    _console().print(table)


def _console() -> Any:
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=140)


def _against(row: Mapping[str, Any], control: float | None) -> str:
    """How far an arm's figure is from the control's, with its interval; or why that is not known."""
    if row["is_control"]:
        return "control"
    if row["value"] is None or control is None:
        return "no data"
    if row["difference"] is None:
        return "arms of unlike size"
    if row["lift"] is None:
        return "control at 0"
    interval = "" if row["lift_low"] is None else f"  ({row['lift_low']:+.2%} to {row['lift_high']:+.2%})"
    return f"{row['lift']:+.2%}{interval}"
