"""Minute counts made for a test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from alerts import names

T0 = 1_775_001_600_000  # 2026-04-01
DAY = 1440


def minute_counts(minutes: Sequence[int] | NDArray[np.int64], **columns: Any) -> pl.DataFrame:
    """Rows of the table ``minute_count`` at those minutes after T0; counts not named are 0.

    Without ``attempts`` every start is an attempt of weight 1.
    """
    counts: dict[str, Any] = {"ts_ms": T0 + np.asarray(minutes, dtype=np.int64) * 60_000}
    counts |= {name: np.broadcast_to(values, len(minutes)) for name, values in columns.items()}
    absent = [name for name in names.COUNT_COLUMNS if name not in columns]
    frame = pl.DataFrame(counts).with_columns(
        *(pl.lit(None, pl.String).alias(name) for name in names.SLICES),
        *(pl.lit(0, pl.Int64).alias(name) for name in absent),
        is_synthetic=pl.lit(value=True),
    )
    if "attempts" in absent:
        return frame.with_columns(attempts="starts", attempts_weight_squared="starts")
    return frame
