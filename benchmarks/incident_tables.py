"""Labelled incident tables: leaf tables in which it is known which slices were hit, if any.

A table is as adverse as what operators see. Dimensions have long-tailed values, and one may be a refinement of
another (a city of a region); leaves have rates of their own; the service, each value of a dimension and each leaf
wander from minute to minute; leaves come and go. A fault hits one to three slices of one to three dimensions, not
every leaf of them and not every leaf alike. Viewers may move between slices at the incident. Of every ten tables
one is raised everywhere alike (an external cause), and in one viewers move to worse slices and nothing breaks.

Seeds below :data:`HELD_OUT` are for development; the score card is taken from there on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

__all__ = ["HELD_OUT", "SETTINGS", "IncidentTable", "Setting", "incident_table", "incident_tables"]

HELD_OUT = 1_000_000
AT = 1_000
"""The incident's minute in every table."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Element = dict[str, str]


@dataclass(frozen=True)
class Setting:
    """How tables are drawn; pairs are ranges.

    ``kinds``: shares of ``fault``, ``external``, ``mix`` and ``quiet``. ``viewers`` a minute; ``zipf`` exponents of
    values; ``spread`` of leaf sizes (log-sd); ``present``: chance that a leaf is told in a minute; ``tail``: degrees of
    freedom of the noise (0: normal); ``drift``: log-sd of the trend of rates and counts over the history; ``shift``:
    chance that viewers move, and by what factor; ``new``: shares of leaves that are new; ``uneven``: log-sd by which an
    external cause meets values of a dimension differently.
    """

    kinds: tuple[float, float, float, float] = (0.8, 0.1, 0.1, 0.0)
    viewers: tuple[float, float] = (2e4, 1e6)
    zipf: tuple[float, float] = (0.5, 1.6)
    spread: tuple[float, float] = (0.5, 1.5)
    present: tuple[float, float] = (0.997, 0.997)
    tail: float = 0.0
    drift: float = 0.0
    shift: float = 0.5
    shift_factor: tuple[float, float] = (0.3, 3.0)
    new: tuple[float, ...] = (0.0, 0.02, 0.1)
    uneven: float = 0.0


_MORE_NEGATIVES = (0.55, 0.2, 0.1, 0.15)
SETTINGS: Mapping[str, Setting] = {
    "usual": Setting(),
    "sparse": Setting(_MORE_NEGATIVES, viewers=(3e3, 4e4), present=(0.3, 0.9)),
    "heavy_tailed": Setting(_MORE_NEGATIVES, tail=3.0),
    "drifting": Setting(_MORE_NEGATIVES, drift=0.3),
    "even": Setting(_MORE_NEGATIVES, zipf=(0.0, 0.1), spread=(0.0, 0.2)),
    "skewed": Setting(_MORE_NEGATIVES, zipf=(1.4, 2.2), spread=(1.5, 2.2)),
    "shifting": Setting(_MORE_NEGATIVES, shift=1.0, shift_factor=(0.15, 6.0), new=(0.1, 0.25)),
    "uneven": Setting((0.5, 0.4, 0.0, 0.1), uneven=0.12),
}


@dataclass(frozen=True)
class IncidentTable:
    """``frame`` with columns ``min, value, cnt`` and dimensions, and its true ``elements`` (none: ``kind`` says why).

    ``kind`` is ``fault``, ``external``, ``mix`` or ``quiet``; of an additive table ``cnt`` is to be left aside.
    """

    seed: int
    kind: str
    frame: pl.DataFrame
    dimensions: tuple[str, ...]
    elements: tuple[Element, ...]
    is_ratio: bool


def incident_tables(count: int, first_seed: int = 0, setting: str = "usual") -> Iterator[IncidentTable]:
    """``count`` tables of consecutive seeds."""
    return (incident_table(seed, setting=setting) for seed in range(first_seed, first_seed + count))


