"""A lake of an older contract version, brought to the present one.

A step leads from one version to the next and says, table by table, what becomes of the rows; a table that no step
names is left as it is. Each table is rewritten in one Delta commit that carries the version it was brought to, and
the lake's description is written last, so a migration that was cut off goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import polars as pl
from deltalake import Transaction

from metrics.delta_files import with_day
from metrics.errors import LakeError
from metrics.lake import Lake
from metrics.own_tables import QUARANTINE
from metrics.telemetry import CONTRACT_VERSION, TABLES
from metrics.upkeep import day_files, read_files

__all__ = ["STEPS", "Migrated", "migrate"]

# Rows of a table as a version has them (a day of them, where the table has days), in and out.
Step = Callable[[pl.DataFrame], pl.DataFrame]
_APPLICATION = "contract"


@dataclass(frozen=True)
class Migrated:
    """From which version to which, the rows rewritten by table, and those the present contract does not let in."""

    before: int
    after: int
    rows: dict[str, int]
    quarantined: int


def migrate(path: Path | str) -> Migrated:
    """Bring the lake at ``path`` to the present contract version; nothing is done to one that has it.

    Raises :class:`~metrics.errors.LakeError` for a newer lake, or one so old that no step begins there.
    """
    _, lake = Lake.described(path)
    with lake.alone():
        version, _ = Lake.described(path)  # another command may have done it while this one waited
        known = set(range(version, CONTRACT_VERSION)) <= set(STEPS)
        if version > CONTRACT_VERSION or not known:
            what = f"no way from contract version {version} to {CONTRACT_VERSION}"
            raise LakeError(what, where=str(lake.path), mend="use the Playhead that wrote it, or a newer one")
        rows: dict[str, int] = {}
        quarantined = 0
        for name in lake.tables():
            steps = [STEPS[n][name] for n in range(version, CONTRACT_VERSION) if name in STEPS[n]]
            if steps and (lake.appended_version(name, _APPLICATION) or 0) < CONTRACT_VERSION:
                rows[name], bad = _rewrite(lake, name, steps)
                quarantined += bad
        lake.describe()
    return Migrated(version, CONTRACT_VERSION, rows, quarantined)


def _rewrite(lake: Lake, name: str, steps: list[Step]) -> tuple[int, int]:
    """Rows of the table as it is now, and rows that went to quarantine."""
    contract, delta = TABLES[name], lake.delta(name)
    assert delta is not None
    added, bad, rows = [], [], 0
    for written_ms, paths in day_files(lake, name):
        frame = read_files(lake, name, paths)
        for step in steps:
            frame = step(frame)
        parted = contract.validate(frame.drop("day", strict=False))
        rows += parted.good.height
        bad.append(parted.quarantined)
        added += lake.write_files(contract, with_day(contract, parted.good), written_ms=written_ms)
    rejected = pl.concat(bad) if bad else pl.DataFrame()
    if rejected.height:
        application = f"{name}/{_APPLICATION}"
        named = rejected.with_columns(
            pl.lit(application).alias("application"), pl.lit(CONTRACT_VERSION, pl.Int64).alias("version")
        )
        lake.commit_batch(QUARANTINE, named, application, CONTRACT_VERSION)
    lake.commit(contract, delta, added, [Transaction(_APPLICATION, CONTRACT_VERSION)], overwrite=True)
    return rows, rejected.height


# What moved first, of the kinds of incident that version 1 knew.
_MOVED_FIRST = {
    "config_push": "start_failure_technical_ratio",
    "appliance_crash": "edge_offload_ratio",
    "cluster_saturation": "edge_offload_ratio",
    "peering_loss": "time_to_play_p99_ms",
    "fill_failure": "fill_ratio",
    "access_congestion": "rebuffer_ratio",
    "bad_encode": "playback_failure_ratio",
    "player_bug": "playback_failure_ratio",
    "recommendation_outage": "home_degraded_ratio",
    "auth_outage": "start_failure_technical_ratio",
    "control_plane_loss": "edge_offload_ratio",
    "live_surge": "attempts",
}


def _incident_names_its_metric(frame: pl.DataFrame) -> pl.DataFrame:
    """``truth_incident`` of version 1 came without ``metric``, and later with it."""
    told = pl.col("kind").replace_strict(_MOVED_FIRST, default=None, return_dtype=pl.String)
    return frame.with_columns(metric=pl.coalesce("metric", told) if "metric" in frame.columns else told)


def _as_it_is(frame: pl.DataFrame) -> pl.DataFrame:
    """Columns that the next version adds and nothing of old tells: null, which the contract fills in."""
    return frame


STEPS: Mapping[int, Mapping[str, Step]] = MappingProxyType(
    {
        1: {"truth_incident": _incident_names_its_metric},
        2: {"impression": _as_it_is},
        3: {"truth_counterfactual": _as_it_is},
    },
)
"""What becomes of a table's rows on the way from a version to the next."""
