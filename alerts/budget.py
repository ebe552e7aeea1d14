"""An error budget as a thing that is spent: how fast, by what, and when it will be gone.

The projection takes the last days' share of bad events as the rate ahead and the last week's traffic as the
traffic ahead. The budget is the rolling period's: what leaves the period at its far end comes back, so a budget
that burns below 1 ends with some left, and one that burns faster may be saved for a while by old trouble leaving.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import polars as pl
from scipy.stats import t as student

from alerts.counts import Floats, Ints
from alerts.evaluation import HOUR_MS, Evaluation, burn_down
from alerts.policy import MINUTE_MS
from alerts.slo import Objective
from metrics.intervals import CONFIDENCE

__all__ = ["Exhaustion", "by_incident", "projected", "trailing_burn"]

DAY_HOURS = 24
RATE_DAYS = 7
_TRAILING_HOURS = (1, 6, 24, 72, 168)


@dataclass(frozen=True)
class Exhaustion:
    """When the budget of the rolling period will be gone, at the present rate of bad events.

    ``burn`` with its 90 % interval: bad share of the last :data:`RATE_DAYS` days ÷ budget, from leaving each day
    out in turn. ``at_ts_ms`` and the interval's ends: null where the budget lasts for a whole period ahead (of a
    calendar, to the end of this one) at that burn; the present where it is gone already. ``path``: hour by hour
    ahead, ``ts_ms, budget_left``, ``budget_left_low`` and ``budget_left_high`` (at the high and the low end of the
    burn). All null, and the path empty, without traffic on two days.
    """

    burn: float | None
    burn_low: float | None
    burn_high: float | None
    at_ts_ms: int | None
    earliest_ts_ms: int | None
    latest_ts_ms: int | None
    path: pl.DataFrame

    @property
    def sentence(self) -> str:
        """Until when the budget lasts, for people."""
        if self.burn is None or self.burn_low is None or self.burn_high is None:
            return "Too little traffic to say until when the budget lasts."
        pace = f"the last week's burn of {self.burn:.2f} ({self.burn_low:.2f} to {self.burn_high:.2f})"
        if self.path["budget_left"][0] is not None and self.path["budget_left"][0] <= 0:
            return f"The budget is gone, at {pace}."
        if self.earliest_ts_ms is None:
            return f"At {pace} the budget lasts the period ahead."
        at = (
            "is not gone in the period ahead"
            if self.at_ts_ms is None
            else f"is gone {_utc(self.at_ts_ms)} UTC"
        )
        latest = "beyond the period" if self.latest_ts_ms is None else _utc(self.latest_ts_ms)
        return f"At {pace} the budget {at}; 90 % interval {_utc(self.earliest_ts_ms)} to {latest}."


PATH = pl.Schema(
    {
        "ts_ms": pl.Int64,
        "budget_left": pl.Float64,
        "budget_left_low": pl.Float64,
        "budget_left_high": pl.Float64,
    }
)


def projected(objective: Objective, burn: pl.DataFrame) -> Exhaustion:
    """The budget ahead of the hours of :attr:`alerts.evaluation.Evaluation.burn` (``ts_ms, bad, total``)."""
    total = burn["total"].cast(pl.Float64).to_numpy()
    budget = float(objective.budget)
    # Of a composite the share is known, which its counts added up are not.
    bad = np.nan_to_num(burn["burn"].cast(pl.Float64).to_numpy()) * budget * total
    rate = _rate(bad, total)
    if rate is None:
        return Exhaustion(None, None, None, None, None, None, PATH.to_frame())
    end_ts_ms = int(burn["ts_ms"][-1]) + HOUR_MS
    hours = _hours_ahead(objective, end_ts_ms)
    ahead = np.resize(total[-RATE_DAYS * DAY_HOURS :], hours)
    ts_ms = int(burn["ts_ms"][0]) + np.arange(len(bad) + hours, dtype=np.int64) * HOUR_MS
    lefts = {}
    for name, share in zip(("middle", "low", "high"), rate, strict=True):
        bad_then, total_then = np.concatenate((bad, share * ahead)), np.concatenate((total, ahead))
        lefts[name] = burn_down(objective, ts_ms, bad_then, total_then)["budget_left"].tail(hours + 1)
    ends = ts_ms[-hours - 1 :] + HOUR_MS
    gone = {name: _first_gone(ends, left) for name, left in lefts.items()}
    path = pl.DataFrame(
        {
            "ts_ms": ends,
            "budget_left": lefts["middle"],
            "budget_left_low": lefts["high"],
            "budget_left_high": lefts["low"],
        },
        schema=PATH,
    )
    middle, low, high = (share / budget for share in rate)
    return Exhaustion(middle, low, high, gone["middle"], gone["high"], gone["low"], path)


def trailing_burn(objective: Objective, burn: pl.DataFrame) -> pl.DataFrame:
    """Bad share ÷ budget of the last hour, 6 hours, day, 3 days and week: ``hours, bad, total, burn``."""
    budget = float(objective.budget)
    rows = [
        burn.tail(hours).select(
            pl.lit(hours, pl.Int64).alias("hours"),
            pl.col("bad").sum(),
            pl.col("total").sum(),
            burn=pl.when(pl.col("total").sum() > 0).then(
                pl.col("bad").sum() / pl.col("total").sum() / budget
            ),
        )
        for hours in _TRAILING_HOURS
    ]
    return pl.concat(rows)


def by_incident(
    evaluation: Evaluation, incidents: pl.DataFrame, start_ts_ms: int, bad: Ints, total: Ints
) -> pl.DataFrame:
    """What each incident and the rest spent of the budget of the period judged; the shares add up to all of it.

    ``incidents``: ``incident_id, kind, start_ts_ms, end_ts_ms``; ``bad`` and ``total``: events a minute from
    ``start_ts_ms`` on. A minute of two incidents is the one's that began first. Columns: those of ``incidents``,
    ``minutes, bad, total, budget_spent``, ``budget_spent_beyond`` (of it, what is beyond the pace of the minutes of no
    incident; null where there are none) and ``excess_bad`` (bad events beyond the allowance), worst first; the last
    row, with null ids, is all other minutes.
    """
    first = (evaluation.start_ts_ms - start_ts_ms) // MINUTE_MS
    last = (evaluation.end_ts_ms - start_ts_ms) // MINUTE_MS
    owner = np.full(len(bad), -1)
    rows = incidents.sort("start_ts_ms", "end_ts_ms", "incident_id")
    spans = rows.select(
        (pl.col("start_ts_ms") - start_ts_ms) // MINUTE_MS,
        -(-(pl.col("end_ts_ms") - start_ts_ms) // MINUTE_MS),
    ).rows()
    for i, (begin, end) in enumerate(spans):
        inside = owner[max(begin, first) : max(min(end, last), 0)]
        inside[inside < 0] = i
    judged = slice(first, last)
    # One more for the rest: -1 becomes the last bin.
    bins = np.where(owner[judged] < 0, len(spans), owner[judged])
    sums = [
        np.bincount(bins, weights=counts[judged].astype(np.float64), minlength=len(spans) + 1)
        for counts in (bad, total)
    ]
    minutes = np.bincount(bins, minlength=len(spans) + 1)
    allowance = float(evaluation.objective.budget)
    allowed = allowance * sums[1].sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        beyond = (sums[0] - sums[1] * (sums[0][-1] / sums[1][-1])) / allowed
    table = pl.concat(
        [
            rows.select("incident_id", "kind", "start_ts_ms", "end_ts_ms"),
            pl.DataFrame(
                {name: [None] for name in ("incident_id", "kind", "start_ts_ms", "end_ts_ms")},
                schema={
                    "incident_id": pl.String,
                    "kind": pl.String,
                    "start_ts_ms": pl.Int64,
                    "end_ts_ms": pl.Int64,
                },
            ),
        ]
    ).with_columns(
        minutes=pl.Series(minutes, dtype=pl.Int64),
        bad=pl.Series(sums[0]).cast(pl.Int64),
        total=pl.Series(sums[1]).cast(pl.Int64),
        budget_spent=pl.Series(
            sums[0] / allowed if allowed else np.full(len(minutes), np.nan), nan_to_null=True
        ),
        budget_spent_beyond=pl.Series(beyond, nan_to_null=True),
        excess_bad=pl.Series(sums[0] - allowance * sums[1]),
    )
    return table.filter(pl.col("incident_id").is_null() | (pl.col("minutes") > 0)).sort(
        pl.col("incident_id").is_null(), "excess_bad", "incident_id", descending=[False, True, False]
    )


def _utc(ts_ms: int) -> str:
    return datetime.fromtimestamp(ts_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def _rate(bad: Floats, total: Floats) -> tuple[float, float, float] | None:
    """Share of bad events over the last days, and its interval: a delete-a-day jackknife of the ratio of sums."""
    days = [
        (bad[max(end - DAY_HOURS, 0) : end].sum(), total[max(end - DAY_HOURS, 0) : end].sum())
        for end in range(len(bad), max(len(bad) - RATE_DAYS * DAY_HOURS, 0), -DAY_HOURS)
    ]
    daily = np.array([day for day in days if day[1] > 0])
    if len(daily) < 2:
        return None
    whole = daily.sum(axis=0)
    share = float(whole[0] / whole[1])
    without = (whole[0] - daily[:, 0]) / (whole[1] - daily[:, 1])
    n = len(daily)
    error = float(np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum()))
    half = float(student.ppf((1 + CONFIDENCE) / 2, n - 1)) * error
    return share, max(share - half, 0.0), min(share + half, 1.0)


def _hours_ahead(objective: Objective, end_ts_ms: int) -> int:
    """A rolling period has another one ahead; a period of the calendar what is left of it."""
    hours = max(objective.period_ms // HOUR_MS, 1)
    if objective.calendar is None:
        return hours
    begin = objective.calendar.begin_ms(end_ts_ms)
    # A month is at most a day or two longer than its nominal length, a year a day.
    starts = (objective.calendar.begin_ms(end_ts_ms + k * HOUR_MS) for k in range(1, 2 * hours))
    return next((k for k, start in enumerate(starts, start=1) if start > begin), hours)


def _first_gone(ts_ms: Ints, left: pl.Series) -> int | None:
    gone = np.flatnonzero((left <= 0).fill_null(value=False).to_numpy())
    return int(ts_ms[gone[0]]) if len(gone) else None
