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
@lake_option
def command(lake_path: Path, port: int) -> None:
    """Serve the dashboard on loopback until Ctrl-C."""
    from playhead.serving import serve

    serve(lake_path, port)
