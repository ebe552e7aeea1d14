"""The additive parts themselves: what is counted and summed, from which rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from types import MappingProxyType

import narwhals as nw

from metrics.parts import Part, Rows

__all__ = [
    "ATTEMPTS", "ATTRIBUTED", "ATTRIBUTED_PLAYS", "AT_RISK", "BROWSED", "CHARGES_USD", "CLASSED",
    "CONTENT_CHARGES", "CONTROL_REQUESTS", "COST_POOLS", "DAYS_PER_MONTH", "DELIVERED",
    "DELIVERY_CHARGES", "DERIVED", "DISCOVERY_VISITS", "ENCODING_CHARGES", "EXAMINED", "FILLS",
    "FIRST_SUCCESS_MS", "FIRST_VISITS", "FIRST_WEEK", "FIRST_WEEK_DAYS", "HOME_ANSWERED", "HOME_REQUESTS",
    "LATE_START_MS", "MEMBERS", "MINUTES", "OUTCOME_TOLD", "PAYING", "PEAK_KNOWN", "PLAYING_TOLD", "QUALIFIED",
    "QUALIFIED_MS", "SEARCHES", "SEARCHES_MOVED", "STALL_MS_TOLD", "STARTED", "TIMED", "TIMED_OR_EXITED",
    "TRIALS_ENDED", "VISITS", "abandoned", "any_failures", "attempts", "attributed_hours",
    "attributed_plays", "average_members", "average_members_sliced", "browse_ms", "churned",
    "classed_gigabytes", "content_cost_usd", "control_errors", "control_requests", "cost_usd",
    "delivered_gigabytes", "delivery_cost_usd", "edge_gigabytes", "encoding_cost_usd", "examined",
    "examined_and_played", "exits_before_start", "fill_planned", "fill_pushed", "first_successes",
    "first_visits", "first_week_shown", "found_after_ms", "home_degraded", "home_latency_ms",
    "home_movable", "home_moved", "home_pages", "home_pages_late", "home_requests", "media_bits",
    "media_ms", "member_days", "member_months", "member_months_whole", "minute_late",
    "minute_starts_and_exits", "missed_gigabytes", "months_less_churned", "months_retained_whole",
    "peak_kbps", "peak_sessions", "playback_failures", "playing_hours", "playing_ms", "qualified_hours",
    "qualified_plays", "qualified_sessions", "rebuffered", "rec_driven_hours", "rec_driven_plays",
    "searches", "searches_played", "seek_stall_ms", "seek_stalls", "session_gigabytes", "stall_ms",
    "stall_seconds", "stalled_viewer_minutes", "stalls", "stalls_all", "start_failures",
    "start_failures_business", "start_failures_technical", "start_failures_unclassed", "starts",
    "starts_and_exits", "starts_and_exits_late", "starts_late", "starts_timed", "startup_ms",
    "switches", "trials_converted", "trials_ended", "unqualified_hours", "visits", "watched_ms",
    "watched_viewer_minutes",
]  # fmt: skip

LATE_START_MS = 2_000
QUALIFIED_MS = 120_000
FIRST_SUCCESS_MS = 90_000
FIRST_WEEK_DAYS = 7
DAYS_PER_MONTH = Fraction(487, 16)  # 30.4375: 365.25 / 12

_MS_PER_HOUR = Fraction(3_600_000)
_BYTES_PER_GB = Fraction(10**9)
_S, _M, _D, _C, _V = "playback_session", "membership", "delivery", "charge", "visit"
_col = nw.col

_started = _col("outcome").is_in(["played", "playback_failure"])
# A log may prove that a session started and not when; it counts as a start, and not in time to play.
_timed = ~_col("startup_ms").is_null()
_failed_start = _col("outcome") == "start_failure"
_exited = _col("outcome") == "exit_before_start"
# 10 % of the title counts too, so that a short title can be a qualified play; playing * 10 >= duration
# keeps the comparison in integers.
_long_enough = _col("playing_ms") >= QUALIFIED_MS
_tenth = (_col("content_duration_ms") > 0) & (_col("playing_ms") * 10 >= _col("content_duration_ms"))
_qualified = (
    nw.when(_col("content_duration_ms").is_null()).then(_long_enough).otherwise(_long_enough | _tenth)
)

DERIVED: Mapping[str, nw.Expr] = MappingProxyType(
    {
        f"previous_{name}": _col(name).shift(1).over("subscriber_id", order_by="ts_ms")
        for name in ("status", "is_churned")
    }
)
"""Columns computed on a whole table: a member-day's status on the day before."""

