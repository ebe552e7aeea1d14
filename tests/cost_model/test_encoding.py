"""Titles worth another codec, and rates from measured encodes: answers by hand, and what must not be said."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost_model.calibration import Encode, calibrate, rates_file
from cost_model.rates import load
from cost_model.titles import TITLES, tail, typical_catalogue
from metrics.errors import InputError

RATES, DAY = load(), date(2026, 4, 1)
FIXED = {
    "encode_price_av1": 0.1, "film_grain_encode_factor": 1.5, "ladder_1080p_equivalent": 4, "encode_trials": 5,
    "encode_life_years": 3, "av1_device_ratio": 0.5, "av1_saving_ratio": 0.4, "gb_per_hour": 2,
    "third_party_price": 0.005, "encode_price_hevc": 0.05, "hevc_device_ratio": 0.5, "hevc_saving_ratio": 0.4,
}  # fmt: skip


def titles(*rows: tuple[str, float, float]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=TITLES, orient="row")


def test_a_title_is_worth_it_where_its_bytes_pay_for_its_encode() -> None:
    """An hour costs 60 · .1 · 1.5 · 20 = 180; an hour watched saves 2 · .5 · .4 · .005 = .002; over 36 months
    2,500 hours a month for each of runtime."""
    some = titles(("a", 2, 6_000), ("b", 1, 2_500), ("c", 4, 9_600), ("d", 1, 0))
    found = tail(some, RATES, DAY, "av1_fgs", subscribers=1e6, given=FIXED, draws=3)
    assert found.hours_watched_per_hour.median == pytest.approx(2_500)
    assert found.worth_it.median == 2
    assert found.worth_it_hours_ratio.median == pytest.approx(8_500 / 18_100)
    # The most watched for its length is a: 3,000 · .002 is 6 a month
    assert found.payback_months[1].median == pytest.approx(30)
    assert tail(some, RATES, DAY, "hevc", subscribers=1e6, given=FIXED, draws=3).worth_it.median == 3


@given(price=st.floats(0.0005, 0.02), factor=st.floats(1, 5))
def test_dearer_bytes_never_make_fewer_titles_worth_it(price: float, factor: float) -> None:
    some = typical_catalogue(1e7, 1.6, 4)
    few, more = (
        tail(some, RATES, DAY, "av1_fgs", subscribers=1e7, given={**FIXED, "third_party_price": p}, draws=2)
        for p in (price, price * factor)
    )
    assert few.worth_it.median <= more.worth_it.median
    assert 0 <= few.worth_it_hours_ratio.median <= more.worth_it_hours_ratio.median <= 1


def test_a_typical_catalogue_is_watched_as_public_figures_say() -> None:
    hours = typical_catalogue(1e8, 1.6, 4)["hours_per_month"].to_numpy()
    assert hours.sum() == pytest.approx(1e8 * 1.6 * 365 / 12)
    for top, share in ((100, 0.196), (1_000, 0.575), (4_000, 0.874)):
        assert hours[:top].sum() / hours.sum() == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ((), "no titles"),
        ((("a", 0.0, 1.0),), "runtime_hours is 0; it is above 0"),
        ((("a", 1.0, -1.0),), "hours_per_month is -1; it is not negative"),
    ],
)
def test_titles_that_are_none_are_refused(rows: tuple[tuple[str, float, float], ...], says: str) -> None:
    with pytest.raises(InputError, match=says):
        tail(titles(*rows), RATES, DAY, "av1_fgs", subscribers=1e6, draws=2)


def encode(codec: str, quantiser: int, kbps: float, db: float, cpu: float = 60.0, clip: str = "a") -> Encode:
    return Encode(clip, codec, quantiser, kbps, float(1 - 10 ** (-db / 10)), cpu, 1920 * 1080 // 4)


def test_bitrate_is_compared_at_equal_quality() -> None:
    """H.264 doubles its bitrate for 3 dB; AV1 has 3 dB more at the same bitrate: half the bitrate at any quality."""
    h264 = [encode("h264", q, kbps, db) for q, kbps, db in ((36, 100, 9), (30, 200, 12), (24, 400, 15))]
    av1 = [encode("av1", q, kbps, db, 300) for q, kbps, db in ((56, 100, 12), (44, 200, 15), (32, 400, 18))]
    grain = [encode("av1_fgs", 44, 160, 11, 360)]
    found = calibrate([*h264, *av1, *grain])
    assert found.av1_saving["a"] == pytest.approx(0.5)
    assert found.film_grain_factor["a"] == pytest.approx(1.2)
    assert found.film_grain_saving["a"] == pytest.approx(1 - 0.5 * 0.8)
    assert found.cpu_s_per_minute["h264"]["a"] == pytest.approx(240)


def test_what_was_measured_is_taken_as_rates(tmp_path: Path) -> None:
    encodes = [
        encode(codec, q, kbps * scale, db + extra, cpu, clip)
        for clip, scale in (("a", 1), ("b", 1.3), ("c", 0.6))
        for codec, extra, cpu in (("h264", 0.0, 30.0), ("av1", 3.0 * scale, 300.0 * scale))
        for q, kbps, db in ((40, 100, 9), (30, 200, 12), (20, 400, 15))
    ]
    text, unsaid = rates_file(calibrate(encodes), RATES, DAY, "measured here")
    path = tmp_path / "encoders.toml"
    path.write_text(text, encoding="utf-8")
    rates = load(path)
    assert unsaid == []
    assert rates.overridden == {"encode_price_h264", "encode_price_av1", "av1_saving_ratio"}
    measured = rates.at("encode_price_h264", DAY)
    # 30 CPU seconds a minute at a quarter of the pixels: 120 s of a core
    assert float(measured.point()) == pytest.approx(
        120 / 3600 * float(RATES.usd("core_hour_price", DAY)), rel=1e-4
    )
    assert (measured.grade, measured.source) == ("measured", "measured here")
    low, high = rates.at("av1_saving_ratio", DAY).range_90 or (None, None)
    assert low is not None
    assert high is not None
    assert 0 < low < high < 1
    # Others' entries of the same name stay below one's own, the last file first.
    other = tmp_path / "own.toml"
    other.write_text(text.replace("measured here", "our farm"), encoding="utf-8")
    assert load([path, other]).at("encode_price_av1", DAY).source == "our farm"
    assert load([other, path]).at("encode_price_av1", DAY).source == "measured here"


def test_a_codec_that_saves_nothing_here_leaves_the_rate_alone() -> None:
    worse = [encode("h264", q, k, d) for q, k, d in ((30, 100, 12), (20, 200, 15))]
    worse += [encode("av1", q, k, d) for q, k, d in ((30, 150, 12), (20, 300, 15))]
    text, unsaid = rates_file(calibrate(worse), RATES, DAY, "here")
    assert "av1_saving_ratio" not in text
    assert unsaid == [
        "av1_saving_ratio stays as it was: -50% on these clips",
        "figures have no range: that takes 3 clips, and these are 1",
    ]
    apart = [encode("h264", q, k, d) for q, k, d in ((30, 100, 5), (20, 200, 6))]
    apart += [encode("av1", q, k, d) for q, k, d in ((30, 150, 12), (20, 300, 15))]
    assert calibrate(apart).av1_saving == {}
    assert np.isfinite(calibrate(apart).cpu_s_per_minute["av1"]["a"])
