"""Every metric as data: tooltips, number formats, the tree, the glossary and the queries derive from it."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType

from metrics import measures as m
from metrics.dialects import DIALECTS
from metrics.errors import InputError, did_you_mean
from metrics.metric import Driver, Metric

__all__ = ["METRICS", "Metric", "get_metric"]

_P50, _P99 = Fraction(1, 2), Fraction(99, 100)
_PERCENT, _FINE_PERCENT, _MS, _USD = "{:.2%}", "{:.3%}", "{:,.0f} ms", "${:,.4f}"
_CONTRACT = "the service's user contract"
_IDENTITY_DRIVERS = (Driver("qualified_plays_per_subscriber", "identity"), Driver("hours_per_play", "identity"),
    Driver("unqualified_hours_per_subscriber", "identity"))  # fmt: skip
_INFLUENCE_DRIVERS = tuple(
    Driver(name, "influence")
    for name in ("time_to_play_bad_ratio", "rebuffer_rate", "rec_driven_hours_ratio", "home_late_ratio")
)

_NORTH_STAR = (
    Metric(
        "watch_hours_per_subscriber", "Watch hours per subscriber",
        "Time playing over the average paying members of the period (weighted membership-days over days), "
        "watchers or not. A slice keeps that denominator, so slices add up. A retention proxy.",
        "h/subscriber", "{:,.2f} h", "start", m.playing_hours, m.average_members,
        drivers=_IDENTITY_DRIVERS + _INFLUENCE_DRIVERS, source="north-star tree",
    ),
    Metric(
        "qualified_plays_per_subscriber", "Qualified plays per subscriber",
        "Plays of at least 2 minutes or 10 % of the title, over the average paying members of the period.",
        "plays/subscriber", "{:,.2f}", "start", m.qualified_plays, m.average_members,
        drivers=(Driver("play_success_ratio", "influence"), Driver("rec_driven_play_ratio", "influence"),
                 Driver("time_to_find_p50_ms", "influence")), source="north-star tree",
    ),
    Metric(
        "hours_per_play", "Hours per qualified play", "Time playing of a qualified play, on average.",
        "h/play", "{:,.3f} h", "start", m.qualified_hours, m.qualified_sessions,
        drivers=(Driver("rebuffer_ratio", "influence"), Driver("mean_bitrate_kbps", "influence"),
                 Driver("playback_failure_ratio", "influence")), source="north-star tree",
    ),
    Metric(
        "unqualified_hours_per_subscriber", "Hours outside qualified plays",
        "Time playing of plays that are too short to qualify, per average paying member: the remainder.",
        "h/subscriber", "{:,.3f} h", "start", m.unqualified_hours, m.average_members,
        source="north-star tree",
    ),
    Metric("watch_hours", "Watch hours", "Time playing.", "h", "{:,.0f} h", "start", m.playing_hours),
    Metric(
        "average_subscribers", "Paying members", "Average paying members of the period: membership-days "
        "over days.", "subscribers", "{:,.0f}", "day", m.average_members_sliced,
    ),
    Metric("attempts", "Play attempts", "Play instructions, however they came out.", "sessions", "{:,.0f}",
           "end", m.attempts),
    Metric("qualified_plays", "Qualified plays", "Plays of at least 2 minutes or 10 % of the title.", "plays",
           "{:,.0f}", "start", m.qualified_plays),
)  # fmt: skip

_STARTUP = (
    Metric(
        "time_to_play_p50_ms", "Time to play, p50",
        "Play instruction to first frame progressing, of sessions that started; read beside exits before "
        "start, since a session that never starts has none.",
        "ms", _MS, "end", m.startup_ms, quantile=_P50, better="lower", limit=2_000, source=_CONTRACT,
    ),
    Metric(
        "time_to_play_p99_ms", "Time to play, p99",
        "Play instruction to first frame progressing, of sessions that started; read beside exits before "
        "start, since a session that never starts has none.",
        "ms", _MS, "end", m.startup_ms, quantile=_P99, better="lower", limit=2_000, source=_CONTRACT,
    ),
    Metric(
        "time_to_play_late_ratio", "Starts over 2 s",
        "Sessions that took 2,000 ms or more to the first frame, of those that started; counted exactly.",
        "ratio", _PERCENT, "end", m.starts_late, m.starts_timed, better="lower", limit=0.01, source=_CONTRACT,
    ),
    Metric(
        "time_to_play_bad_ratio", "Time to play, contract broken",
        "Starts that took 2,000 ms or more, and viewers who left before the first frame after waiting that "
        "long, over starts and exits before start: the objective's own count, free of survivor bias.",
        "ratio", _PERCENT, "end", m.starts_and_exits_late, m.starts_and_exits, better="lower", limit=0.01,
        source=_CONTRACT,
    ),
    Metric(
        "play_success_ratio", "Play success", "Sessions that started over play attempts.",
        "ratio", _PERCENT, "end", m.starts, m.attempts, source="north-star tree",
        drivers=(Driver("exit_before_start_ratio", "identity"), Driver("start_failure_technical_ratio", "identity"),
                 Driver("start_failure_business_ratio", "identity"),
                 Driver("start_failure_unclassed_ratio", "identity")),
    ),
    Metric(
        "exit_before_start_ratio", "Exits before start", "Viewers who left before the first frame, of attempts.",
        "ratio", _PERCENT, "end", m.exits_before_start, m.attempts, better="lower", source="CTA-2066",
    ),
    Metric(
        "start_failure_technical_ratio", "Start failures, technical",
        "Attempts that failed before the first frame through a fault of the system.",
        "ratio", _FINE_PERCENT, "end", m.start_failures_technical, m.attempts, better="lower",
    ),
    Metric(
        "start_failure_business_ratio", "Start failures, business",
        "Attempts that failed before the first frame through a rule: no rights, too many streams.",
        "ratio", _FINE_PERCENT, "end", m.start_failures_business, m.attempts, better="lower",
    ),
    Metric(
        "start_failure_unclassed_ratio", "Start failures, cause unknown",
        "Attempts that failed before the first frame, where the source does not tell why.",
        "ratio", _FINE_PERCENT, "end", m.start_failures_unclassed, m.attempts, better="lower",
    ),
)  # fmt: skip

_PLAYBACK = (
    Metric(
        "rebuffer_rate", "Rebuffer rate",
        "Sessions with at least one network stall after the first frame, of those that started. A seek is "
        "not a stall; sessions whose source does not tell stalls are left out.",
        "ratio", _FINE_PERCENT, "end", m.rebuffered, m.starts, better="lower", limit=0.001,
        source=_CONTRACT,
    ),
    Metric(
        "stalls_per_session", "Stalls per session", "Network stalls over sessions that started: the second "
        "reading of “rebuffer rate”.",
        "stalls/session", "{:,.4f}", "end", m.stalls, m.starts, better="lower",
    ),
    Metric(
        "stalls_per_hour", "Stalls per hour", "Network stalls over hours played: the third reading of "
        "“rebuffer rate”.",
        "stalls/h", "{:,.4f}", "end", m.stalls_all, m.playing_hours, better="lower",
    ),
    Metric(
        "rebuffer_ratio", "Rebuffer ratio", "Time in network stalls over time watched (pause excluded).",
        "ratio", _FINE_PERCENT, "end", m.stall_ms, m.watched_ms, better="lower", source="CTA-2066",
    ),
    Metric(
        "playback_failure_ratio", "Playback failures", "Sessions that failed after the first frame, of those "
        "that started.",
        "ratio", _FINE_PERCENT, "end", m.playback_failures, m.starts, better="lower",
    ),
    Metric(
        "mean_bitrate_kbps", "Mean bitrate", "Bits of the media played over media time.",
        "kbit/s", "{:,.0f} kbit/s", "end", m.media_bits, m.media_ms, source="CTA-2066",
    ),
    Metric(
        "peak_bitrate_kbps", "Peak bitrate", "Highest video bitrate a session played, on average.",
        "kbit/s", "{:,.0f} kbit/s", "end", m.peak_kbps, m.peak_sessions,
    ),
    Metric(
        "switches_per_hour", "Switch rate", "Changes of video bitrate over hours played.",
        "switches/h", "{:,.2f}", "end", m.switches, m.playing_hours, better="lower",
    ),
    Metric(
        "seek_latency_ms", "Seek latency", "Rebuffering that a seek caused, over such rebufferings.",
        "ms", _MS, "end", m.seek_stall_ms, m.seek_stalls, better="lower",
    ),
    Metric(
        "gigabytes_per_hour", "Data per stream hour", "Bytes delivered to sessions over hours played.",
        "GB/h", "{:,.3f} GB/h", "end", m.session_gigabytes, m.playing_hours, better="lower",
    ),
    Metric(
        "stalled_viewer_minute_ratio", "Stalled viewer-minutes", "Viewer-minutes with a network stall over "
        "viewer-minutes watched: rebuffering on the event clock.",
        "ratio", _FINE_PERCENT, "event", m.stalled_viewer_minutes, m.watched_viewer_minutes, better="lower",
    ),
    Metric(
        "time_to_play_bad_event_ratio", "Time to play, contract broken (event clock)",
        "Late starts and late exits before start over starts and exits, in the minute they happen: what "
        "alerts read.",
        "ratio", _PERCENT, "event", m.minute_late, m.minute_starts_and_exits, better="lower", limit=0.01,
        source=_CONTRACT,
    ),
)  # fmt: skip

_DISCOVERY = (
    Metric(
        "rec_driven_play_ratio", "Rec-driven play rate",
        "Qualified plays last attributed to a recommendation surface, of qualified plays with an attribution.",
        "ratio", _PERCENT, "start", m.rec_driven_plays, m.attributed_plays, source="north-star tree",
    ),
    Metric(
        "rec_driven_hours_ratio", "Rec-driven share of hours",
        "Time playing attributed to a recommendation surface, of time playing with an attribution. Watched by "
        "a seasonal baseline: at 80 % no burn-rate page can fire.",
        "ratio", _PERCENT, "start", m.rec_driven_hours, m.attributed_hours, limit=0.8, source=_CONTRACT,
    ),
    Metric(
        "incremental_play_ratio", "Incremental plays", "Of qualified plays per member-day outside a holdout without "
        "personal recommendations, the share that the holdout does not have: what recommendations bring beyond what "
        "members would have found anyway. Needs an experiment with a holdout.",
        "ratio", _PERCENT, "start", m.qualified_plays, m.member_days, is_incremental=True, is_signed=True,
    ),
    Metric(
        "incremental_hours_ratio", "Incremental hours", "Of time playing per member-day outside a holdout without "
        "personal recommendations, the share that the holdout does not have.",
        "ratio", _PERCENT, "start", m.playing_hours, m.member_days, is_incremental=True, is_signed=True,
    ),
    Metric(
        "take_rate", "Take rate", "Impressions that were played, of those the member looked at.",
        "ratio", _PERCENT, "event", m.examined_and_played, m.examined,
    ),
    Metric(
        "time_to_find_p50_ms", "Time to find, median", "Opening the service to the play instruction, of visits that "
        "do not go on with a title. Who leaves without one was still looking when they left: Kaplan and Meier, with "
        "leaving as censoring. Unknown where fewer than half would have found something.",
        "ms", _MS, "start", m.found_after_ms, quantile=_P50, better="lower", source="Kaplan and Meier 1958",
        drivers=(Driver("browse_abandonment_ratio", "influence"), Driver("take_rate", "influence")),
    ),
    Metric(
        "browse_to_play_p50_ms", "Browsing before a play, p50", "Opening the home page to the play instruction, of "
        "visits that led to a play; visits that led to none are not in it, so it flatters.",
        "ms", _MS, "start", m.browse_ms, quantile=_P50, better="lower",
    ),
    Metric(
        "browse_abandonment_ratio", "Browse abandonment", "Visits that ended without a play instruction, of those "
        "that do not go on with a title.",
        "ratio", _PERCENT, "start", m.abandoned, m.visits, better="lower",
    ),
    Metric(
        "search_success_ratio", "Search success", "Searches of which an answer was played, of searches.",
        "ratio", _PERCENT, "event", m.searches_played, m.searches,
    ),
    Metric(
        "search_to_home_transfer_ratio", "Search-to-home transfer", "How far a search moves the home page: of its "
        "places that were not of the genre the search was about, the share that are after it (less those lost). "
        "Exactly 0 where the home page does not learn from searches.",
        "ratio", _PERCENT, "event", m.home_moved, m.home_movable, is_signed=True,
    ),
    Metric(
        "effective_catalogue_size", "Effective catalogue size", "How many titles the time playing is spread over, if "
        "evenly: twice the mean rank of a title by hours, less one. 1 is one title watched by all. A larger sample "
        "shows more of the tail: compare slices and arms of like size.",
        "titles", "{:,.0f}", "start", m.playing_hours, spread="rank", across="content_id",
        source="Gomez-Uribe and Hunt 2015, section 4.1",
    ),
    Metric(
        "effective_catalogue_simpson", "Effective catalogue size, inverse Simpson", "One over the chance that two "
        "hours of viewing are of the same title: weighs what is watched most.",
        "titles", "{:,.0f}", "start", m.playing_hours, spread="hill_2", across="content_id",
        source="Hill 1973, order 2",
    ),
    Metric(
        "first_week_genres", "First-week breadth", "How many genres the home pages of a member's first seven days "
        "are spread over, if evenly (the exponential of Shannon's entropy), mean over members: small is a bubble.",
        "genres", "{:,.2f}", "event", m.first_week_shown, spread="hill_1", across="genre", within="subscriber_id",
        source="Hill 1973, order 1",
    ),
    Metric(
        "first_session_success_ratio", "First-session success",
        "First visits of new accounts that led to a qualified play within 90 s; visits that led to none count.",
        "ratio", _PERCENT, "start", m.first_successes, m.first_visits, source="north-star tree",
        drivers=(Driver("first_week_genres", "influence"), Driver("home_latency_p99_ms", "influence")),
    ),
    Metric(
        "home_latency_p50_ms", "Home latency, p50", "Request to ranked home page, of pages answered.",
        "ms", _MS, "event", m.home_latency_ms, quantile=_P50, better="lower", limit=100, source=_CONTRACT,
    ),
    Metric(
        "home_latency_p99_ms", "Home latency, p99", "Request to ranked home page, of pages answered.",
        "ms", _MS, "event", m.home_latency_ms, quantile=_P99, better="lower", limit=100, source=_CONTRACT,
    ),
    Metric(
        "home_late_ratio", "Home pages over 100 ms", "Home pages that took 100 ms or more, of those answered; "
        "counted exactly.",
        "ratio", _PERCENT, "event", m.home_pages_late, m.home_pages, better="lower", limit=0.01,
        source=_CONTRACT,
    ),
    Metric(
        "home_degraded_ratio", "Home pages by fallback", "Home requests answered by a fallback.",
        "ratio", _FINE_PERCENT, "event", m.home_degraded, m.home_requests, better="lower",
    ),
    Metric(
        "control_error_ratio", "Control-plane errors", "Requests answered with a status of 500 or above.",
        "ratio", _FINE_PERCENT, "event", m.control_errors, m.control_requests, better="lower",
    ),
)  # fmt: skip

_MEMBERS = (
    Metric(
        "monthly_churn_ratio", "Monthly churn", "Paying members who left over months at risk (30.4375 "
        "membership-days each).",
        "ratio/month", _PERCENT, "day", m.churned, m.member_months, better="lower",
    ),
    Metric(
        "monthly_retention_ratio", "Monthly retention", "Months at risk less members who left, over months "
        "at risk: the complement of monthly churn.",
        "ratio/month", _PERCENT, "day", m.months_less_churned, m.member_months,
        drivers=(Driver("watch_hours_per_subscriber", "influence"),),
    ),
    Metric(
        "hours_per_member_day", "Hours per member-day", "Time playing over membership-days, trials included. A slice "
        "has its own members: what arms of an experiment are compared on.",
        "h/subscriber-day", "{:,.3f} h", "start", m.playing_hours, m.member_days,
    ),
    Metric(
        "plays_per_member_day", "Plays per member-day", "Qualified plays over membership-days, trials included. A "
        "slice has its own members.",
        "plays/subscriber-day", "{:,.3f}", "start", m.qualified_plays, m.member_days,
    ),
    Metric(
        "trial_to_paid_ratio", "Trial-to-paid conversion", "Trials that became paying, of trials that ended.",
        "ratio", _PERCENT, "day", m.trials_converted, m.trials_ended,
        drivers=(Driver("first_session_success_ratio", "influence"),),
    ),
)  # fmt: skip

_DELIVERY = (
    Metric(
        "delivered_gigabytes", "Data delivered", "Bytes delivered by any CDN and tier.",
        "GB", "{:,.0f} GB", "delivery", m.delivered_gigabytes,
    ),
    Metric(
        "edge_offload_ratio", "Edge offload", "Bytes from edge appliances inside ISPs, of bytes delivered.",
        "ratio", _PERCENT, "delivery", m.edge_gigabytes, m.delivered_gigabytes,
    ),
    *(
        Metric(
            f"{kind}_ratio", title, f"Bytes whose way was a {what}, of bytes whose miss class is known.",
            "ratio", _PERCENT, "delivery", m.missed_gigabytes[part], m.classed_gigabytes, better="lower",
        )
        for part, kind, title, what in (
            ("content_miss", "content_miss", "Content misses", "content miss: the title was not there"),
            ("health_miss", "health_miss", "Health misses", "health miss: the appliance was saturated or down"),
            ("other", "other_miss", "Other misses", "miss of another kind"),
        )
    ),
    Metric(
        "fill_ratio", "Fill completeness", "Bytes that nightly fill pushed, of bytes it planned.",
        "ratio", _PERCENT, "delivery", m.fill_pushed, m.fill_planned,
    ),
)  # fmt: skip

_COST_CLOCK = (
    "Charges count on the delivery clock, spread evenly over their charge period; hours are of sessions that "
    "ended, the nearest a session comes to it. A bill received takes the place of charges computed for the same "
    "cost pool, CDN and month; the hours of sessions that do not tell how long they played are in the cost report's "
    "figure alone."
)
_MONEY = (
    Metric(
        "cost_per_stream_hour_usd", "Cost per stream hour", "Effective cost of delivery, encoding and control "
        f"plane over hours played. {_COST_CLOCK}",
        "USD/h", "${:,.6f}", "delivery", m.cost_usd, m.playing_hours, better="lower", source="FOCUS 1.2",
        drivers=(Driver("gigabytes_per_hour", "influence"), Driver("delivery_cost_per_gigabyte_usd", "influence")),
    ),
    Metric(
        "delivery_cost_per_stream_hour_usd", "Delivery cost per stream hour",
        f"Effective cost of delivery over hours played. {_COST_CLOCK}",
        "USD/h", "${:,.6f}", "delivery", m.delivery_cost_usd, m.playing_hours, better="lower",
        source="FOCUS 1.2",
    ),
    Metric(
        "encoding_cost_per_stream_hour_usd", "Encoding cost per stream hour",
        f"Effective cost of encoding over hours played. {_COST_CLOCK}",
        "USD/h", "${:,.6f}", "delivery", m.encoding_cost_usd, m.playing_hours, better="lower",
        source="FOCUS 1.2",
    ),
    Metric(
        "delivery_cost_per_gigabyte_usd", "Delivery cost per GB",
        "Effective cost of delivery over gigabytes delivered. The clock is delivery's: bytes count when they "
        "are delivered, charges spread evenly over their charge period.",
        "USD/GB", "${:,.6f}", "delivery", m.delivery_cost_usd, m.delivered_gigabytes, better="lower",
        source="FOCUS 1.2",
    ),
    Metric(
        "cost_per_subscriber_month_usd", "Cost per subscriber-month",
        "Effective cost of delivery, encoding and control plane over paying member-months (30.4375 days); a "
        "slice keeps the denominator. The clock is delivery's: a member-day counts on its UTC day.",
        "USD/subscriber-month", _USD, "delivery", m.cost_usd, m.member_months_whole, better="lower",
        source="FOCUS 1.2",
    ),
    Metric(
        "content_cost_per_retained_subscriber_usd", "Content cost per retained subscriber", "Effective cost of charges "
        "of the pool `content` over months at risk less members who left: what a month of a member who stays costs "
        "in content. Unknown where no charge is of that pool.",
        "USD/subscriber-month", _USD, "delivery", m.content_cost_usd, m.months_retained_whole, better="lower",
        source="FOCUS 1.2",
    ),
)  # fmt: skip

METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for group in (_NORTH_STAR, _STARTUP, _PLAYBACK, _DISCOVERY, _MEMBERS, _DELIVERY, _MONEY, DIALECTS)
        for metric in group
    }
)


def get_metric(name: str) -> Metric:
    """The metric of that name.

    Raises :class:`~metrics.errors.InputError` with the nearest names where there is none.
    """
    if name not in METRICS:
        raise InputError(f"no metric {name!r}", mend=did_you_mean(name, METRICS))
    return METRICS[name]
