"""An experiment's effects, less what its arms were apart before it (CUPED: Deng, Xu, Kohavi & Walker 2013).

Arms drawn by hash are never quite alike, and who watches much, or on a poor network, does so before the experiment and
in it. With D the arms' difference in the experiment and P their difference before it, whose expectation is 0, the
effect is D − b · P. The slope b is of D₍g₎ on P₍g₎, both without jackknife group g of G = 32: the effect is the
constant of the line through the groups' pseudo-values, and its interval that constant's, with Student's t of G − 2
degrees of freedom. With r₍g₎ what the line leaves of D₍g₎::

    variance = (G − 1)² / (G − 2) · Σ r₍g₎² · (1 / G + P² / ((G − 1)² · Σ (P₍g₎ − P̄)²))

Members who joined during the experiment were nowhere before it; that leaves the expectation of P at 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
from narwhals.typing import IntoLazyFrame
from numpy.typing import NDArray

from metrics.experiment import differences
from metrics.intervals import CONFIDENCE
from metrics.metric import Metric
from metrics.plan import REPLICATE, Source
from metrics.telemetry import REPLICATES

__all__ = ["adjusted", "constant"]

Floats = NDArray[np.float64]
EFFECTS = pl.Schema(
    {
        "metric": pl.String,
        "difference": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "is_adjusted": pl.Boolean,
    }
)


def adjusted(
    rows: Source, metrics: Sequence[Metric], experiment: str, *, by: str | None = None
) -> dict[str | None, pl.DataFrame]:
    """How far an experiment's one treatment is from its control, with 90 % intervals, columns :data:`EFFECTS`.

    Of the whole (None) and of each known value of ``by``. Adjusted where each group of both arms has a figure from
    before the experiment; as it is elsewhere. Null where there is no figure, or none without some group. Raises as
    :func:`metrics.experiment.compare`.
    """
    within = differences(rows, metrics, experiment, by=by)
    before = differences(Source(_Before(rows, experiment)), metrics, experiment, by=by)
    found = {}
    for value, frame in within.items():
        effects = []
        for metric in metrics:
            after = _with_groups(frame, metric.name)
            effects.append((metric.name, *constant(after, _with_groups(before.get(value), metric.name))))
        found[value] = pl.DataFrame(effects, schema=EFFECTS, orient="row")
    return found


class _Before:
    """The tables of a source, in which members are in their arms until they are assigned, and no longer."""

    def __init__(self, rows: Source, experiment: str) -> None:
        self.rows, self.experiment = rows, experiment

    def __call__(self, table: str) -> IntoLazyFrame:
        scanned = self.rows.scan(table)
        if table != "assignment":
            return scanned
        arms: nw.LazyFrame[Any] = nw.from_native(scanned).lazy()
        until = nw.col("assigned_ts_ms").alias("until_ts_ms")
        mine = arms.filter(nw.col("experiment") == self.experiment)
        native: IntoLazyFrame = mine.with_columns(
            until, nw.lit(0, nw.Int64()).alias("assigned_ts_ms")
        ).to_native()
        return native


def _with_groups(frame: pl.DataFrame | None, metric: str) -> Floats:
    """[1 + 32] the difference, and without each group; not a number where there is none."""
    out = np.full(1 + REPLICATES, np.nan)
    if frame is not None:
        for group, value in frame.filter(metric=metric).select(REPLICATE, "difference").iter_rows():
            out[0 if group is None else 1 + group] = math.nan if value is None else value
    return out


def constant(after: Floats, before: Floats) -> tuple[float | None, float | None, float | None, bool]:
    """The difference ``after`` less what of it ``before`` foretells, its interval's ends, and whether it was adjusted.

    Both are [1 + 32]: with everyone, and without each jackknife group; not a number where there is no figure.
    """
    from scipy.stats import t

    if not math.isfinite(after[0]):
        return None, None, None, False
    effect = float(after[0])
    if not np.isfinite(after).all():
        return effect, None, None, False
    apart = before[1:] - before[1:].mean()
    spread = float((apart**2).sum())
    left = after[1:] - after[1:].mean()
    groups = REPLICATES
    if is_known := bool(np.isfinite(before).all() and spread > 0):
        slope = float((left * apart).sum()) / spread
        effect -= slope * float(before[0])
        left = left - slope * apart
        of_line = (
            (groups - 1) ** 2 / (groups - 2) * (1 / groups + before[0] ** 2 / ((groups - 1) ** 2 * spread))
        )
        variance, freedom = of_line * float((left**2).sum()), groups - 2
    else:
        variance, freedom = (groups - 1) / groups * float((left**2).sum()), groups - 1
    half = float(t.ppf((1 + CONFIDENCE) / 2, freedom)) * math.sqrt(variance)
    return effect, effect - half, effect + half, is_known
