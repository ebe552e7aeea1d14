"""The scorecard: how often each estimator is right, a row an estimator, case set and measure.

Rows of the table ``score`` come from whoever measures: what the truth of a lake tells (``playhead scorecard`` computes
it), what was measured on made cases (:func:`shipped`), and what a lake holds. A peer's figure on the same cases is a
row of its own, of the estimator ``ours/peer``; here it is set beside ours. Frames in, frame out.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

import numpy as np
import polars as pl
from scipy import stats

from metrics.intervals import CONFIDENCE
from metrics.telemetry import get_table

__all__ = [
    "COLUMNS",
    "ESTIMATORS",
    "MEASURES",
    "markdown",
    "score",
    "scorecard",
    "sections",
    "shipped",
    "silent",
]

COLUMNS = pl.Schema(
    {
        "estimator": pl.String, "case_set": pl.String, "measure": pl.String, "value": pl.Float64, "low": pl.Float64,
        "high": pl.Float64, "unit": pl.String, "cases_count": pl.Int64, "peer": pl.String, "peer_value": pl.Float64,
    }
)  # fmt: skip
"""``low`` and ``high``: 90 % interval of ``value`` over the cases, null where they are not a sample."""

ESTIMATORS = {
    "ledger": "every session counted or excluded",
    "quantile sketch": "quantiles of any slice from merged buckets",
    "explain": "contributions that sum to the change",
    "metrics": "figures of the telemetry beside what was emulated",
    "localise": "the slice that explains an incident",
    "visibility": "what is localised with an own CDN's telemetry, beside a third party's",
    "burn-rate alerts": "pages of the objectives",
    "baseline alerts": "the metric tree against its own season",
    "anomalies": "a series against its past",
    "experiment": "intervals of an experiment's effect",
    "decide": "the effect of a switch, from telemetry",
    "retention hazard": "what stalls do to leaving",
    "surrogates": "the first 14 days of an experiment for the first 63",
    "search": "titles of the kind that a query describes",
    "cost intervals": "90 % ranges of the economics",
    "cost forecast": "the next four quarters' cost",
}
"""What is scored, in the order of the card."""

MEASURES = {
    "absolute_error": "mean of |estimate − truth| ÷ truth",
    "bias": "mean of (estimate − truth), in standard errors of the estimate: 0 is none",
    "consistency": "share of experiments in which the early and the late verdict agree",
    "correlation": "of the early and the late effect",
    "coverage": "share of intervals that hold the truth; it should be the number in the name, in percent",
    "direct": "the same decision by the outcome itself, as far as it is known on day 14",
    "exact": "share of incidents of which exactly the true slices are named, none more and none less",
    "external_f1": "F1 (harmonic mean of precision and recall) of the answer that no slice explains it",
    "f1": "F1 (harmonic mean of precision and recall) of the slices named",
    "false_launch": "share of harmless or harmful changes that would have been launched",
    "false_named": "share of calm stretches in which a slice is named",
    "false_positives": "share of tests without an effect that are said to have one; 5 % are promised",
    "flagged": "share of populations that cannot tell the effect and are said to be so",
    "found": "share of tests with an effect that are said to have one",
    "interval_holds": "share of 90 % intervals of the late effect, from the early one, that hold it",
    "largest_relative_error": "the worst of |figure ÷ truth − 1|",
    "largest_residual": "the most that parts miss the change by which they must add up to: 0 is exact",
    "launch_recall": "share of changes that would be launched by the truth which are launched",
    "located": 'share of incidents localised so many minutes after they began; "more": by how much the own CDN\'s share'
    " is larger than with a third party's logs",
    "minutes_to_locate": "median time until an incident is localised",
    "precision": "share of what was named, or of alerts, that was right",
    "precision_at_10": "share of the first ten titles that are of the kind asked for",
    "recall": "share of what there was to find that was found",
    "recall_at_3": "share of incidents of which the true slices are one of the first three answers",
    "relative_bias": "mean of (estimate − truth) ÷ truth",
    "residual": "what is neither counted nor excluded: 0 is exact",
    "reward_low_FN_rate_score": "the same with misses weighted twice",
    "reward_low_FP_rate_score": "the same with false alarms weighted twice",
    "sign_agreement": "share of changes whose early and late effect have one sign",
    "standard_score": "Numenta's score: 0 for flagging nothing, 100 for each anomaly at once and no false alarm",
    "time_to_detect": "median time from the begin of an incident to its first page",
    "wrongly_flagged": "share of populations that can tell the effect and are said not to",
}
"""What a measure means, by its name or how that begins."""

_LINE = 4  # digits of a figure that people read


def score(
    estimator: str,
    case_set: str,
    measure: str,
    cases: Sequence[bool] | Sequence[float] | float,
    *,
    unit: str | None = None,
    count: int | None = None,
) -> pl.DataFrame:
    """One row of the table ``score``: the mean over ``cases``, with its 90 % interval.

    Of yes and no: Wilson's interval of the share (1927). Of numbers: Student's t. A single number is a figure over
    ``count`` cases, without an interval. No row where there are no cases.
    """
    schema = get_table("score").schema
    low = high = None
    if isinstance(cases, int | float):
        value, n = float(cases), count if count is not None else 1
    else:
        array = np.asarray(cases)
        n = array.size
        if not n:
            return pl.DataFrame(schema=schema)
        value = float(array.mean())
        if array.dtype == np.bool_:
            low, high = wilson(int(array.sum()), n)
            unit = unit or "ratio"
        elif n > 1:
            half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * array.std(ddof=1) / np.sqrt(n))
            low, high = value - half, value + half
    if not np.isfinite(value):
        return pl.DataFrame(schema=schema)
    row = {
        "estimator": estimator, "case_set": case_set, "measure": measure, "value": value, "low": low, "high": high,
        "cases_count": n, "unit": unit,
    }  # fmt: skip
    return pl.DataFrame([row], schema=schema)


def wilson(part: int, whole: int) -> tuple[float, float]:
    """The score interval of a share, at :data:`~metrics.intervals.CONFIDENCE`.

    >>> [round(end, 3) for end in wilson(9, 10)]
    [0.652, 0.977]
    """
    interval = stats.binomtest(part, whole).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def scorecard(rows: pl.DataFrame) -> pl.DataFrame:
    """The card from rows of the table ``score``: columns :data:`COLUMNS`, estimators in their order, peers beside ours.

    Of several rows of one estimator, case set and measure the last counts. Of several peers each has a row.
    """
    keys = ["estimator", "case_set", "measure"]
    held = rows.select(get_table("score").schema.names()).unique(keys, keep="last", maintain_order=True)
    parts = pl.col("estimator").str.splitn("/", 2).struct
    held = held.with_columns(parts.field("field_0").alias("estimator"), parts.field("field_1").alias("peer"))
    ours, peers = (
        held.filter(pl.col("peer").is_null()).drop("peer"),
        held.filter(pl.col("peer").is_not_null()),
    )
    beside = peers.select(*keys, "peer", peer_value="value")
    card = ours.join(beside, on=keys, how="left", maintain_order="left_right")
    order = {name: place for place, name in enumerate(ESTIMATORS)}
    place = pl.col("estimator").replace_strict(order, default=len(order), return_dtype=pl.Int64)
    return card.sort(place, maintain_order=True).select(COLUMNS.names()).cast(COLUMNS)


def silent(card: pl.DataFrame) -> list[str]:
    """The estimators of which the card says nothing, in their order."""
    return [name for name in ESTIMATORS if name not in set(card["estimator"])]


def shipped() -> pl.DataFrame:
    """Rows of the table ``score`` that were measured on made cases, by ``python -m benchmarks.scorecard``."""
    text = files("metrics").joinpath("scores.csv").read_bytes()
    return pl.read_csv(text, schema=get_table("score").schema)


def sections(card: pl.DataFrame) -> str:
    """The card as Markdown for readers: a heading an estimator, its table, and what its measures mean."""
    parts = []
    for (name,), rows in card.group_by("estimator", maintain_order=True):
        about = ESTIMATORS.get(str(name), "")
        meant = {measure: _meant(measure) for measure in rows["measure"].unique(maintain_order=True)}
        lines = dict.fromkeys(f"*{_begin(measure)}*: {said}" for measure, said in meant.items() if said)
        parts.append(f"### {name}\n\n{about[:1].upper()}{about[1:]}.\n\n{markdown(rows, of_one=True)}")
        parts.append(f"{'; '.join(lines)}.\n" if lines else "")
    return "\n".join(part for part in parts if part)


def markdown(card: pl.DataFrame, *, of_one: bool = False) -> str:
    """The card as one Markdown table; ``of_one``: without the estimator, and without peers where there are none."""
    has_peers = not of_one or card["peer"].is_not_null().any()
    header = ["estimator", "cases", "measure", "value", "90 % interval", "n", "peer", "peer's"]
    rules = ["---", "---", "---", "---:", "---", "---:", "---", "---:"]
    kept = slice(1 if of_one else 0, 8 if has_peers else 6)
    lines = [f"| {' | '.join(header[kept])} |", f"|{'|'.join(rules[kept])}|"]
    for row in card.iter_rows(named=True):
        unit, ends = row["unit"], (row["low"], row["high"])
        between = "" if None in ends else " to ".join(shown(end, unit) for end in ends)
        beside = "" if row["peer_value"] is None else shown(row["peer_value"], unit)
        told = [
            row["estimator"],
            row["case_set"],
            row["measure"].replace("_", " "),
            shown(row["value"], unit),
        ]
        cells = [*told, between, f"{row['cases_count']:,}", row["peer"] or "", beside]
        lines.append(f"| {' | '.join(cells[kept])} |")
    return "\n".join(lines) + "\n"


def _meant(measure: str) -> str | None:
    return MEASURES.get(_key(measure) or "")


def _key(measure: str) -> str | None:
    """The longest name of :data:`MEASURES` that the measure's begins with."""
    return max((key for key in MEASURES if measure.startswith(key)), key=len, default=None)


def _begin(measure: str) -> str:
    return (_key(measure) or measure).replace("_", " ")


def shown(value: float, unit: str | None) -> str:
    """A figure of the card as people read it; shares in percent.

    >>> shown(0.9312, "ratio"), shown(12.5, "minutes"), shown(0.0, None)
    ('93.1 %', '12.5 minutes', '0')
    """
    if unit == "ratio":
        return f"{100 * value:.3g} %" if abs(value) < 0.1 else f"{100 * value:.1f} %"
    figure = f"{value:.{_LINE}g}"
    return f"{figure} {unit}" if unit else figure
