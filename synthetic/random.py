"""Counter-based randomness: every draw is a pure function of (seed, entity, step, stream).

There is no state, so a draw does not depend on the order, the partition or the thread that asks for it.
Floats come from integer arithmetic, `+ - * /` and square root alone (logarithm and exponential included,
after fdlibm), so that another C library gives the same bits.

The scalar functions are compiled and meant to be called from compiled kernels; the plural ones take arrays.
"""

from __future__ import annotations

from enum import IntEnum, unique

import numpy as np
import numpy.typing as npt

from synthetic.jit import compiled

__all__ = [
    "Stream",
    "exp",
    "exponential",
    "exponentials",
    "fill_normal",
    "gumbel",
    "gumbels",
    "hash4",
    "hashes",
    "log",
    "normal",
    "normals",
    "poisson",
    "uniform",
    "uniforms",
]


@unique
class Stream(IntEnum):
    """One name a purpose, so that two purposes never share a draw. Append; a value once used stays.

    Blocks: 1xx titles and members, 2xx browsing, 3xx control plane, 4xx world and demand, 5xx data plane,
    6xx player, 7xx incidents, 8xx telemetry samples.
    """

    TITLE_POPULARITY = 100
    TITLE_GENRE = 101
    TITLE_TASTE = 102
    TITLE_QUALITY = 103
    TITLE_RUNTIME = 104
    TITLE_RELEASE = 105
    TITLE_ORIGIN = 106
    TITLE_COMPLEXITY = 107
    TITLE_TEXT = 108
    TITLE_BAIT = 109
    MEMBER_TASTE = 120

    BROWSE_GUMBEL = 200
    BROWSE_ROW = 201
    BROWSE_DWELL = 202
    BROWSE_BUDGET = 203
    BROWSE_CONTINUE = 204
    BROWSE_SEARCH = 205
    BROWSE_PREFERENCE = 206
    BROWSE_INTENT = 207
    BROWSE_LOOK = 208
    BROWSE_TYPING = 209
    BROWSE_WISH = 210
    BROWSE_MOOD = 211
    BROWSE_ONBOARD = 212
    WATCH_TARGET = 220
    WATCH_SITTING = 221
    WATCH_JOY = 222
    WATCH_SKIP = 223

    WARMUP_PLAY = 300
    RECOMMEND_EXPLORE = 301
    AUTH_FAILURE = 310
    ARTWORK_VARIANT = 320
    SEARCH_QUERY = 330
    SEARCH_WORDS = 331
    CONTROL_LATENCY = 340
    CONTROL_FAILURE = 341

    ISP_COUNTRY = 400
    SITE_SIZE = 401
    SITE_EXCHANGE = 402
    MEMBER_SITE = 410
    MEMBER_ACCESS = 411
    MEMBER_THROUGHPUT = 412
    MEMBER_DEVICE = 413
    MEMBER_ACTIVITY = 414
    MEMBER_JOIN = 415
    MEMBER_CHURN = 416
    MEMBER_TRIAL = 417
    MEMBER_PLAN = 418
    VISIT_COUNT = 430
    VISIT_TIME = 431
    VISIT_DEVICE = 432
    VISIT_INTENT = 433
    VISIT_PAUSE = 434
    VISIT_SEEK = 435
    VISIT_FAILURE = 436

    DELIVERY_OVERFLOW = 500
    DELIVERY_THIRD_PARTY = 501
    DELIVERY_PLACEMENT = 502
    DELIVERY_RELEASE = 503
    DELIVERY_PULL = 504
    DELIVERY_COPY = 505
    DEVICE_AV1 = 510
    TITLE_GRAIN = 511

    PLAYER_KEY = 600
    PLAYER_PATIENCE = 601
    PLAYER_THROUGHPUT = 602
    PLAYER_VERSION = 603
    DEVICE_OS = 604

    INCIDENT_RECOMMENDATION = 700
    INCIDENT_CONFIG = 701
    INCIDENT_ENCODE = 702
    INCIDENT_SURGE = 703
    INCIDENT_DRAW = 710

    EXPERIMENT_ARM = 720

    TELEMETRY_SAMPLE = 800


_U = np.uint64
_GOLDEN = _U(0x9E3779B97F4A7C15)
_MIX_1 = _U(0xBF58476D1CE4E5B9)
_MIX_2 = _U(0x94D049BB133111EB)
_S30, _S27, _S31, _S12 = _U(30), _U(27), _U(31), _U(12)
_ULP = 2.0**-52
_MIDDLE = 0.425  # of a quantile that needs no logarithm: this far from the median


@compiled()
def _mix(value: np.uint64) -> np.uint64:
    """The finaliser of splitmix64 (Steele, Lea & Flood 2014): every input bit reaches every output bit."""
    value = (value ^ (value >> _S30)) * _MIX_1
    value = (value ^ (value >> _S27)) * _MIX_2
    return value ^ (value >> _S31)


