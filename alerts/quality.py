"""How good alerts were, against incidents whose times are known. Arrays and frames in, frames out.

| figure | definition | 90 % interval |
|---|---|---|
| recall | incidents in which a page began ÷ incidents | Wilson |
| precision | pages that began in an incident or within an hour after ÷ pages | Wilson |
| time to detect | from an incident's start to the end of the minute a page began in it | of the median |
| time to reset | from an incident's end to the last minute a page about it still fired | of the median |
| false pages per 30 days | pages that are not counted by precision | exact Poisson (Garwood 1936) |

The median's interval is of order statistics. A missed incident was detected later than any; a page let go of
before its incident's end has a time to reset below 0. One that was firing already tells nobody of an incident.

Runs of one alert with less than an hour between them are one page: to whoever is woken it is one thing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import binom, chi2, norm

from alerts.kernel import Floats, Ints
from metrics.intervals import CONFIDENCE

__all__ = ["QUIET_MINUTES", "Judged", "compared", "judge_pages", "quality"]

QUIET_MINUTES = 60
DAY = 1440
_DRAWS = 2_000
_TAIL = (1 - CONFIDENCE) / 2


@dataclass(frozen=True)
class Judged:
    """What a policy did: ``incidents`` as given, with ``caught``, ``detect_minutes`` (infinite where missed) and
    ``reset_minutes`` (null where nothing fired); ``pages``: ``series, start_minute, end_minute, is_false``;
    ``days`` of all series together."""

    incidents: pl.DataFrame
    pages: pl.DataFrame
    days: float


def judge_pages(runs: Ints, incidents: pl.DataFrame, days: float, *, open_end: int | None = None) -> Judged:
    """Firing ``runs`` (series, begin, end exclusive, in order) against ``incidents`` (:data:`alerts.cases.CASES`).

    A page that still fires at ``open_end``, the end of the data, has no time to reset.
    """
    pages = _joined(runs)
    belongs = np.zeros(len(pages), dtype=np.bool_)
    n = incidents.height
    caught, detect, reset = np.zeros(n, dtype=np.bool_), np.full(n, np.inf), np.full(n, np.nan)
    spans = incidents.select("series", "start_minute", "end_minute").to_numpy()
    for i, (series, start, end) in enumerate(spans):
        begun = (pages[:, 0] == series) & (pages[:, 1] >= start) & (pages[:, 1] < end + QUIET_MINUTES)
        belongs |= begun
        # Let go of before the incident's end, and back after it: the same page.
        mine = runs[(runs[:, 0] == series) & (runs[:, 1] >= start) & (runs[:, 1] < end + QUIET_MINUTES)]
        during = mine[mine[:, 1] < end]
        if len(during):
            caught[i] = True
            detect[i] = during[0, 1] + 1 - start
        if len(mine) and int(mine[:, 2].max()) != open_end:
            reset[i] = mine[:, 2].max() - end
    return Judged(
        incidents.with_columns(
            caught=caught, detect_minutes=detect, reset_minutes=pl.Series(reset, nan_to_null=True)
        ),
        pl.DataFrame(
            {
                "series": pages[:, 0],
                "start_minute": pages[:, 1],
                "end_minute": pages[:, 2],
                "is_false": ~belongs,
            }
        ),
        days,
    )


def quality(judged: Judged, by: str | None = None) -> pl.DataFrame:
    """The figures of the table above with ``_low`` and ``_high``, all incidents first, then by a column of theirs.

    Null where there is nothing to tell of: precision without pages, a median that lies among the missed.
    Precision and false pages belong to the whole.
    """
    groups = [(None, judged.incidents)]
    if by is not None:
        groups += [
            (key[0], rows) for key, rows in judged.incidents.sort(by).group_by(by, maintain_order=True)
        ]
    pages, false = judged.pages.height, int(judged.pages["is_false"].sum())
    rows = []
    for key, incidents in groups:
        whole = key is None
        row = {
            **({by: key} if by is not None else {}),
            "incidents": incidents.height,
            **_share("recall", int(incidents["caught"].sum()), incidents.height),
            **_median("detect_minutes", incidents["detect_minutes"].to_numpy()),
            **_median("reset_minutes", incidents["reset_minutes"].drop_nulls().to_numpy()),
            "pages": pages if whole else None,
            **_share("precision", pages - false if whole else 0, pages if whole else 0),
            "false_pages": false if whole else None,
            **_rate("false_pages_per_30d", false if whole else None, judged.days / 30),
        }
        rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None)


def compared(ours: Judged, theirs: Judged, *, seed: int = 0, by: str | None = None) -> pl.DataFrame:
    """Two policies on the same cases, incident by incident; all first, then by a column of the incidents.

    ``sooner``, ``same`` and ``later``: incidents that ours paged sooner (a missed one is paged last);
    ``sign_p``: chance of a split as uneven if neither were sooner (exact, two-sided). ``detect_ratio``: our
    median time to detect ÷ theirs (0 where only they miss more than half, null where both do), with a bootstrap
    interval over pairs. ``caught_only_ours`` and ``caught_only_theirs``: where one caught what the other did not.
    """
    rows = []
    keys: list[object] = [None]
    if by is not None:
        keys += ours.incidents[by].unique().sort().to_list()
    for key in keys:
        # The same cases in the same order, so that row meets row.
        mine, other = (
            judged.incidents if by is None or key is None else judged.incidents.filter(pl.col(by) == key)
            for judged in (ours, theirs)
        )
        a, b = mine["detect_minutes"].to_numpy(), other["detect_minutes"].to_numpy()
        sooner, later = int((a < b).sum()), int((a > b).sum())
        caught = mine["caught"].to_numpy(), other["caught"].to_numpy()
        ratio, low, high = _ratio_of_medians(a, b, seed)
        rows.append(
            {
                **({by: key} if by is not None else {}),
                "incidents": len(a),
                "sooner": sooner,
                "same": len(a) - sooner - later,
                "later": later,
                "sign_p": min(1.0, 2 * float(binom.cdf(min(sooner, later), sooner + later, 0.5))),
                "detect_ratio": ratio,
                "detect_ratio_low": low,
                "detect_ratio_high": high,
                "caught_only_ours": int((caught[0] & ~caught[1]).sum()),
                "caught_only_theirs": int((~caught[0] & caught[1]).sum()),
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None)


def _joined(runs: Ints) -> Ints:
    """Runs of one series with less than an hour between them as one."""
    if not len(runs):
        return runs
    new = np.ones(len(runs), dtype=np.bool_)
    new[1:] = (runs[1:, 0] != runs[:-1, 0]) | (runs[1:, 1] - runs[:-1, 2] >= QUIET_MINUTES)
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(runs)) - 1
    return np.column_stack((runs[first, 0], runs[first, 1], runs[last, 2]))


def _share(name: str, part: int, whole: int) -> dict[str, float | None]:
    """A proportion with Wilson's score interval (1927)."""
    if not whole:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    z = float(norm.ppf(1 - _TAIL))
    p = part / whole
    centre = (p + z**2 / (2 * whole)) / (1 + z**2 / whole)
    half = z / (1 + z**2 / whole) * float(np.sqrt(p * (1 - p) / whole + z**2 / (4 * whole**2)))
    return {name: p, f"{name}_low": max(centre - half, 0.0), f"{name}_high": min(centre + half, 1.0)}


