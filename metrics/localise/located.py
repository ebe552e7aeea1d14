"""How much was localised, over many incidents whose truth is known: what each view found, how precisely, how soon."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from metrics.intervals import CONFIDENCE
from metrics.localise.leaves import Floats

__all__ = ["score"]

_LOCATED = 0.8
_TOLD = (10, 30, 60, 120)  # minutes after which shares are told
_RESAMPLES, _SEED = 2_000, 20_260_401
_TAIL = (1 - CONFIDENCE) / 2


def score(trials: pl.DataFrame, estimator: str = "visibility") -> pl.DataFrame:
    """What was localised, as rows of the table ``score``: ``estimator, case_set, measure, value, low, high,
    cases_count, unit``.

    ``trials``: looks as :func:`~metrics.localise.visibility.seen` has them, with ``seed, incident_id, kind`` and
    ``level``. An incident is localised at a look whose answer names slices that hold four fifths of the stalling
    viewers reached and are four fifths of viewers reached. ``located_<n>_minutes`` are shares of incidents;
    ``minutes_to_locate`` the median, absent where fewer than half are ever localised; ``precision`` (of what was named)
    and ``recall`` are means at the last look; ``false_named`` the share of looks at calm spans at which a slice was
    named; ``own over opaque`` the difference of shares on the same incidents. Intervals are 90 %: Wilson's of shares,
    bootstrapped over incidents else.
    """
    keys = ["seed", "incident_id", "view"]
    rows: list[dict[str, object]] = []
    located = (pl.col("precision") >= _LOCATED) & (pl.col("recall") >= _LOCATED)
    faults = trials.filter(pl.col("kind") != "calm").with_columns(located=located.fill_null(value=False))
    groups = faults.sort("kind", "level", "view").group_by("kind", "level", "view", maintain_order=True)
    for (kind, level, view), part in groups:
        case_set = f"{kind} at one {level}, {view}"
        first = part.group_by(keys).agg(at=pl.col("minutes").filter("located").min())
        last = part.sort("minutes").group_by(keys).agg(pl.col("precision", "recall").last()).sort(keys)
        found = {
            f"located_{after}_minutes": _share(
                part.filter(pl.col("minutes") == after).get_column("located").to_numpy()
            )
            for after in _TOLD
        }
        never = first.sort(keys)["at"].cast(pl.Float64).fill_null(float("inf")).to_numpy()
        found["minutes_to_locate"] = _bootstrapped(never, np.median)
        for name in ("precision", "recall"):
            found[name] = _bootstrapped(last[name].drop_nulls().to_numpy(), np.mean)
        rows += [
            {
                "case_set": case_set,
                "measure": measure,
                **figure,
                "unit": "min" if "to_locate" in measure else "ratio",
            }
            for measure, figure in found.items()
        ]
    for (kind, level), part in faults.sort("kind", "level").group_by("kind", "level", maintain_order=True):
        case_set = f"{kind} at one {level}, own over opaque"
        for after in _TOLD:
            at = part.filter(pl.col("minutes") == after)
            own, opaque = (at.filter(pl.col("view") == view) for view in ("own", "opaque"))
            both = own.join(opaque, on=["seed", "incident_id"]).sort("seed", "incident_id")
            more = both.select(pl.col("located").cast(pl.Float64) - pl.col("located_right")).to_series()
            figure = _bootstrapped(more.to_numpy(), np.mean)
            rows.append(
                {"case_set": case_set, "measure": f"located_{after}_minutes", **figure, "unit": "ratio"}
            )
    calm = trials.filter(pl.col("kind") == "calm").sort("view")
    for (view,), part in calm.group_by("view", maintain_order=True):
        named = part["slices"].is_not_null().to_numpy()
        rows.append({"case_set": f"calm, {view}", "measure": "false_named", **_share(named), "unit": "ratio"})
    floats = dict.fromkeys(("value", "low", "high"), pl.Float64())
    order = {
        "case_set": pl.String(),
        "measure": pl.String(),
        **floats,
        "cases_count": pl.Int64(),
        "unit": pl.String(),
    }
    frame = pl.DataFrame(rows, schema=order).filter(pl.col("value").is_not_null())
    return frame.select(pl.lit(estimator).alias("estimator"), pl.all())


def _share(which: NDArray[np.bool_]) -> dict[str, object]:
    from statsmodels.stats.proportion import proportion_confint

    if not which.size:
        return {"value": None, "low": None, "high": None, "cases_count": 0}
    low, high = proportion_confint(int(which.sum()), which.size, 1 - CONFIDENCE, method="wilson")
    return {"value": float(which.mean()), "low": float(low), "high": float(high), "cases_count": which.size}


def _bootstrapped(values: Floats, statistic: Callable[..., Any]) -> dict[str, object]:
    """The statistic with its percentile interval; an end that is infinite (never) is null."""
    if not values.size:
        return {"value": None, "low": None, "high": None, "cases_count": 0}
    rows = np.random.Generator(np.random.Philox(_SEED)).integers(0, values.size, (_RESAMPLES, values.size))
    again = np.sort(statistic(values[rows], axis=1))
    ends = statistic(values), again[int(_TAIL * _RESAMPLES)], again[int((1 - _TAIL) * _RESAMPLES)]
    value, low, high = (float(end) if np.isfinite(end) else None for end in ends)
    return {"value": value, "low": low, "high": high, "cases_count": values.size}
