"""``docs/scorecard.md``: the scorecard for somebody who knows nothing of Playhead."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

from metrics.lake import Lake
from metrics.scorecard import markdown, scorecard, sections, shown, silent

__all__ = ["page_of"]


def page_of(held: pl.DataFrame, lake: Path | None) -> str:
    """The page of the rows ``held`` of the table ``score``, and of what ``lake``'s own truth says."""
    card = scorecard(held)
    parts = [ABOUT, "## In short\n", _short(card)]
    seen = card
    if lake is not None:
        from playhead.scoring import card_of

        found = card_of(Lake.open(lake), lambda what: print(what, file=sys.stderr), made=False)
        seen = pl.concat([card, found.card])
        parts += [ON_A_LAKE, markdown(found.card)]
    parts += ["## On made cases\n", sections(card)]
    if silent(seen):
        parts.append(f"Not scored yet: {', '.join(silent(seen))}.\n")
    return "\n".join(part for part in parts if part)


def _short(card: pl.DataFrame) -> str:
    lines = ["| what is estimated | how it was tried | measured | it should be |", "|---|---|---:|---|"]
    for what, estimator, case_set, measure, tried, wanted in SHORT:
        for row in card.filter(
            pl.col("estimator") == estimator, pl.col("case_set").str.contains(case_set), pl.col("measure") == measure
        ).head(1).iter_rows(named=True):  # fmt: skip
            peer = (
                ""
                if row["peer"] is None
                else f" ({PEERS.get(row['peer'], row['peer'])}: {shown(row['peer_value'], row['unit'])})"
            )
            lines.append(f"| {what} | {tried} | {shown(row['value'], row['unit'])}{peer} | {wanted} |")
    return "\n".join(lines) + "\n"


ABOUT = """# The scorecard

How often Playhead's estimates are right. Every estimator is tried on cases whose truth is known because it was made
with them (a fault planted in a table, an effect planted in an experiment, an emulated service), and marked by it; a
peer, where there is a published or usual one, is marked on the same cases. Bad marks are here like the good ones.

Written by `python -m benchmarks.scorecard`, with which `make bench` ends. `playhead scorecard --lake LAKE` prints the
card of any lake; of a lake of real telemetry, which has no truth, it says that nobody can say. *n* counts cases, and
intervals are 90 %, over the cases: how far the figure may be off because there were so few.
"""
ON_A_LAKE = """## On a lake of the demo

What the demo's own truth says of each estimator, run as its command runs it. A quarter has few incidents: read *n*.
"""
PEERS = {
    "opaque": "a third party's logs", "google-30d": "the textbook's policy", "adtributor": "Adtributor",
    "z test": "a z test each day",
}  # fmt: skip
# What, estimator, case set (a pattern), measure, how it was tried, what it should be.
SHORT = (
    ("where an incident lies", "localise", "^labelled", "exact", "200 tables, 165 with a planted fault: exactly the"
     " true slices named", "> 63 %"),
    ("that no slice explains it", "localise", "^labelled", "external_f1", "the same tables: F1 of that answer",
     "> 90 %"),
    ("a fault on one site, told within the hour", "visibility", "laid over at one site", "located_60_minutes",
     "21 faults laid over an emulated service; beside it the same with a third party's logs", "more than the peer"),
    ("a page for an incident", "burn-rate alerts", "100,000", "recall", "300 made incidents, 100,000 sessions an hour",
     "100 %"),
    ("a page that is right", "burn-rate alerts", "100,000", "precision", "the same", "100 %"),
    ("a metric out of its season", "baseline alerts", "", "recall", "incidents of emulated services, found", "100 %"),
    ("an anomaly in a series", "anomalies", "NAB", "standard_score", "31 series of the Numenta Anomaly Benchmark",
     "> 58"),
    ("an experiment's effect", "experiment", "^A/B: watch hours", "coverage_95", "10,000 A/B tests of watch hours: the"
     " 95 % interval holds the truth", "94 to 96 %"),
    ("an experiment looked at daily", "experiment", "^A/A: 30 daily", "false_positives_anytime_valid", "10,000 A/A"
     " tests, called at any look", "≤ 5 %"),
    ("the effect of a switch, by region", "decide", "^experiment, regions", "coverage_90", "emulated services: the"
     " 90 % interval holds the truth", "90 %"),
    ("what stalls do to leaving", "retention hazard", "planted", "relative_bias", "200 confounded populations: mean"
     " error", "within ±10 %"),
    ("the same, its interval", "retention hazard", "planted", "coverage_95", "200 populations: the 95 % interval holds"
     " the truth", "92 to 98 %"),
    ("63 days of an experiment by 14", "surrogates", "calibrated", "interval_holds", "100 emulated experiments: the"
     " 90 % interval holds the truth", "90 %"),
    ("titles of the kind asked for", "search", "^held", "precision_at_10", "35 queries on which nothing was chosen",
     "more than the peer"),
    ("what an own CDN costs", "cost intervals", "USD/GB", "coverage_90", "200 made companies: the 90 % range holds the"
     " truth", "90 %"),
    ("the cost of a year ahead", "cost forecast", "", "coverage_90_fourth_quarter", "the interval of the fourth quarter"
     " of 300 made histories holds it", "90 %"),
    ("the next quarter's cost", "cost forecast", "", "coverage_90_next_quarter", "300 made histories: the 90 % interval"
     " holds it", "90 %"),
)  # fmt: skip
