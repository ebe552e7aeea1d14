"""Counter-based draws: known bits, right distributions, no dependence between counters."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from synthetic import random as draws
from synthetic.random import Stream

N = 200_000
ENTITIES = np.arange(N)
HASHES = ["0x33fe8bd4f9c57863", "0xe82c7cfc80e0c0a7", "0x7449a24c6d02aa58"]
UNIFORM, NORMAL, GUMBEL = "0x1.d058f9f901c19p-1", "0x1.5273acb48f83bp+0", "0x1.29b87ecefbfa0p+1"


def test_known_bits() -> None:
    """The values other machines must give; changing them changes every synthetic lake."""
    known = [hex(int(draws.hash4(*counters))) for counters in [(0, 0, 0, 0), (1, 2, 3, 4), (42, -1, 7, 100)]]
    assert known == HASHES
    assert float(draws.uniform(1, 2, 3, 4)).hex() == UNIFORM
    assert float(draws.normal(1, 2, 3, 4)).hex() == NORMAL
    assert float(draws.gumbel(1, 2, 3, 4)).hex() == GUMBEL


def test_arrays_are_the_scalars_in_any_order_and_any_split() -> None:
    entities = np.array([5, -3, 10**15, 0])
    whole = draws.normals(7, entities, 3, Stream.BROWSE_DWELL)
    assert whole.tolist() == [draws.normal(7, e, 3, 202) for e in entities.tolist()]
    assert draws.normals(7, entities[::-1], 3, 202).tolist() == whole[::-1].tolist()
    assert draws.normals(7, entities[2:], 3, 202).tolist() == whole[2:].tolist()
    table = draws.uniforms(7, entities[:, None], np.arange(3)[None, :], 202)
    assert table.shape == (4, 3)
    assert table[1, 2] == draws.uniform(7, -3, 2, 202)


@pytest.mark.parametrize(
    ("draw", "law"),
    [
        (draws.uniforms, stats.uniform),
        (draws.normals, stats.norm),
        (draws.exponentials, stats.expon),
        (draws.gumbels, stats.gumbel_r),
    ],
)
def test_distributions(draw, law) -> None:  # type: ignore[no-untyped-def]
    assert stats.kstest(draw(11, ENTITIES, 0, 1), law.cdf).pvalue > 1e-3
    assert stats.kstest(draw(11, 4, ENTITIES, 1), law.cdf).pvalue > 1e-3


def test_normals_drawn_side_by_side_are_those_drawn_one_by_one() -> None:
    several = np.empty(1_000)
    draws.fill_normal(several, 11, 5, 40, Stream.BROWSE_MOOD)
    assert several.tolist() == draws.normals(11, 5, np.arange(40, 1_040), Stream.BROWSE_MOOD).tolist()
    assert np.abs(several).max() > 2.5, "tails among them"


def test_counters_do_not_leak_into_each_other() -> None:
    base = draws.uniforms(1, ENTITIES, 0, 1)
    others = [
        draws.uniforms(2, ENTITIES, 0, 1),
        draws.uniforms(1, ENTITIES, 1, 1),
        draws.uniforms(1, ENTITIES, 0, 2),
        draws.uniforms(1, ENTITIES + 1, 0, 1),
        draws.uniforms(1, 0, ENTITIES, 1),
    ]
    for other in others:
        assert abs(np.corrcoef(base, other)[0, 1]) < 5 / np.sqrt(N)
        cells = np.histogram2d(base, other, bins=16, range=[[0, 1], [0, 1]])[0]
        assert stats.chisquare(cells.ravel()).pvalue > 1e-3


def test_no_two_counters_collide() -> None:
    bits = draws.hashes(3, np.arange(1000)[:, None], np.arange(500)[None, :], 9)
    assert np.unique(bits).size == bits.size


def test_uniform_is_open_at_both_ends() -> None:
    ends = (np.array([0, 2**52 - 1], np.float64) + 0.5) * 2.0**-52
    assert 0 < ends[0] < ends[1] < 1
    assert np.isfinite(stats.norm.ppf(ends)).all()


def test_log_and_exp_are_within_an_ulp_or_two() -> None:
    x = np.linspace(-700, 700, 20_001)
    np.testing.assert_allclose([draws.exp(v) for v in x], np.exp(x), rtol=4e-16)
    y = np.exp(x)
    np.testing.assert_allclose([draws.log(v) for v in y], np.log(y), rtol=4e-16, atol=1e-18)
    assert np.isfinite(draws.exp(1e9))
    assert draws.exp(-1e9) > 0


def test_streams_are_distinct() -> None:
    assert len({int(stream) for stream in Stream}) == len(Stream)


def test_poisson_counts_have_the_moments_of_the_law_and_its_inverse() -> None:
    from scipy.stats import poisson as law

    u = draws.uniforms(5, np.arange(50_000), 0, 1)
    found = draws.poisson(u, np.full(u.size, 2.5), 30)
    assert (found == law.ppf(u, 2.5)).mean() > 0.9999
    assert draws.poisson(np.array([0.999999]), np.array([9.0]), 4).tolist() == [4]
