"""`playhead slo`: check objectives, compile them to rules, evaluate them on a lake."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metrics.errors import PlayheadError
from playhead.commands._common import json_option, lake_option, print_json
from playhead.commands._slo_backtest import backtest
from playhead.commands._slo_budget import budget

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    import polars as pl
    from rich.console import Console

    from alerts.evaluation import Evaluation
    from alerts.slo import Objective

__all__ = ["command"]

_FILES = click.argument("files", nargs=-1, type=click.Path(path_type=Path))
_POLICIES = click.option(
    "--windows", "windows", multiple=True, type=click.Path(path_type=Path), help="More alert policies."
)
_INSTANT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"])


@click.group()
def command() -> None:
    """Check, compile and evaluate objectives (OpenSLO v1; the user contract's own by default)."""


command.add_command(backtest)
command.add_command(budget)


@command.command()
@_FILES
@_POLICIES
@json_option
def check(files: tuple[Path, ...], windows: tuple[Path, ...], as_json: bool) -> int:
    """Say which objectives can be kept to, and why the others cannot."""
    from alerts.policy import load_policies
    from alerts.slo import ObjectiveRefused, read

    found = read(files, load_policies(windows))
    refused = [item for item in found if isinstance(item, ObjectiveRefused)]
    if as_json:
        print_json([_checked(item) for item in found])
    else:
        for item in found:
            click.echo(f"refused  {item}" if isinstance(item, PlayheadError) else _line(item))
    return 1 if refused else 0


@command.command(name="compile")
@_FILES
@_POLICIES
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write here, not to stdout."
)
@click.option("--by", "by", default="", help="Labels to keep apart, comma-separated: region, device, cdn.")
@click.option(
    "--tests",
    "tests",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write unit tests of the rules, for `promtool test rules`; needs -o.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["openslo", "sloth"]),
    default="openslo",
    show_default=True,
    help="What FILES are; of Sloth's, the rules that Sloth makes.",
)
@click.option(
    "--label", "labels", multiple=True, metavar="NAME=VALUE", help="Sloth: on every series recorded."
)
@click.option("--period", default=None, help="Sloth: the period of all objectives, 30d by default.")
@click.option("--runbooks", "runbooks_url", default=None, help="Address of the runbooks page.")
@click.option("--dashboard", "dashboard_url", default=None, help="Address of the objectives page.")
@json_option
def compile_(
    files: tuple[Path, ...],
    windows: tuple[Path, ...],
    output: Path | None,
    by: str,
    tests: Path | None,
    form: str,
    labels: tuple[str, ...],
    period: str | None,
    runbooks_url: str | None,
    dashboard_url: str | None,
    as_json: bool,
) -> None:
    """Write Prometheus recording and alerting rules."""
    from alerts.compile import compile_rules, render, without_rules
    from alerts.policy import load_policies
    from alerts.rule_tests import scenario_tests
    from alerts.slo import load

    if form == "sloth":
        if by or tests or runbooks_url or dashboard_url:
            raise click.UsageError("--by, --tests, --runbooks and --dashboard are for OpenSLO's objectives")
        _written(_sloth_rules(files, windows, labels, period), output, as_json)
        return
    if labels or period:
        raise click.UsageError("--label and --period are for --format sloth")
    if tests is not None and (output is None or by):
        raise click.UsageError("--tests needs -o, and rules without --by")
    policies = load_policies(windows)
    objectives = load(files, policies)
    links: dict[str, Any] = {"runbooks_url": runbooks_url, "dashboard_url": dashboard_url}
    rules = compile_rules(
        objectives, policies, by=_names(by), **{name: url for name, url in links.items() if url is not None}
    )
    for objective in without_rules(objectives):
        click.echo(
            f"{objective.name}: no Prometheus rule, since no burn rate can watch it; "
            f"`playhead slo evaluate` watches it by {objective.policy}",
            err=True,
        )
    if tests is not None:
        assert output is not None
        _write(tests, render(scenario_tests(objectives, policies, _beside(output, tests))))
        click.echo(f"tests written to {tests}", err=True)
    _written(rules, output, as_json)


