"""The telemetry tables: the contract between whoever writes (emulator, importers) and whoever reads.

Durations are integer milliseconds (``_ms``), instants UTC epoch milliseconds (``_ts_ms``), sizes integer
bytes (``_bytes``), rates kbit/s (``_kbps``), shares 0..1 (``_ratio``), money exact decimal (``_usd``).
``weight`` is the number of real things a row stands for (a panel is not a census); ``replicate`` is the
jackknife group of the row's subscriber, 0..31.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import polars as pl

from metrics.contract import Column, Table
from metrics.errors import ContractError, did_you_mean

__all__ = [
    "CDNS",
    "CODECS",
    "CONTRACT_VERSION",
    "DEVICES",
    "DIMENSIONS",
    "END_REASONS",
    "MISS_CLASSES",
    "OUTCOMES",
    "REPLICATES",
    "SURFACES",
    "TABLES",
    "TIERS",
    "get_table",
]

# Raised with any change of a table's columns, and with a step in metrics/migration.py.
CONTRACT_VERSION = 4
REPLICATES = 32

OUTCOMES = ("played", "exit_before_start", "start_failure", "playback_failure")
END_REASONS = ("completed", "stopped", "exit_before_start", "failed", "timeout")
DEVICES = ("smart_tv", "connected_tv", "mobile", "tablet", "web")
CODECS = ("h264", "hevc", "av1", "av1_fgs")
CDNS = ("own", "third_party")
TIERS = ("edge", "storage", "third_party", "unattributed")
MISS_CLASSES = ("hit", "content_miss", "health_miss", "other")
SURFACES = ("home", "search", "artwork", "continue", "direct")
DIMENSIONS = (
    "region", "country", "isp", "site", "device", "os", "player_version", "codec", "cdn", "appliance",
    "surface",
)  # fmt: skip

_INT, _STR, _BOOL, _FLOAT, _DATE = pl.Int64, pl.String, pl.Boolean, pl.Float64, pl.Date
_USD = pl.Decimal(38, 10)


def _c(name: str, dtype: type[pl.DataType] | pl.DataType, about: str) -> Column:
    return Column(name, dtype, about)


def _null(name: str, dtype: type[pl.DataType] | pl.DataType, about: str, *one_of: str) -> Column:
    return Column(name, dtype, about, nullable=True, one_of=one_of)


def _enum(name: str, about: str, one_of: tuple[str, ...]) -> Column:
    return Column(name, pl.String, about, one_of=one_of)


_WEIGHT = _c("weight", _INT, "real things this row stands for, at least 1")
_REPLICATE = _c("replicate", _INT, "jackknife group of the subscriber, 0..31")
_SYNTHETIC = _c("is_synthetic", _BOOL, "written by the emulator")
_PANEL_RULES: Mapping[str, pl.Expr] = {
    "weight below 1": pl.col("weight") >= 1,
    "replicate not in 0..31": pl.col("replicate").is_between(0, REPLICATES - 1),
}
_PLACE = (
    _null("region", _STR, "market region"),
    _null("country", _STR, "ISO 3166 alpha-2 country"),
    _null("isp", _STR, "access network operator"),
    _null("site", _STR, "ISP location that serves the client"),
)

_SESSION = Table(
    "playback_session",
    "one row a play attempt, counted when it ends",
    day="end_ts_ms",
    columns=(
        _c("session_id", _STR, "identity of the attempt"),
        _null("viewer_id", _STR, "keyed hash of the device or profile"),
        _null("subscriber_id", _STR, "keyed hash of the paying account"),
        _null("content_id", _STR, "title"),
        _c("start_ts_ms", _INT, "the play instruction"),
        _c("end_ts_ms", _INT, "the session's end"),
        _enum("end_reason", "why it ended", END_REASONS),
        _enum("outcome", "how the attempt came out", OUTCOMES),
        _null("failure_class", _STR, "of failures only", "technical", "business"),
        _c("waited_ms", _INT, "play instruction to first frame progressing, exit or failure"),
        _null(
            "startup_ms",
            _INT,
            "play instruction to first frame; null if it never started, or flagged startup_unknown",
        ),
        _c("playing_ms", _INT, "time playing; the time counted as watch hours"),
        _c("paused_ms", _INT, "time paused by the viewer"),
        _c("seeking_ms", _INT, "time seeking"),
        _c("watched_ms", _INT, "startup + playing + network stalls + seeking; pause excluded (CTA-2066)"),
        _c("media_ms", _INT, "media time played, the denominator of average bitrate"),
        _c("stall_count", _INT, "network stalls after the first frame"),
        _c("stall_ms", _INT, "time in network stalls"),
        _c("seek_stall_count", _INT, "rebufferings caused by a seek"),
        _c("seek_stall_ms", _INT, "time in rebufferings caused by a seek"),
        _c("edge_bytes", _INT, "delivered by an edge appliance in the ISP"),
        _c("storage_bytes", _INT, "delivered by a storage appliance at an exchange"),
        _c("third_party_bytes", _INT, "delivered by a third-party CDN"),
        _c("unattributed_bytes", _INT, "delivered by a tier the source does not tell"),
        _c("media_bytes", _INT, "bytes of the media played, the numerator of average bitrate"),
        _c("switch_count", _INT, "changes of video bitrate"),
        _null("mean_bitrate_kbps", _INT, "media bits / media time"),
        _null("peak_bitrate_kbps", _INT, "highest video bitrate played"),
        *_PLACE,
        _null("asn", _INT, "autonomous system number"),
        _null("device", _STR, "device class", *DEVICES),
        _null("os", _STR, "operating system"),
        _null("player_version", _STR, "version of the player"),
        _null("codec", _STR, "video codec", *CODECS),
        _null("cdn", _STR, "who delivered", *CDNS),
        _null("appliance", _STR, "appliance that served the first segment"),
        _null("surface", _STR, "surface the play is last attributed to", *SURFACES),
        _null("row", _INT, "row of the surface, from 0"),
        _null("slot", _INT, "position in the row, from 0"),
        _null("impression_id", _STR, "impression the play came from"),
        _null("is_rec_driven", _BOOL, "last attributed to a recommendation surface"),
        _null("browse_ms", _INT, "opening the home page to the play instruction (time to find)"),
        _null("is_first_session", _BOOL, "first session of a new account"),
        _null("tenure_days", _INT, "age of the membership"),
        _null("content_duration_ms", _INT, "length of the title"),
        _c("gap_count", _INT, "records known to be missing"),
        Column("clock_skew_ms", _INT, "client clock minus receipt clock", nullable=True, signed=True),
        _c("flags", _STR, "what was mended on the way in or is unknown, comma-separated; empty if nothing"),
        _null("excluded_reason", _STR, "why the ledger excludes it; null when counted"),
        _SYNTHETIC,
        _WEIGHT,
        _REPLICATE,
    ),
    rules={
        **_PANEL_RULES,
        "ends before it starts": pl.col("end_ts_ms") >= pl.col("start_ts_ms"),
        # A log of requests may prove that a session played and not when: that is said, never guessed.
        "startup_ms on a session that never started, or none on one that did": (
            pl.col("startup_ms").is_not_null() == pl.col("outcome").is_in(["played", "playback_failure"])
        )
        | (pl.col("startup_ms").is_null() & pl.col("flags").str.contains("startup_unknown", literal=True)),
        "stall_ms longer than watched_ms": pl.col("stall_ms") <= pl.col("watched_ms"),
        "stall_ms without a stall": (pl.col("stall_ms") == 0) | (pl.col("stall_count") > 0),
        "playing_ms longer than watched_ms": pl.col("playing_ms") <= pl.col("watched_ms"),
    },
)

_EVENT = Table(
    "playback_event",
    "CMCD-shaped events of a sample of sessions",
    day="ts_ms",
    columns=(
        _c("session_id", _STR, "the session"),
        _c("ts_ms", _INT, "when"),
        _c("sequence", _INT, "order within the session, from 0"),
        _enum(
            "event",
            "what happened",
            ("play", "started", "bitrate", "stall", "resume", "pause", "seek", "error", "end", "request"),
        ),
        _null("state", _STR, "CMCD `sta` after the event"),
        _null("buffer_ms", _INT, "CMCD `bl`"),
        _null("bitrate_kbps", _INT, "CMCD `br`"),
        _null("throughput_kbps", _INT, "CMCD `mtp`"),
        _null("duration_ms", _INT, "of the thing that ended"),
        _SYNTHETIC,
        _WEIGHT,
        _REPLICATE,
    ),
    rules=_PANEL_RULES,
)

_CONTROL = Table(
    "control_request",
    "requests to the control plane, of a sample of subscribers",
    day="ts_ms",
    columns=(
        _c("ts_ms", _INT, "when asked"),
        _enum("service", "who was asked", ("auth", "home", "search", "authorise", "steer")),
        _null("subscriber_id", _STR, "keyed hash of the paying account"),
        _c("latency_ms", _INT, "request to answer"),
        _c("status", _INT, "HTTP status"),
        _c("is_degraded", _BOOL, "answered by a fallback"),
        _null("region", _STR, "market region"),
        _null("device", _STR, "device class", *DEVICES),
        _SYNTHETIC,
        _WEIGHT,
        _REPLICATE,
    ),
    rules=_PANEL_RULES,
)

_IMPRESSION = Table(
    "impression",
    "what was shown, examined and played, of a sample of subscribers",
    day="ts_ms",
    columns=(
        _c("impression_id", _STR, "identity"),
        _c("ts_ms", _INT, "when shown"),
        _null("subscriber_id", _STR, "keyed hash of the paying account"),
        _enum("surface", "where", SURFACES),
        _c("row", _INT, "row, from 0"),
        _c("slot", _INT, "position, from 0"),
        _c("content_id", _STR, "title"),
        _null("genre", _STR, "main genre of the title"),
        _null("artwork", _STR, "what the picture shows, where a title has several"),
        _c("model", _STR, "what ranked it"),
        _null("is_examined", _BOOL, "the member looked at it; null where the source does not tell"),
        _c("is_played", _BOOL, "the member played it"),
        _null("tenure_days", _INT, "age of the membership"),
        _null("region", _STR, "market region"),
        _null("device", _STR, "device class", *DEVICES),
        _SYNTHETIC,
        _WEIGHT,
        _REPLICATE,
    ),
    rules={**_PANEL_RULES, "played without being examined": pl.col("is_examined") | ~pl.col("is_played")},
)

_VISIT = Table(
    "visit",
    "one row an opening of the service, whether or not it led to a play; of a sample of subscribers",
    day="ts_ms",
    columns=(
        _c("visit_id", _STR, "identity"),
        _c("ts_ms", _INT, "when the home page was asked for"),
        _null("subscriber_id", _STR, "keyed hash of the paying account"),
        _c("browse_ms", _INT, "opening to the play instruction, or to leaving without one"),
        _c("is_found", _BOOL, "it ended in a play instruction; else the member left"),
        _null("session_id", _STR, "the play attempt it ended in"),
        _null("surface", _STR, "surface the play is last attributed to", *SURFACES),
        _null("playing_ms", _INT, "time playing of that attempt"),
        _null("content_duration_ms", _INT, "length of its title"),
        _null("is_first_visit", _BOOL, "first visit of a new account"),
        _null("tenure_days", _INT, "age of the membership"),
        _null("region", _STR, "market region"),
        _null("device", _STR, "device class", *DEVICES),
        _SYNTHETIC,
        _WEIGHT,
        _REPLICATE,
    ),
    rules={
        **_PANEL_RULES,
        "a play in a visit that led to none": pl.col("is_found") | pl.col("session_id").is_null(),
    },
)

_SEARCH = Table(
    "search",
    "one row a search, and what the home page showed before and after it; of a sample of subscribers",
    day="ts_ms",
    columns=(
        _c("search_id", _STR, "identity"),
        _c("ts_ms", _INT, "when asked"),
        _null("subscriber_id", _STR, "keyed hash of the paying account"),
        _null("visit_id", _STR, "the visit it was part of"),
        _null("genre", _STR, "commonest main genre of the first ten answers"),
        _null("results_count", _INT, "titles answered with"),
        _null("examined_count", _INT, "of those, looked at"),
        _null("is_played", _BOOL, "one of them was played"),
        _null("home_count", _INT, "places of the member's home page"),
        _null("home_before_count", _INT, "of those, of the genre, on the page before the search"),
        _null("home_after_count", _INT, "of those, of the genre, on the page after it"),
        _null("tenure_days", _INT, "age of the membership"),
        _null("region", _STR, "market region"),
        _null("device", _STR, "device class", *DEVICES),
        _SYNTHETIC,
        _WEIGHT,
        _REPLICATE,
    ),
    rules={
        **_PANEL_RULES,
        "more looked at than answered": pl.col("examined_count") <= pl.col("results_count"),
        "more places of a genre than places": pl.max_horizontal("home_before_count", "home_after_count")
        <= pl.col("home_count"),
    },
)

_ASSIGNMENT = Table(
    "assignment",
    "one row an experiment and member: the arm they are in",
    columns=(
        _c("experiment", _STR, "name of the experiment"),
        _c("arm", _STR, "name of the arm"),
        _c("is_control", _BOOL, "the arm that others are compared with"),
        _null("is_holdout", _BOOL, "the arm that goes without personal recommendations"),
        _c("subscriber_id", _STR, "keyed hash of the paying account"),
        _c("assigned_ts_ms", _INT, "from when on the arm is what they get"),
        _null("until_ts_ms", _INT, "until when, exclusive; null while it runs"),
        _SYNTHETIC,
        _WEIGHT,
        _REPLICATE,
    ),
    rules=_PANEL_RULES,
)

_DELIVERY = Table(
    "delivery",
    "bytes by appliance, tier and miss class; already scaled to the census",
    day="ts_ms",
    columns=(
        _c("ts_ms", _INT, "start of the interval"),
        _c("interval_ms", _INT, "its length"),
        *_PLACE,
        _null("appliance", _STR, "null on a CDN that does not tell"),
        _enum("cdn", "who delivered", CDNS),
        _enum("tier", "from where", TIERS),
        _null("miss_class", _STR, "why not from the edge; null on a CDN that does not tell", *MISS_CLASSES),
        _enum("codec", "video codec", CODECS),
        _c("delivered_bytes", _INT, "bytes delivered, panel weight applied"),
        _c("panel_bytes", _INT, "bytes delivered to the panel, unweighted"),
        _SYNTHETIC,
    ),
)

_MINUTE = Table(
    "minute_count",
    "the event clock: sparse counts a minute, panel weight applied; what alerts read",
    day="ts_ms",
    columns=(
        _c("ts_ms", _INT, "start of the minute"),
        _null("region", _STR, "market region"),
        _null("device", _STR, "device class", *DEVICES),
        _null("cdn", _STR, "who delivers", *CDNS),
        _c("attempts", _INT, "play instructions that came out this minute, in any way"),
        _c("starts", _INT, "first frames"),
        _c("starts_late", _INT, "first frames after 2,000 ms or more"),
        _c("exits_before_start", _INT, "viewers who left before the first frame"),
        _c("exits_late", _INT, "of those, after waiting 2,000 ms or more"),
        _c("start_failures", _INT, "attempts that failed before the first frame"),
        _c("playback_failures", _INT, "sessions that failed after the first frame"),
        _c("first_stalls", _INT, "sessions whose first network stall began"),
        _c("stalled_viewer_minutes", _INT, "viewers in a network stall at some time of the minute"),
        _c("watched_viewer_minutes", _INT, "viewers watching at some time of the minute"),
        _c("home_pages", _INT, "home pages answered"),
        _c("home_pages_late", _INT, "of those, after 100 ms or more"),
        _c("attempts_n", _INT, "attempts, unweighted"),
        _c("attempts_weight_squared", _INT, "sum of squared weights of attempts, for the effective n"),
        _SYNTHETIC,
    ),
    rules={
        "more late starts than starts": pl.col("starts_late") <= pl.col("starts"),
        "more late exits than exits": pl.col("exits_late") <= pl.col("exits_before_start"),
        "more late home pages than home pages": pl.col("home_pages_late") <= pl.col("home_pages"),
        "stalled without watching": pl.col("stalled_viewer_minutes") <= pl.col("watched_viewer_minutes"),
    },
)

_FILL = Table(
    "fill",
    "the nightly push to an appliance cluster",
    day="ts_ms",
    columns=(
        _c("ts_ms", _INT, "start of the fill window"),
        _c("window_ms", _INT, "its length"),
        _null("region", _STR, "market region"),
        _c("site", _STR, "ISP location or exchange"),
        _enum("tier", "which tier", ("edge", "storage")),
        _c("planned_bytes", _INT, "bytes the plan wanted there"),
        _c("pushed_bytes", _INT, "bytes that arrived"),
        _c("titles_added_count", _INT, "titles that arrived"),
        _enum("status", "how it went", ("complete", "over_budget", "failed")),
        _SYNTHETIC,
    ),
    rules={"pushed more than planned": pl.col("pushed_bytes") <= pl.col("planned_bytes")},
)

_HEALTH = Table(
    "appliance_health",
    "what an appliance cluster reported of itself",
    day="ts_ms",
    columns=(
        _c("ts_ms", _INT, "start of the interval"),
        _c("interval_ms", _INT, "its length"),
        _null("region", _STR, "market region"),
        _c("site", _STR, "ISP location or exchange"),
        _c("appliance", _STR, "appliance cluster"),
        _enum("tier", "which tier", ("edge", "storage")),
        _c("capacity_kbps", _INT, "egress it can give"),
        _c("peak_kbps", _INT, "highest expected egress in the interval"),
        _enum("status", "what it said", ("healthy", "saturated", "down")),
        _SYNTHETIC,
    ),
)

_ENCODE = Table(
    "encode",
    "one row a title and codec",
    columns=(
        _c("content_id", _STR, "title"),
        _enum("codec", "video codec", CODECS),
        _c("encoded_ts_ms", _INT, "when"),
        _c("runtime_ms", _INT, "length of the title"),
        _c("rendition_count", _INT, "rungs of the ladder"),
        _c("output_bytes", _INT, "size of all renditions"),
        _SYNTHETIC,
    ),
)

_MEMBERSHIP = Table(
    "membership",
    "one row a member and day",
    day="ts_ms",
    columns=(
        _c("ts_ms", _INT, "start of the UTC day"),
        _c("subscriber_id", _STR, "keyed hash of the paying account"),
        _null("region", _STR, "market region"),
        _null("country", _STR, "ISO 3166 alpha-2 country"),
        _null("isp", _STR, "access network operator"),
        _null("plan", _STR, "plan"),
        _c("tenure_days", _INT, "age of the membership"),
        _enum("status", "state on this day", ("trial", "paying", "lapsed")),
        _c("is_churned", _BOOL, "left on this day"),
        _SYNTHETIC,
        _WEIGHT,
        _REPLICATE,
    ),
    rules=_PANEL_RULES,
)

# FOCUS 1.2 column names are the standard's own, so they keep its spelling.
_CHARGE = Table(
    "charge",
    "FOCUS 1.2 charges; `x_` columns are ours",
    day="x_period_start_ts_ms",
    columns=(
        _c("x_period_start_ts_ms", _INT, "ChargePeriodStart as an instant"),
        _c("x_period_end_ts_ms", _INT, "ChargePeriodEnd, exclusive"),
        _c("BillingAccountId", _STR, "account billed"),
        _c("BillingCurrency", _STR, "ISO 4217"),
        _c("BilledCost", _USD, "invoiced"),
        _c("EffectiveCost", _USD, "amortised"),
        _c("ListCost", _USD, "at list price"),
        _c("ChargeCategory", _STR, "Usage, Purchase, Tax, Credit, Adjustment"),
        _c("ChargeDescription", _STR, "what for"),
        _null("ConsumedQuantity", pl.Decimal(38, 10), "usage"),
        _null("ConsumedUnit", _STR, "its unit"),
        _null("ListUnitPrice", _USD, "list price a pricing unit"),
        _c("ProviderName", _STR, "who provides"),
        _c("PublisherName", _STR, "who publishes"),
        _c("ServiceCategory", _STR, "FOCUS service category"),
        _c("ServiceName", _STR, "service"),
        _null("RegionId", _STR, "region"),
        _null("ResourceId", _STR, "resource"),
        _null("SkuId", _STR, "SKU"),
        _null("x_cost_pool", _STR, "delivery, encoding, control_plane, content, …"),
        _null("x_isp", _STR, "access network operator"),
        _null("x_tier", _STR, "delivery tier"),
        _null("x_codec", _STR, "video codec"),
        _null("x_cdn", _STR, "own or third party"),
        _null("x_rate", _STR, "entry of the rates file the price came from"),
        _SYNTHETIC,
    ),
    rules={"period ends before it starts": pl.col("x_period_end_ts_ms") > pl.col("x_period_start_ts_ms")},
)

_SCORE = Table(
    "score",
    "measured accuracy: a row an estimator, case set and measure",
    columns=(
        _c("estimator", _STR, "what was measured"),
        _c("case_set", _STR, "on what"),
        _c("measure", _STR, "error, coverage, precision, recall, …"),
        _c("value", _FLOAT, "the figure"),
        _null("low", _FLOAT, "lower end of the interval"),
        _null("high", _FLOAT, "upper end of the interval"),
        _c("cases_count", _INT, "cases"),
        _null("unit", _STR, "unit of the value"),
    ),
)

_TRUTH_INCIDENT = Table(
    "truth_incident",
    "what really went wrong, known to the emulator alone",
    columns=(
        _c("incident_id", _STR, "identity"),
        _c("kind", _STR, "class of incident"),
        _c("start_ts_ms", _INT, "start"),
        _c("end_ts_ms", _INT, "end"),
        _c("ramp_ms", _INT, "time to full severity"),
        _c("severity_ratio", _FLOAT, "share of capacity, requests or throughput lost"),
        _c("scope", _STR, "attribute combination hit, as JSON"),
        _c("metric", _STR, "metric of the catalogue that shows it first"),
    ),
)

_TRUTH_COUNTERFACTUAL = Table(
    "truth_counterfactual",
    "both worlds on one seed: parts of metrics by world, region and jackknife group",
    columns=(
        _null("experiment", _STR, "over the days of which experiment; null: all days"),
        _c("world", _STR, "which world: factual, or the switch that was turned"),
        _c("region", _STR, "market region"),
        _c("replicate", _INT, "jackknife group"),
        _c("attempts", _INT, "weighted play attempts"),
        _c("starts", _INT, "weighted sessions that started"),
        _c("starts_late", _INT, "weighted starts at or over 2,000 ms"),
        _c("exits_late", _INT, "weighted exits before start after 2,000 ms or more"),
        _c("stalled_sessions", _INT, "weighted sessions with a network stall"),
        _c("startup_bucket", pl.List(pl.Int64), "startup quantile sketch: bucket numbers"),
        _c("startup_weight", pl.List(pl.Int64), "startup quantile sketch: weight of each bucket"),
        _c("playing_ms", pl.Decimal(38, 0), "weighted time playing"),
        _c("rec_playing_ms", pl.Decimal(38, 0), "weighted time playing, rec-driven"),
        _c("edge_bytes", pl.Decimal(38, 0), "weighted bytes from edge appliances"),
        _c("storage_bytes", pl.Decimal(38, 0), "weighted bytes from storage appliances"),
        _c("third_party_bytes", pl.Decimal(38, 0), "weighted bytes from a third-party CDN"),
        _c("member_days", pl.Decimal(38, 0), "weighted paying member-days"),
    ),
)

_TRUTH_DISCOVERY = Table(
    "truth_discovery",
    "both worlds of an experiment on discovery, lived through by the same members: weighted sums",
    columns=(
        _c("experiment", _STR, "which experiment"),
        _enum(
            "world",
            "control: the factual world; treatment: the one with the switch turned",
            ("control", "treatment"),
        ),
        _c("region", _STR, "market region"),
        _c("replicate", _INT, "jackknife group"),
        *(
            _c(name, pl.Decimal(38, 0), about)
            for name, about in {
                "visits": "openings of the service",
                "plays": "visits that found something to play",
                "rec_plays": "plays that recommendations brought",
                "searches": "visits with a search",
                "search_plays": "plays from search results",
                "home_looks": "titles looked at on the home page",
                "home_plays": "plays from the home page",
                "skips": "plays left within the first minutes",
                "playing_ms": "time watched",
                "rec_playing_ms": "time watched, rec-driven",
                "found_ms": "time from opening to the play instruction",
                "lost_ms": "time from opening to giving up",
                "member_days": "paying member-days",
                "churned": "paying members who left",
            }.items()
        ),
    ),
)

TABLES: Mapping[str, Table] = MappingProxyType(
    {
        table.name: table
        for table in (
            _SESSION, _EVENT, _CONTROL, _VISIT, _SEARCH, _IMPRESSION, _ASSIGNMENT, _DELIVERY, _MINUTE, _FILL,
            _HEALTH, _ENCODE, _MEMBERSHIP, _CHARGE, _SCORE, _TRUTH_INCIDENT, _TRUTH_COUNTERFACTUAL,
            _TRUTH_DISCOVERY,
        )
    }
)  # fmt: skip


def get_table(name: str) -> Table:
    """The table of that name.

    Raises :class:`~metrics.errors.ContractError` with the nearest names where there is none.
    """
    if name not in TABLES:
        raise ContractError(f"no table {name!r}", mend=did_you_mean(name, TABLES))
    return TABLES[name]
