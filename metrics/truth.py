"""What the emulator knows and telemetry does not: incidents as they were, and the worlds not chosen.

Estimators must never see it. Only what scores them, and what shows the truth beside an estimate, reads it
here.
"""

from __future__ import annotations

import polars as pl

from metrics.lake import Lake

__all__ = ["counterfactuals", "discovery", "experiments", "incidents"]


def incidents(lake: Lake) -> pl.LazyFrame:
    """Incidents that were injected: table ``truth_incident``, empty on a lake of real telemetry."""
    return lake.scan("truth_incident")


def counterfactuals(lake: Lake) -> pl.LazyFrame:
    """Parts of metrics by world over all days: of ``truth_counterfactual``, empty on a lake of real telemetry."""
    return lake.scan("truth_counterfactual").filter(pl.col("experiment").is_null())


def experiments(lake: Lake) -> pl.LazyFrame:
    """Parts of metrics in the two worlds of each experiment, over its days: the rest of ``truth_counterfactual``."""
    return lake.scan("truth_counterfactual").filter(pl.col("experiment").is_not_null())


def discovery(lake: Lake) -> pl.LazyFrame:
    """Both worlds of each experiment on discovery: table ``truth_discovery``, empty without one."""
    return lake.scan("truth_discovery")