@command.command(short_help="Budgets, burn and alerts of each objective.")
@_FILES
@_POLICIES
@lake_option
@click.option(
    "--by", "by", type=click.Choice(["region", "device", "cdn"]), help="Verdicts by this dimension."
)
@click.option(
    "--from", "start", type=_INSTANT, help="Judge from here, UTC; the objective's period by default."
)
@click.option("--to", "end", type=_INSTANT, help="Judge up to here, UTC, exclusive.")
@click.option(
    "--closure",
    type=click.Choice(["left-open", "closed"]),
    default="left-open",
    show_default=True,
    help="Whether a window holds what lies on its far edge, as in Prometheus 3 (left-open) or 2 (closed).",
)
@click.option("--fail-on-breach", is_flag=True, help="Exit with 1 when a promise to viewers is broken.")
@json_option
def evaluate(
    files: tuple[Path, ...],
    windows: tuple[Path, ...],
    lake_path: Path,
    by: str | None,
    start: datetime | None,
    end: datetime | None,
    closure: str,
    fail_on_breach: bool,
    as_json: bool,
) -> int:
    """Budgets, burn and alerts of each objective, from the lake's minute counts.

    Without FILES also the shipped baselines: metrics of the tree that left their own season, alerts of one root
    cause as one incident.
    """
    from alerts.baseline import load_baselines
    from alerts.counts import Clock
    from alerts.evaluate import kept_by
    from alerts.policy import load_policies
    from alerts.slo import load
    from metrics.lake import Lake
    from playhead.baselines import watch_lake
    from playhead.objectives import evaluate_objectives

    policies = load_policies(windows)
    objectives = load(files, policies)
    lake = Lake.open(lake_path)
    span = {"start_ts_ms": _ts_ms(start), "end_ts_ms": _ts_ms(end)}
    clock = Clock(closed=closure == "closed")
    evaluations = evaluate_objectives(lake, objectives, policies, **span, clock=clock)
    slices = kept_by(objectives, lake.scan("minute_count"), by, **span) if by else None
    watched = None
    if not files:
        watched = watch_lake(lake, load_baselines(), **span)
    if as_json:
        print_json(
            {
                "objectives": [_evaluated(evaluation) for evaluation in evaluations],
                "by": slices.to_dicts() if slices is not None else None,
                "baselines": None
                if watched is None
                else {"alerts": watched.alerts.to_dicts(), "incidents": watched.incidents.to_dicts()},
            }
        )
    else:
        _show(evaluations, slices, by)
        if watched is not None:
            _show_incidents(watched.incidents)
    broken = any(e.kept is False and e.objective.in_contract for e in evaluations)
    return 1 if fail_on_breach and broken else 0


def _show_incidents(incidents: pl.DataFrame) -> None:
    for row in incidents.iter_rows(named=True):
        start, end = (
            datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M") if ms is not None else "still"
            for ms in (row["start_ts_ms"], row["end_ts_ms"])
        )
        where = f" in {', '.join(row['slices'])}" if row["slices"] else ""
        click.echo(
            f"off its season  {row['root_metric']}{where}, {start} to {end}, alerts: {row['alert_count']} "
            f"({', '.join(row['metrics'])})"
        )


# --- what is printed --------------------------------------------------------------------------------------


def _checked(item: Objective | PlayheadError) -> dict[str, Any]:
    if isinstance(item, PlayheadError):
        return {"ok": False, "where": item.where, "what": item.what, "mend": item.mend}
    return {
        "ok": True,
        "where": item.where,
        "name": item.name,
        "objective": float(item.target),
        "policy": item.policy,
    }


def _line(objective: Objective) -> str:
    promise = f"{objective.name}, {objective.target:f} good, alerts by {objective.policy}"
    return f"ok       {objective.where}: {promise}"


def _evaluated(evaluation: Evaluation) -> dict[str, Any]:
    objective = evaluation.objective
    return {
        "name": objective.name,
        "title": objective.title,
        "in_contract": objective.in_contract,
        "objective": float(objective.target),
        "start_ts_ms": evaluation.start_ts_ms,
        "end_ts_ms": evaluation.end_ts_ms,
        "bad": _number(evaluation.bad),
        "total": _number(evaluation.total),
        "attained": evaluation.attained,
        "budget_left": evaluation.budget_left,
        "kept": evaluation.kept,
        "episodes": evaluation.episodes.to_dicts(),
        "spent": evaluation.spent.to_dicts(),
    }


