"""Ladders: by hand, as properties, and in a run: what is encoded is on disk, and only that is streamed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetic import emulator
from synthetic.codecs import CEILING, CEILING_KBPS, Ladders, expected_stream_kbps, make_ladders, quality
from synthetic.delivery import Fills
from synthetic.emulator import Served
from synthetic.members import DEVICE_NAMES
from synthetic.playing import Delivered, deliver
from synthetic.scenario import CODEC_NAMES, load_scenario
from synthetic.tables import encodes
from synthetic.world import FACTUAL, Switches, World, make_world

CODECS = load_scenario(None).codecs
H264_ONLY = Switches(av1=False)


def ladders(*complexity: float, ms: int = 8_000, av1: bool = True, grain: bool = False) -> Ladders:
    n = len(complexity)
    return make_ladders(
        CODECS, np.array(complexity), np.full(n, ms), np.full(n, av1), np.full(n, grain)
    )  # fmt: skip


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(load_scenario(None, panel=2_000, days=1).model_copy(update={"incident": ()}))


@pytest.fixture(scope="module")
def served(world: World) -> Served:
    (day,) = emulator.days(world)
    return day


@pytest.fixture(scope="module")
def h264(world: World, served: Served) -> Delivered:
    return deliver(world, served.state, served.request, H264_ONLY, served.delivered)


def test_quality_by_hand() -> None:
    assert quality(np.array([CEILING_KBPS, CEILING_KBPS / 2, CEILING_KBPS / 8])) == pytest.approx(
        [95, 83, 59]
    )
    assert quality(np.array([1e6, 1.0])) == pytest.approx([100, 0])
    # Half the complexity, or a codec that needs half the bits: as good at half the bitrate.
    assert quality(np.array(1_000.0), 0.5) == pytest.approx(float(quality(np.array(2_000.0))))
    assert quality(np.array(1_000.0), 1.0, 0.5) == pytest.approx(float(quality(np.array(2_000.0))))


def test_ladders_by_hand() -> None:
    # Needed: 1,950, 3,900, 5,850 and 7,800 kbit/s. On the grid: 2,350, 4,300, and 5,800 stretched.
    found = ladders(0.5, 1.0, 1.5, 2.0)
    assert found.top_rung.tolist() == [6, 8, 9, 9]
    assert found.scale[:, 0] == pytest.approx([1, 1, 5_850 / 5_800, 7_800 / 5_800])
    assert found.scale[3] == pytest.approx(7_800 / 5_800 * np.array([1, 0.667, 0.456]))
    assert found.rendition_count.tolist() == [7, 9, 10, 10]
    # 8 s at b kbit/s are 1,000 b bytes; up to 2,350 the grid sums to 7,070.
    assert found.output_bytes[0].tolist() == [7_070_000, int(7_070_000 * 0.667), 0]
    assert ladders(0.5, grain=True).output_bytes[0].tolist() == [7_070_000, 0, int(7_070_000 * 0.456)]
    assert ladders(0.5, av1=False, grain=True).output_bytes[0].tolist() == [7_070_000, 0, 0]


@given(st.lists(st.floats(0.08, 20), min_size=2, max_size=30))
def test_every_title_reaches_the_ceiling_and_has_no_rung_above_it(complexity: list[float]) -> None:
    c = np.sort(np.array(complexity))
    found = ladders(*c)
    grid = found.grid_kbps
    for number, name in enumerate(CODEC_NAMES):
        ratio = CODECS.bitrate_ratio[name]
        top_kbps = grid[found.top_rung] * found.scale[:, number]
        assert (quality(top_kbps, c, ratio) >= CEILING - 1e-9).all()
        below = grid[np.maximum(found.top_rung - 1, 0)] * found.scale[:, number]
        assert ((quality(below, c, ratio) < CEILING) | (found.top_rung == 0)).all()
        # The simpler of two titles never has more rungs, more bits at the top or more bytes.
        assert (np.diff(found.top_rung) >= 0).all()
        assert (np.diff(top_kbps) >= 0).all()
        assert (np.diff(found.output_bytes[:, number]) >= 0).all()


def test_what_is_encoded_is_what_lies_on_disk(world: World) -> None:
    table = encodes(world)
    of_title = table.group_by("content_id").agg(pl.col("output_bytes").sum())
    on_disk = pl.DataFrame({"content_id": world.titles.id.tolist(), "size": Fills(world, [FACTUAL]).sizes})
    both = of_title.join(on_disk, on="content_id", how="full")
    assert both.height == world.titles.count
    assert (both["output_bytes"] == both["size"]).all()
    count = table.filter(codec="h264").sort("content_id")["rendition_count"].to_numpy()
    assert (count == world.ladders.top_rung[np.argsort(world.titles.id)] + 1).all()
    assert count.min() < count.max() == len(CODECS.ladder_kbps)


def test_no_session_streams_a_rendition_that_does_not_exist(
    world: World, served: Served, h264: Delivered
) -> None:
    screen = np.array([world.scenario.device[name].max_rung for name in DEVICE_NAMES])
    for delivered in (served.delivered, h264):
        rows = np.flatnonzero(delivered.played.started & (delivered.failure == 0))
        title = served.request.browse.chosen[delivered.rows[rows]]
        device = served.request.visits.device[delivered.rows[rows]]
        codec = delivered.codec[rows].astype(np.int64)
        assert world.ladders.is_encoded[title, codec].all()
        scale, top = world.ladders.scale[title, codec], world.ladders.top_rung[title]
        most = world.ladders.grid_kbps[np.minimum(top, screen[device])]
        assert (delivered.played.peak_kbps[rows] <= most * scale * (1 + 1e-6)).all()
        for kbps in (delivered.played.first_kbps[rows], delivered.played.peak_kbps[rows]):
            off = np.abs(kbps[:, None] / scale[:, None] / world.ladders.grid_kbps - 1).min(axis=1)
            assert off.max() < 1e-5
        assert (top < screen[device]).any()


def test_without_av1_there_is_none(world: World, served: Served, h264: Delivered) -> None:
    assert (h264.codec == 0).all()
    assert set(served.delivered.codec.tolist()) == {0, 1, 2}
    # Nobody who cannot play AV1, or chose a title that is not in it, asks for another ladder.
    stays = served.delivered.codec == 0
    assert (h264.plays.scale[stays] == served.delivered.plays.scale[stays]).all()
    assert (h264.plays.scale[~stays] > served.delivered.plays.scale[~stays]).all()


def test_traffic_falls_by_no_more_than_the_codec_saves(world: World, served: Served, h264: Delivered) -> None:
    """A line that carries the top rung saves the codec's whole ratio; one that does not spends some on quality."""
    weight = world.members.weight[served.request.visits.member[served.delivered.rows]].astype(np.float64)

    def per_hour(delivered: Delivered, rows: np.ndarray) -> float:
        kbit = (delivered.played.delivered_kbit * weight)[rows].sum()
        return float(kbit / (delivered.played.playing_ms * weight)[rows].sum())

    for number, name in enumerate(CODEC_NAMES[1:], start=1):
        rows = served.delivered.codec == number
        kept = per_hour(served.delivered, rows) / per_hour(h264, rows)
        assert CODECS.bitrate_ratio[name] <= kept < 1
    slow = served.delivered.plays.base_kbps < 3_000
    rows = served.delivered.codec == 1
    on_slow, on_fast = (
        per_hour(served.delivered, rows & which) / per_hour(h264, rows & which) for which in (slow, ~slow)
    )
    assert on_fast < on_slow


def test_streams_are_expected_to_ask_for_less_with_av1_and_with_lighter_titles(world: World) -> None:
    scenario, share = world.scenario, world.titles.share
    with_av1, without = (
        expected_stream_kbps(scenario, world.ladders, share, has_av1=has_av1) for has_av1 in (True, False)
    )
    best = 1 - max(device.av1_ratio for device in scenario.device.values()) * (1 - 0.456)
    assert (with_av1 < without).all()
    assert (with_av1 > best * without).all()
    light = replace(world.ladders, top_rung=np.minimum(world.ladders.top_rung, 5))
    assert (expected_stream_kbps(scenario, light, share, has_av1=False) < without).all()


def test_what_streams_are_expected_to_ask_for_by_hand(world: World) -> None:
    """One title of one rung: every line carries it, whatever the device."""
    one = ladders(1.0, av1=False)
    one = replace(one, top_rung=np.array([0]))
    assert set(expected_stream_kbps(world.scenario, one, np.ones(1), has_av1=True).tolist()) == {235}
