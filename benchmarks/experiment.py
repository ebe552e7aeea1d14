"""How often intervals of experiments hold, and how often nothing is called something: by simulation.

Every shape is 10,000 A/A tests and 10,000 A/B tests, in which the treatment multiplies the metric by ``1 + LIFT``. The
truth is the population's, in closed form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.harness import Row
from metrics.effects import (
    Estimate,
    Moments,
    difference,
    preference,
    quantile_difference,
    regression,
    sensitivity_gain,
    team_draft,
)

__all__ = [
    "DAYS", "INTERLEAVED", "LIFT", "SEED", "SHAPES", "TRIALS", "Interleaved", "Looks", "held", "interleaved", "looks",
    "rows",
]  # fmt: skip

TRIALS, BLOCK, LIFT, SEED = 10_000, 500, 0.1, 20_260_401
DAYS, DAILY, LOOKS_TUNED = 30, 100, 5_000
INTERLEAVED = 200  # members that see two rankings as one
HOURS_ZERO, HOURS_SIGMA = 0.4, 1.0  # share of members who watched nothing; spread of the others' log hours

_Array = np.ndarray[Any, Any]
_Pair = tuple[Estimate, Estimate]
_Draw = Callable[[np.random.Generator, int, float], _Pair]


def rows() -> list[Row]:
    """One row a shape, then the daily looks, then interleaving."""
    found = []
    for number, shape in enumerate(SHAPES):
        alike = held(shape, 0.0, np.random.default_rng([SEED, number, 0]))
        apart = held(shape, LIFT, np.random.default_rng([SEED, number, 1]))
        found.append(
            Row(
                f"{shape.name}: 95 % interval holds, A/A; A/B; A/B relative",
                f"{alike[0]:.2%}; {apart[0]:.2%}; {apart[1]:.2%}",
                "promised",
                "94 to 96 %",
            )
        )
    return [*found, *_looks(), *_interleaved()]


@dataclass(frozen=True)
class _Shape:
    """A kind of data: ``draw(rng, trials, lift)`` judges so many trials; truth is the effect, absolute."""

    name: str
    draw: _Draw
    base: float


def held(shape: _Shape, lift: float, rng: np.random.Generator) -> tuple[float, float]:
    """The share of trials whose interval holds the truth: of the absolute effect, and of the relative."""
    inside = np.zeros(2)
    for _ in range(TRIALS // BLOCK):
        pair = shape.draw(rng, BLOCK, lift)
        for which, (estimate, truth) in enumerate(zip(pair, (lift * shape.base, lift), strict=True)):
            low, high = estimate.interval()
            inside[which] += np.sum((low <= truth) & (truth <= high))
    return float(inside[0] / TRIALS), float(inside[1] / TRIALS)


def _hours(rng: np.random.Generator, shape: tuple[int, ...]) -> _Array:
    """Watch hours of members: many watch nothing, a few very much."""
    return np.where(rng.random(shape) < HOURS_ZERO, 0.0, rng.lognormal(0.0, HOURS_SIGMA, shape))


def _heavy(rng: np.random.Generator, shape: tuple[int, ...]) -> _Array:
    return np.asarray(10 + rng.standard_t(3, shape))


_HOURS_MEAN = (1 - HOURS_ZERO) * float(np.exp(HOURS_SIGMA**2 / 2))


def _plain(draw: Callable[[np.random.Generator, tuple[int, int]], _Array], sizes: tuple[int, int]) -> _Draw:
    def judged(rng: np.random.Generator, trials: int, lift: float) -> _Pair:
        control = Moments.of(draw(rng, (trials, sizes[0])))
        return difference(control, Moments.of((1 + lift) * draw(rng, (trials, sizes[1]))))

    return judged


def _small(rng: np.random.Generator, trials: int, lift: float) -> _Pair:
    control = Moments.of(rng.normal(10.0, 1.0, (trials, 8)))
    return difference(control, Moments.of((1 + lift) * rng.normal(10.0, 3.0, (trials, 12))))


def _share(rng: np.random.Generator, trials: int, lift: float) -> _Pair:
    sides = [rng.random((trials, 2_000)) < 0.1 * (1 + up) for up in (0.0, lift)]
    control, treatment = (Moments.of(side).of_proportion() for side in sides)
    return difference(control, treatment)


def _members(rng: np.random.Generator, trials: int, n: int, lift: float) -> tuple[_Array, ...]:
    """Hours and sessions of members in the experiment, and both before it; sessions cluster in members."""
    own = rng.gamma(4.0, 0.25, (trials, n))  # how much a member likes to watch, 1 on average
    sessions = 1.0 + rng.poisson(5.0, own.shape)
    hours = (1 + lift) * rng.gamma(2.0 * sessions) / 2.0 * own
    before_sessions = 1.0 + rng.poisson(5.0, own.shape)
    return hours, sessions, rng.gamma(2.0 * before_sessions) / 2.0 * own, before_sessions


def _ratio(rng: np.random.Generator, trials: int, lift: float) -> _Pair:
    control, treatment = (Moments.of(*_members(rng, trials, 500, up)[:2]) for up in (0.0, lift))
    return difference(control, treatment)


def _cuped(rng: np.random.Generator, trials: int, lift: float) -> _Pair:
    sides = [_members(rng, trials, 500, up) for up in (0.0, lift)]
    control, treatment = (Moments.of(side[0], None, side[2]) for side in sides)
    return difference(control, treatment)


def _cuped_ratio(rng: np.random.Generator, trials: int, lift: float) -> _Pair:
    control, treatment = (Moments.of(*_members(rng, trials, 500, up)) for up in (0.0, lift))
    return difference(control, treatment)


def _lin(rng: np.random.Generator, trials: int, lift: float) -> _Pair:
    def each() -> Iterator[_Pair]:
        sides = [_members(rng, trials, n, up) for n, up in ((500, 0.0), (250, lift))]
        for trial in range(trials):
            yield regression(
                (sides[0][0][trial], sides[0][2][trial]), (sides[1][0][trial], sides[1][2][trial])
            )

    return _stacked(each())


def _quantile(rng: np.random.Generator, trials: int, lift: float) -> _Pair:
    def side(up: float) -> tuple[_Array, None]:
        return (1 + up) * rng.lognormal(size=1_000), None

    return _stacked(quantile_difference(side(0.0), side(lift), 0.9) for _ in range(trials))


def _clustered(rng: np.random.Generator, trials: int, lift: float) -> _Pair:
    def side(up: float) -> tuple[_Array, _Array]:
        plays = 1 + rng.poisson(rng.gamma(1.0, 8.0, 400))
        member = np.repeat(np.arange(400), plays)
        return (1 + up) * np.exp(rng.normal(size=400)[member] + rng.normal(size=member.size)), member

    return _stacked(quantile_difference(side(0.0), side(lift), 0.9) for _ in range(trials))


def _stacked(pairs: Iterable[_Pair | None]) -> _Pair:
    absolute, relative = zip(*(pair for pair in pairs if pair is not None), strict=True)
    return _one(absolute), _one(relative)


def _one(estimates: Sequence[Estimate]) -> Estimate:
    """Many trials' estimates as one, [trials]."""
    return Estimate(*np.array([(e.effect, e.variance, e.df, e.n) for e in estimates]).T)


