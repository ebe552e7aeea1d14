"""``playhead retention surrogate`` and ``launches``: what first days say about the long term, and how often rightly."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metrics.errors import InputError
from playhead.commands._common import Finite, json_option, lake_option, print_json, read_texts

if TYPE_CHECKING:
    import polars as pl

    from metrics.lake import Lake
    from metrics.surrogates import SurrogateIndex

__all__ = ["launches", "surrogate"]

_DAY_MS = 86_400_000


@click.command()
@click.argument("units", metavar="[FILE.csv]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--history", type=click.Path(path_type=Path), help="Members of the past whose outcome is known, CSV."
)
@click.option(
    "--outcome", help="The long-term outcome: a column of the history, and of FILE where it is known."
)
@click.option(
    "--surrogate", "surrogates", multiple=True, help="An early outcome: a column of both; repeatable."
)
@click.option("--arm", default="arm", show_default=True, help="The column of arms in FILE.")
@click.option("--control", help="The arm that the others are compared with.")
@click.option(
    "--past",
    type=click.Path(path_type=Path),
    help="Past experiments, as `launches` takes them: effects are told as those of the outcome, with that doubt.",
)
@click.option("--experiment", help="Without FILE: an experiment of the lake.")
@click.option(
    "--days", type=click.IntRange(1), default=14, show_default=True, help="Days of the proxy, of a lake."
)
@click.option(
    "--horizon", type=click.IntRange(1), default=63, show_default=True, help="Days of the outcome, of a lake."
)
@lake_option
@json_option
def surrogate(
    units: Path | None,
    history: Path | None,
    outcome: str | None,
    surrogates: tuple[str, ...],
    arm: str,
    control: str | None,
    past: Path | None,
    experiment: str | None,
    days: int,
    horizon: int,
    lake_path: Path,
    as_json: bool,
) -> None:
    """The effect of an experiment on a long-term outcome, from its first days (surrogate index).

    With FILE and --history: any table of units, and members of the past with the same early outcomes. Without: members
    of the lake, who are still members --horizon days on, by their first --days; with --experiment, its arms. Intervals
    hold sampling, not that the early outcomes may be the wrong stand-in: `launches` says how often they are.
    """
    from metrics.surrogates import calibrate, calibrated, effects, fit

    if units is not None:
        if history is None or outcome is None or not surrogates or control is None:
            raise InputError(
                "an experiment alone", mend="give --history, --outcome, --control and one --surrogate or more"
            )
        index = fit(read_texts(history), outcome, surrogates)
        frame = read_texts(units)
        known = outcome if outcome in frame.columns else None
        found: pl.DataFrame | None = effects(frame, index, arm=arm, control=control, outcome=known)
        later = None
    else:
        from metrics.lake import Lake

        index, found, later = _of_lake(Lake.open(lake_path), experiment, days, horizon)
    calibration = calibrate(_numbers(past)) if past is not None else None
    if calibration is not None and found is not None:
        found = calibrated(found, calibration)
    plain: dict[str, Any] = {
        "calibration": None if calibration is None else asdict(calibration),
        "outcome": index.outcome,
        "members": index.members,
        "r2": index.r2,
        "r2_left_out": index.r2_left_out,
        "coefficients": dict(zip(("(intercept)", *index.surrogates), index.params.tolist(), strict=True)),
        "later_members": later,
        "arms": [] if found is None else found.to_dicts(),
    }
    if as_json:
        print_json(plain)
        return
    click.echo(
        f"{index.outcome} of {index.members:,} members of the past by {len(index.surrogates)} early outcomes: "
        f"R² {index.r2:.3f}, left out {index.r2_left_out:.3f}"
    )
    if later is not None:
        click.echo(
            f"{later['members']:,} later members: index {later['index']:.4f}, outcome {later['outcome']:.4f}"
        )
    for row in plain["arms"]:
        text = (
            f"{row['arm']}: {row['effect']:+.4f} ({row['low']:+.4f} to {row['high']:+.4f}), p {row['p']:.3f}"
        )
        if "direct" in row:
            text += (
                f"; the outcome itself {row['direct']:+.4f} "
                f"({row['direct_low']:+.4f} to {row['direct_high']:+.4f})"
            )
        click.echo(text)


@click.command()
@click.argument("path", metavar="FILE.csv", type=click.Path(path_type=Path))
@click.option(
    "--false-launches", type=Finite(0, 1, min_open=True, max_open=True), default=0.05, show_default=True,
    help="Share of experiments without a gain that may be launched.",
)  # fmt: skip
@json_option
def launches(path: Path, false_launches: float, as_json: bool) -> None:
    """How often the surrogate decided as the outcome did, over past experiments: consistency and launch recall.

    A row of FILE an experiment: `effect, low, high` of the surrogate, and `direct, direct_low, direct_high` of the
    outcome, or its `truth` where that is known, or both.
    """
    import polars as pl

    from metrics.surrogates import agreement, finite

    frame = read_texts(path)
    wanted = ["effect", "low", "high", "direct", "direct_low", "direct_high", "truth"]
    names = [name for name in wanted if name in frame.columns or name in wanted[:3]]
    found = agreement(
        pl.DataFrame({name: finite(frame, name) for name in names}), false_launches=false_launches
    )
    if as_json:
        print_json(found.to_dicts())
        return
    for row in found.iter_rows(named=True):
        click.echo(
            f"{row['measure']:>26}  {row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f}), "
            f"{row['cases_count']} cases"
        )


def _numbers(path: Path) -> pl.DataFrame:
    """Experiments of a file: the columns that are known of them, as finite numbers."""
    import polars as pl

    from metrics.surrogates import finite

    frame = read_texts(path)
    wanted = ["effect", "low", "high", "direct", "direct_low", "direct_high", "truth"]
    names = [name for name in wanted if name in frame.columns or name in wanted[:3]]
    return pl.DataFrame({name: finite(frame, name) for name in names})


def _of_lake(
    lake: Lake, experiment: str | None, days: int, horizon: int
) -> tuple[SurrogateIndex, pl.DataFrame | None, dict[str, float] | None]:
    """The index of the lake's members, the experiment's effects, and how it does on later members.

    The index is fitted on the lake's first members; an experiment must begin when their outcome is known.
    """
    import polars as pl

    from metrics.early import OUTCOME, SURROGATES, early_and_late
    from metrics.surrogates import effects, fit

    membership, sessions = lake.scan("membership"), lake.scan("playback_session")
    first, last = (
        membership.select(pl.col("ts_ms").min().alias("a"), pl.col("ts_ms").max().alias("b")).collect().row(0)
    )
    if first is None:
        raise InputError("no membership", where=str(lake.path), mend="fill the table `membership`")
    if last < first + horizon * _DAY_MS:
        raise InputError(
            f"the lake holds {(last - first) // _DAY_MS + 1} days", where=str(lake.path),
            mend=f"give a lake of more than {horizon} days, or a shorter --horizon",
        )  # fmt: skip
    past = early_and_late(membership, sessions, first, days=days, horizon=horizon)
    varies = [name for name in SURROGATES if past[name].n_unique() > 1]
    index = fit(past, OUTCOME, varies)
    if experiment is None:
        start = last - horizon * _DAY_MS
        if start == first:
            return index, None, None
        later = early_and_late(membership, sessions, start, days=days, horizon=horizon)
        told = {"index": float(index.predict(later).mean()), "outcome": float(later[OUTCOME].mean())}  # type: ignore[arg-type]
        return index, None, {"members": later.height, **told}
    arms = lake.scan("assignment").filter(pl.col("experiment") == experiment).collect()
    control = arms.filter("is_control")["arm"].unique().to_list()
    if len(control) != 1:
        raise InputError(f"no experiment {experiment!r} with one control", where="--experiment")
    begins = (int(arms["assigned_ts_ms"].min()) + _DAY_MS - 1) // _DAY_MS * _DAY_MS  # type: ignore[arg-type]
    if begins < first + horizon * _DAY_MS:
        raise InputError(
            f"{experiment} begins before the outcome of any member is known", where="--experiment",
            mend="give --history and the experiment's units",
        )  # fmt: skip
    units = early_and_late(membership, sessions, begins, days=days, horizon=horizon)
    units = units.join(arms.select("subscriber_id", "arm").unique("subscriber_id"), on="subscriber_id")
    known = OUTCOME if units[OUTCOME].null_count() == 0 else None
    return index, effects(units, index, arm="arm", control=control[0], outcome=known), None