@compiled()
def hash4(seed: int, entity: int, step: int, stream: int) -> np.uint64:
    """64 well mixed bits of the four counters; negative counters count as their two's complement."""
    value = _mix(_U(seed) + _GOLDEN * (_U(stream) + _U(1)))
    value = _mix(value + _GOLDEN * _U(entity))
    return _mix(value + _GOLDEN * _U(step))


@compiled()
def uniform(seed: int, entity: int, step: int, stream: int) -> float:
    """Uniform on the open interval (0, 1), with 52 bits."""
    return (np.float64(hash4(seed, entity, step, stream) >> _S12) + 0.5) * _ULP


@compiled()
def log(value: float) -> float:
    """Natural logarithm of a normal positive number, within 1 ulp (fdlibm ``e_log.c``)."""
    bits = np.float64(value).view(np.int64)
    exponent = (bits >> 52) - 1023
    mantissa = np.int64((bits & 0x000FFFFFFFFFFFFF) | 0x3FF0000000000000).view(np.float64)
    if mantissa > 1.4142135623730951:
        mantissa *= 0.5
        exponent += 1
    f = mantissa - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    odd = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01))
    even = z * (
        6.666666666666735130e-01
        + w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01))
    )
    half_square = 0.5 * f * f
    k = np.float64(exponent)
    tail = s * (half_square + odd + even) + k * 1.90821492927058770002e-10
    return k * 6.93147180369123816490e-01 - ((half_square - tail) - f)


@compiled()
def exp(value: float) -> float:
    """e to the value, for -708 <= value <= 709 (clipped outside), within 1 ulp (fdlibm ``e_exp.c``)."""
    value = min(max(value, -708.0), 709.0)
    k = np.int64(np.floor(value * 1.44269504088896338700 + 0.5))
    high = value - np.float64(k) * 6.93147180369123816490e-01
    low = np.float64(k) * 1.90821492927058770002e-10
    r = high - low
    t = r * r
    c = r - t * (
        1.66666666666666019037e-01
        + t
        * (
            -2.77777777770155933842e-03
            + t
            * (
                6.61375632143793436117e-05
                + t * (-1.65339022054652515390e-06 + t * 4.13813679705723846039e-08)
            )
        )
    )
    scale = np.int64((k + 1023) << 52).view(np.float64)
    return (1.0 - ((low - (r * c) / (2.0 - c)) - high)) * scale


@compiled()
def _middle_quantile(q: float) -> float:
    """:func:`normal_quantile` of q + 0.5, for -0.425 <= q <= 0.425."""
    r = 0.180625 - q * q
    return (
        q
        * (((((((2509.0809287301226727 * r + 33430.575583588128105) * r + 67265.770927008700853) * r
        + 45921.953931549871457) * r + 13731.693765509461125) * r + 1971.5909503065514427) * r
        + 133.14166789178437745) * r + 3.387132872796366608)
        / (((((((5226.495278852545925 * r + 28729.085735721942674) * r + 39307.89580009271061) * r
        + 21213.794301586595867) * r + 5394.1960214247511077) * r + 687.1870074920579083) * r
        + 42.313330701600911252) * r + 1.0)
    )  # fmt: skip


@compiled()
def normal_quantile(p: float) -> float:
    """Standard normal quantile, relative error below 1e-15 (Wichura 1988, AS 241 PPND16)."""
    q = p - 0.5
    if abs(q) <= _MIDDLE:
        return _middle_quantile(q)
    r = float(np.sqrt(-log(min(p, 1.0 - p))))
    if r <= 5.0:
        r -= 1.6
        value = (
            (((((((7.7454501427834140764e-4 * r + 0.0227238449892691845833) * r + 0.24178072517745061177) * r
            + 1.27045825245236838258) * r + 3.64784832476320460504) * r + 5.7694972214606914055) * r
            + 4.6303378461565452959) * r + 1.42343711074968357734)
            / (((((((1.05075007164441684324e-9 * r + 5.475938084995344946e-4) * r
            + 0.0151986665636164571966) * r + 0.14810397642748007459) * r + 0.68976733498510000455) * r
            + 1.6763848301838038494) * r + 2.05319162663775882187) * r + 1.0)
        )  # fmt: skip
    else:
        r -= 5.0
        value = (
            (((((((2.01033439929228813265e-7 * r + 2.71155556874348757815e-5) * r
            + 0.0012426609473880784386) * r + 0.026532189526576123093) * r + 0.29656057182850489123) * r
            + 1.7848265399172913358) * r + 5.4637849111641143699) * r + 6.6579046435011037772)
            / (((((((2.04426310338993978564e-15 * r + 1.4215117583164458887e-7) * r
            + 1.8463183175100546818e-5) * r + 7.868691311456132591e-4) * r + 0.0148753612908506148525) * r
            + 0.13692988092273580531) * r + 0.59983220655588793769) * r + 1.0)
        )  # fmt: skip
    return -value if q < 0.0 else value


