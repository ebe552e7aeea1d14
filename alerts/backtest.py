"""Policies tried on the past: what they would have paged, and how good that would have been.

Three kinds of past. A scenario, whose incidents are known. History, whose incidents are told in hindsight: the
stretches that together spent a share of the budget worth waking somebody for. Made cases
(:mod:`alerts.cases`), at any volume of traffic and as many as one likes. Each policy sees the same minutes, so
two of them are compared incident by incident (:func:`alerts.quality.compared`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from alerts import names
from alerts.cases import Cases, rescaled
from alerts.counts import Clock, Frame, Minutes, minutes_of
from alerts.evaluate import columns_of
from alerts.evidence import nats
from alerts.indicator import Counted, CountRatio, Events, events_of
from alerts.kernel import Bools, Floats, Ints, excesses, firing, held, runs
from alerts.policy import MINUTE_MS, BurnPolicy, Pair
from alerts.quality import QUIET_MINUTES, Judged, judge_pages
from alerts.slo import Objective
from metrics import truth
from metrics.errors import InputError
from metrics.lake import Lake

__all__ = [
    "LEAST_SHARE",
    "History",
    "can_fire",
    "hindsight",
    "histories",
    "known",
    "over_cases",
    "over_history",
    "pages",
    "scripted",
    "told",
]

DAY = 1440
# The workbook pages at 2 % of a month's budget; half of that is an incident by anybody's measure.
LEAST_SHARE = 0.01
# In hindsight an incident is a stretch that burns at more than twice the budget's pace.
_HINDSIGHT_BURN, _HINDSIGHT_NATS = 2.0, 9.0


@dataclass(frozen=True)
class History:
    """An objective's minutes: counts of shape (1, minutes) from ``start_ts_ms`` on, and Σw and Σw² of attempts.

    ``bad`` of a composite is that of its parts, each weighted so that the history's share of bad events is the
    composite's; ``parts`` has their own counts, ``guard_bad`` the events that were bad, whatever is made of them.
    """

    objective: Objective
    start_ts_ms: int
    bad: Ints | Floats
    total: Ints
    weight: Ints
    weight_squared: Ints
    guard_bad: Ints
    parts: tuple[tuple[float, Ints, Ints], ...]
    is_recorded: bool = False

    @property
    def days(self) -> float:
        return self.bad.size / DAY

    @property
    def sessions_per_hour(self) -> float:
        """Effective events an hour: what the objective counts, without the panel's weights."""
        weight, squared = float(self.weight.sum()), float(self.weight_squared.sum())
        scale = weight / squared if squared else 1.0
        return float(self.total.mean()) * 60 * scale

    def at(self, sessions_per_hour: float, seed: int) -> History:
        """The same history at another volume, every event counted once; see :func:`alerts.cases.rescaled`.

        Raises :class:`~metrics.errors.InputError` where the events are not sessions: a slice of time is one at any
        volume, and a composite has several kinds.
        """
        if not isinstance(self.objective.indicator, CountRatio):
            raise InputError(
                f"{self.objective.name} counts no single kind of events that could be fewer or more",
                mend="leave out the volumes",
            )
        bad, total = rescaled(seed, np.asarray(self.bad, dtype=np.int64), self.total, sessions_per_hour)
        return replace(
            self, bad=bad, total=total, weight=total, weight_squared=total, guard_bad=bad,
            parts=((1.0, bad, total),),
        )  # fmt: skip


def histories(objectives: Sequence[Objective], minute_counts: Frame | Minutes) -> list[History]:
    """The minutes of each objective that counts on the event clock, from rows of ``minute_count`` or their sums.

    Raises :class:`~metrics.errors.InputError` where no objective is left, or there are no rows.
    """
    counted = [(o, o.indicator) for o in objectives if isinstance(o.indicator, Counted)]
    if not counted:
        raise InputError("no objective counts events by the minute", mend="give one that does")
    minutes = minute_counts
    if not isinstance(minutes, Minutes):
        minutes = minutes_of(minutes, columns_of(objectives), None)
    return [_history(objective, events_of(indicator, minutes), minutes) for objective, indicator in counted]


