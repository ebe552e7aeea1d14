"""Objectives evaluated here, on the event clock, without a server.

The same sums, ratios and thresholds as the compiled rules, over a frame of ``minute_count``: bad ÷ total of
each window, null where there was no traffic; an alert fires while both of a pair's windows burn faster than
its factor and the effective number of bad events is not below the guard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import polars as pl

from alerts import names
from alerts.counts import (
    Clock,
    Floats,
    Frame,
    Ints,
    Minutes,
    Running,
    bounds,
    minutes_of,
    ratio_of,
    slices_of,
)
from alerts.evaluation import EPISODES, HOUR_MS, Evaluation, Fired, burn_down, is_kept, period_of
from alerts.evidence import nats, usual_share
from alerts.indicator import Counted, Events, events_of
from alerts.policy import MINUTE_MS, BurnPolicy, Pair, Policy, load_policies
from alerts.slo import CountRatio, Objective
from alerts.states import firing_runs
from metrics.errors import InputError, did_you_mean

__all__ = [
    "Evaluation",
    "Fired",
    "columns_of",
    "evaluate",
    "evaluate_all",
    "evaluate_minutes",
    "fired",
    "kept_by",
]

_KEPT = {
    "objective": pl.String,
    "title": pl.String,
    "in_contract": pl.Boolean,
    "bad": pl.Int64,
    "total": pl.Int64,
    "attained": pl.Float64,
    "budget_left": pl.Float64,
    "kept": pl.Boolean,
}


def evaluate(
    objective: Objective,
    minute_counts: Frame,
    *,
    policies: Mapping[str, Policy] | None = None,
    start_ts_ms: int | None = None,
    end_ts_ms: int | None = None,
    clock: Clock | None = None,
) -> Evaluation:
    """One objective over ``minute_counts``; see :func:`evaluate_all`."""
    (evaluation,) = evaluate_all(
        [objective],
        minute_counts,
        policies=policies,
        start_ts_ms=start_ts_ms,
        end_ts_ms=end_ts_ms,
        clock=clock,
    )
    return evaluation


def evaluate_all(
    objectives: Sequence[Objective],
    minute_counts: Frame,
    *,
    policies: Mapping[str, Policy] | None = None,
    start_ts_ms: int | None = None,
    end_ts_ms: int | None = None,
    clock: Clock | None = None,
) -> list[Evaluation]:
    """Each objective over ``minute_counts`` (rows of that table in any order; a minute without one counts 0).

    The period judged is ``start_ts_ms`` to ``end_ts_ms`` (exclusive); by default the objective's own period
    up to the last minute. Episodes and burn cover all minutes before the end, so that windows have their
    past. Raises :class:`~metrics.errors.InputError` when there are no rows, or for an objective that does
    not count events.
    """
    columns = columns_of(objectives)
    minutes = minutes_of(minute_counts, columns, end_ts_ms)
    if start_ts_ms is not None and start_ts_ms >= minutes.end_ts_ms:
        raise InputError("no minute counts in that period", mend="give a period that the lake has counts of")
    spans = [period_of(o, minutes.start_ts_ms, minutes.end_ts_ms, start_ts_ms) for o in objectives]
    slices = slices_of(minute_counts, columns, spans)
    return evaluate_minutes(
        objectives,
        minutes,
        slices.__getitem__,
        minute_counts,
        policies=policies,
        start_ts_ms=start_ts_ms,
        clock=clock,
    )


def evaluate_minutes(
    objectives: Sequence[Objective],
    minutes: Minutes,
    slices_in: Callable[[tuple[int, int]], pl.DataFrame],
    minute_counts: Frame,
    *,
    policies: Mapping[str, Policy] | None = None,
    start_ts_ms: int | None = None,
    clock: Clock | None = None,
) -> list[Evaluation]:
    """:func:`evaluate_all` of minutes that are added up already.

    ``slices_in`` gives the sums by region, device and CDN of a span of them, ``minute_counts`` their rows, which
    objectives that count slices of time or minutes ask for.
    """
    policies = load_policies() if policies is None else policies
    guard = _Guard(minutes, clock or Clock())
    evaluations = []
    for objective in objectives:
        ratio, policy = _counted(objective, policies)
        span = period_of(objective, minutes.start_ts_ms, minutes.end_ts_ms, start_ts_ms)
        events = events_of(ratio, minutes)
        inside = slice((span[0] - minutes.start_ts_ms) // MINUTE_MS, None)
        bad, total = events.sums(inside)
        evaluations.append(
            Evaluation(
                objective=objective,
                start_ts_ms=span[0],
                end_ts_ms=span[1],
                bad=bad,
                total=total,
                burn=_burn(objective, minutes, events),
                episodes=_episodes(objective, policy, minutes, events, guard),
                spent=_spent(objective, ratio, slices_in(span), minute_counts, span),
            )
        )
    return evaluations


def fired(
    objectives: Sequence[Objective], minutes: Minutes, *, policies: Mapping[str, Policy] | None = None
) -> list[Fired]:
    """What :func:`evaluate_all` gives as episodes, and no more: of minutes that are added up already."""
    policies = load_policies() if policies is None else policies
    counted = [(objective, *_counted(objective, policies)) for objective in objectives]
    guard = _Guard(minutes, Clock())
    return [
        Fired(objective, _episodes(objective, policy, minutes, events_of(ratio, minutes), guard))
        for objective, ratio, policy in counted
    ]


def columns_of(objectives: Sequence[Objective]) -> list[str]:
    """The columns of ``minute_count`` that alerts of ``objectives`` look at."""
    counted = (o.indicator.columns for o in objectives if isinstance(o.indicator, Counted))
    return sorted({names.ATTEMPTS, names.ATTEMPTS_WEIGHT_SQUARED}.union(*counted))


def kept_by(
    objectives: Sequence[Objective],
    minute_counts: Frame,
    by: str = "region",
    *,
    start_ts_ms: int | None = None,
    end_ts_ms: int | None = None,
) -> pl.DataFrame:
    """In which regions (devices, CDNs) each promise was kept.

    A row an objective and value of ``by``: ``objective, title, in_contract, <by>, bad, total, attained,
    budget_left, kept``; null where there was no traffic, and no row for an objective that does not count
    events. The period is as in :func:`evaluate_all`.
    """
    if by not in names.SLICES:
        raise InputError(f"minute counts have no dimension {by!r}", mend=did_you_mean(by, names.SLICES))
    ratios = {o.id: o.indicator for o in objectives if isinstance(o.indicator, Counted)}
    if not ratios:
        return pl.DataFrame(schema=_KEPT | {by: pl.String})
    columns = sorted({column for ratio in ratios.values() for column in ratio.columns})
    first_ms, end_ms = bounds(minute_counts, end_ts_ms)
    counted = [objective for objective in objectives if objective.id in ratios]
    spans = [period_of(objective, first_ms, end_ms, start_ts_ms) for objective in counted]
    slices = slices_of(minute_counts, columns, spans)
    sums = {span: _sums_by(rows, by) for span, rows in slices.items()}
    frames = []
    for objective, span in zip(counted, spans, strict=True):
        rows = _attained(ratios[objective.id], sums[span], by, minute_counts, span)
        bad, total = rows["bad"], rows["total"]
        verdicts = [
            is_kept(objective, *counts) for counts in zip(bad.to_list(), total.to_list(), strict=True)
        ]
        # No traffic divides by zero; a null says so, a NaN would spread.
        left = 1 - ratio_of(bad.to_numpy(), total.to_numpy()) / float(objective.budget)
        said = [
            pl.Series(name, [value]).new_from_index(0, rows.height)
            for name, value in (
                ("objective", objective.name), ("title", objective.title), ("in_contract", objective.in_contract)
            )
        ]  # fmt: skip
        budget_left = pl.Series("budget_left", left, nan_to_null=True)
        kept = pl.Series("kept", verdicts, dtype=pl.Boolean)
        frames.append(pl.DataFrame([*said, *rows.get_columns(), budget_left, kept]))
    return pl.concat(frames)


def _counted(objective: Objective, policies: Mapping[str, Policy]) -> tuple[Counted, BurnPolicy]:
    policy = objective.watched_by(policies)
    if not isinstance(objective.indicator, Counted) or not isinstance(policy, BurnPolicy):
        raise InputError(
            f"{objective.name} does not count events on the event clock",
            where=objective.where,
            mend="evaluate it with its seasonal baseline",
        )
    return objective.indicator, policy


def _episodes(
    objective: Objective, policy: BurnPolicy, minutes: Minutes, events: Events, guard: _Guard
) -> pl.DataFrame:
    clock = guard.clock
    budget = float(objective.budget)
    shares: dict[int, Floats] = {}
    rows: list[dict[str, Any]] = []
    for severity, pairs in policy.severities.items():
        active = np.zeros(minutes.length, dtype=np.bool_)
        peak = np.full(minutes.length, -np.inf)
        by_pair: dict[str, Ints] = {}
        for pair in pairs:
            if pair.short_ms not in shares:
                shares[pair.short_ms] = events.share(clock, pair.short_ms)
            short = shares[pair.short_ms]
            at = _firing(budget, policy, pair, events, guard, short)
            by_pair[pair.text] = at
            active[at] = True
            peak[at] = np.maximum(peak[at], short[at] / budget)
        runs = list(firing_runs(active, policy.pending_ms(severity), policy.keep_firing_ms or 0))
        # Which pairs fired in each run: those with a minute between its ends.
        edges = np.array(runs, dtype=np.int64).reshape(-1, 2)
        fired = {
            text: (np.searchsorted(at, edges[:, 0]) < np.searchsorted(at, edges[:, 1])).tolist()
            for text, at in by_pair.items()
        }
        for place, (begin, end) in enumerate(runs):
            start_ts_ms = minutes.start_ts_ms + begin * MINUTE_MS + clock.evaluate_ms
            end_ts_ms = start_ts_ms + (end - begin) * MINUTE_MS
            rows.append(
                {
                    "severity": severity,
                    "start_ts_ms": start_ts_ms,
                    "end_ts_ms": end_ts_ms if end < minutes.length else None,
                    "duration_ms": end_ts_ms - start_ts_ms,
                    "peak_burn": float(peak[begin:end].max()),
                    "pairs": ", ".join(text for text, has in fired.items() if has[place]),
                }
            )
    rows.sort(key=itemgetter("start_ts_ms", "severity"))
    return pl.DataFrame(rows, schema=EPISODES)


def _firing(
    budget: float, policy: BurnPolicy, pair: Pair, events: Events, guard: _Guard, short: Floats
) -> Ints:
    """Minutes at whose evaluation a pair's condition holds; ``short``: the share over its short window, of all minutes.

    Each test looks at the minutes that those before it have left: most fail the first.
    """
    clock = guard.clock
    # The product of two floats, as the rule's own text has it: equal to the last bit.
    threshold = pair.factor(policy.period_ms) * budget
    at = np.flatnonzero(short > threshold)
    at = at[events.share(clock, pair.long_ms, at) > threshold]
    # Too few bad events, counted unweighted, to wake anybody; unknown weights let the alert through.
    at = at[~(guard.effective(events, pair.long_ms, at) < policy.bad_events_minimum)]
    for window_ms, least in pair.evidence.items():
        allowed: float | Floats = budget
        if policy.usual is not None:
            ratios = [events.share(clock, past_ms, at) for past_ms in policy.usual.over_ms]
            allowed = usual_share(ratios, budget, float(policy.usual.burn_maximum) * budget)
        evidence = nats(guard.effective(events, window_ms, at), events.share(clock, window_ms, at), allowed)
        at = at[~(evidence < least)]
    return at


class _Guard:
    """Weighted events as effective ones; attempts are added up once, whatever objective asks."""

    def __init__(self, minutes: Minutes, clock: Clock) -> None:
        self.clock = clock
        self._attempts, self._squares = (
            Running(minutes.counts[name]) for name in (names.ATTEMPTS, names.ATTEMPTS_WEIGHT_SQUARED)
        )

    def effective(self, events: Events, window_ms: int, at: Ints) -> Floats:
        """Effective bad events of the windows that end at the minutes ``at`` = weighted × Σw ÷ Σw² of the attempts."""
        bad = events.guarded(self.clock, window_ms, at)
        attempts, squares = (
            running.over(self.clock, window_ms, at) for running in (self._attempts, self._squares)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            effective: Floats = bad.astype(np.float64) * attempts / squares
        return effective


def _burn(objective: Objective, minutes: Minutes, events: Events) -> pl.DataFrame:
    start = minutes.start_ts_ms - minutes.start_ts_ms % HOUR_MS
    lead = (minutes.start_ts_ms - start) // MINUTE_MS
    bad, total = _hourly(events.bad, lead), _hourly(events.total, lead)
    parts = [(float(weight), _hourly(b, lead), _hourly(t, lead)) for weight, b, t in events.parts]
    return burn_down(objective, start + np.arange(len(bad)) * HOUR_MS, bad, total, parts)


def _hourly(counts: Ints, lead: int) -> Ints:
    """Sums by clock hour of minutes that begin ``lead`` minutes into one."""
    padded = np.zeros(-(-(lead + len(counts)) // 60) * 60, dtype=np.int64)
    padded[lead : lead + len(counts)] = counts
    hourly: Ints = padded.reshape(-1, 60).sum(axis=1)
    return hourly


def _sums_by(slices: pl.DataFrame, by: str) -> pl.DataFrame:
    """Sums of slices by one of their dimensions."""
    counts = [name for name in slices.columns if name not in names.SLICES]
    return slices.group_by(by).agg(pl.col(counts).sum()).sort(by, nulls_last=True)


def _attained(
    indicator: Counted, sums: pl.DataFrame, by: str, minute_counts: Frame, span: tuple[int, int]
) -> pl.DataFrame:
    """``by, bad, total, attained`` over the span, of its ``sums`` by ``by``; a composite's bad events rounded."""
    if isinstance(indicator, CountRatio):
        all_ = pl.sum_horizontal(indicator.total)
        bad = pl.sum_horizontal(indicator.bad) if indicator.bad else all_ - pl.sum_horizontal(indicator.good)
        attained = pl.when(all_ > 0).then(1 - bad / all_)
        return sums.select(by, bad=bad, total=all_, attained=attained)
    rows = _minute_by_minute(indicator, sums[by], by, minute_counts, span)
    share = pl.when(pl.col("total") > 0).then(1 - pl.col("share"))
    return rows.select(by, "bad", "total", attained=share).sort(by, nulls_last=True)


