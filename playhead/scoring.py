"""What a lake's truth says of every estimator: rows of the table ``score``.

Each estimator runs as its command runs it, on telemetry alone; the truth is read after, to mark it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import polars as pl

from metrics.errors import InputError
from metrics.lake import Lake
from metrics.scorecard import score, scorecard, shipped, silent
from metrics.telemetry import get_table
from metrics.truth import counterfactuals, discovery, incidents

__all__ = ["ARTEFACT", "Card", "card_of", "has_truth", "on_lake"]

ARTEFACT = "scorecard.json"

Say = Callable[[str], None]

_HERE = "this lake"
_DAY_MS, _HOUR_MS = 86_400_000, 3_600_000
_HISTORY_DAYS = 7
_SLICED_BY = ("region", "isp", "device", "codec", "player_version")
_STARTED = pl.col("outcome").is_in(["played", "playback_failure"])
# The metric that shows an incident first -> the sessions that are bad by it; others do not show in sessions' shares.
_BAD: Mapping[str, pl.Expr] = {
    "start_failure_technical_ratio": (pl.col("outcome") == "start_failure")
    & (pl.col("failure_class") == "technical"),
    "playback_failure_ratio": pl.col("outcome") == "playback_failure",
    "rebuffer_ratio": _STARTED & (pl.col("stall_count") > 0),
    "time_to_play_p99_ms": pl.col("waited_ms") >= 2_000,
}


@dataclass(frozen=True)
class Card:
    """The card (:data:`metrics.scorecard.COLUMNS`), and whether the lake's own truth is in it."""

    card: pl.DataFrame
    has_truth: bool

    @property
    def said(self) -> str:
        """What the card cannot say, in words."""
        lines = []
        if not self.has_truth:
            lines.append(
                "This lake has no truth: how often estimates are right on it nobody can say. What stands above was "
                "measured on made cases."
            )
        if missing := silent(self.card):
            lines.append(f"Not scored here: {', '.join(missing)}.")
        return " ".join(lines)


def card_of(lake: Lake, say: Say = lambda _: None, *, made: bool = True) -> Card:
    """The card by a lake's truth, its table ``score`` and made cases; kept as ``scorecard.json`` for the pages."""
    is_known = has_truth(lake)
    parts = [shipped()] if made else []
    parts.append(lake.scan("score").collect().select(get_table("score").schema.names()))
    if is_known:
        parts.append(on_lake(lake, say))
    found = Card(scorecard(pl.concat(parts)), is_known)
    kept = {
        "lake_version": lake.version(), "has_truth": is_known, "said": found.said, "scores": found.card.to_dicts()
    }  # fmt: skip
    try:
        lake.artefact(ARTEFACT).write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        say(f"scorecard not kept: {lake.path} cannot be written ({error.strerror})")
    return found


def has_truth(lake: Lake) -> bool:
    """Whether the emulator said what it knows of this lake."""
    return any(table(lake).head(1).collect().height for table in (incidents, counterfactuals, discovery))


def on_lake(lake: Lake, say: Say = lambda _: None, *, only: Collection[str] | None = None) -> pl.DataFrame:
    """Rows of the table ``score``, of the estimators in ``only``. One that the lake cannot try has none."""
    found = [pl.DataFrame(schema=get_table("score").schema)]
    for what, scored in _SCORED.items():
        if only is not None and what not in only:
            continue
        say(what)
        try:
            found.append(scored(lake))
        except InputError as error:
            say(f"{what}: not scored ({error.what})")
    return pl.concat(found)


def _ledger(lake: Lake) -> pl.DataFrame:
    from metrics.ledger import ledger

    counted = ledger(lake)
    return score("ledger", _HERE, "residual", counted.residual, unit="sessions", count=counted.sessions_in)


def _sketch(lake: Lake) -> pl.DataFrame:
    """Sketched quantiles against the exact ones of the same weighted rows, by region."""
    from metrics.query import measure

    exact = {Fraction(1, 2): "time_to_play_p50_ms", Fraction(99, 100): "time_to_play_p99_ms"}
    rows = (
        lake.scan("playback_session")
        .filter(pl.col("excluded_reason").is_null(), pl.col("startup_ms").is_not_null())
        .group_by("region", "startup_ms")
        .agg(pl.col("weight").sum())
        .sort("region", "startup_ms")
        .collect()
    )
    sketched = measure(lake, list(exact.values()), by=["region"])
    said = {(row["metric"], row["region"]): row["value"] for row in sketched.iter_rows(named=True)}
    errors = []
    for (region,), part in rows.group_by("region"):
        reached, whole = part["weight"].cum_sum(), part["weight"].sum()
        for quantile, name in exact.items():
            at = int((reached * quantile.denominator < whole * quantile.numerator).sum())
            errors.append(abs(said[name, region] / float(part["startup_ms"][at]) - 1))
    if not errors:
        return pl.DataFrame(schema=get_table("score").schema)
    return score(
        "quantile sketch", _HERE, "largest_relative_error", max(errors), unit="ratio", count=len(errors)
    )


