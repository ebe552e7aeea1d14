"""``playhead dashboard``."""

from __future__ import annotations

from pathlib import Path

import click

from playhead.commands._common import lake_option

__all__ = ["command"]


@click.command("dashboard")
@click.option(
    "--port",
    type=click.IntRange(1, 65_535),
    default=8501,
    show_default=True,
    help="Port on 127.0.0.1; the next free one if it is taken.",
)
@click.option(
    "--new",
    "is_new",
    is_flag=True,
    help="Make an empty lake there first; its page leads to the demo or to own data.",
)
@lake_option
def command(lake_path: Path, port: int, is_new: bool) -> None:
    """Serve the dashboard on loopback until Ctrl-C."""
    from playhead.serving import serve

    if is_new:
        from metrics.lake import Lake

        Lake.create(lake_path)
    serve(lake_path, port)
