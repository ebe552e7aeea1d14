"""``playhead quality``: does what is stored keep its contract, and is all of it there?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from playhead.commands._common import json_option, lake_option, print_json


@click.command("quality")
@lake_option
@json_option
@click.pass_context
def command(context: click.Context, lake_path: Path, as_json: bool) -> None:
    """Every table against its contract, and what is missing, late or changed. Exit status 1 where something is.

    The verdict is kept in the lake for the pages (artefacts/quality.json), and as a site for people
    (artefacts/quality/index.html). A lake that has not changed since the last verdict is not looked at again.
    Limits are the shipped ones, or those of the file completeness.toml in the lake.
    """
    from metrics.lake import Lake
    from metrics.quality import DOCS, check

    lake = Lake.open(lake_path)
    verdict = check(lake)
    if as_json:
        print_json({**asdict(verdict), "docs": str(lake.artefact(DOCS))})
    else:
        good = verdict.expectations - verdict.failed
        click.echo(f"{good} of {verdict.expectations} expectations hold on {verdict.rows_checked:,} rows")
        for table in verdict.tables:
            for failure in table.failures:
                told = (
                    f"{failure['rows']:,} of {failure['rows_checked']:,} rows"
                    if failure["rows"]
                    else failure["error"]
                )
                click.echo(f"  {table.table}: {failure['column']}: {failure['expectation']}: {told}")
        judged = sum(finding.holds is not None for finding in verdict.findings)
        click.echo(f"{judged - len(verdict.alarms)} of {judged} checks of completeness and drift hold")
        for finding in verdict.alarms:
            click.echo(f"  {finding.table}: {finding.check}: {finding.about}")
        click.echo(f"site: {lake.artefact(DOCS)}")
    if not verdict.success:
        context.exit(1)
