"""`playhead slo backtest`: how good alerts would have been."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from playhead.commands._common import Finite, json_option, lake_option, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from playhead.backtesting import Trial

__all__ = ["backtest"]

_VOLUMES = "10,100,1000,10000,100000,1000000"


@click.command(short_help="How good alerts would have been: recall, precision, minutes to page.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--windows", multiple=True, type=click.Path(path_type=Path), help="More alert policies.")
@lake_option
@click.option(
    "--truth", "with_truth", is_flag=True, help="Against the incidents of the lake's scenario, not hindsight."
)
@click.option("--policy", help="Try this policy; each objective's own by default.")
@click.option("--versus", help="Compare with this policy, incident by incident.")
@click.option(
    "--cases",
    type=click.IntRange(1, 100_000),
    help="On so many made incidents a volume instead of a lake.",
)
@click.option(
    "--volumes",
    help=f"Sessions an hour, comma-separated. With --cases {_VOLUMES} by default; a lake's counts are thinned "
    "or scaled to each.",
)
@click.option(
    "--base-burn",
    type=Finite(0, 1),
    default=0.5,
    show_default=True,
    help="With --cases: share of the budget that is spent without incidents.",
)
@click.option(
    "--least-share",
    type=Finite(0, 1, min_open=True),
    default=0.01,
    show_default=True,
    help="On a lake: share of the period's budget that makes an incident one to catch.",
)
@click.option("--seed", type=click.IntRange(0, 2**62 - 1), default=0, show_default=True, help="Of all draws.")
@json_option
def backtest(
    files: tuple[Path, ...],
    windows: tuple[Path, ...],
    lake_path: Path,
    with_truth: bool,
    policy: str | None,
    versus: str | None,
    cases: int | None,
    volumes: str | None,
    base_burn: float,
    least_share: float,
    seed: int,
    as_json: bool,
) -> None:
    """Try alert policies on the past: a lake's minutes, or made incidents with --cases.

    Recall, precision, minutes to page and to let go, and false pages in 30 days, each with a 90 % interval.
    """
    from alerts.backtest import can_fire
    from alerts.policy import load_policies
    from alerts.slo import load
    from metrics.errors import InputError
    from metrics.lake import Lake
    from playhead.backtesting import chosen, comparisons, on_cases, on_lake

    if cases is not None and with_truth:
        raise InputError("made cases and a lake's truth are two things", mend="leave out --truth or --cases")
    policies = load_policies(windows)
    names = [policy] if versus is None else [policy, versus]
    objectives = []
    for objective in load(files, policies):
        unfit = [p.name for p in chosen(objective, policies, names) if not can_fire(p, objective)]
        if unfit:
            click.echo(f"{objective.name}: left out, since {' and '.join(unfit)} cannot watch it", err=True)
        else:
            objectives.append(objective)
    if not objectives:
        raise InputError("no objective is left to try", mend="name another policy with --policy")
    rates = _rates(volumes or (_VOLUMES if cases else ""))
    if cases is not None:
        trials = on_cases(
            objectives, policies, names, count=cases, volumes=rates, seed=seed, base_burn=base_burn
        )
    else:
        trials = on_lake(
            Lake.open(lake_path),
            objectives,
            policies,
            names,
            with_truth=with_truth,
            volumes=rates,
            seed=seed,
            least_share=least_share,
        )
    versus_rows = comparisons(trials, seed=seed)
    if as_json:
        print_json(
            {
                "incidents": "cases" if cases else "truth" if with_truth else "hindsight",
                "trials": [trial.as_dict() for trial in trials],
                "comparisons": versus_rows.to_dicts(),
            }
        )
        return
    _show(trials, versus_rows)


def _rates(text: str) -> list[float]:
    from metrics.errors import InputError

    rates = []
    for part in text.split(",") if text else []:
        try:
            rate = float(part)
        except ValueError:
            rate = 0.0
        if not 0 < rate <= 1e8:
            raise InputError(
                f"{part.strip()[:40]!r} is no volume", where="--volumes", mend="sessions an hour: 100,10000"
            )
        rates.append(rate)
    return rates


def _show(trials: Sequence[Trial], versus: pl.DataFrame) -> None:
    from rich.console import Console
    from rich.table import Table

    # Nine figures with their intervals: a line that the terminal wraps says more than one that is cut.
    console = Console(highlight=False, width=max(Console().width, 170))
    table = Table(box=None, pad_edge=False)
    for column in ("objective", "policy"):
        table.add_column(column, no_wrap=True)
    for column in (
        "sessions/h", "incidents", "recall", "precision", "to page, min", "to reset, min", "false/30 d"
    ):  # fmt: skip
        table.add_column(column, justify="right", no_wrap=True)
    for trial in trials:
        figures = trial.as_dict()["quality"]
        table.add_row(
            trial.objective.name,
            trial.policy.name,
            f"{trial.sessions_per_hour:,.0f}",
            str(figures["incidents"]),
            _interval(figures, "recall", "{:.0%}"),
            _interval(figures, "precision", "{:.0%}"),
            _interval(figures, "detect_minutes", "{:.0f}"),
            _interval(figures, "reset_minutes", "{:.0f}"),
            _interval(figures, "false_pages_per_30d", "{:.2f}"),
        )
    console.print(table)
    console.print(
        "in brackets 90 % intervals; a median is “never” where more than half of the incidents are missed"
    )
    for row in versus.iter_rows(named=True):
        console.print(
            f"{row['objective']} at {row['sessions_per_hour']:,.0f} sessions/h: {row['policy']} pages sooner than "
            f"{row['versus']} in {row['sooner']} of {row['incidents']} incidents, later in {row['later']}; "
            f"it alone catches {row['caught_only_ours']}, the other alone {row['caught_only_theirs']}",
            soft_wrap=True,
        )


def _interval(figures: dict[str, Any], name: str, form: str) -> str:
    value, low, high = (figures[key] for key in (name, f"{name}_low", f"{name}_high"))
    if value is None:
        # A median beyond all that was caught; of nothing there is no figure.
        return "never" if name == "detect_minutes" and figures["incidents"] else "–"
    bounds = " to ".join("never" if bound is None else form.format(bound) for bound in (low, high))
    return f"{form.format(value)} ({bounds})"
