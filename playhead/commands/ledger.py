"""``playhead ledger``: every session counted, excluded or quarantined, by reason; lines beside them."""

from __future__ import annotations

from pathlib import Path

import click

from playhead.commands._common import json_option, lake_option, print_json


@click.command()
@lake_option
@json_option
@click.pass_context
def command(context: click.Context, lake_path: Path, as_json: bool) -> None:
    """Sessions in = counted + excluded + quarantined, by reason. Exit status 1 where they do not add up.

    Lines of logs have a sum of their own: lines in = used + ignored + quarantined. Told beside are sessions that
    metrics leave out because their source does not tell what the metric needs.
    """
    from metrics.lake import Lake
    from metrics.ledger import ledger

    found = ledger(Lake.open(lake_path))
    if as_json:
        print_json(
            {
                "sessions_in": found.sessions_in,
                "counted": found.counted,
                "excluded": dict(found.excluded),
                "residual": found.residual,
                "lines_in": found.lines_in,
                "lines_used": found.lines_used,
                "lines_ignored": dict(found.lines_ignored),
                "lines_quarantined": dict(found.lines_quarantined),
                "lines_residual": found.lines_residual,
                "unknown": dict(found.unknown),
                "weighted": {
                    "sessions_in": found.weight_in,
                    "counted": found.weight_counted,
                    "excluded": dict(found.weight_excluded),
                },
            }
        )
    else:
        _print(found.sessions_in, found.weight_in, "sessions in")
        _print(found.counted, found.weight_counted, "counted")
        for reason, rows in found.excluded.items():
            what = reason if reason.startswith("quarantined: ") else f"excluded: {reason}"
            _print(rows, found.weight_excluded[reason], what)
        _print(found.residual, None, "residual")
        _print(found.lines_in, None, "lines in")
        _print(found.lines_used, None, "lines used")
        for kind, lines in found.lines_ignored.items():
            _print(lines, None, f"lines ignored: {kind}")
        _print(sum(found.lines_quarantined.values()), None, "lines quarantined")
        for reason, lines in found.lines_quarantined.items():
            _print(lines, None, f"  {reason}")
        _print(found.lines_residual, None, "lines residual")
        if found.unknown:
            click.echo("of those counted, left out of metrics that need what their source does not tell:")
        for measure, rows in found.unknown.items():
            _print(rows, None, f"  {measure}")
    if found.residual or found.lines_residual:
        context.exit(1)


def _print(rows: int, weight: int | None, what: str) -> None:
    standing_for = "" if weight is None or weight == rows else f"  (for {weight:,})"
    click.echo(f"{rows:>14,}  {what}{standing_for}")
