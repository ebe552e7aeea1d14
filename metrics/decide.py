"""The decision table: what each switch of the system does to the leaves of the north star, to retention and to margin.

Estimated from telemetry, with an interval, by the best that the lake has: an experiment that is running (who is in
which arm is drawn), else a comparison of like sessions, else a model handed in from above; else nothing, and how many
members an experiment needs. The true effect, where both worlds were run on one seed, comes from above as well and is
set beside it: no estimate sees it.

Every effect is of what runs over the alternative: now − was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import narwhals as nw
import polars as pl

from metrics import measures as m
from metrics.before import adjusted
from metrics.catalog import get_metric
from metrics.cube import source_of
from metrics.effects import units_per_arm
from metrics.errors import InputError
from metrics.intervals import T
from metrics.lake import Lake
from metrics.metric import Metric
from metrics.plan import Source
from metrics.query import measured
from metrics.standardisation import OVERLAP, standardised
from metrics.unknown import told

__all__ = [
    "CELLS", "DECISIONS", "ESTIMATES", "LEAVES", "MARGIN", "PLANNED_CHANGE", "TRUTHS", "Decision", "Leaf",
    "decide", "estimates", "tried",
]  # fmt: skip

Method = Literal["experiment", "comparison", "model", "none"]

PLANNED_CHANGE = 0.05
"""Share of today's figure that a planned experiment must be able to tell, with power .8 at 95 %."""


@dataclass(frozen=True)
class Decision:
    """A switch as it is set, the world in which it is not (its name among the emulator's), and what it is there.

    ``known_as``: what else an experiment on it may be called. One that ``is_extra`` stands in the table where something
    is known of it.
    """

    world: str
    switch: str
    was: str
    known_as: tuple[str, ...] = ()
    is_extra: bool = False

    def is_tried_by(self, experiment: str) -> bool:
        """Whether an experiment of that name is on this switch: its name holds the world's, or another of it.

        >>> DECISIONS[4].is_tried_by("Keyword-search, May")
        True
        """
        name = _plain(experiment)
        return any(_plain(known) in name for known in (self.world, *self.known_as))


DECISIONS = (
    Decision("third_party_cdn", "Own CDN", "third-party CDN"),
    Decision("pull_on_miss", "Push fill", "pull on miss"),
    Decision("siloed", "Unified recommender", "a model a surface"),
    Decision("no_first_week_diversity", "First-week diversity", "none"),
    Decision("keyword_search", "Semantic search", "keyword search"),
    Decision("h264_only", "AV1 + film grain", "H.264"),
    Decision("no_edge_tier", "Edge in ISPs", "exchanges only"),
    Decision("throughput_abr", "Player's rule DYNAMIC", "throughput alone", ("player_rule",), is_extra=True),
    Decision("popularity", "Personal pages", "what is popular", ("personal_pages",), is_extra=True),
    Decision(
        "default_artwork", "Pictures for the member", "one for all", ("personal_artwork",), is_extra=True
    ),
)


def _plain(name: str) -> str:
    return name.casefold().replace("-", "_").replace(" ", "_")


@dataclass(frozen=True)
class Leaf:
    """A column of the table."""

    metric: str
    title: str
    unit: str
    better: str
    """``higher`` or ``lower``."""


MARGIN = "margin_usd_per_hour"
LEAVES = (
    Leaf("watch_hours_per_subscriber_month", "Watch hours", "h/subscriber-month", "higher"),
    *(
        # Named as the catalogue names them, which is how the north-star tree does.
        Leaf(name, get_metric(name).title, unit, better)
        for name, unit, better in (
            ("time_to_play_p99_ms", "ms", "lower"),
            ("time_to_play_late_ratio", "ratio", "lower"),
            ("rebuffer_rate", "ratio", "lower"),
            ("rec_driven_hours_ratio", "ratio", "higher"),
            ("monthly_churn_ratio", "ratio/month", "lower"),
            ("gigabytes_per_hour", "GB/h", "lower"),
        )
    ),
    Leaf(MARGIN, "Margin per stream hour", "USD/h", "higher"),
)
# Hours over the members of the arm itself, in the unit of the worlds that were run.
_HOURS = Metric(
    "watch_hours_per_subscriber_month", "Watch hours per subscriber-month", "Time playing over paying member-months.",
    "h/subscriber-month", "{:,.2f} h", "start", m.playing_hours, m.member_months,
)  # fmt: skip
_MEASURED = (
    _HOURS,
    *(get_metric(leaf.metric) for leaf in LEAVES if leaf.metric not in (_HOURS.name, MARGIN)),
)
_CODECS, _LEAST_PEERS = ("av1", "av1_fgs"), 0.01
_TITLE_PLAYS = 20
# Switches of how bytes come: what they do to margin, usage and rates say.
_DELIVERY = ("third_party_cdn", "pull_on_miss", "h264_only", "no_edge_tier", "throughput_abr")