def incident_table(seed: int, leaves: int | None = None, setting: str = "usual") -> IncidentTable:
    """The table of one seed: the same to the bit on every call. ``leaves`` fixes its size."""
    how = SETTINGS[setting]
    draw = np.random.Generator(np.random.Philox(seed))
    kind = str(draw.choice(["fault", "external", "mix", "quiet"], p=how.kinds))
    is_ratio = bool(draw.random() < 0.8) or kind == "mix"
    codes = _leaf_codes(draw, leaves or int(np.exp(draw.uniform(np.log(200), np.log(8_000)))), how.zipf)
    n, dims = codes.shape
    size = np.exp(draw.normal(0, draw.uniform(*how.spread), n))
    for d in range(dims):
        size *= _value_effects(draw, codes[:, d], draw.uniform(0.3, 1.2))
    size *= np.exp(draw.uniform(*np.log(how.viewers))) / size.sum()
    rate = np.full(n, np.exp(draw.uniform(np.log(0.004), np.log(0.06))))
    for d in range(dims):
        rate *= _value_effects(draw, codes[:, d], draw.uniform(0.05, 0.5))
    rate = np.minimum(rate * np.exp(draw.normal(0, draw.uniform(0.1, 0.7), n)), 0.6)

    history = int(np.exp(draw.uniform(np.log(2), np.log(61))))
    is_hit: Flags = np.zeros((0, n), bool)
    elements: tuple[Element, ...] = ()
    if kind == "fault":
        is_hit, elements = _elements(draw, codes, size, rate)
    frames = []
    wander = draw.uniform(0.01, 0.06), draw.uniform(0.02, 0.15), draw.uniform(0.05, 0.4)
    state = [np.zeros(int(codes[:, d].max()) + 1) for d in range(dims)]
    whole = 0.0
    # An operator is called some minutes after it began.
    late = int(draw.integers(1, 6)) if history > 12 and draw.random() < 0.25 else 0
    shift, effect = (
        _mix_shift(draw, codes, rate, kind, how),
        _effect(draw, kind, is_hit, codes, size * rate, how.uneven),
    )
    new = draw.random(n) < draw.choice(how.new)  # leaves that were not there before
    low, high = how.present
    absent = 1 - (low if low == high else draw.uniform(low, high))
    trend = _trend(draw, codes, how.drift), _trend(draw, codes, how.drift)
    for minute in range(AT - history, AT + 1):
        whole = 0.8 * whole + float(_noise(draw, wander[0], 1, how.tail)[0])
        log = np.full(n, whole) + _noise(draw, wander[2], n, how.tail)
        for d in range(dims):
            state[d] = 0.8 * state[d] + _noise(draw, wander[1], len(state[d]), how.tail) / np.sqrt(dims)
            log += state[d][codes[:, d]]
        ago = (AT - minute) / 60
        here, now = (
            size * np.exp(draw.normal(0, 0.05, n) - ago * trend[0]),
            rate * np.exp(log - ago * trend[1]),
        )
        if minute >= AT - late:
            here, now = here * shift, now * effect
        cnt = draw.poisson(here)
        if is_ratio:
            value = draw.binomial(cnt, np.minimum(now, 0.98)).astype(np.float64)
        else:
            value = draw.poisson(size * now * 5).astype(np.float64)
        seen = (cnt > 0) if is_ratio else (value > 0)
        if minute < AT:
            seen &= ~new
        seen &= draw.random(n) > absent
        frames.append(_minute(minute, value[seen], cnt[seen], codes[seen]))
    names = tuple(f"dim_{d}" for d in range(dims))
    return IncidentTable(seed, kind, pl.concat(frames), names, elements, is_ratio)


def _noise(draw: np.random.Generator, spread: float, n: int, tail: float) -> Floats:
    """Of that standard deviation; of Student's t where it has a tail."""
    if not tail:
        return draw.normal(0, spread, n)
    heavy: Floats = draw.standard_t(tail, n) * spread / np.sqrt(tail / (tail - 2))
    return heavy


def _trend(draw: np.random.Generator, codes: Ints, spread: float) -> Floats | float:
    """What the logarithm of each leaf's rate or count gains an hour: of the whole, and of each value."""
    if not spread:
        return 0.0
    whole = draw.normal(0, spread)
    parts = [draw.normal(0, spread, int(column.max()) + 1)[column] for column in codes.T]
    trend: Floats = whole + np.sum(parts, axis=0) / np.sqrt(len(parts))
    return trend


def _leaf_codes(draw: np.random.Generator, leaves: int, zipf: tuple[float, float]) -> Ints:
    """Distinct leaves: each dimension Zipf-like, one in three refined by the next."""
    dims = int(draw.integers(4, 9))
    columns: list[Ints] = []
    for d in range(dims):
        values = int(np.exp(draw.uniform(np.log(2), np.log(40))))
        shares = np.arange(1, values + 1) ** -draw.uniform(*zipf)
        column = draw.choice(values, size=leaves * 2, p=shares / shares.sum())
        if d and draw.random() < 0.15:  # a refinement of the dimension before
            column = columns[-1] * 3 + column % 3
        columns.append(column.astype(np.int64))
    codes = np.unique(np.stack(columns, 1), axis=0)
    kept: Ints = codes[draw.permutation(len(codes))[:leaves]]
    return kept


def _value_effects(draw: np.random.Generator, column: Ints, spread: float) -> Floats:
    effects: Floats = np.exp(draw.normal(0, spread, int(column.max()) + 1))
    return effects[column]


