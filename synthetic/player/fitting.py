"""Fitting access networks to recorded throughput, and how far the fits are from recordings they have not seen.

Recordings are sequences of kbit/s, one value a chunk of :data:`~synthetic.player.network.CHUNK_S`
(:func:`per_chunk` makes them of traces). Three models, each the one before and something: independent log-normal
chunks; a level of each session's own and a first-order autoregression around it (:func:`fit`); impairments that
come and go (:func:`fit_states`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from metrics.errors import InputError
from synthetic.arrays import Bools, Floats, Ints
from synthetic.jit import compiled
from synthetic.player.network import CHUNK_S, Impairment, Network, block_average

if TYPE_CHECKING:
    import polars as pl

__all__ = ["fit", "fit_states", "ks_distance", "ks_report", "per_chunk", "sample"]

_LEAST = 10  # chunks of a recording that is used
_ROUNDS = 60
_MOST_ASIDE = 0.5  # an impairment leaves at most this share of the throughput


def per_chunk(trace: Floats) -> Floats:
    """Mean kbit/s of each whole chunk of a trace as :func:`~synthetic.player.trace.read_trace` gives it."""
    ends = np.concatenate([[0.0], np.cumsum(trace[:, 0])])
    bits = np.concatenate([[0.0], np.cumsum(trace[:, 0] * trace[:, 1])])
    edges = np.arange(0.0, ends[-1] + 1e-6, CHUNK_S * 1000.0)
    return np.asarray(np.diff(np.interp(edges, ends, bits)) / (CHUNK_S * 1000.0))


def fit(traces: Iterable[Floats], name: str = "fitted") -> Network:
    """Fit a network without impairments to traces of kbit/s, each sampled once a chunk.

    Samples without a byte count as 1 kbit/s. Moments of the logarithm; the spread across sessions is
    what is left of the variance of session means after the variance of a mean of correlated samples.

    Raises :class:`~metrics.errors.InputError` for fewer than two traces of ten samples.
    """
    logs = _logs(traces, name)
    return _moments(logs, [np.ones(values.size, np.bool_) for values in logs], name)


def fit_states(traces: Iterable[Floats], name: str = "fitted") -> Network:
    """Fit a network with its impairments: a hidden Markov chain of three states a chunk.

    The logarithm of a chunk's throughput, less its session's level, is normal about a mean of the state: 0, or
    that of the two impairments, which leave at most half of the throughput. States, means, spreads, levels and
    transitions by expectation-maximisation (Baum et al. 1970). An impairment's length is its expected one, its
    rate such that it holds the expected share of time (the chain may pass from one to the other, a
    :class:`Network` does not); its spread is what the state's has beyond that of clear chunks. Level, spread and
    correlation are moments of the chunks that are most likely without one. An impairment that holds under one
    chunk in a thousand is left out.

    Raises :class:`~metrics.errors.InputError` for fewer than two traces of ten samples.
    """
    logs = _logs(traces, name)
    levels = np.array([np.quantile(values, 0.6) for values in logs])
    means, sds = np.array([0.0, -1.5, -4.0]), np.array([0.6, 0.6, 1.5])
    stay = np.array([0.98, 0.8, 0.8])
    move = np.diag(stay) + (1 - stay)[:, None] * (1 - np.eye(3)) / 2
    first = np.array([0.8, 0.15, 0.05])
    for _ in range(_ROUNDS):
        shares, counts, begun = [], np.full((3, 3), 1e-3), np.full(3, 1e-3)
        for values, level in zip(logs, levels, strict=True):
            z = (values[:, None] - level - means) / sds
            density = np.exp(-0.5 * z * z) / sds + 1e-12
            share = np.empty_like(density)
            _smooth(density, first, move, share, counts)
            shares.append(share)
            begun += share[0]
        move = counts / counts.sum(axis=1, keepdims=True)
        first = begun / begun.sum()
        levels = np.array(
            [
                (s * (v[:, None] - means) / sds**2).sum() / (s / sds**2).sum()
                for s, v in zip(shares, logs, strict=True)
            ]
        )
        share = np.concatenate(shares)
        residual = np.concatenate([v - level for v, level in zip(logs, levels, strict=True)])[:, None]
        weight = share.sum(axis=0) + 1e-9
        levels += float((share[:, 0] * residual[:, 0]).sum() / weight[0])
        means = np.minimum((share * residual).sum(axis=0) / weight, math.log(_MOST_ASIDE))
        means[0] = 0.0
        sds = np.maximum(np.sqrt((share * (residual - means) ** 2).sum(axis=0) / weight), 0.05)
    clear = [s.argmax(axis=1) == 0 for s in shares]
    found = _moments(logs, clear, name)
    impairments = []
    for state in (1, 2):
        held = float(share[:, state].mean())
        if held < 1e-3:
            impairments.append(Impairment())
            continue
        length = counts[state].sum() / max(counts[state].sum() - counts[state, state], 1e-9)
        starts = held / (float(share[:, 0].mean()) * length)  # a chunk without one
        spread = math.sqrt(max(float(sds[state]) ** 2 - found.log_sd_within**2, 0.0))
        impairments.append(
            Impairment(
                float(starts * 3600 / CHUNK_S),
                float(length * CHUNK_S * 1000),
                math.exp(float(means[state])),
                spread,
            )
        )
    impairments.sort(key=lambda i: -i.factor)
    return Network(
        name,
        found.log_mean,
        found.log_sd_across,
        found.log_sd_within,
        found.correlation,
        impairments[0],
        impairments[1],
    )


def sample(network: Network, chunks: int, sessions: int, draw: np.random.Generator) -> Floats:
    """Draw kbit/s of ``sessions`` sessions, shape (sessions, chunks), on the kernel's process, a period a chunk."""
    level = network.log_mean + network.log_sd_across * draw.standard_normal(sessions)
    rho = network.correlation
    x = draw.standard_normal(sessions)
    kinds = (network.degraded, network.outage)
    chunk_ms = CHUNK_S * 1000
    held = np.array([i.starts_per_ms * i.mean_ms for i in kinds])
    starts = np.array([i.starts_per_ms * chunk_ms for i in kinds])
    ends = np.array([0.0, *(1 - math.exp(-chunk_ms / i.mean_ms) for i in kinds)])
    middle = np.log(np.array([1.0, *(i.factor for i in kinds)]))
    spread = np.array([0.0, *(i.log_sd for i in kinds)])

    def begun(u: Floats, odds: Floats) -> Ints:
        return np.asarray((u < odds.sum()).astype(np.int64) + (u < odds[1]))

    state = begun(draw.random(sessions), held / (1 + held.sum()))
    z = draw.standard_normal(sessions)
    found = np.empty((sessions, chunks))
    for k in range(chunks):
        found[:, k] = level + network.log_sd_within * x + np.minimum(middle[state] + spread[state] * z, 0.0)
        x = rho * x + math.sqrt(1 - rho * rho) * draw.standard_normal(sessions)
        leaves = draw.random(sessions) < ends[state]
        z = np.where(state == 0, draw.standard_normal(sessions), z)  # drawn anew for the next one
        state = np.where(state == 0, begun(draw.random(sessions), starts), np.where(leaves, 0, state))
    return np.exp(found)


