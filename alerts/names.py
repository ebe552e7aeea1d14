"""Every name that leaves this package: gauges, recorded series, labels, alerts.

The recorded series and the ``sloth_`` labels are Sloth's, so that dashboards made for Sloth read them
unchanged; what Sloth has no name for begins with ``playhead:``. A gauge is ``playhead_`` and the column of
the table ``minute_count`` that it exposes: the count of the last whole minute, zero-filled.
"""

from __future__ import annotations

from metrics.telemetry import TABLES

__all__ = [
    "ATTEMPTS",
    "ATTEMPTS_WEIGHT_SQUARED",
    "BAD_EFFECTIVE",
    "BAD_MINUTE",
    "BAD_SUM_1H",
    "BAD_SUM_1M",
    "BAD_SUM_HOUR",
    "COUNT_COLUMNS",
    "CURRENT_BURN",
    "ERROR_BUDGET",
    "GAUGE_PREFIX",
    "LABEL_ID",
    "LABEL_OBJECTIVE",
    "LABEL_PART",
    "LABEL_PERIOD",
    "LABEL_SERVICE",
    "LABEL_SEVERITY",
    "LABEL_SLO",
    "LABEL_WINDOW",
    "OBJECTIVE",
    "PERIOD_BUDGET_LEFT",
    "PERIOD_BURN",
    "PERIOD_DAYS",
    "PERIOD_START",
    "RESERVED_LABELS",
    "SLICES",
    "SLO_INFO",
    "TOTAL_MINUTE",
    "TOTAL_SUM_1H",
    "TOTAL_SUM_1M",
    "TOTAL_SUM_HOUR",
    "USUAL",
    "alert_name",
    "error_ratio",
    "gauge",
    "slo_id",
]

GAUGE_PREFIX = "playhead_"
SLICES = ("region", "device", "cdn")
COUNT_COLUMNS = tuple(
    column.name
    for column in TABLES["minute_count"].columns
    if column.name not in {"ts_ms", "is_synthetic", *SLICES}
)
# Σw and Σw² of attempts: from them the effective n, which a weighted count must not be taken for.
ATTEMPTS, ATTEMPTS_WEIGHT_SQUARED = "attempts", "attempts_weight_squared"

OBJECTIVE = "slo:objective:ratio"
ERROR_BUDGET = "slo:error_budget:ratio"
PERIOD_DAYS = "slo:time_period:days"
CURRENT_BURN = "slo:current_burn_rate:ratio"
PERIOD_BURN = "slo:period_burn_rate:ratio"
PERIOD_BUDGET_LEFT = "slo:period_error_budget_remaining:ratio"
SLO_INFO = "sloth_slo_info"
BAD_SUM_1M = "playhead:slo_bad:sum1m"
TOTAL_SUM_1M = "playhead:slo_total:sum1m"
BAD_SUM_1H = "playhead:slo_bad:sum1h"
TOTAL_SUM_1H = "playhead:slo_total:sum1h"
BAD_SUM_HOUR = "playhead:slo_bad:sum_since_hour"
TOTAL_SUM_HOUR = "playhead:slo_total:sum_since_hour"
PERIOD_START = "playhead:slo_period:start_seconds"
BAD_MINUTE = "playhead:slo_minute_bad:bool"
TOTAL_MINUTE = "playhead:slo_minute_total:bool"
BAD_EFFECTIVE = "playhead:slo_bad:effective_sum"
USUAL = "playhead:slo_sli_error:usual_ratio"

LABEL_ID = "sloth_id"
LABEL_SERVICE = "sloth_service"
LABEL_SLO = "sloth_slo"
LABEL_WINDOW = "sloth_window"
LABEL_SEVERITY = "sloth_severity"
LABEL_OBJECTIVE = "sloth_objective"
LABEL_PART = "playhead_part"
LABEL_PERIOD = "playhead_period"
# A user's label may not stand in for one of these.
RESERVED_LABELS = frozenset({"severity", "alertname", *SLICES})


def gauge(column: str) -> str:
    """The gauge that exposes a column of ``minute_count``.

    >>> gauge("starts_late")
    'playhead_starts_late'
    """
    return f"{GAUGE_PREFIX}{column}"


def error_ratio(window: str) -> str:
    """The recorded share of bad events over a window such as ``5m``."""
    return f"slo:sli_error:ratio_rate{window}"


def slo_id(service: str, name: str) -> str:
    """Sloth's identity of an objective."""
    return f"{service}-{name}"


def alert_name(name: str) -> str:
    """The alert of an objective.

    >>> alert_name("time-to-play-p99")
    'TimeToPlayP99BudgetBurn'
    """
    return "".join(part.capitalize() for part in name.split("-")) + "BudgetBurn"
