"""``playhead replay``: a video over recorded networks, by a rule of adaptation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from playhead.commands._common import Finite, json_option, print_json

if TYPE_CHECKING:
    import polars as pl


@click.command()
@click.option(
    "--manifest",
    "manifest_path",
    type=click.Path(path_type=Path),
    required=True,
    help="JSON of segment_duration_ms, bitrates_kbps and segment_sizes_bits (a list a segment).",
)
@click.option(
    "--trace",
    "trace_path",
    type=click.Path(path_type=Path),
    required=True,
    help="JSON list of duration_ms, bandwidth_kbps, latency_ms; or a folder of such files.",
)
@click.option("--abr", required=True, help="throughput, bola, bola_basic, bolae, dynamic or dynamicdash.")
@click.option("--no-abandon", is_flag=True, help="Finish every download that was begun.")
@click.option(
    "--buffer", "buffer_s", type=Finite(), default=25.0, show_default=True, help="Its size, seconds."
)
@click.option(
    "--gamma-p", type=Finite(), default=5.0, show_default=True, help="BOLA's weight of avoiding stalls."
)
@click.option("--bola-o", is_flag=True, help="BOLA-O for BOLA-U: wait, and do not step above the throughput.")
@click.option(
    "--as-published",
    is_flag=True,
    help="Without the reference simulator's habits: fetch the rung for which a download was given up, and "
    "count the first byte's latency as startup.",
)
@json_option
def command(
    manifest_path: Path,
    trace_path: Path,
    abr: str,
    no_abandon: bool,
    buffer_s: float,
    gamma_p: float,
    bola_o: bool,
    as_published: bool,
    as_json: bool,
) -> None:
    """Play a video over each trace, and say what its viewer would have felt.

    Agrees with the reference simulator (Sabre) to the last digit. Bitrate sums are in kbit/s over segments;
    play time is startup, playing and stalls.
    """
    from synthetic.player.manifest import read_manifest
    from synthetic.player.replay import replay
    from synthetic.player.trace import read_traces

    played = replay(
        read_manifest(manifest_path),
        read_traces(trace_path),
        abr,
        abandon=not no_abandon,
        buffer_s=buffer_s,
        gamma_p=gamma_p,
        oscillation_free=bola_o,
        as_published=as_published,
    )
    if as_json:
        print_json(played.to_dicts())
    else:
        _print_table(played)


def _print_table(played: pl.DataFrame) -> None:
    # Every digit, since that is what a replay is compared by; the terminal's width cannot shorten it.
    rows = [played.columns, *([str(value) for value in row] for row in played.iter_rows())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *figures in rows:
        cells = (cell.rjust(width) for cell, width in zip(figures, widths[1:], strict=True))
        click.echo("  ".join([name.ljust(widths[0]), *cells]))