def ks_report(
    traces_fit: Sequence[Floats], traces_held_out: Sequence[Floats], *, times: int = 100, seed: int = 1
) -> pl.DataFrame:
    """How far each model, fitted to ``traces_fit``, is from ``traces_held_out``; a row a model.

    Both are sequences of kbit/s a chunk. ``ks_chunks`` and ``ks_sessions`` are Kolmogorov-Smirnov distances of
    the logarithm of throughput by chunk and of session means of it; ``lag_1`` the correlation of successive
    chunks about their session's mean, beside ``held_out_lag_1``; ``chunks`` and ``sessions`` the sample held
    out. Each held-out recording is drawn ``times`` times over at its length. Successive chunks are not
    independent: the distance by chunk has no textbook p-value.
    """
    import polars as pl

    held_out = _logs(traces_held_out, "held out")
    draw = np.random.default_rng(seed)
    rows = []
    for name, model in _MODELS.items():
        network = model(traces_fit)
        drawn = [
            row for v in held_out for row in np.log(np.maximum(sample(network, v.size, times, draw), 1.0))
        ]
        rows.append(
            {
                "model": name,
                "ks_chunks": ks_distance(np.concatenate(held_out), np.concatenate(drawn)),
                "ks_sessions": ks_distance(_means(held_out), _means(drawn)),
                "lag_1": _lag_1(drawn),
                "held_out_lag_1": _lag_1(held_out),
                "chunks": sum(v.size for v in held_out),
                "sessions": len(held_out),
            }
        )
    return pl.DataFrame(rows)


