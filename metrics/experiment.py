"""An experiment read from the telemetry: each metric by arm, and how far arms are from the control, with intervals.

Arms are of members (:mod:`metrics.arms`), so are jackknife groups: leaving a group out leaves it out of both arms, and
the difference without it is the difference of what is left. Members of different arms are different people, so the
interval is that of two samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl
from narwhals.typing import IntoLazyFrame

from metrics.arms import HEADLINE, comparable, experiment_of
from metrics.catalog import METRICS, Metric, get_metric
from metrics.cube import source_of
from metrics.errors import InputError
from metrics.figures import figures
from metrics.intervals import jackknife
from metrics.lake import Lake
from metrics.plan import REPLICATE, Cut, PartKey, Source, roll_up
from metrics.query import apart, cut_of
from metrics.sides import quotient

__all__ = ["HEADLINE", "comparable", "compare", "contrasts", "differences"]

# How far the rows of two arms may be apart in number for what they are spread over to be compared.
_LIKE = 0.1


def compare(
    source: Lake | Source | Mapping[str, IntoLazyFrame],
    names: Sequence[str] = HEADLINE,
    *,
    experiment: str | None = None,
    where: Mapping[str, Sequence[str | None]] | None = None,
    start_ts_ms: int | None = None,
    end_ts_ms: int | None = None,
) -> pl.DataFrame:
    """Metrics ``names`` by arm of ``experiment`` (the only one where absent), a row a metric and arm, control first.

    Columns: ``metric, arm, is_control, value, low, high``, the ``difference`` from the control with
    ``difference_low`` and ``difference_high``, the ``lift`` (difference over control) with its own, and ``n``. All
    intervals are 90 %; null where a side is, a lift's where it is the same without any group, and where what all rows
    of an arm are spread over (the effective catalogue size) would be compared between arms of unlike size.

    Raises :class:`~metrics.errors.InputError` where there is no such experiment, no arm or more than one is its
    control, or a metric cannot be compared by arm.
    """
    metrics = [get_metric(name) for name in dict.fromkeys(names)]
    for metric in metrics:
        if not comparable(metric):
            near = [name for name in HEADLINE if comparable(METRICS[name])][:3]
            mend = f"compare {', '.join(near)}, …"
            raise InputError(f"{metric.name} is not known of the members of an arm", mend=mend)
    rows = source_of(source)
    chosen = experiment_of(rows.arms(), experiment)
    return contrasts(rows, metrics, chosen, where=where, start_ts_ms=start_ts_ms, end_ts_ms=end_ts_ms)[None]


def contrasts(
    rows: Source,
    metrics: Sequence[Metric],
    experiment: str,
    *,
    by: str | None = None,
    where: Mapping[str, Sequence[str | None]] | None = None,
    start_ts_ms: int | None = None,
    end_ts_ms: int | None = None,
) -> dict[str | None, pl.DataFrame]:
    """What :func:`compare` gives, of the whole (None) and of each known value of ``by``; rows are looked at once.

    Raises as :func:`compare`.
    """
    control, cut, parts = _by_arm(rows, metrics, experiment, by, where, start_ts_ms, end_ts_ms)
    return {value: _contrasted(metrics, part, cut, control) for value, part in parts.items()}


def differences(
    rows: Source, metrics: Sequence[Metric], experiment: str, *, by: str | None = None
) -> dict[str | None, pl.DataFrame]:
    """How far each arm is from the control, with everyone and without each jackknife group (``replicate``; else null).

    Columns ``metric, arm, replicate, difference``, of the whole (None) and of each known value of ``by``. Raises as
    :func:`compare`.
    """
    control, cut, parts = _by_arm(rows, metrics, experiment, by, None, None, None)
    names = ["metric", "arm", REPLICATE, "difference"]
    found = {}
    for value, part in parts.items():
        frames = []
        for metric in metrics:
            for side in figures(metric, part, cut, ["arm"]):
                if side is not None:
                    keys = [REPLICATE] if REPLICATE in side.columns else []
                    side = _against(side.filter(pl.col("arm").is_not_null()), control, keys)
                    told = side if keys else side.with_columns(pl.lit(None, pl.Int64).alias(REPLICATE))
                    frames.append(
                        told.with_columns(pl.col(REPLICATE).cast(pl.Int64), metric=pl.lit(metric.name))
                    )
        found[value] = pl.concat([frame.select(names) for frame in frames]).filter(pl.col("arm") != control)
    return found


def _by_arm(
    rows: Source, metrics: Sequence[Metric], experiment: str, by: str | None,
    where: Mapping[str, Sequence[str | None]] | None, start_ts_ms: int | None, end_ts_ms: int | None,
) -> tuple[str, Cut, dict[str | None, dict[PartKey, pl.DataFrame]]]:  # fmt: skip
    """The control's name; a cut by arm, and what was rolled up for it, of the whole and of each value of ``by``."""
    control = _control(rows.arms(), experiment)
    slices = {**(where or {}), "experiment": [experiment]}
    groups = [by] if by else []
    cut = cut_of(metrics, [*groups, "arm"], slices, start_ts_ms, end_ts_ms, None, intervals=True)
    rolled = roll_up(rows, metrics, cut)
    whole: dict[str | None, dict[PartKey, pl.DataFrame]] = {None: dict(rolled)}
    return control, replace(cut, by=("arm",)), apart(rolled, by) if by else whole


