"""Encodes with ffmpeg: a stand-in for what is missing or fails, and real ones where it is installed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cost_model.rates import load
from metrics.errors import InputError
from playhead.cli import main
from playhead.encoders import encoders_of, encodes


def stand_in(folder: Path, script: str) -> Path:
    path = folder / "ffmpeg"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["cost", "calibrate-encoders", *map(str, arguments)])
    written = capsys.readouterr()
    return int(stop.value.code or 0), written.out, written.err


def test_without_ffmpeg_it_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    code, out, err = run(capsys, "--out", tmp_path / "encoders.toml")
    assert (code, out) == (2, "")
    assert err == "playhead: ffmpeg is not installed; install it (Debian: apt-get install ffmpeg)\n"


def test_without_an_encoder_it_is_one_line(tmp_path: Path) -> None:
    path = stand_in(tmp_path, "echo ' V..... libx264 H.264'")
    with pytest.raises(InputError, match="ffmpeg has no encoder libsvtav1"):
        encoders_of(str(path))


def test_a_clip_that_is_none_is_one_line(tmp_path: Path) -> None:
    path = stand_in(tmp_path, "echo 'a.txt: Invalid data found when processing input' >&2; exit 1")
    with pytest.raises(InputError, match=r"a\.txt: ffmpeg fails: a\.txt: Invalid data"):
        encodes(str(path), [Path("a.txt")], seconds=1, height=90)


@pytest.mark.integration
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg")
def test_real_encodes_become_rates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "encoders.toml"
    code, out, _ = run(capsys, "--seconds", "0.5", "--height", "144", "--out", path, "--json")
    assert code == 0
    found = json.loads(out)
    assert len(found["encodes"]) == 3 * 10
    for codec in ("h264", "av1"):
        for clip in ("pattern", "fractal", "grain"):
            points = sorted(
                (e["quantiser"], e["kbps"], e["ssim"])
                for e in found["encodes"]
                if (e["codec"], e["clip"]) == (codec, clip)
            )
            assert [k for _, k, _ in points] == sorted((k for _, k, _ in points), reverse=True)
            assert points[0][2] > points[-1][2]
    rates = load(path)
    assert {"encode_price_h264", "encode_price_av1", "film_grain_encode_factor"} <= rates.overridden
    assert all(rate.grade == "measured" for rate in rates.entries if rate.name in rates.overridden)