@compiled()
def normal(seed: int, entity: int, step: int, stream: int) -> float:
    """Standard normal, by inversion: one draw a number, increasing in :func:`uniform`."""
    return normal_quantile(uniform(seed, entity, step, stream))


@compiled()
def fill_normal(out: npt.NDArray[np.float64], seed: int, entity: int, step: int, stream: int) -> None:
    """:func:`normal` of as many steps as ``out`` holds, from ``step`` on: six of seven side by side in one register."""
    for k in range(out.size):
        out[k] = uniform(seed, entity, step + k, stream) - 0.5
    for k in range(out.size):
        out[k] = _middle_quantile(out[k]) if abs(out[k]) <= _MIDDLE else np.nan
    for k in range(out.size):
        if np.isnan(out[k]):
            out[k] = normal(seed, entity, step + k, stream)


@compiled()
def exponential(seed: int, entity: int, step: int, stream: int) -> float:
    """Exponential with mean 1."""
    return -log(uniform(seed, entity, step, stream))


@compiled()
def gumbel(seed: int, entity: int, step: int, stream: int) -> float:
    """Standard Gumbel: the noise that makes the best of noisy utilities a softmax choice."""
    return -log(exponential(seed, entity, step, stream))


@compiled()
def _fill_hashes(out: npt.NDArray[np.uint64], seed: int, entities: npt.NDArray[np.int64],
                 steps: npt.NDArray[np.int64], stream: int) -> None:  # fmt: skip
    for i in range(out.size):
        out[i] = hash4(seed, entities[i], steps[i], stream)


@compiled()
def _fill(out: npt.NDArray[np.float64], seed: int, entities: npt.NDArray[np.int64],
          steps: npt.NDArray[np.int64], stream: int, kind: int) -> None:  # fmt: skip
    for i in range(out.size):
        u = uniform(seed, entities[i], steps[i], stream)
        if kind == 1:
            u = normal_quantile(u)
        elif kind == 2:
            u = -log(u)
        elif kind == 3:
            u = -log(-log(u))
        out[i] = u


Counters = npt.ArrayLike
"""An integer or an array of integers; entities and steps broadcast together."""


def _counters(entities: Counters, step: Counters) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    left, right = np.broadcast_arrays(
        np.asarray(entities).astype(np.int64), np.asarray(step).astype(np.int64)
    )
    return np.ascontiguousarray(left), np.ascontiguousarray(right)


def _draw(seed: int, entities: Counters, step: Counters, stream: int, kind: int) -> npt.NDArray[np.float64]:
    left, right = _counters(entities, step)
    out = np.empty(left.shape, np.float64)
    _fill(out.reshape(-1), int(seed), left.reshape(-1), right.reshape(-1), int(stream), kind)
    return out


def hashes(seed: int, entities: Counters, step: Counters, stream: int) -> npt.NDArray[np.uint64]:
    """:func:`hash4` of every entity."""
    left, right = _counters(entities, step)
    out = np.empty(left.shape, np.uint64)
    _fill_hashes(out.reshape(-1), int(seed), left.reshape(-1), right.reshape(-1), int(stream))
    return out


def uniforms(seed: int, entities: Counters, step: Counters, stream: int) -> npt.NDArray[np.float64]:
    """:func:`uniform` of every entity."""
    return _draw(seed, entities, step, stream, 0)


def normals(seed: int, entities: Counters, step: Counters, stream: int) -> npt.NDArray[np.float64]:
    """:func:`normal` of every entity."""
    return _draw(seed, entities, step, stream, 1)


def exponentials(seed: int, entities: Counters, step: Counters, stream: int) -> npt.NDArray[np.float64]:
    """:func:`exponential` of every entity."""
    return _draw(seed, entities, step, stream, 2)


def gumbels(seed: int, entities: Counters, step: Counters, stream: int) -> npt.NDArray[np.float64]:
    """:func:`gumbel` of every entity."""
    return _draw(seed, entities, step, stream, 3)


def poisson(u: npt.NDArray[np.float64], rate: npt.NDArray[np.float64], most: int) -> npt.NDArray[np.int64]:
    """Poisson counts with mean ``rate`` by inversion of the uniforms ``u``, shape (n,), at most ``most``."""
    count = np.zeros(u.size, np.int64)
    term = np.exp(-rate)
    cumulated = term.copy()
    for k in range(1, most + 1):
        count += u > cumulated
        term = term * rate / k
        cumulated = cumulated + term
    return count