def _contrasted(
    metrics: Sequence[Metric], rolled: Mapping[PartKey, pl.DataFrame], cut: Cut, control: str
) -> pl.DataFrame:
    return pl.concat(
        [_contrast(metric, *figures(metric, rolled, cut, ["arm"]), control) for metric in metrics]
    )


def _control(arms: pl.DataFrame, experiment: str) -> str:
    found = arms.filter(pl.col("is_control"), experiment=experiment)["arm"].to_list()
    if len(found) != 1:
        said = f"{len(found)} control arms" if found else "no control arm"
        raise InputError(
            f"{experiment} has {said}", mend="mark one arm as `is_control` in the table `assignment`"
        )
    return str(found[0])


def _contrast(
    metric: Metric, found: pl.DataFrame, deleted: pl.DataFrame | None, control: str
) -> pl.DataFrame:
    """Each arm's figure, and its distance from the control's."""
    found = found.filter(pl.col("arm").is_not_null())
    known = {
        "value": (metric.unit == "ratio", metric.is_signed),
        "difference": (False, True),
        "lift": (False, True),
    }
    whole = _against(found.select("arm", "value"), control, [])
    parts = whole
    if deleted is not None:
        rest = _against(deleted.filter(pl.col("arm").is_not_null()), control, [REPLICATE])
        for name, (is_share, is_signed) in known.items():
            bounds = jackknife(
                whole.select("arm", value=name),
                rest.select("arm", REPLICATE, value=name),
                ["arm"],
                is_share=is_share,
                is_signed=is_signed,
            )
            if name == "lift":
                # An arm at 0 is 100 % below whatever the control has: of how surely, groups left out say nothing.
                varies = pl.col("low") < pl.col("high")
                bounds = bounds.with_columns(pl.when(varies).then(pl.col("low", "high")))
            prefix = "" if name == "value" else f"{name}_"
            parts = parts.join(bounds.rename({"low": f"{prefix}low", "high": f"{prefix}high"}), on="arm")
    else:
        ends = [f"{prefix}{end}" for prefix in ("", "difference_", "lift_") for end in ("low", "high")]
        parts = parts.with_columns(pl.lit(None, pl.Float64).alias(name) for name in ends)
    sample = found.select("arm", pl.col("n").cast(pl.Int64))
    is_control = pl.col("arm") == control
    # An arm is at no distance from itself.
    is_apart = ~is_control
    if metric.spread and not metric.within:
        # A larger sample is spread over more things, whatever the arm does to them.
        size = pl.col("n") / pl.col("n").filter(is_control).first()
        is_apart &= size.is_between(1 - _LIKE, 1 + _LIKE)
    apart = [c for c in parts.columns if c.startswith(("difference", "lift"))]
    return (
        parts.join(sample, on="arm")
        .with_columns(pl.when(is_apart).then(pl.col(apart)))
        .select(
            pl.lit(metric.name).alias("metric"), "arm", is_control.alias("is_control"), "value", "low", "high",
            "difference", "difference_low", "difference_high", "lift", "lift_low", "lift_high", "n",
        )
        .sort(~pl.col("is_control"), "arm")
    )  # fmt: skip


def _against(frame: pl.DataFrame, control: str, keys: Sequence[str]) -> pl.DataFrame:
    """``arm, keys, value, difference, lift``."""
    held = frame.filter(pl.col("arm") == control).select(*keys, base="value")
    both = frame.join(held, on=list(keys), how="left") if keys else frame.join(held, how="cross")
    both = both.with_columns(difference=pl.col("value") - pl.col("base"))
    return both.with_columns(lift=quotient(both["difference"], both["base"])).drop("base")