SHAPES = (
    _Shape("normal, 200 and 300 units", _plain(lambda rng, shape: rng.normal(10, 4, shape), (200, 300)), 10.0),
    _Shape("small, 8 and 12 units of unlike spread", _small, 10.0),
    _Shape("watch hours, 40 % zeros, lognormal, 1,000 each", _plain(_hours, (1_000, 1_000)), _HOURS_MEAN),
    _Shape("proportion of .1, 2,000 each", _share, 0.1),
    _Shape("heavy tails (Student's t of 3 df), 500 each", _plain(_heavy, (500, 500)), 10.0),
    _Shape("ratio of sums over members, 500 each", _ratio, 1.0),
    _Shape("CUPED, mean, 500 each", _cuped, 6.0),
    _Shape("CUPED, ratio, 500 each", _cuped_ratio, 1.0),
    _Shape("regression (Lin), 500 and 250", _lin, 6.0),
    _Shape("quantile .9, lognormal, 1,000 each", _quantile, float(np.exp(stats.norm.ppf(0.9)))),
    _Shape("quantile .9 in clusters, 400 members each", _clustered, float(np.exp(np.sqrt(2) * stats.norm.ppf(0.9)))),
)  # fmt: skip


@dataclass(frozen=True)
class Looks:
    """Tests of a month that were looked at every day, :data:`TRIALS` of each kind: which said what.

    ``false_naive`` and ``false_anytime``: A/A tests in which a look called something, by a z test and by the
    anytime-valid interval; ``found_once`` and ``found_anytime``: A/B tests called, by one t test at the end and by any
    look; ``held``: tests of either kind all of whose anytime-valid intervals held.
    """

    false_naive: _Array
    false_anytime: _Array
    found_once: _Array
    found_anytime: _Array
    held: _Array