def _show(evaluations: Sequence[Evaluation], slices: pl.DataFrame | None, by: str | None) -> None:
    from rich.console import Console
    from rich.table import Table

    from alerts.evaluation import incidents, within

    console = Console(highlight=False)
    table = Table("objective", "promised", "attained", "budget left", "pages", "tickets", "kept", box=None)
    for evaluation in evaluations:
        objective = evaluation.objective
        fired = within(evaluation.episodes, evaluation.start_ts_ms, evaluation.end_ts_ms)
        alerts = incidents(fired)["severity"].to_list()
        table.add_row(
            objective.name if objective.in_contract else f"({objective.name})",
            f"{float(objective.target):.3%}",
            _percent(evaluation.attained, 3),
            _percent(evaluation.budget_left, 0),
            str(alerts.count("page")),
            str(alerts.count("ticket")),
            _verdict(evaluation.kept),
        )
    console.print(table)
    spans: dict[tuple[int, int], list[str]] = {}
    for evaluation in evaluations:
        spans.setdefault((evaluation.start_ts_ms, evaluation.end_ts_ms), []).append(evaluation.objective.name)
    for (start, end), objectives in spans.items():
        whose = "" if len(spans) == 1 else f"{', '.join(objectives)}: "
        console.print(f"{whose}{_instant(start)} to {_instant(end)} UTC")
    console.print("in brackets: watched, not promised")
    if slices is not None and by is not None:
        _show_slices(console, slices, by, evaluations)


def _show_slices(console: Console, slices: pl.DataFrame, by: str, evaluations: Sequence[Evaluation]) -> None:
    from rich.table import Table

    from alerts.verdict import verdict

    table = Table("objective", by, "attained", "budget left", "kept", box=None)
    for row in slices.sort("objective", "budget_left", nulls_last=True).iter_rows(named=True):
        table.add_row(
            row["objective"] if row["in_contract"] else f"({row['objective']})",
            row[by] or "unknown",
            _percent(row["attained"], 3),
            _percent(row["budget_left"], 0),
            _verdict(row["kept"]),
        )
    console.print(table)
    found = verdict(slices, by, unsliced=evaluations)
    console.print(f"{found.sentence} {found.detail}")


def _number(count: int | Decimal) -> int | float:
    return count if isinstance(count, int) else float(count)


def _percent(share: float | None, digits: int) -> str:
    return "no traffic" if share is None else f"{share:.{digits}%}"


def _verdict(kept: bool | None) -> str:
    return {True: "yes", False: "NO", None: "–"}[kept]


def _ts_ms(instant: datetime | None) -> int | None:
    return None if instant is None else int(instant.replace(tzinfo=UTC).timestamp()) * 1000


def _instant(ts_ms: int) -> str:
    return datetime.fromtimestamp(ts_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def _names(text: str) -> list[str]:
    return [name for part in text.split(",") if (name := part.strip())]


def _sloth_rules(
    files: tuple[Path, ...], windows: tuple[Path, ...], labels: tuple[str, ...], period: str | None
) -> dict[str, Any]:
    from alerts.sloth import sloth_rules
    from metrics.errors import InputError

    if not files:
        raise InputError("no Sloth specification given", mend="name its files")
    pairs = [label.partition("=") for label in labels]
    if wrong := [name for name, equals, _ in pairs if not equals or not name.isidentifier()]:
        raise InputError(f"--label {wrong[0]!r} is no NAME=VALUE", mend="write --label team=web")
    return sloth_rules(
        files, windows=windows, labels={name: value for name, _, value in pairs}, period=period
    )


def _written(rules: dict[str, Any], output: Path | None, as_json: bool) -> None:
    from alerts.compile import render

    text = render(rules)
    if output is not None:
        _write(output, text)
        click.echo(f"{_rule_count(rules)} rules written to {output}", err=True)
    if as_json:
        print_json(rules)
    elif output is None:
        click.echo(text, nl=False)


def _beside(rules: Path, tests: Path) -> str:
    """The rules' path as the tests' file says it: from its own folder."""
    import os

    return Path(os.path.relpath(rules.resolve(), tests.resolve().parent)).as_posix()


def _rule_count(rules: dict[str, Any]) -> int:
    return sum(len(group["rules"]) for group in rules["groups"])


def _write(path: Path, text: str) -> None:
    from metrics.errors import InputError

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            str(error.strerror), where=str(path), mend="name a file that can be written"
        ) from None