ATTEMPTS = Rows("attempts", _S)
OUTCOME_TOLD = ATTEMPTS.telling("outcome")
PLAYING_TOLD = ATTEMPTS.telling("playing")
STALL_MS_TOLD = ATTEMPTS.telling("stalls", "stall_ms")
STARTED = Rows("started", _S, _started, needs=("outcome",))
TIMED = Rows("timed", _S, _timed)
TIMED_OR_EXITED = Rows("timed_or_exited", _S, _timed | _exited, needs=("outcome",))
QUALIFIED = Rows("qualified", _S, _qualified, needs=("playing",))
ATTRIBUTED_PLAYS = Rows(
    "attributed_plays", _S, _qualified & ~_col("is_rec_driven").is_null(), needs=("playing",)
)
ATTRIBUTED = Rows("attributed", _S, ~_col("is_rec_driven").is_null())
VISITS = Rows("visits", _V)
# Who opens the service to go on with a title has found it before.
_looking = _col("surface").is_null() | (_col("surface") != "continue")
DISCOVERY_VISITS = Rows("discovery_visits", _V, _looking)
# A play whose time playing is not told is neither a success nor a failure.
FIRST_VISITS = Rows(
    "first_visits", _V, _col("is_first_visit") & (~_col("is_found") | ~_col("playing_ms").is_null())
)
SEARCHES = Rows("searches", "search", ~_col("is_played").is_null())
_page_told = ~_col("home_after_count").is_null() & ~_col("home_before_count").is_null()
SEARCHES_MOVED = Rows("searches_moved", "search", _page_told & ~_col("home_count").is_null())
BROWSED = Rows("browsed", _S, ~_col("browse_ms").is_null(), needs=("browse",))
PEAK_KNOWN = Rows("peak_known", _S, ~_col("peak_bitrate_kbps").is_null())
MEMBERS = Rows("members", _M, _col("status").is_in(["trial", "paying"]))
PAYING = Rows("paying", _M, _col("status") == "paying")
HOME_ANSWERED = Rows("home_answered", "control_request", (_col("service") == "home") & (_col("status") < 400))
HOME_REQUESTS = Rows("home_requests", "control_request", _col("service") == "home")
CONTROL_REQUESTS = Rows("control_requests", "control_request")
EXAMINED = Rows("examined", "impression", _col("is_examined"))
FIRST_WEEK = Rows(
    "first_week",
    "impression",
    (_col("tenure_days") < FIRST_WEEK_DAYS) & (_col("surface") == "home") & ~_col("genre").is_null(),
)
DELIVERED = Rows("delivered", _D)
CLASSED = Rows("classed", _D, ~_col("miss_class").is_null())
MINUTES = Rows("minutes", "minute_count")
FILLS = Rows("fills", "fill")
_in_usd = _col("BillingCurrency") == "USD"
COST_POOLS = ("delivery", "encoding", "control_plane")
CHARGES_USD = Rows("charges_usd", _C, _in_usd & _col("x_cost_pool").is_in(COST_POOLS))
DELIVERY_CHARGES = Rows("delivery_charges", _C, _in_usd & (_col("x_cost_pool") == "delivery"))
CONTENT_CHARGES = Rows("content_charges", _C, _in_usd & (_col("x_cost_pool") == "content"))
ENCODING_CHARGES = Rows("encoding_charges", _C, _in_usd & (_col("x_cost_pool") == "encoding"))


def _flag(condition: nw.Expr) -> nw.Expr:
    return nw.when(condition).then(nw.lit(1)).otherwise(nw.lit(0))


def _count(name: str, of: Rows, condition: nw.Expr | None = None, unit: str = "sessions") -> Part:
    return Part(name, of, None if condition is None else _flag(condition), unit, is_flag=True)


def _hours(name: str, of: Rows, value: nw.Expr) -> Part:
    return Part(name, of, value, "h", _MS_PER_HOUR)


def _ms(name: str, of: Rows, value: nw.Expr) -> Part:
    return Part(name, of, value, "ms")