def looks() -> Looks:
    """A/A and A/B tests of watch hours looked at every day for a month, new members every day."""
    naive, told, once, held = ([list[_Array](), list[_Array]()] for _ in range(4))
    for kind, lift in enumerate((0.0, LIFT)):
        rng = np.random.default_rng([SEED, 100, kind])
        for _ in range(TRIALS // BLOCK):
            days = [np.moveaxis((1 + up) * _hours(rng, (BLOCK, DAYS, DAILY)), 1, 0) for up in (0.0, lift)]
            called, called_anytime, missed = (np.zeros(BLOCK, np.bool_) for _ in range(3))
            for day in range(1, DAYS + 1):
                arms = [Moments.of(np.moveaxis(side[:day], 0, 1).reshape(BLOCK, -1)) for side in days]
                fixed, _ = difference(arms[0], arms[1])
                anytime, _ = difference(arms[0], arms[1], tuning=LOOKS_TUNED)
                low, high = anytime.interval()
                called |= 2 * stats.norm.sf(np.abs(fixed.effect) / fixed.error) < 0.05
                called_anytime |= anytime.p() < 0.05
                missed |= (low > lift * _HOURS_MEAN) | (high < lift * _HOURS_MEAN)
            for kept, one in zip(
                (naive, told, once, held), (called, called_anytime, fixed.p() < 0.05, ~missed), strict=True
            ):
                kept[kind].append(one)
    each = np.concatenate
    return Looks(each(naive[0]), each(told[0]), each(once[1]), each(told[1]), each([*held[0], *held[1]]))


def _looks() -> list[Row]:
    found, what = looks(), f"{DAYS} daily looks at watch hours"
    return [
        Row(
            f"{what}, false positives: anytime-valid",
            f"{found.false_anytime.mean():.2%}",
            "z test each day",
            f"{found.false_naive.mean():.2%}",
        ),
        Row(f"{what}: all intervals hold at once", f"{found.held.mean():.2%}", "promised", "at least 95 %"),
        Row(
            f"{what}, a lift of {LIFT:.0%} found: anytime-valid",
            f"{found.found_anytime.mean():.2%}",
            "one t test at the end",
            f"{found.found_once.mean():.2%}",
        ),
    ]


@dataclass(frozen=True)
class Interleaved:
    """Rankings told apart: ``false`` of :data:`TRIALS` pairs alike; ``found`` and, by an A/B test of the same members,
    ``found_parted`` of pairs of which one is better; ``gain`` in members."""

    false: _Array
    found: _Array
    found_parted: _Array
    gain: float


def interleaved(members: int = INTERLEAVED, places: int = 10, pool: int = 20) -> Interleaved:
    """Two rankings of the same titles, one with more noise; members play what they like, more at the top."""
    rng = np.random.default_rng([SEED, 200])
    seen = 1 / np.log2(2 + np.arange(places))
    everyone = np.arange(members)[:, None]

    def ranked(liking: _Array, noise: float) -> _Array:
        return np.argsort(-(liking + noise * rng.normal(size=liking.shape)), axis=1)[:, :places]

    def played(liking: _Array, keen: _Array, shown: _Array) -> _Array:
        chance = keen * seen * stats.norm.cdf(liking[everyone, shown] - 1)
        return np.asarray(rng.random(shown.shape) < chance)

    def trial(better: float) -> tuple[Estimate, Estimate]:
        liking, keen = rng.normal(size=(members, pool)), rng.gamma(1.0, 1.0, (members, 1))
        one, two = ranked(liking, 1.0), ranked(liking, better)
        shown, teams = team_draft(one, two, rng.integers(0, 2, (members, places // 2)))
        credit = played(liking, keen, shown)
        mixed = preference(np.sum(credit & (teams == 0), axis=1), np.sum(credit & (teams == 1), axis=1))
        half = members // 2
        plays = [played(liking, keen, each) for each in (one, two)]
        parted, _ = difference(
            Moments.of(plays[0][:half].sum(axis=1)), Moments.of(plays[1][half:].sum(axis=1))
        )
        return mixed, parted

    alike = np.array([trial(1.0)[0].p() < 0.05 for _ in range(TRIALS)])
    apart = [trial(0.7) for _ in range(TRIALS // 5)]
    usual = [_usual([pair[which] for pair in apart]) for which in (0, 1)]
    found = [np.array([pair[which].p() < 0.05 for pair in apart]) for which in (0, 1)]
    return Interleaved(alike, found[0], found[1], sensitivity_gain(usual[0], usual[1]))


def _interleaved() -> list[Row]:
    told = interleaved()
    return [
        Row("interleaving, false positives", f"{told.false.mean():.2%}", "promised", "5 %"),
        Row(
            f"interleaving, the better ranking found with {INTERLEAVED} members",
            f"{told.found.mean():.1%}",
            "A/B test",
            f"{told.found_parted.mean():.1%}",
        ),
        Row("interleaving: members an A/B test needs for each of its own", f"{told.gain:.1f}"),
    ]


def _usual(estimates: list[Estimate]) -> Estimate:
    """The mean effect with the mean variance of one test."""
    effect, variance, df, n = np.mean([(e.effect, e.variance, e.df, e.n) for e in estimates], axis=0)
    return Estimate(effect, variance, df, n)