ESTIMATES = pl.Schema(
    {
        "world": pl.String, "region": pl.String, "metric": pl.String, "method": pl.String, "estimate": pl.Float64,
        "low": pl.Float64, "high": pl.Float64, "ground": pl.String,
    }
)  # fmt: skip
TRUTHS = pl.Schema(
    {
        "world": pl.String, "region": pl.String, "metric": pl.String, "true_effect": pl.Float64,
        "true_low": pl.Float64, "true_high": pl.Float64, "true_now": pl.Float64, "true_was": pl.Float64,
        "true_ground": pl.String,
    }
)  # fmt: skip
CELLS = pl.Schema(
    {
        "world": pl.String, "switch": pl.String, "was": pl.String, "region": pl.String, "metric": pl.String,
        "title": pl.String, "unit": pl.String, "better": pl.String, "method": pl.String, "estimate": pl.Float64,
        "low": pl.Float64, "high": pl.Float64, "ground": pl.String, "today": pl.Float64,
        "members_needed": pl.Int64, "true_effect": pl.Float64, "true_low": pl.Float64, "true_high": pl.Float64,
        "true_now": pl.Float64, "true_was": pl.Float64, "true_ground": pl.String, "holds": pl.Boolean,
    }
)  # fmt: skip
"""A row a switch, region (null: the whole service) and leaf.

``estimate, low, high``: the effect from telemetry and its 90 % interval, all null where ``method`` is ``none``;
``ground`` says what it stands on, or why there is none. ``today``: the leaf's figure from telemetry.
``members_needed``: members an arm, over a period as long as the lake's, for an experiment to tell
:data:`PLANNED_CHANGE` of it; null where the lake cannot say. ``true_*``: as handed in. ``holds``: whether the interval
holds the true effect; null without either.
"""


def decide(
    source: Lake | Mapping[str, Any],
    found: pl.DataFrame,
    *,
    truths: pl.DataFrame | None = None,
    by_region: bool = False,
) -> pl.DataFrame:
    """The table of a lake (or of frames by table name): a row a cell, columns :data:`CELLS`.

    ``found``: :func:`estimates`, and those of a model from above (columns :data:`ESTIMATES`; the first of a cell
    counts). ``truths`` (columns :data:`TRUTHS`) come from above.
    """
    today = _today(_rows(source))
    keys = ["world", "region", "metric"]
    regions = [None, *(today["region"].drop_nulls().unique().sort() if by_region else ())]
    truth = truths if truths is not None else pl.DataFrame(schema=TRUTHS)
    estimated = found.select(ESTIMATES.names()).unique(keys, keep="first", maintain_order=True)
    table = _every_cell(regions)
    for frame, on in ((estimated, keys), (today, keys[1:]), (truth, keys)):
        table = table.join(frame, on=on, how="left", nulls_equal=True, maintain_order="left")
    extra = [decision.world for decision in DECISIONS if decision.is_extra]
    is_known = pl.any_horizontal(pl.col("estimate", "true_effect").is_not_null()).any().over("world")
    return (
        table.filter(~pl.col("world").is_in(extra) | is_known)
        .with_columns(
            pl.col("method").fill_null("none"),
            ground=pl.coalesce("ground", _reason()),
            holds=pl.col("true_effect").is_between("low", "high"),
        )
        .select(CELLS.names())
    )


def estimates(source: Lake | Mapping[str, Any], experiments: Mapping[str, str] | None = None) -> pl.DataFrame:
    """What telemetry says of each switch, columns :data:`ESTIMATES`: experiments first, comparisons where none runs.

    ``experiments`` names a world's experiment; else one is of the switch whose name stands in its own
    (:meth:`Decision.is_tried_by`). Its control arm is what runs. Raises :class:`~metrics.errors.InputError` for a world
    or an experiment that there is not.
    """
    rows = _rows(source)
    by_world = tried(source, experiments)
    parts = [_of_experiment(rows, world, name) for world, name in by_world.items()]
    parts += [compared(rows, world) for world, compared in _COMPARISONS.items() if world not in by_world]
    return pl.concat([pl.DataFrame(schema=ESTIMATES), *parts])


def _rows(source: Lake | Mapping[str, Any]) -> Source:
    return source_of(source) if isinstance(source, Lake) else Source(source.__getitem__)


# --- experiments ------------------------------------------------------------------------------------------