def _minute_by_minute(
    indicator: Counted, values: pl.Series, by: str, minute_counts: Frame, span: tuple[int, int]
) -> pl.DataFrame:
    """What slices of time and composites come to cannot be had from sums: each value's minutes are gone through."""
    within = minute_counts.lazy().filter((pl.col("ts_ms") >= span[0]) & (pl.col("ts_ms") < span[1]))
    rows = []
    for value in values.to_list():
        minutes = minutes_of(within.filter(pl.col(by).eq_missing(value)), sorted(indicator.columns), None)
        bad, total = events_of(indicator, minutes).sums(slice(None))
        rows.append((value, round(bad), total, float(bad / total) if total else None))
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        by: values.dtype,
        "bad": pl.Int64,
        "total": pl.Int64,
        "share": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _spent(
    objective: Objective,
    indicator: Counted,
    slices: pl.DataFrame,
    minute_counts: Frame,
    span: tuple[int, int],
) -> pl.DataFrame:
    budget = float(objective.budget)
    frames = [
        _attained(indicator, _sums_by(slices, by), by, minute_counts, span).select(
            pl.lit(by).alias("dimension"), pl.col(by).alias("value"), "bad", "total", "attained"
        )
        for by in names.SLICES
    ]
    return (
        pl.concat(frames)
        .with_columns(
            budget_spent=(pl.col("bad") / (pl.col("total").sum().over("dimension") * budget)).fill_nan(None),
            excess_bad=pl.col("bad") - budget * pl.col("total"),
        )
        .sort("dimension", "excess_bad", "value", descending=[False, True, False])
    )