def ks_distance(left: Floats, right: Floats) -> float:
    """The largest difference of two samples' distribution functions (Kolmogorov-Smirnov)."""
    left, right = np.sort(left), np.sort(right)
    at = np.concatenate([left, right])
    below = np.searchsorted(left, at, "right") / left.size - np.searchsorted(right, at, "right") / right.size
    return float(np.abs(below).max())


def _independent(traces: Iterable[Floats]) -> Network:
    logs = np.concatenate(_logs(traces, "independent"))
    return Network("independent", float(logs.mean()), 0.0, float(logs.std(ddof=1)), 0.0)


_MODELS: dict[str, Callable[[Sequence[Floats]], Network]] = {
    "independent chunks": _independent,
    "autoregression": fit,
    "autoregression and impairments": fit_states,
}


def _logs(traces: Iterable[Floats], where: str) -> list[Floats]:
    logs = [np.log(np.maximum(np.asarray(trace, np.float64), 1.0)) for trace in traces]
    logs = [values for values in logs if values.size >= _LEAST]
    if len(logs) < 2:
        raise InputError("too little to fit", where=where, mend="give at least two traces of ten chunks each")
    return logs


def _moments(logs: Sequence[Floats], clear: Sequence[Bools], name: str) -> Network:
    """Level, spread and correlation of the chunks marked ``clear``."""
    pairs = [(v, c) for v, c in zip(logs, clear, strict=True) if c.sum() >= 2]
    means = np.array([v[c].mean() for v, c in pairs])
    degrees = sum(int(c.sum()) - 1 for _, c in pairs)
    squares = sum(float(((v[c] - v[c].mean()) ** 2).sum()) for v, c in pairs)
    variance = squares / degrees
    product, norm = 0.0, 1e-12
    for v, c in pairs:
        r = np.where(c, v - v[c].mean(), 0.0)
        both = c[1:] & c[:-1]
        product += float((r[1:] * r[:-1])[both].sum())
        norm += float((0.5 * (r[1:] ** 2 + r[:-1] ** 2))[both].sum())
    # Removing each trace's own mean lowers the lag-1 correlation by (1 + 3r)/n (Marriott & Pope 1954).
    length = degrees / len(pairs)
    correlation = min(max((product / norm * length + 1) / max(length - 3, 1.0), 0.0), 0.99)
    of_mean = np.mean(
        [block_average(math.sqrt(variance), correlation, int(c.sum()))[0] ** 2 for _, c in pairs]
    )
    across = math.sqrt(max(float(means.var(ddof=1)) - float(of_mean), 0.0))
    return Network(name, float(means.mean()), across, math.sqrt(variance), correlation)


@compiled()
def _smooth(density: Floats, first: Floats, move: Floats, share: Floats, counts: Floats) -> None:
    """Forwards and backwards over one recording: each chunk's ``share`` of states; adds to ``counts`` of moves."""
    n, m = density.shape
    scale = np.empty(n)
    for k in range(n):
        total = 0.0
        for b in range(m):
            arrives = first[b]
            if k > 0:
                arrives = 0.0
                for a in range(m):
                    arrives += share[k - 1, a] * move[a, b]
            share[k, b] = arrives * density[k, b]
            total += share[k, b]
        scale[k] = total
        for b in range(m):
            share[k, b] /= total
    ahead, behind = np.ones(m), np.empty(m)
    for k in range(n - 2, -1, -1):
        for a in range(m):
            behind[a] = 0.0
            for b in range(m):
                step = move[a, b] * density[k + 1, b] * ahead[b] / scale[k + 1]
                counts[a, b] += share[k, a] * step
                behind[a] += step
        for a in range(m):
            ahead[a] = behind[a]
            share[k, a] *= ahead[a]


def _means(logs: Sequence[Floats]) -> Floats:
    return np.array([values.mean() for values in logs])


def _lag_1(logs: Sequence[Floats]) -> float:
    residuals = [values - values.mean() for values in logs]
    return sum(float(r[1:] @ r[:-1]) for r in residuals) / sum(float(r @ r) for r in residuals)