# Sessions
attempts = _count("attempts", ATTEMPTS)
starts = _count("starts", STARTED)
starts_timed = _count("starts_timed", TIMED)
starts_late = _count("starts_late", TIMED, _col("startup_ms") >= LATE_START_MS)
starts_and_exits = _count("starts_and_exits", TIMED_OR_EXITED)
starts_and_exits_late = _count(
    "starts_and_exits_late",
    TIMED_OR_EXITED.telling("waited"),
    nw.when(_timed).then(_col("startup_ms") >= LATE_START_MS).otherwise(_col("waited_ms") >= LATE_START_MS),
)
startup_ms = _ms("startup_ms", TIMED, _col("startup_ms"))
exits_before_start = _count("exits_before_start", OUTCOME_TOLD, _exited)
start_failures = _count("start_failures", OUTCOME_TOLD, _failed_start)
start_failures_technical = _count(
    "start_failures_technical", OUTCOME_TOLD, _failed_start & (_col("failure_class") == "technical")
)
start_failures_business = _count(
    "start_failures_business", OUTCOME_TOLD, _failed_start & (_col("failure_class") == "business")
)
start_failures_unclassed = _count(
    "start_failures_unclassed", OUTCOME_TOLD, _failed_start & _col("failure_class").is_null()
)
playback_failures = _count("playback_failures", STARTED, _col("outcome") == "playback_failure")
any_failures = _count("any_failures", OUTCOME_TOLD, _failed_start | (_col("outcome") == "playback_failure"))
rebuffered = _count("rebuffered", STARTED.telling("stalls"), _col("stall_count") > 0)
stalls = Part("stalls", STARTED.telling("stalls"), _col("stall_count"), "stalls")
stalls_all = Part("stalls_all", ATTEMPTS.telling("stalls"), _col("stall_count"), "stalls")
stall_ms = _ms("stall_ms", STALL_MS_TOLD, _col("stall_ms"))
stall_seconds = Part("stall_seconds", STALL_MS_TOLD, _col("stall_ms"), "s", Fraction(1_000))
watched_ms = _ms("watched_ms", ATTEMPTS.telling("watched"), _col("watched_ms"))
playing_ms = _ms("playing_ms", PLAYING_TOLD, _col("playing_ms"))
playing_hours = _hours("playing_hours", PLAYING_TOLD, _col("playing_ms"))
media_ms = _ms("media_ms", ATTEMPTS.telling("media_time"), _col("media_ms"))
media_bits = Part("media_bits", ATTEMPTS.telling("media_size"), _col("media_bytes") * 8, "bits")
peak_kbps = Part("peak_kbps", PEAK_KNOWN, _col("peak_bitrate_kbps"), "kbit/s")
peak_sessions = _count("peak_sessions", PEAK_KNOWN)
switches = Part("switches", ATTEMPTS.telling("switches"), _col("switch_count"), "switches")
seek_stalls = Part("seek_stalls", ATTEMPTS.telling("seeks"), _col("seek_stall_count"), "stalls")
seek_stall_ms = _ms("seek_stall_ms", ATTEMPTS.telling("seek_ms"), _col("seek_stall_ms"))
session_gigabytes = Part(
    "session_gigabytes",
    ATTEMPTS.telling("bytes"),
    _col("edge_bytes") + _col("storage_bytes") + _col("third_party_bytes") + _col("unattributed_bytes"),
    "GB",
    _BYTES_PER_GB,
)

# Engagement and discovery
# Counted over all that tell their time playing, so that none of them qualifying is a 0.
qualified_plays = _count("qualified_plays", PLAYING_TOLD, _qualified, unit="plays")
qualified_sessions = _count("qualified_sessions", QUALIFIED, unit="plays")
qualified_hours = _hours("qualified_hours", QUALIFIED, _col("playing_ms"))
unqualified_hours = _hours("unqualified_hours", PLAYING_TOLD, _flag(~_qualified) * _col("playing_ms"))
attributed_plays = _count("attributed_plays", ATTRIBUTED_PLAYS, unit="plays")
rec_driven_plays = _count("rec_driven_plays", ATTRIBUTED_PLAYS, _col("is_rec_driven"), unit="plays")
attributed_hours = _hours("attributed_hours", ATTRIBUTED.telling("playing"), _col("playing_ms"))
rec_driven_hours = _hours(
    "rec_driven_hours", ATTRIBUTED.telling("playing"), _flag(_col("is_rec_driven")) * _col("playing_ms")
)
visits = _count("visits", DISCOVERY_VISITS, unit="visits")
abandoned = _count("abandoned", DISCOVERY_VISITS, ~_col("is_found"), unit="visits")
found_after_ms = Part(
    "found_after_ms",
    DISCOVERY_VISITS,
    _flag(_col("is_found")),
    "visits",
    is_flag=True,
    after=_col("browse_ms"),
)
first_visits = _count("first_visits", FIRST_VISITS, unit="visits")
first_successes = _count(
    "first_successes", FIRST_VISITS, _qualified & (_col("browse_ms") <= FIRST_SUCCESS_MS), unit="visits"
)
searches = _count("searches", SEARCHES, unit="searches")
searches_played = _count("searches_played", SEARCHES, _col("is_played"), unit="searches")
home_moved = Part(
    "home_moved", SEARCHES_MOVED, _col("home_after_count") - _col("home_before_count"), "places"
)
home_movable = Part("home_movable", SEARCHES_MOVED, _col("home_count") - _col("home_before_count"), "places")
first_week_shown = _count("first_week_shown", FIRST_WEEK, unit="impressions")
browse_ms = _ms("browse_ms", BROWSED, _col("browse_ms"))
examined = _count("examined", EXAMINED, unit="impressions")
examined_and_played = _count("examined_and_played", EXAMINED, _col("is_played"), unit="impressions")

