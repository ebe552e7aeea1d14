"""``playhead glossary``: every metric's definition."""

from __future__ import annotations

from pathlib import Path

import click

from metrics.errors import InputError
from playhead.commands._common import json_option, print_json


@click.command()
@click.option(
    "-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write Markdown to a file."
)
@json_option
def command(out: Path | None, as_json: bool) -> None:
    """Every metric's definition, unit, clock and limit, from the catalogue."""
    from metrics.catalog import METRICS
    from metrics.glossary import glossary
    from metrics.terms import TERMS

    if as_json:
        print_json(
            [
                {
                    "metric": metric.name,
                    "title": metric.title,
                    "about": metric.about,
                    "unit": metric.unit,
                    "clock": metric.clock,
                    "kind": metric.kind,
                    "numerator": metric.numerator.label,
                    "denominator": metric.denominator.label if metric.denominator else None,
                    "needs": list(metric.needs),
                    "better": metric.better,
                    "limit": metric.limit,
                    "drivers": [{"metric": d.metric, "edge": d.edge} for d in metric.drivers],
                    "source": metric.source,
                }
                for metric in METRICS.values()
            ]
        )
        return
    if out is None:
        click.echo(glossary(), nl=False)
        return
    try:
        out.write_text(glossary(), encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"cannot be written ({error.strerror})",
            where=str(out),
            mend="give a file in a folder that exists",
        ) from error
    click.echo(f"{len(METRICS) + len(TERMS)} definitions: {out}", err=True)