def _median(name: str, values: Floats) -> dict[str, float | None]:
    """The lower median, and the order statistics that hold it whatever the distribution."""
    ordered = np.sort(values)
    n = len(ordered)
    if not n:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    reach = int(binom.ppf(_TAIL, n, 0.5))
    picked = {
        name: ordered[(n - 1) // 2],
        f"{name}_low": ordered[max(reach - 1, 0)],
        f"{name}_high": ordered[min(n - reach, n - 1)],
    }
    return {key: float(value) if np.isfinite(value) else None for key, value in picked.items()}


def _rate(name: str, count: int | None, periods: float) -> dict[str, float | None]:
    if count is None or not periods:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    low = float(chi2.ppf(_TAIL, 2 * count)) / 2 if count else 0.0
    high = float(chi2.ppf(1 - _TAIL, 2 * count + 2)) / 2
    return {name: count / periods, f"{name}_low": low / periods, f"{name}_high": high / periods}


def _ratio_of_medians(a: Floats, b: Floats, seed: int) -> tuple[float | None, float | None, float | None]:
    if not len(a):
        return None, None, None
    pick = np.random.Generator(np.random.Philox(key=seed)).integers(0, len(a), (_DRAWS, len(a)))
    drawn = _ratios(_lower_median(a[pick]), _lower_median(b[pick]))
    known = np.sort(drawn[~np.isnan(drawn)])
    whole = float(_ratios(_lower_median(a[None]), _lower_median(b[None]))[0])
    if np.isnan(whole) or not len(known):
        return None, None, None
    low, high = known[int(_TAIL * (len(known) - 1))], known[int(np.ceil((1 - _TAIL) * (len(known) - 1)))]
    return whole, float(low), float(high) if np.isfinite(high) else None


def _lower_median(values: NDArray[np.float64]) -> Floats:
    middle = (values.shape[1] - 1) // 2
    median: Floats = np.partition(values, middle, axis=1)[:, middle]
    return median


def _ratios(a: Floats, b: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        ratio: Floats = a / b
    return ratio
