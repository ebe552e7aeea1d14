"""`playhead cost calibrate-encoders`: what real encodes cost and save."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from metrics.errors import InputError
from playhead.commands._common import Finite, json_option, print_json

__all__ = ["calibrate_encoders"]


@click.command(short_help="Measure real encodes, for --rates.")
@click.argument("clips", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("encoders.toml"),
    show_default=True,
    help="Rates file to write, of grade measured.",
)
@click.option(
    "--seconds", type=Finite(0.5, 60), default=1.5, show_default=True, help="How much of each clip."
)
@click.option(
    "--height", type=click.IntRange(90, 2160), default=360, show_default=True, help="Lines it is encoded at."
)
@json_option
def calibrate_encoders(
    clips: tuple[Path, ...], out: Path, seconds: float, height: int, as_json: bool
) -> None:
    """Encode CLIPs, or generated ones, with x264 and SVT-AV1, with and without film-grain synthesis.

    Measures bitrate at equal SSIM and CPU seconds a minute, and writes them as rates that
    `playhead cost breakeven encoding --rates` and the report take. Generated clips say what the encoders cost
    here; what they save is a matter of your content, so give clips of it.
    """
    from cost_model.calibration import calibrate, rates_file
    from cost_model.rates import load
    from playhead.encoders import GENERATED, encoders_of, encodes, version

    ffmpeg = encoders_of()
    found = calibrate(
        encodes(
            ffmpeg, clips, seconds=seconds, height=height, progress=lambda line: click.echo(line, err=True)
        )
    )
    which = f"clips of one's own ({len(clips)})" if clips else f"generated clips ({len(GENERATED)})"
    today = datetime.now(UTC).date()
    source = (
        f"measured {today} with ffmpeg {version(ffmpeg)}, libx264 medium and libsvtav1 preset 8, on {which} of "
        f"{seconds:g} s at {height} lines"
    )
    text, unsaid = rates_file(found, load(), today, source)
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"cannot be written ({error.strerror})",
            where=str(out),
            mend="give a file in a folder that exists",
        ) from error
    load(out)
    if as_json:
        print_json(found.as_dict() | {"rates": str(out), "unsaid": unsaid})
        return
    for clip in dict.fromkeys(encode.clip for encode in found.encodes):
        parts = [f"{codec} {of[clip]:,.0f}" for codec, of in found.cpu_s_per_minute.items() if clip in of]
        saved = [
            f"{title} saves {of[clip]:.0%}"
            for title, of in (("AV1", found.av1_saving), ("with film grain", found.film_grain_saving))
            if clip in of
        ]
        click.echo(
            f"{clip}: CPU seconds a 1080p minute: {', '.join(parts)}; {', '.join(saved) or 'no saving told'}"
        )
    for line in unsaid:
        click.echo(line)
    click.echo(f"rates: {out}")
