"""How much was localised, over many incidents whose truth is known: what each view found, how precisely, how soon."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from metrics.intervals import CONFIDENCE
from metrics.localise.leaves import Floats
from metrics.telemetry import get_table

__all__ = ["score"]

_LOCATED = 0.8
_TOLD = (10, 30, 60, 120)  # minutes after which shares are told
_RESAMPLES, _SEED = 2_000, 20_260_401
_TAIL = (1 - CONFIDENCE) / 2


def score(trials: pl.DataFrame) -> pl.DataFrame:
    """What was localised, as rows of the table ``score``: estimator ``visibility`` for the own CDN, and
    ``visibility/<view>`` for the others as its peers.

    ``trials``: looks as :func:`~metrics.localise.visibility.seen` has them, with ``seed, incident_id, kind`` and
    ``level``. An incident is localised at a look whose answer names slices that hold four fifths of the stalling
    viewers reached and are four fifths of viewers reached. ``located_<n>_minutes`` are shares of incidents, and
    ``located_<n>_minutes_more`` by how much the own CDN's is larger than ``opaque``'s of the same incidents;
    ``minutes_to_locate`` the median, absent where fewer than half are ever localised; ``precision`` (of what was named)
    and ``recall`` are means at the last look; ``false_named`` the share of looks at calm spans at which a slice was
    named. Intervals are 90 %: Wilson's of shares, bootstrapped over incidents else; an end is null where it is never.
    """
    located = (pl.col("precision") >= _LOCATED) & (pl.col("recall") >= _LOCATED)
    faults = trials.filter(pl.col("kind") != "calm").with_columns(located=located.fill_null(value=False))
    rows: list[dict[str, object]] = []
    for (kind, level), part in faults.sort("kind", "level").group_by("kind", "level", maintain_order=True):
        case_set = f"{kind} at one {level}"
        for (view,), looks in part.sort("view").group_by("view", maintain_order=True):
            rows += [_row(str(view), case_set, *figure) for figure in _figures(looks)]
        for after in _TOLD:
            at = part.filter(pl.col("minutes") == after)
            own, opaque = (at.filter(pl.col("view") == view) for view in ("own", "opaque"))
            both = own.join(opaque, on=["seed", "incident_id"]).sort("seed", "incident_id")
            more = both.select(pl.col("located").cast(pl.Float64) - pl.col("located_right")).to_series()
            figure = _bootstrapped(more.to_numpy(), np.mean)
            rows.append(_row("own", case_set, f"located_{after}_minutes_more", figure))
    calm = trials.filter(pl.col("kind") == "calm").sort("view")
    for (view,), part in calm.group_by("view", maintain_order=True):
        named = part["slices"].is_not_null().to_numpy()
        rows.append(_row(str(view), "calm", "false_named", _share(named)))
    return pl.DataFrame(rows, schema=get_table("score").schema).filter(pl.col("value").is_not_null())


def _figures(looks: pl.DataFrame) -> Iterator[tuple[str, dict[str, object]]]:
    """Measures of one view's looks at incidents of a kind."""
    keys = ["seed", "incident_id"]
    first = looks.group_by(keys).agg(at=pl.col("minutes").filter("located").min()).sort(keys)
    last = looks.sort("minutes").group_by(keys).agg(pl.col("precision", "recall").last()).sort(keys)
    for after in _TOLD:
        at = looks.filter(pl.col("minutes") == after)
        yield f"located_{after}_minutes", _share(at["located"].to_numpy())
    never = first["at"].cast(pl.Float64).fill_null(float("inf")).to_numpy()
    yield "minutes_to_locate", _bootstrapped(never, np.median)
    for name in ("precision", "recall"):
        yield name, _bootstrapped(last[name].drop_nulls().to_numpy(), np.mean)


def _row(view: str, case_set: str, measure: str, figure: dict[str, object]) -> dict[str, object]:
    estimator = "visibility" if view == "own" else f"visibility/{view}"
    unit = "minutes" if measure == "minutes_to_locate" else "ratio"
    return {"estimator": estimator, "case_set": case_set, "measure": measure, **figure, "unit": unit}


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