def _explain(lake: Lake) -> pl.DataFrame:
    """Contributions by region against the change they are of: the first half of the lake and the second."""
    from metrics.tree import explain

    first, last = (
        lake.scan("membership").select(a=pl.col("ts_ms").min(), b=pl.col("ts_ms").max()).collect().row(0)
    )
    if first is None or last == first:
        raise InputError("no two periods of memberships")
    middle = first + (last + _DAY_MS - first) // _DAY_MS // 2 * _DAY_MS
    residuals = []
    for name in ("watch_hours_per_subscriber", "rebuffer_rate", "rec_driven_hours_ratio"):
        try:
            found = explain(lake, name, (middle, last + _DAY_MS), (first, middle), ["region"])
        except InputError:
            continue  # the lake does not tell it in both halves
        residuals.append(float(abs(sum(c.amount for c in found.contributions) - found.change)))
    if not residuals:
        raise InputError("no metric has two periods")
    return score("explain", _HERE, "largest_residual", max(residuals), count=len(residuals))


def _metrics(lake: Lake) -> pl.DataFrame:
    """Sums of the telemetry against those of the world that was run, where no experiment put members into another."""
    truth = counterfactuals(lake).filter(pl.col("world") == "factual").collect()
    if truth.is_empty() or lake.scan("assignment").head(1).collect().height:
        raise InputError("the world that ran is not told, or members lived in others")
    wide = pl.Decimal(38, 0)
    weight = pl.col("weight").cast(wide)
    size = pl.sum_horizontal("edge_bytes", "storage_bytes", "third_party_bytes")
    told = (
        lake.scan("playback_session")
        .select(
            attempts=weight.sum(),
            starts=weight.filter(_STARTED).sum(),
            stalled_sessions=weight.filter(_STARTED & (pl.col("stall_count") > 0)).sum(),
            playing_ms=(weight * pl.col("playing_ms").cast(wide)).sum(),
            bytes=(weight * size.cast(wide)).sum(),
        )
        .collect()
    )
    known = truth.select(
        "attempts", "starts", "stalled_sessions", "playing_ms",
        bytes=pl.sum_horizontal("edge_bytes", "storage_bytes", "third_party_bytes"),
    ).sum()  # fmt: skip
    pairs = [(float(told[name].item()), float(known[name].item())) for name in known.columns]
    errors = [abs(ours / theirs - 1) for ours, theirs in pairs if theirs]
    return score("metrics", _HERE, "largest_relative_error", max(errors), unit="ratio", count=len(errors))


def _localise(lake: Lake) -> pl.DataFrame:
    """The best answer at each incident that shows in sessions, against its scope; the same hours of the days before
    are the history."""
    from metrics.localise import METHODS, leaves_at

    cases: list[tuple[dict[str, str], pl.DataFrame]] = []
    for row in incidents(lake).collect().iter_rows(named=True):
        scope: dict[str, str] = json.loads(row["scope"])
        if row["metric"] in _BAD and scope and set(scope) <= set(_SLICED_BY):
            frame = _leaf_table(lake, row["start_ts_ms"], row["end_ts_ms"], _BAD[row["metric"]])
            if frame["at"].n_unique() > 1 and int(frame.filter(at=0)["value"].sum() or 0):
                cases.append((scope, frame))
    if not cases:
        raise InputError("no incident shows in sessions")
    rows = []
    for name, method in METHODS.items():
        hit = right = claimed = 0
        exact = []
        for scope, frame in cases:
            best = method(leaves_at(frame, value="value", count="count", time="at", at=0))[0]
            elements = [_plain(element) for element in best.elements]
            found = _plain(scope) in elements
            hit, claimed = hit + found, claimed + len(elements)
            exact.append(found and len(elements) == 1)
        right = len(cases)
        estimator = "localise" if name == "scan" else f"localise/{name}"
        f1 = 2 * hit / (claimed + right)
        rows += [
            score(
                estimator, f"{_HERE}: incidents that show in sessions", "f1", f1, unit="ratio", count=right
            ),
            score(estimator, f"{_HERE}: incidents that show in sessions", "exact", exact),
        ]
    return pl.concat(rows)