def tried(source: Lake | Mapping[str, Any], experiments: Mapping[str, str] | None = None) -> dict[str, str]:
    """World -> the experiment that turns it: as ``experiments`` names it, else one whose name holds the world's.

    Raises as :func:`estimates`.
    """
    rows, named = _rows(source), experiments or {}
    assignments = nw.from_native(rows.scan("assignment"))
    running = sorted(assignments.select("experiment").unique().collect("polars")["experiment"].to_list())
    worlds = [decision.world for decision in DECISIONS]
    for world, name in named.items():
        if world not in worlds:
            raise InputError(f"no switch {world!r}", mend=f"one of {', '.join(worlds)}")
        if name not in running:
            raise InputError(f"no experiment {name!r}", mend=f"the lake has {', '.join(running) or 'none'}")
    found = dict(named)
    for decision in DECISIONS:
        own = [name for name in running if decision.is_tried_by(name)]
        if decision.world not in found and own:
            found[decision.world] = own[0]
    return found


def _of_experiment(rows: Source, world: str, experiment: str) -> pl.DataFrame:
    arms = nw.from_native(rows.scan("assignment")).filter(nw.col("experiment") == experiment)
    sizes = arms.group_by("arm").agg(nw.len().alias("n")).sort("arm").collect("polars").to_native()
    if sizes.height != 2:
        return pl.DataFrame(schema=ESTIMATES)
    ground = f"experiment {experiment}: {sizes['n'].sum():,} members, {_days(arms)}"
    found = []
    for region, frame in adjusted(rows, _MEASURED, experiment, by="region").items():
        # The control is what runs, so the effect of what runs is the treatment's with the sign turned.
        found.append(
            frame.select(
                world=pl.lit(world), region=pl.lit(region, pl.String), metric="metric", method=pl.lit("experiment"),
                estimate=-pl.col("difference"), low=-pl.col("high"), high=-pl.col("low"),
                ground=pl.when("is_adjusted").then(pl.lit(f"{ground}, less what its arms were apart before it"))
                .otherwise(pl.lit(ground)),
            )
        )  # fmt: skip
    return _with_interval(pl.concat(found))


def _days(arms: nw.LazyFrame[Any]) -> str:
    ends = arms.select(
        nw.col("assigned_ts_ms").min().alias("first"), nw.col("until_ts_ms").max().alias("last")
    )
    first, last = ends.collect("polars").row(0)
    return "running" if last is None else f"{(last - first) // 86_400_000} days"


def _with_interval(found: pl.DataFrame) -> pl.DataFrame:
    """Those with an interval that says something: one of no width knows nothing of who was sampled."""
    known = pl.all_horizontal(pl.col("estimate", "low", "high").is_finite().fill_null(value=False))
    return found.filter(known & (pl.col("high") > pl.col("low"))).select(ESTIMATES.names())


# --- comparisons ------------------------------------------------------------------------------------------


def _codecs(rows: Source, world: str) -> pl.DataFrame:
    """AV1 sessions against H.264 sessions of the titles encoded in AV1, by region and device class."""
    sessions = _polars(rows, "playback_session")
    is_av1 = pl.col("codec").is_in(_CODECS)
    encoded = _polars(rows, "encode").filter(is_av1).select("content_id").unique().collect()
    if encoded.is_empty():
        # A title known by its AV1 plays alone would have the more of them, the fewer plays it has.
        plays = (
            sessions.filter(is_av1, pl.col("content_id").is_not_null()).group_by("content_id").agg(pl.len())
        )
        encoded = plays.filter(pl.col("len") >= _TITLE_PLAYS).select("content_id").collect()
    marks = encoded.lazy().with_columns(is_encoded=pl.lit(value=True))
    marked = sessions.join(marks, on="content_id", how="left")
    known = pl.col("is_encoded").fill_null(value=False)
    in_av1, of_known = marked.filter(is_av1).select(pl.len(), known.sum().alias("known")).collect().row(0)
    if not in_av1 or of_known < OVERLAP * in_av1:
        return pl.DataFrame(schema=ESTIMATES)
    kind = (
        pl.when(is_av1 & known).then(pl.lit("with"))
        .when(known & (pl.col("codec") == "h264")).then(pl.lit("peer"))
        .otherwise(pl.lit("other"))
    )  # fmt: skip
    return _compared(
        rows, world, marked, kind,
        "like sessions: AV1 against H.264 of the same titles, by region and device class; not drawn at random",
    )  # fmt: skip


