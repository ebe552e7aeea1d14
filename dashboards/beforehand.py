"""What is found once for a lake, beside it, so that pages read no rows for it: cubes, samples, answers kept."""

from __future__ import annotations

from contextlib import suppress
from itertools import chain

from dashboards.baselines import alerts_of
from dashboards.context import PRESETS, period_of, span_of
from dashboards.kept import compared, counted, measured, steered
from dashboards.questions import DISCOVERY
from metrics import cube_build, sample
from metrics.catalog import get_metric
from metrics.cube import source_of
from metrics.errors import InputError
from metrics.lake import Lake

__all__ = ["prepare"]


def prepare(lake: Lake) -> dict[str, int]:
    """Bring all of it up to date with the lake; bytes of cubes by table."""
    sizes = cube_build.build(lake)
    sample.build(lake)
    alerts_of(lake)
    counted(lake)
    steered(lake)
    rows = source_of(lake)
    for experiment in rows.arms()["experiment"].unique(maintain_order=True):
        with suppress(InputError):  # its page says what is wrong with it
            compared(lake, rows, experiment)
    by_member = [name for name in chain(*DISCOVERY.values()) if get_metric(name).within]
    span = span_of(lake)
    periods = [] if span is None else [period_of(preset, (), span) for preset in PRESETS if preset != "dates"]
    for period in dict.fromkeys(chain(periods, (period.before() for period in periods))):
        if span is not None and period.first >= span.first and by_member:
            measured(lake, rows, by_member, period.start_ts_ms, period.end_ts_ms, intervals=True)
    return sizes
