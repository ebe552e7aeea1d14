"""`playhead slo compile`: objectives, or Sloth's specifications, as Prometheus rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from playhead.commands._common import json_option, print_json
from playhead.commands._slo_options import FILES, POLICIES

__all__ = ["compile_"]


@click.command(name="compile")
@FILES
@POLICIES
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
    from alerts.compile import compile_rules, without_rules
    from alerts.policy import load_policies
    from alerts.rule_file import render
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
    from alerts.rule_file import render

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
