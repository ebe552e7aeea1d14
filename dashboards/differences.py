"""In what a selection of sessions differs from the rest: every value of every dimension, surest first.

For each value the share of the selection that has it stands beside the share of the rest. How far the two are
apart is uncertain for two reasons, and the larger counts: sessions of one subscriber go together (a jackknife over
the groups that subscribers are hashed into), and few sessions are few (binomial, with the effective number
(Σw)² / Σw² of Kish). Hundreds of values are looked at at once, so intervals are Bonferroni's: all of them hold
together with 90 %. Values are ranked by what of the difference is sure, never by the difference alone: a value
that three sessions have is no finding.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import stdtrit

from dashboards.distribution import DIMENSIONS, Sessions
from metrics.intervals import CONFIDENCE
from metrics.telemetry import REPLICATES

__all__ = ["differences"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# A share of fewer effective sessions than this, on both sides together, is not judged.
_FEWEST = 10.0


def differences(
    sessions: Sessions, selected: Flags, dimensions: Sequence[str] = DIMENSIONS, *, among: Flags | None = None
) -> pl.DataFrame:
    """Values of ``dimensions`` by what is sure of the difference between the selection and the rest.

    ``selected``: which sessions; the rest are the others of ``among`` (all, if not given). Columns: ``dimension,
    value, selected_share, rest_share, difference, low, high`` (of the difference, 90 % for all values together),
    ``sure`` (the end of the interval nearer to 0; 0 where it holds 0), ``n_effective`` (of sessions selected with
    the value). Dimensions with one value say nothing and are left out. Empty where either side is.
    """
    rest = ~selected if among is None else among & ~selected
    sides = [(sessions.weight[side], sessions.replicate[side], side) for side in (selected, rest)]
    totals = [np.bincount(group, weight, REPLICATES) for weight, group, _ in sides]
    told = [name for name in dimensions if len(sessions.names[name]) > 1]
    if not told or not all(total.sum() > 0 for total in totals):
        return pl.DataFrame(schema=_SCHEMA)
    sizes = [w.sum() ** 2 / max(float((w**2).sum()), 1e-300) for w, _, _ in sides]
    frames = []
    for name in told:
        count = len(sessions.names[name])
        shares, left_out, n_value = [], [], []
        for (weight, group, side), total in zip(sides, totals, strict=True):
            code = sessions.codes[name][side]
            by_group = np.bincount(code * REPLICATES + group, weight, count * REPLICATES).reshape(
                count, REPLICATES
            )
            shares.append(by_group.sum(1) / total.sum())
            # A side that is all in one group has no share without it: that group tells nothing.
            without = total.sum() - total
            left = (by_group.sum(1)[:, None] - by_group) / np.where(without > 0, without, np.nan)
            left_out.append(np.where(np.isnan(left), shares[-1][:, None], left))
            squares = np.bincount(code, weight**2, count)
            n_value.append(by_group.sum(1) ** 2 / np.maximum(squares, 1e-300))
        frames.append(_of(name, sessions.names[name], shares, left_out[0] - left_out[1], sizes, n_value))
    found = pl.concat(frames)
    t = float(stdtrit(REPLICATES - 1, 1 - (1 - CONFIDENCE) / 2 / max(found.height, 1)))
    off, half = pl.col("difference"), t * pl.col("error")
    sure = pl.when(off > 0).then((off - half).clip(lower_bound=0)).otherwise((off + half).clip(upper_bound=0))
    return (
        found.with_columns(low=(off - half).clip(-1, 1), high=(off + half).clip(-1, 1), sure=sure)
        .select(_SCHEMA.names())
        .sort(pl.col("sure").abs(), off.abs(), "dimension", "value", descending=[True, True, False, False],
              nulls_last=True)
    )  # fmt: skip


def _of(
    name: str, values: Sequence[str | None], shares: Sequence[Floats], left_out: Floats, sizes: Sequence[float],
    n_value: Sequence[Floats],
) -> pl.DataFrame:  # fmt: skip
    middle = left_out.mean(1, keepdims=True)
    clustered = (REPLICATES - 1) / REPLICATES * ((left_out - middle) ** 2).sum(1)
    # The pooled share, never quite 0 or 1 (Agresti and Caffo): none in a handful is no certainty.
    binomial = sum(
        (share * n + 1) / (n + 2) * (1 - (share * n + 1) / (n + 2)) / n
        for share, n in zip(shares, sizes, strict=True)
    )
    return pl.DataFrame(
        {
            "dimension": name,
            "value": pl.Series(values, dtype=pl.String),
            "selected_share": shares[0],
            "rest_share": shares[1],
            "difference": shares[0] - shares[1],
            "error": np.sqrt(np.maximum(clustered, binomial)),
            "n_effective": n_value[0],
            "n_both": n_value[0] + n_value[1],
        }
    ).filter(pl.col("n_both") >= _FEWEST)


_SCHEMA = pl.Schema(
    {
        "dimension": pl.String(), "value": pl.String(), "selected_share": pl.Float64(), "rest_share": pl.Float64(),
        "difference": pl.Float64(), "low": pl.Float64(), "high": pl.Float64(), "sure": pl.Float64(),
        "n_effective": pl.Float64(),
    }
)  # fmt: skip
