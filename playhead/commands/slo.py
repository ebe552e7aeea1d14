"""`playhead slo`: check objectives, compile them to rules, evaluate them on a lake."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metrics.errors import PlayheadError
from playhead.commands._common import json_option, print_json
from playhead.commands._slo_backtest import backtest
from playhead.commands._slo_budget import budget
from playhead.commands._slo_compile import compile_
from playhead.commands._slo_evaluate import evaluate
from playhead.commands._slo_options import FILES, POLICIES

if TYPE_CHECKING:
    from alerts.slo import Objective

__all__ = ["command"]


@click.group()
def command() -> None:
    """Check, compile and evaluate objectives (OpenSLO v1; the user contract's own by default)."""


@command.command()
@FILES
@POLICIES
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


for other in (compile_, evaluate, backtest, budget):
    command.add_command(other)
