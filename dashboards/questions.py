"""Metrics that pages ask for whoever opens them, in the order they are shown."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["BESIDE", "DISCOVERY", "FIND", "PLACE", "PRICE", "TILES"]

TILES = ("watch_hours_per_subscriber", "time_to_play_p99_ms", "rebuffer_rate", "rec_driven_hours_ratio")
BESIDE = ("time_to_play_p50_ms", "time_to_play_late_ratio")
PLACE = ("region", "isp")
PRICE = "delivery_cost_per_gigabyte_usd"

FIND = "time_to_find_p50_ms"
DISCOVERY: Mapping[str, tuple[str, ...]] = {
    "What recommendations bring": (
        "rec_driven_play_ratio", "rec_driven_hours_ratio", "incremental_hours_ratio", "take_rate",
    ),
    "How soon something is found": (
        FIND, "browse_abandonment_ratio", "search_success_ratio", "search_to_home_transfer_ratio",
    ),
    "First weeks, and how wide": (
        "first_session_success_ratio", "first_week_genres", "effective_catalogue_size", "trial_to_paid_ratio",
    ),
}  # fmt: skip
