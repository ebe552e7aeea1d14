"""``playhead cmcd``: raw CMCD decoded, without a lake."""

from __future__ import annotations

import json
import sys

import click

__all__ = ["command"]

MODES = ("auto", "query", "headers", "event", "json")


@click.group(name="cmcd")
def command() -> None:
    """Look at raw CMCD."""


@command.command(short_help="Decode CMCD, a line each, to JSON.")
@click.option(
    "--mode",
    type=click.Choice(MODES),
    default="auto",
    show_default=True,
    help="How the lines carry it; auto takes a bare dictionary first, then tells by the line.",
)
@click.option(
    "--to-v2",
    is_flag=True,
    help="Show what is accepted of version 1 in version 2's shapes: lists, and nrr inside nor.",
)
def decode(mode: str, to_v2: bool) -> None:
    """Decode CMCD, a line of standard input each, to a JSON object a line.

    \b
    ok        the whole is a well-formed structured field (RFC 8941)
    raw       its value as written; null unless ok
    accepted  what CTA-5004-B section 6 lets a server keep
    issues    what is wrong with which key
    """
    from metrics.ingest.cmcd_decode import refused, up_convert
    from metrics.ingest.cmcd_transmission import decode_line
    from metrics.ingest.source import MAX_LINE_BYTES

    while line := sys.stdin.buffer.readline(MAX_LINE_BYTES + 1):
        if len(line) > MAX_LINE_BYTES:
            while line and not line.endswith(b"\n"):
                line = sys.stdin.buffer.readline(MAX_LINE_BYTES)
            decoded = refused(f"longer than {MAX_LINE_BYTES} bytes")
        else:
            decoded = decode_line(line.rstrip(b"\r\n").decode("utf-8", errors="surrogateescape"), mode)
        accepted = up_convert(decoded.accepted) if to_v2 else decoded.accepted
        issues = [{"key": i.key, "severity": i.severity, "message": i.message} for i in decoded.issues]
        answer = {"ok": decoded.ok, "raw": decoded.raw, "accepted": accepted, "issues": issues}
        click.echo(json.dumps(answer, ensure_ascii=True))