def _leaf_table(lake: Lake, start_ts_ms: int, end_ts_ms: int, bad: pl.Expr) -> pl.DataFrame:
    """``at`` (0: the incident, −1: as many hours a day before, …), dimensions, ``value`` and ``count`` of sessions."""
    length = end_ts_ms - start_ts_ms
    step = -(-length // _DAY_MS) * _DAY_MS
    since = start_ts_ms - pl.col("start_ts_ms")
    ago = -(-since // step)
    first = start_ts_ms - _HISTORY_DAYS * step
    day = pl.lit(first).cast(pl.Datetime("ms")).dt.date()
    return (
        lake.scan("playback_session")
        .filter(
            pl.col("day") >= day, pl.col("excluded_reason").is_null(),
            pl.col("start_ts_ms").is_between(first, end_ts_ms, closed="left"),
        )
        .with_columns(at=-pl.when(since <= 0).then(0).otherwise(ago))
        .filter((pl.col("start_ts_ms") - start_ts_ms) - pl.col("at") * step < length)
        .group_by("at", *_SLICED_BY)
        .agg(value=bad.sum().cast(pl.Int64), count=pl.len().cast(pl.Int64))
        .collect()
    )  # fmt: skip


def _plain(element: Mapping[str, str | None]) -> frozenset[tuple[str, str | None]]:
    """A slice by what it says: an ISP is of one region."""
    return frozenset((k, v) for k, v in element.items() if not (k == "region" and "isp" in element))


def _burn_rates(lake: Lake) -> pl.DataFrame:
    """The shipped objectives' own policy, and the textbook's, on the incidents of the truth."""
    from alerts.backtest import LEAST_SHARE, can_fire
    from alerts.policy import load_policies
    from alerts.slo import load
    from playhead.backtesting import chosen
    from playhead.backtesting import on_lake as tried

    policies = load_policies(())
    rows = []
    for policy, estimator in (
        ("evidence-30d", "burn-rate alerts"),
        ("google-30d", "burn-rate alerts/google-30d"),
    ):
        objectives = [
            o for o in load((), policies) if all(can_fire(p, o) for p in chosen(o, policies, [policy]))
        ]
        trials = tried(lake, objectives, policies, [policy], with_truth=True, least_share=LEAST_SHARE)
        caught, minutes, wrong = [], [], []
        for trial in trials:
            caught += trial.judged.incidents["caught"].to_list()
            hit = trial.judged.incidents.filter("caught")
            minutes += hit["detect_minutes"].cast(pl.Float64).to_list()
            wrong += trial.judged.pages["is_false"].to_list()
        case_set = f"{_HERE}: incidents, each objective that they touch"
        if minutes:
            median = sorted(minutes)[len(minutes) // 2]
            rows.append(
                score(estimator, case_set, "time_to_detect", median, unit="minutes", count=len(minutes))
            )
        rows += [
            score(estimator, case_set, "recall", caught),
            score(estimator, case_set, "precision", [not w for w in wrong]),
        ]  # fmt: skip
    return pl.concat(rows)


def _baselines(lake: Lake) -> pl.DataFrame:
    """The metric tree's incidents against those of the truth: they meet where one begins within the other, or the hour
    after, in a slice that it hit."""
    from alerts.baseline import load_baselines
    from playhead.baselines import watch_lake

    truth = incidents(lake).collect()
    if truth.is_empty():
        raise InputError("no incident of this lake is known")
    baselines = load_baselines()
    alarms = watch_lake(lake, baselines).incidents.rows(named=True)
    known = truth.rows(named=True)
    watched = {baseline.metric for baseline in baselines}
    found = [any(_meet(alarm, one) for alarm in alarms) for one in known if one["metric"] in watched]
    true = [any(_meet(alarm, one) for one in known) for alarm in alarms]
    return pl.concat(
        [
            score("baseline alerts", f"{_HERE}: incidents of what is watched", "recall", found),
            score("baseline alerts", f"{_HERE}: alarms", "precision", true),
        ]
    )


def _meet(alarm: Mapping[str, Any], incident: Mapping[str, Any]) -> bool:
    hit = set(json.loads(incident["scope"]).values())
    told = {part for part in alarm["slices"] if part is not None}
    is_there = not hit or not told or bool(hit & told)
    return is_there and incident["start_ts_ms"] <= alarm["start_ts_ms"] < incident["end_ts_ms"] + _HOUR_MS


def _decide(lake: Lake) -> pl.DataFrame:
    """Cells that have an estimate and a truth."""
    from playhead.decision import table

    cells = table(lake, by_region=True).filter(pl.col("holds").is_not_null())
    rows = []
    for where, part in (
        ("the service", cells.filter(pl.col("region").is_null())),
        ("its regions", cells.filter(pl.col("region").is_not_null())),
    ):
        for (method,), some in part.group_by("method", maintain_order=True):
            estimator = "experiment" if method == "experiment" else "decide"
            case_set = f"{_HERE}: cells of {where}, by {method}"
            rows.append(score(estimator, case_set, "coverage_90", some["holds"].to_list()))
    return pl.concat([pl.DataFrame(schema=get_table("score").schema), *rows])


_SCORED: Mapping[str, Callable[[Lake], pl.DataFrame]] = {
    "ledger": _ledger,
    "quantile sketch": _sketch,
    "explain": _explain,
    "metrics": _metrics,
    "localise": _localise,
    "burn-rate alerts": _burn_rates,
    "baseline alerts": _baselines,
    "decision table": _decide,
}
