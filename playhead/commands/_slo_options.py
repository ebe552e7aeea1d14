"""Options that several of the `playhead slo` commands share."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["FILES", "POLICIES"]

FILES = click.argument("files", nargs=-1, type=click.Path(path_type=Path))
POLICIES = click.option(
    "--windows", "windows", multiple=True, type=click.Path(path_type=Path), help="More alert policies."
)