def pages(
    policy: BurnPolicy,
    budget: float,
    history: History | Cases,
    *,
    severity: str = "page",
    clock: Clock | None = None,
) -> Ints:
    """Runs of firing minutes, rows (series, begin, end exclusive): those that :mod:`alerts.evaluate` finds.

    An alert that fires first at the end of minute k begins at k.
    """
    pairs = policy.severities.get(severity, ())
    if not pairs:
        raise InputError(
            f"{policy.name} has no {severity} to try", mend=f"it has {', '.join(policy.severities)}"
        )
    clock = clock or Clock()
    # The rule reads a recorded series over a range a second short, which no closure changes.
    is_recorded = isinstance(history, History) and history.is_recorded
    of_shares = Clock(0, 0) if is_recorded else clock
    usual_ms, most = (
        ((), 1.0) if policy.usual is None else (policy.usual.over_ms, float(policy.usual.burn_maximum))
    )
    # Made cases count every session once.
    parts = history.parts if isinstance(history, History) else ((1.0, history.bad, history.total),)
    guard, weight, squared = (
        (history.guard_bad, history.weight, history.weight_squared)
        if isinstance(history, History)
        else (history.bad, history.total, history.total)
    )
    active = firing(
        _stacked([bad for _, bad, _ in parts]),
        _stacked([total for _, _, total in parts]),
        np.array([of_part for of_part, _, _ in parts]),
        guard,
        weight,
        squared,
        _reach(pairs, of_shares),
        _reach(pairs, clock),
        np.array([pair.factor(policy.period_ms) * budget for pair in pairs]),
        float(policy.bad_events_minimum),
        budget,
        np.array([(pair.long_nats, pair.short_nats) for pair in pairs], dtype=np.float64),
        np.array([of_shares.reach(window_ms) for window_ms in usual_ms], dtype=np.int64).reshape(-1, 2),
        most * budget,
    )
    pending, keep = policy.pending_ms(severity), policy.keep_firing_ms or 0
    return runs(held(active, -(-pending // MINUTE_MS), -(-keep // MINUTE_MS)))


def can_fire(policy: BurnPolicy, objective: Objective) -> bool:
    """Whether the policy's pages can watch the objective: it counts events, and each pair can fire at all."""
    budget, pairs = float(objective.budget), policy.severities.get("page", ())
    return (
        isinstance(objective.indicator, Counted)
        and bool(pairs)
        and all(pair.factor(policy.period_ms) * budget < 1 for pair in pairs)
    )


def over_cases(policy: BurnPolicy, budget: float, cases: Cases, *, severity: str = "page") -> Judged:
    """A policy's pages against the incidents of made cases."""
    series, minutes = cases.bad.shape
    return judge_pages(
        pages(policy, budget, cases, severity=severity), cases.incidents, series * minutes / DAY
    )


def over_history(
    policy: BurnPolicy,
    history: History,
    incidents: pl.DataFrame,
    *,
    severity: str = "page",
    found: Ints | None = None,
) -> Judged:
    """A policy's pages against incidents of a history (:func:`known`, :func:`hindsight`); ``found``: its :func:`pages`.

    An incident that spent less than its share is not one to catch, but a page that began in it is not false.
    """
    if found is None:
        found = pages(policy, float(history.objective.budget), history, severity=severity)
    judged = judge_pages(found, incidents, history.days, open_end=history.bad.shape[1])
    return replace(judged, incidents=judged.incidents.filter("counts"))


def known(history: History, incidents: pl.DataFrame, *, least_share: float = LEAST_SHARE) -> pl.DataFrame:
    """A scenario's incidents (``incident_id, kind, start_ts_ms, end_ts_ms``) on an objective's minutes.

    The columns of :data:`alerts.cases.CASES` (``shape`` is the kind), ``incident_id``, ``budget_share``: bad
    events beyond what the rest of the history leads one to expect, as a share of the period's budget; and
    ``counts``: whether that is at least ``least_share``. Incidents outside the history are left out.
    """
    length = history.bad.shape[1]
    minute = (pl.col("start_ts_ms") - history.start_ts_ms) // MINUTE_MS
    end = -(-(pl.col("end_ts_ms") - history.start_ts_ms) // MINUTE_MS)
    spans = (
        incidents.select("incident_id", "kind", start_minute=minute, end_minute=end)
        .filter(pl.col("end_minute") > 0, pl.col("start_minute") < length)
        .with_columns(pl.col("start_minute", "end_minute").clip(0, length))
        .sort("start_minute", "incident_id")
    )
    inside = np.zeros(length, dtype=np.bool_)
    for begin, stop in spans.select("start_minute", "end_minute").iter_rows():
        inside[begin:stop] = True
    return _shares(history, spans, _ratio(history, ~inside), least_share)


def hindsight(history: History, *, least_share: float = LEAST_SHARE) -> pl.DataFrame:
    """Incidents told by the counts themselves, all of them seen: as :func:`known`, with no id and no kind.

    Stretches in which bad events ran above twice the budget's share, from where the excess begins to build up to
    its highest point; those that chance cannot explain (9 nats over the budget), joined where less than an hour
    lies between them. What is found this way is what was bad; what caused it is not known.
    """
    budget = float(history.objective.budget)
    found = excesses(history.bad, history.total, min(_HINDSIGHT_BURN * budget, 1.0))
    found = found[~(_evidence(history, found[:, 1], found[:, 2]) < _HINDSIGHT_NATS)]
    spans: list[list[int]] = []
    for _, begin, end in found.tolist():
        if spans and begin - spans[-1][1] < QUIET_MINUTES:
            spans[-1][1] = end
        else:
            spans.append([begin, end])
    frame = pl.DataFrame(
        {
            "incident_id": [f"stretch-{i + 1}" for i in range(len(spans))],
            "kind": ["hindsight"] * len(spans),
            "start_minute": [begin for begin, _ in spans],
            "end_minute": [end for _, end in spans],
        },
        schema={
            "incident_id": pl.String,
            "kind": pl.String,
            "start_minute": pl.Int64,
            "end_minute": pl.Int64,
        },
    )
    return _shares(history, frame, 0.0, least_share)


def scripted(lake: Lake) -> pl.DataFrame:
    """A scenario's incidents, to score against: ``incident_id, kind, start_ts_ms, end_ts_ms``; none of real logs."""
    return truth.incidents(lake).select("incident_id", "kind", "start_ts_ms", "end_ts_ms").collect()


def told(history: History, stretches: pl.DataFrame | None = None) -> pl.DataFrame:
    """Incidents in hindsight (``stretches``, if they are told already) as instants:
    ``incident_id, kind, start_ts_ms, end_ts_ms``."""
    return (hindsight(history) if stretches is None else stretches).select(
        "incident_id",
        kind="shape",
        start_ts_ms=history.start_ts_ms + pl.col("start_minute") * MINUTE_MS,
        end_ts_ms=history.start_ts_ms + pl.col("end_minute") * MINUTE_MS,
    )


def _shares(history: History, spans: pl.DataFrame, expected: float, least_share: float) -> pl.DataFrame:
    begin, end = (spans[name].to_numpy() for name in ("start_minute", "end_minute"))
    inside_bad, inside_total = (_between(counts, begin, end) for counts in (history.bad, history.total))
    period_minutes = history.objective.period_ms / MINUTE_MS
    allowed = float(history.objective.budget) * history.total.mean() * period_minutes
    share = (inside_bad - expected * inside_total) / allowed if allowed else np.zeros(len(begin))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = inside_bad / inside_total
    return spans.select(
        series=pl.lit(0, pl.Int64),
        start_minute="start_minute",
        end_minute="end_minute",
        shape="kind",
        bad_ratio=pl.Series(ratio, dtype=pl.Float64, nan_to_null=True),
        incident_id="incident_id",
        budget_share=pl.Series(share, dtype=pl.Float64),
        counts=pl.Series(share >= least_share, dtype=pl.Boolean),
    )


def _evidence(history: History, begin: Ints, end: Ints) -> Floats:
    """Nats of each stretch against the budget's share."""
    bad, total, weight, squared = (
        _between(counts, begin, end).astype(np.float64)
        for counts in (history.bad, history.total, history.weight, history.weight_squared)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        return nats(bad * weight / squared, bad / total, float(history.objective.budget))


def _between(counts: Ints | Floats, begin: Ints, end: Ints) -> Ints | Floats:
    running = np.concatenate(([0], np.cumsum(counts[0])))
    sums: Ints | Floats = running[end] - running[begin]
    return sums


def _ratio(history: History, where: Bools) -> float:
    total = int(history.total[0][where].sum())
    return float(history.bad[0][where].sum()) / total if total else 0.0


def _stacked(counts: Sequence[Ints]) -> Ints:
    # A hundred series over a quarter are a hundred megabytes, and need no copy where there is one part.
    return counts[0][None] if len(counts) == 1 else np.stack(counts)


def _reach(pairs: Sequence[Pair], clock: Clock) -> Ints:
    rows = [(*clock.reach(pair.long_ms), *clock.reach(pair.short_ms)) for pair in pairs]
    return np.array(rows, dtype=np.int64)


def _history(objective: Objective, events: Events, minutes: Minutes) -> History:
    def row(counts: Ints) -> Ints:
        return np.ascontiguousarray(counts.reshape(1, -1))

    parts = tuple((float(weight), row(bad), row(total)) for weight, bad, total in events.parts)
    return History(
        objective,
        minutes.start_ts_ms,
        _weighted(parts, row(events.total)) if parts else row(events.bad),
        row(events.total),
        row(minutes.counts[names.ATTEMPTS]),
        row(minutes.counts[names.ATTEMPTS_WEIGHT_SQUARED]),
        row(events.guard_bad),
        parts or ((1.0, row(events.bad), row(events.total)),),
        events.is_recorded,
    )


def _weighted(parts: Sequence[tuple[float, Ints, Ints]], total: Ints) -> Floats:
    """Bad events of a composite whose sum over the history ÷ that of all events is the composite's share."""
    seen = [(weight, bad, int(own.sum())) for weight, bad, own in parts if own.any()]
    whole = sum(weight for weight, _, _ in seen)
    bad = np.zeros(total.shape)
    for weight, own_bad, own_total in seen:
        bad += own_bad * (weight / whole * total.sum() / own_total)
    return bad
