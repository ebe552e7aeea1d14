"""Each title's ladder in each codec: how far up the common grid it goes, at what bitrates, in how many bytes.

Per-title encoding, as published: candidate bitrates lie on one grid, and a title gets the rungs that its viewers
can tell apart. Quality, on a scale like VMAF's, is logarithmic in the bitrate up to saturation::

    quality = 95 + 12 · log2(bitrate / (3,900 kbit/s · complexity · codec ratio)), within 0..100

The highest rung is the first that reaches the ceiling of 95, above which more bits show nothing. A title that the
grid's end leaves below the ceiling has the whole grid stretched until the end reaches it. A codec's ratio acts on
bitrates at equal quality: the same rungs, each with that many fewer bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic.arrays import Bools, Floats, Ints
from synthetic.members import DEVICE_NAMES
from synthetic.player.network import NETWORKS, load_networks
from synthetic.scenario import CODEC_NAMES, Codecs, Scenario

__all__ = ["CEILING", "CEILING_KBPS", "Ladders", "expected_stream_kbps", "make_ladders", "quality"]

# Assumptions. Public examples put a cartoon's VMAF of 95 near 2 Mbit/s and grainy sport's near 7.5: a factor of 1.9
# either side of their geometric mean. A doubling of bits is two just noticeable differences of 6 points.
CEILING = 95.0
CEILING_KBPS = 3_900.0  # what a title of complexity 1 needs in H.264 to reach it
POINTS_PER_DOUBLING = 12.0


@dataclass(frozen=True)
class Ladders:
    """``top_rung`` [titles]: the highest rung. ``scale`` [titles, codecs]: bitrates over the grid's, in the order of
    ``CODEC_NAMES``. ``is_encoded`` and ``output_bytes`` [titles, codecs]: all renditions of a codec together, 0
    where the title is not encoded in it."""

    grid_kbps: Floats
    top_rung: Ints
    scale: Floats
    is_encoded: Bools
    output_bytes: Ints

    @property
    def best_codec(self) -> Ints:
        """Index of the codec that needs the fewest bits, of those that each title is encoded in."""
        return np.asarray(np.where(self.is_encoded, self.scale, np.inf).argmin(axis=1))

    @property
    def rendition_count(self) -> Ints:
        """Renditions of each title in each codec that it is encoded in."""
        return self.top_rung + 1


def quality(kbps: Floats, complexity: Floats | float = 1.0, ratio: Floats | float = 1.0) -> Floats:
    """Quality, 0 to 100, of a title of ``complexity`` at a bitrate in a codec of ``ratio`` to H.264; broadcasts."""
    over = np.log2(kbps / (CEILING_KBPS * np.asarray(complexity) * ratio))
    return np.asarray(np.clip(CEILING + POINTS_PER_DOUBLING * over, 0.0, 100.0))


def make_ladders(
    codecs: Codecs, complexity: Floats, total_ms: Ints, is_av1_title: Bools, is_grain_title: Bools
) -> Ladders:
    """Ladders of n titles that run ``total_ms``, every episode. All are encoded in H.264; those chosen for AV1 in
    AV1 too, with film-grain synthesis where there is grain worth it."""
    grid = np.array(codecs.ladder_kbps)
    reaches = quality(grid, complexity[:, None]) >= CEILING
    top = np.where(reaches.any(axis=1), reaches.argmax(axis=1), grid.size - 1)
    stretch = np.maximum(1.0, CEILING_KBPS * complexity / grid[-1])
    scale = stretch[:, None] * np.array([codecs.bitrate_ratio[name] for name in CODEC_NAMES])
    encoded = np.stack(
        [np.ones_like(is_av1_title), is_av1_title & ~is_grain_title, is_av1_title & is_grain_title], axis=1
    )
    rungs_kbps = np.cumsum(grid)[top][:, None] * scale
    size = np.where(encoded, np.maximum(total_ms[:, None] * rungs_kbps / 8, 1), 0)
    return Ladders(grid, top, scale, encoded, size.astype(np.int64))


def expected_stream_kbps(scenario: Scenario, ladders: Ladders, share: Floats, *, has_av1: bool) -> Ints:
    """What a stream asks for without congestion, by region: mean over titles, devices and access networks, kbit/s.

    The highest rung within 0.9 of the network's median throughput, of those that the title has and the screen
    shows. ``share`` [titles] of hours; titles whose ladders are alike to 1 % are taken together.
    """
    grid, devices = ladders.grid_kbps, [scenario.device[name] for name in DEVICE_NAMES]
    able = np.array([device.av1_ratio for device in devices]) * has_av1
    in_av1 = able[:, None, None] * ladders.is_encoded[None, :, 1:]
    plays = np.concatenate([1 - in_av1.sum(axis=2, keepdims=True), in_av1], axis=2) * share[:, None]
    top = np.broadcast_to(ladders.top_rung[:, None], ladders.scale.shape)
    alike = np.stack([top, np.round(100 * np.log(ladders.scale))]).reshape(2, -1)
    kinds, of = np.unique(alike, axis=1, return_inverse=True)
    weight = np.stack([np.bincount(of.reshape(-1), p.reshape(-1)) for p in plays])
    weight *= np.array([device.share for device in devices])[:, None]
    scale = np.exp(kinds[1] / 100)
    tops = np.minimum([[device.max_rung] for device in devices], kinds[0].astype(np.int64))

    networks = load_networks()
    # Quantiles of a standard normal at the middles of 20 equal slices, by inverting the logistic approximation.
    p = (np.arange(20) + 0.5) / 20
    z = np.log(p / (1 - p)) / 1.702
    out = []
    for region in scenario.region.values():
        total = 0.0
        for name in NETWORKS:
            shift = region.fixed_log_shift if name == "fixed" else 0.0
            base = np.exp(networks[name].log_mean + shift + networks[name].log_sd_across * z)
            rung = np.maximum(np.searchsorted(grid, 0.9 * base[:, None] / scale, side="right") - 1, 0)
            kbps = grid[np.minimum(rung[:, None, :], tops)] * scale
            total += region.access.get(name, 0.0) * float((kbps * weight).sum(axis=(1, 2)).mean())
        out.append(round(total / float(weight.sum())))
    return np.array(out)
