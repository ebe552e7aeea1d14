"""From measured encodes to rates: bitrate at equal quality, CPU seconds a minute, what each is worth.

The identities::

    saving of AV1        = 1 − exp(mean over quality of ln bitrate_av1 − ln bitrate_h264)
    saving with grain    = 1 − (1 − saving of AV1) · bitrate with synthesis / without, at the same quantiser
    price a 1080p minute = CPU seconds a minute · 1080p pixels / pixels encoded / 3600 · core_hour_price

Quality is SSIM in decibels, −10 log₁₀(1 − SSIM), over the range that both codecs reached (Bjøntegaard 2001, with
straight lines between points). SSIM takes synthesised grain for error, so grain is judged at equal quantiser.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np

from cost_model.rates import Rates
from cost_model.uncertainty import Floats

__all__ = ["CODECS", "Calibration", "Encode", "calibrate", "rates_file"]

CODECS = ("h264", "av1", "av1_fgs")
_FULL_HD = 1920 * 1080
_Z90 = 1.6448536269514722
_POINTS = 64
_FOR_A_RANGE = 3


@dataclass(frozen=True)
class Encode:
    """One encode of a clip as measured. ``quantiser`` is the encoder's constant rate factor."""

    clip: str
    codec: str
    quantiser: int
    kbps: float
    ssim: float
    cpu_s_per_minute: float
    pixels: int


@dataclass(frozen=True)
class Calibration:
    """What the encodes say, a value a clip; a clip that does not tell a figure is left out of it."""

    encodes: Sequence[Encode]
    av1_saving: Mapping[str, float]
    film_grain_saving: Mapping[str, float]
    film_grain_factor: Mapping[str, float]
    cpu_s_per_minute: Mapping[str, Mapping[str, float]]

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "encodes": [vars(encode) for encode in self.encodes],
            "av1_saving_ratio": dict(self.av1_saving),
            "film_grain_saving_ratio": dict(self.film_grain_saving),
            "film_grain_encode_factor": dict(self.film_grain_factor),
            "cpu_s_per_1080p_minute": {codec: dict(of) for codec, of in self.cpu_s_per_minute.items()},
        }


def calibrate(encodes: Sequence[Encode]) -> Calibration:
    """Compare the encodes clip by clip; each clip needs two quantisers a codec at least to be compared."""
    saving: dict[str, float] = {}
    grain_saving: dict[str, float] = {}
    factor: dict[str, float] = {}
    cpu: dict[str, dict[str, float]] = {codec: {} for codec in CODECS}
    for clip in dict.fromkeys(encode.clip for encode in encodes):
        by_codec = {c: [e for e in encodes if (e.clip, e.codec) == (clip, c)] for c in CODECS}
        for codec, these in by_codec.items():
            if these:
                scaled = [e.cpu_s_per_minute * _FULL_HD / e.pixels for e in these]
                cpu[codec][clip] = float(np.mean(scaled))
        ratio = _bitrate_ratio(by_codec["av1"], by_codec["h264"])
        if ratio is not None:
            saving[clip] = 1 - ratio
        pairs = [
            (with_grain, without)
            for with_grain in by_codec["av1_fgs"]
            for without in by_codec["av1"]
            if with_grain.quantiser == without.quantiser
        ]
        if pairs:
            factor[clip] = float(np.mean([g.cpu_s_per_minute / w.cpu_s_per_minute for g, w in pairs]))
            if ratio is not None:
                grain_saving[clip] = 1 - ratio * float(
                    np.exp(np.mean([np.log(g.kbps / w.kbps) for g, w in pairs]))
                )
    return Calibration(tuple(encodes), saving, grain_saving, factor, {c: of for c, of in cpu.items() if of})


def rates_file(found: Calibration, rates: Rates, day: date, source: str) -> tuple[str, list[str]]:
    """The measurements as rates of grade *measured* for ``--rates``, and what could not be said, a line each.

    With three clips or more a figure is a 90 % range over them (normal in the logarithm), else their mean.
    """
    core_hour = float(rates.usd("core_hour_price", day))
    entries, unsaid = [], []
    for codec, name in (("h264", "encode_price_h264"), ("av1", "encode_price_av1")):
        if codec in found.cpu_s_per_minute:
            prices = [s / 3600 * core_hour for s in found.cpu_s_per_minute[codec].values()]
            what = f"one output minute at 1080p, {codec}: CPU seconds at core_hour_price"
            entries.append(_entry(name, what, prices, "USD/minute", source))
    if found.film_grain_factor:
        what = "compute of AV1 with film-grain synthesis ÷ AV1 without"
        factors = list(found.film_grain_factor.values())
        entries.append(_entry("film_grain_encode_factor", what, factors, "1", source))
    savings = list((found.film_grain_saving or found.av1_saving).values())
    if savings and all(0 < value < 1 for value in savings):
        what = "fewer bytes of AV1 against H.264 at equal SSIM" + (
            ", film grain at equal quantiser" if found.film_grain_saving else ""
        )
        entries.append(_entry("av1_saving_ratio", what, savings, "ratio", source))
    else:
        told = ", ".join(f"{value:.0%}" for value in savings) or "no range of quality that both codecs reach"
        unsaid.append(f"av1_saving_ratio stays as it was: {told} on these clips")
    clips = len({encode.clip for encode in found.encodes})
    if clips < _FOR_A_RANGE:
        unsaid.append(f"figures have no range: that takes {_FOR_A_RANGE} clips, and these are {clips}")
    return "\n".join(entries), unsaid


def _bitrate_ratio(ours: Sequence[Encode], theirs: Sequence[Encode]) -> float | None:
    curves = [_curve(these) for these in (ours, theirs)]
    if any(len(quality) < 2 for quality, _ in curves):
        return None
    low, high = max(q[0] for q, _ in curves), min(q[-1] for q, _ in curves)
    if low >= high:
        return None
    at = np.linspace(low, high, _POINTS)
    first, second = (np.interp(at, quality, rate) for quality, rate in curves)
    return float(np.exp(np.mean(first - second)))


def _curve(encodes: Sequence[Encode]) -> tuple[Floats, Floats]:
    """Quality in dB, rising, and the logarithm of the bitrate there."""
    points = sorted((-10 * np.log10(1 - min(e.ssim, 1 - 1e-9)), np.log(e.kbps)) for e in encodes)
    return np.array([q for q, _ in points]), np.array([r for _, r in points])


def _entry(name: str, about: str, values: Sequence[float], unit: str, source: str) -> str:
    figure = f"value = {_text(float(np.mean(values)))}"
    logs = np.log(np.array(values) if unit != "ratio" else np.array(values) / (1 - np.array(values)))
    spread = float(np.std(logs, ddof=1)) if len(values) >= _FOR_A_RANGE else 0.0
    if spread > 1e-6:
        ends = np.exp(np.mean(logs) + np.array([-1, 1]) * _Z90 * spread)
        low, high = ends if unit != "ratio" else ends / (1 + ends)
        figure = f"range_90 = [{_text(float(low))}, {_text(float(high))}]"
    currency = 'currency = "USD"\n' if unit.startswith("USD") else ""
    return (
        f'[{name}]\nabout = "{about}"\n{figure}\nunit = "{unit}"\n{currency}effective_from = 2024-01-01\n'
        f'region = "global"\nsource = "{source}"\ngrade = "measured"\n'
    )


def _text(value: float) -> str:
    return format(Decimal(f"{value:.6g}"), "f")