# Members
average_members = Part("average_members", PAYING, unit="subscribers", is_level=True, is_whole=True)
average_members_sliced = Part("average_members_sliced", PAYING, unit="subscribers", is_level=True)
member_days = Part("member_days", MEMBERS, unit="subscriber-days")
member_months = Part("member_months", PAYING, unit="subscriber-months", per=DAYS_PER_MONTH)
member_months_whole = Part(
    "member_months_whole", PAYING, unit="subscriber-months", per=DAYS_PER_MONTH, is_whole=True
)
AT_RISK = Rows(
    "at_risk", _M, (_col("status") == "paying") | (_col("is_churned") & (_col("status") != "trial"))
)
churned = Part("churned", AT_RISK, _flag(_col("is_churned")), "subscribers")
# Months at risk minus members lost, in 487ths of a month, since a month is 487/16 days: integers throughout.
months_less_churned = Part(
    "months_less_churned",
    AT_RISK,
    _flag(_col("status") == "paying") * 16 - _flag(_col("is_churned")) * 487,
    "subscriber-months",
    DAYS_PER_MONTH * 16,
)
months_retained_whole = replace(months_less_churned, name="months_retained_whole", is_whole=True)
_trial_paid = (_col("previous_status") == "trial") & (_col("status") == "paying")
_trial_left = ((_col("status") == "trial") & _col("is_churned")) | (
    (_col("previous_status") == "trial") & (_col("status") == "lapsed") & ~_col("previous_is_churned")
)
TRIALS_ENDED = Rows("trials_ended", _M, _trial_paid | _trial_left, ("previous_status", "previous_is_churned"))
trials_ended = _count("trials_ended", TRIALS_ENDED, unit="subscribers")
trials_converted = _count("trials_converted", TRIALS_ENDED, _trial_paid, unit="subscribers")

# Control plane
home_latency_ms = _ms("home_latency_ms", HOME_ANSWERED, _col("latency_ms"))
home_requests = _count("home_requests", HOME_REQUESTS, unit="requests")
home_degraded = _count("home_degraded", HOME_REQUESTS, _col("is_degraded"), unit="requests")
control_requests = _count("control_requests", CONTROL_REQUESTS, unit="requests")
control_errors = _count("control_errors", CONTROL_REQUESTS, _col("status") >= 500, unit="requests")
home_pages = Part("home_pages", MINUTES, _col("home_pages"), "pages")
home_pages_late = Part("home_pages_late", MINUTES, _col("home_pages_late"), "pages")

# Event clock
minute_starts_and_exits = Part(
    "minute_starts_and_exits", MINUTES, _col("starts") + _col("exits_before_start"), "sessions"
)
minute_late = Part("minute_late", MINUTES, _col("starts_late") + _col("exits_late"), "sessions")
stalled_viewer_minutes = Part(
    "stalled_viewer_minutes", MINUTES, _col("stalled_viewer_minutes"), "viewer-minutes"
)
watched_viewer_minutes = Part(
    "watched_viewer_minutes", MINUTES, _col("watched_viewer_minutes"), "viewer-minutes"
)

# Delivery
delivered_gigabytes = Part("delivered_gigabytes", DELIVERED, _col("delivered_bytes"), "GB", _BYTES_PER_GB)
edge_gigabytes = Part(
    "edge_gigabytes", DELIVERED, _flag(_col("tier") == "edge") * _col("delivered_bytes"), "GB", _BYTES_PER_GB
)
classed_gigabytes = Part("classed_gigabytes", CLASSED, _col("delivered_bytes"), "GB", _BYTES_PER_GB)
missed_gigabytes = {
    kind: Part(
        f"{kind}_gigabytes",
        CLASSED,
        _flag(_col("miss_class") == kind) * _col("delivered_bytes"),
        "GB",
        _BYTES_PER_GB,
    )
    for kind in ("content_miss", "health_miss", "other")
}
fill_planned = Part("fill_planned", FILLS, _col("planned_bytes"), "GB", _BYTES_PER_GB)
fill_pushed = Part("fill_pushed", FILLS, _col("pushed_bytes"), "GB", _BYTES_PER_GB)

# Money
cost_usd = Part("cost_usd", CHARGES_USD, _col("EffectiveCost"), "USD")
delivery_cost_usd = Part("delivery_cost_usd", DELIVERY_CHARGES, _col("EffectiveCost"), "USD")
encoding_cost_usd = Part("encoding_cost_usd", ENCODING_CHARGES, _col("EffectiveCost"), "USD")
content_cost_usd = Part("content_cost_usd", CONTENT_CHARGES, _col("EffectiveCost"), "USD")