def _elements(
    draw: np.random.Generator, codes: Ints, size: Floats, rate: Floats
) -> tuple[Flags, tuple[Element, ...]]:
    """One to three slices that can be told from any with fewer dimensions."""
    wanted = int(draw.choice([1, 2, 3], p=[0.65, 0.2, 0.15]))
    layer = int(draw.choice([1, 2, 3], p=[0.5, 0.35, 0.15]))
    same = draw.random() < 0.7
    cuboid = draw.choice(codes.shape[1], layer, replace=False)
    hits: list[Flags] = []
    elements: list[Element] = []
    load = size * rate
    for _ in range(4_000):
        if len(hits) == wanted:
            break
        if not same or not hits:
            layer = int(draw.choice([1, 2, 3], p=[0.5, 0.35, 0.15])) if not same and hits else layer
            cuboid = draw.choice(codes.shape[1], layer, replace=False)
        leaf = codes[draw.integers(len(codes))]
        inside = (codes[:, cuboid] == leaf[cuboid]).all(axis=1)
        share = load[inside].sum() / load.sum()
        if not 0.004 < share < 0.4 or inside.sum() < 3 or load[inside].sum() < 8:
            continue
        if any((inside & other).any() for other in hits) or not _is_concise(
            codes, cuboid, leaf, load, inside
        ):
            continue
        hits.append(inside)
        elements.append({f"dim_{d}": f"v{codes[inside][0, d]}" for d in sorted(cuboid)})
    return np.array(hits).reshape(len(hits), len(codes)), tuple(elements)


def _is_concise(codes: Ints, cuboid: Ints, leaf: Ints, load: Floats, inside: Flags) -> bool:
    for left_out in range(len(cuboid)):
        rest = np.delete(cuboid, left_out)
        coarser = (codes[:, rest] == leaf[rest]).all(axis=1)
        if load[inside].sum() > 0.8 * load[coarser].sum():
            return False
    return True


def _mix_shift(draw: np.random.Generator, codes: Ints, rate: Floats, kind: str, how: Setting) -> Floats:
    factor = np.ones(len(codes))
    if kind != "mix" and draw.random() < 1 - how.shift:
        return factor
    for _ in range(int(draw.integers(1, 4))):
        column = codes[:, draw.integers(codes.shape[1])]
        if kind == "mix":
            # Viewers come to the values with the worst rates.
            mean = np.bincount(column, rate) / np.maximum(np.bincount(column), 1)
            factor[column == mean.argmax()] *= draw.uniform(2, 6)
        else:
            factor[column == column[draw.integers(len(column))]] *= draw.uniform(*how.shift_factor)
    return factor


def _effect(
    draw: np.random.Generator, kind: str, is_hit: Flags, codes: Ints, load: Floats, by_value: float
) -> Floats:
    """The factor of each leaf's rate at the incident."""
    n = len(codes)
    if kind == "external":
        everywhere: Floats = draw.uniform(1.4, 5) * np.exp(draw.normal(0, draw.uniform(0.05, 0.3), n))
        for column in codes.T if by_value else ():
            everywhere = everywhere * _value_effects(draw, column, by_value / np.sqrt(codes.shape[1]))
        return everywhere
    result = np.ones(n)
    if kind != "fault":
        return result
    # Leaves suffer unevenly, at random and by some other dimension (one device twice as much as another).
    uneven = draw.normal(0, draw.uniform(0.0, 0.6), n)
    for d in range(codes.shape[1]):
        if draw.random() < 0.4:
            uneven += np.log(_value_effects(draw, codes[:, d], draw.uniform(0.1, 0.4)))
    share_hit = draw.choice([1.0, 0.9, 0.75])
    is_alike = draw.random() < 0.6  # slices of one cause suffer alike
    strength = np.exp(draw.uniform(np.log(1.8), np.log(12)))
    # A slice too small to be noticed is not what an operator is called for.
    noticed = np.exp(draw.uniform(np.log(0.05), np.log(0.5))) * load.sum()
    result *= draw.choice([1.0, 1.0, 1.1, 1.25])
    for inside in is_hit:
        own = strength if is_alike else np.exp(draw.uniform(np.log(1.8), np.log(12)))
        own = max(own, 1 + noticed / load[inside].sum())
        some = inside & (draw.random(n) < share_hit)
        result = np.where(some, np.maximum(own * np.exp(uneven - uneven[inside].mean()), 1.0), result)
    return result


def _minute(minute: int, value: Floats, cnt: Ints, codes: Ints) -> pl.DataFrame:
    columns = {f"dim_{d}": [f"v{code}" for code in codes[:, d].tolist()] for d in range(codes.shape[1])}
    return pl.DataFrame({"min": np.full(len(value), minute), "value": value, "cnt": cnt, **columns})