def _cdns(rows: Source, world: str) -> pl.DataFrame:
    """Sessions of the own CDN against a third party's, by region and device class; overflow alone is no peer."""
    sessions = _polars(rows, "playback_session")
    counts = sessions.group_by("cdn").agg(pl.len()).collect()
    size = dict(counts.filter(pl.col("cdn").is_not_null()).iter_rows())
    if size.get("third_party", 0) < _LEAST_PEERS * size.get("own", 0) or not size.get("own"):
        return pl.DataFrame(schema=ESTIMATES)
    kinds = {"own": "with", "third_party": "peer"}
    kind = pl.col("cdn").replace_strict(kinds, default="other", return_dtype=pl.String)
    return _compared(
        rows, world, sessions, kind,
        "like sessions: own CDN against a third party's, by region and device class; not drawn at random",
    )  # fmt: skip


_COMPARISONS: Mapping[str, Callable[[Source, str], pl.DataFrame]] = {
    "h264_only": _codecs,
    "third_party_cdn": _cdns,
}


def _compared(rows: Source, world: str, sessions: pl.LazyFrame, kind: pl.Expr, ground: str) -> pl.DataFrame:
    sessions = nw.from_native(sessions).filter(told(("outcome", "playing", "stalls", "bytes"))).to_native()
    days = (
        _polars(rows, "membership").filter(pl.col("status") == "paying")
        .group_by("region", "replicate").agg(pl.col("weight").sum().cast(pl.Float64).alias("member_days")).collect()
    )  # fmt: skip
    found = [
        (world, region, name, "comparison", *effect, f"{ground}; {one.sessions:,} sessions")
        for region, one in standardised(sessions, kind, days).items()
        if one.overlap_ratio >= OVERLAP
        for name, effect in one.effects.items()
    ]
    return _with_interval(pl.DataFrame(found, schema=ESTIMATES, orient="row"))


# --- what an experiment would take ------------------------------------------------------------------------


def _today(rows: Source) -> pl.DataFrame:
    """``region, metric, today, members_needed``: each leaf's figure, and what telling a change of it would take."""
    membership = _polars(rows, "membership").filter(pl.col("status") != "lapsed")
    members = (
        membership.select("region", "subscriber_id").unique().group_by("region").agg(n=pl.len()).collect()
    )
    counts = {None: int(members["n"].sum()), **dict(members.drop_nulls("region").iter_rows())}
    found = []
    for region, frame in measured(rows, _MEASURED, by="region").items():
        for name, value, low, high in frame.select("metric", "value", "low", "high").iter_rows():
            found.append((region, name, value, _needed(value, low, high, counts.get(region, 0))))
    names = {"region": pl.String, "metric": pl.String, "today": pl.Float64, "members_needed": pl.Int64}
    return pl.DataFrame(found, schema=names, orient="row")


def _needed(value: float | None, low: float | None, high: float | None, members: int) -> int | None:
    """Members an arm, from how far the figure hangs on which members were sampled."""
    if value is None or low is None or high is None or not members:
        return None
    # An end may be cut off at 0 or 1; the other is not.
    error = max(value - low, high - value) / T
    if not value or not error:
        return None
    return units_per_arm(PLANNED_CHANGE * abs(value), error * members**0.5)


def _every_cell(regions: Sequence[str | None]) -> pl.DataFrame:
    cells = [
        (d.world, d.switch, d.was, region, leaf.metric, leaf.title, leaf.unit, leaf.better)
        for d in DECISIONS
        for region in regions
        for leaf in LEAVES
        if region is None or leaf.metric != MARGIN
    ]
    return pl.DataFrame(cells, schema={name: CELLS[name] for name in CELLS.names()[:8]}, orient="row")


def _reason() -> pl.Expr:
    is_margin = pl.col("metric") == MARGIN
    return (
        pl.when(is_margin & pl.col("world").is_in(_DELIVERY)).then(pl.lit("not modelled: the lake does not tell the "
                             "usage that the rates put a price on"))
        .when(is_margin).then(pl.lit("not modelled: costs stay as they are but for the hours they are spread over, and "
                                     "no experiment tells how far those move"))
        .when(pl.col("members_needed").is_null())
        .then(pl.lit("not estimable: the lake's telemetry does not tell this figure with an interval"))
        .otherwise(pl.format("not estimable: nobody lives without it; an experiment of {} members an arm would tell "
                             "a change of 5 %", "members_needed"))
    )  # fmt: skip


def _polars(rows: Source, table: str) -> pl.LazyFrame:
    frame = nw.from_native(rows.scan(table)).lazy().to_native()
    if not isinstance(frame, pl.LazyFrame):
        raise InputError("the decision table is computed on one machine", mend="leave out --engine")
    return frame
