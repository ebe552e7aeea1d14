"""Real encodes with ffmpeg: bitrate, SSIM against the source and CPU time, of short clips."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from cost_model.calibration import Encode
from metrics.errors import InputError

__all__ = ["GENERATED", "encoders_of", "encodes", "version"]

GENERATED = {
    "pattern": "testsrc2=size={size}:rate=24:duration={seconds}",
    "fractal": "mandelbrot=size={size}:rate=24:maxiter=512",
    "grain": "testsrc2=size={size}:rate=24:duration={seconds},gblur=sigma=2,noise=alls=12:allf=t",
}
"""Clips made where none are given: sharp edges, fine detail in motion, and film-like grain on soft content."""

_TIMEOUT_S = 180
_QUANTISERS = {"h264": (18, 24, 30, 36), "av1": (20, 32, 44, 56), "av1_fgs": (32, 44)}
_ENCODERS = {
    "h264": ("libx264", ["-preset", "medium"]),
    "av1": ("libsvtav1", ["-preset", "8"]),
    "av1_fgs": ("libsvtav1", ["-preset", "8", "-svtav1-params", "film-grain=10"]),
}
_CPU = re.compile(r"bench: utime=([\d.]+)s stime=([\d.]+)s")
_SSIM = re.compile(r"SSIM .*All:([\d.]+)")


def encoders_of(program: str = "ffmpeg") -> str:
    """The path of ffmpeg, with both encoders in it.

    Raises :class:`~metrics.errors.InputError` where it or an encoder is not there.
    """
    path = shutil.which(program)
    if path is None:
        raise InputError("ffmpeg is not installed", mend="install it (Debian: apt-get install ffmpeg)")
    listed = _run([path, "-hide_banner", "-encoders"], "encoders").stdout
    for encoder in dict.fromkeys(name for name, _ in _ENCODERS.values()):
        if f" {encoder} " not in listed:
            raise InputError(
                f"ffmpeg has no encoder {encoder}", where=path, mend=f"install one built with {encoder}"
            )
    return path


def version(ffmpeg: str) -> str:
    """As ``5.1.9``."""
    found = re.match(r"ffmpeg version (\S+)", _run([ffmpeg, "-version"], "version").stdout)
    return found[1].split("-")[0] if found else "of unknown version"


def encodes(
    ffmpeg: str,
    clips: Sequence[Path],
    *,
    seconds: float,
    height: int,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Encode]:
    """Encode each clip (the generated ones if none are given) by every codec and quantiser.

    Clips are cut to ``seconds`` and brought to ``height`` first, without loss. Raises
    :class:`~metrics.errors.InputError` for a clip that ffmpeg cannot read.
    """
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name, source in _sources(ffmpeg, clips, Path(folder), seconds, height):
            length_s, pixels = _measured(ffmpeg, source)
            for codec, quantisers in _QUANTISERS.items():
                for quantiser in quantisers:
                    progress(f"{name}: {codec}, quantiser {quantiser}")
                    found.append(_encode(ffmpeg, name, source, codec, quantiser, length_s, pixels))
    return found


def _sources(
    ffmpeg: str, clips: Sequence[Path], folder: Path, seconds: float, height: int
) -> list[tuple[str, Path]]:
    width = height * 16 // 9 // 2 * 2
    made = []
    if clips:
        inputs = [(clip.name, ["-i", str(clip)]) for clip in clips]
    else:
        size = {"size": f"{width}x{height}", "seconds": seconds}
        inputs = [(name, ["-f", "lavfi", "-i", text.format(**size)]) for name, text in GENERATED.items()]
    for number, (name, source) in enumerate(inputs):
        path = folder / f"{number}.mkv"
        command = [ffmpeg, "-hide_banner", "-v", "error", "-y", *source, "-t", str(seconds), "-an", "-sn"]
        command += ["-vf", f"scale=-2:{height}", "-pix_fmt", "yuv420p", "-c:v", "ffv1", str(path)]
        _run(command, name)
        made.append((name, path))
    return made


def _measured(ffmpeg: str, source: Path) -> tuple[float, int]:
    """Seconds and pixels a frame of a source."""
    told = _run([ffmpeg, "-hide_banner", "-i", str(source), "-f", "null", "-"], source.name).stderr
    size = re.search(r"Video: ffv1.*?, (\d+)x(\d+)", told)
    times = re.findall(r"time=(\d+):(\d+):([\d.]+)", told)
    if not size or not times:
        raise InputError("no video in it", where=source.name, mend="give a clip that ffmpeg can decode")
    hours, minutes, rest = times[-1]
    return max(int(hours) * 3600 + int(minutes) * 60 + float(rest), 0.04), int(size[1]) * int(size[2])


def _encode(
    ffmpeg: str, clip: str, source: Path, codec: str, quantiser: int, length_s: float, pixels: int
) -> Encode:
    encoder, options = _ENCODERS[codec]
    out = source.with_name("encoded.mkv")
    command = [ffmpeg, "-hide_banner", "-benchmark", "-y", "-i", str(source), "-c:v", encoder, *options]
    spent = _CPU.search(_run([*command, "-crf", str(quantiser), str(out)], clip).stderr)
    compare = [
        ffmpeg,
        "-hide_banner",
        "-i",
        str(out),
        "-i",
        str(source),
        "-lavfi",
        "[0:v][1:v]ssim",
        "-f",
        "null",
        "-",
    ]
    alike = _SSIM.search(_run(compare, clip).stderr)
    if spent is None or alike is None:
        raise InputError("ffmpeg told no CPU time or no SSIM", where=clip, mend="use ffmpeg 4.4 or later")
    kbps = out.stat().st_size * 8 / 1000 / length_s
    cpu_s = float(spent[1]) + float(spent[2])
    return Encode(clip, codec, quantiser, kbps, float(alike[1]), cpu_s / length_s * 60, pixels)


def _run(command: list[str], what: str) -> subprocess.CompletedProcess[str]:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"ffmpeg took more than {_TIMEOUT_S} s",
            where=what,
            mend="give fewer --seconds or a lower --height",
        ) from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise InputError(f"ffmpeg fails: {last}", where=what, mend="give a clip that ffmpeg can decode")
    return done
