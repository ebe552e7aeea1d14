"""A batch's reports, with what the lake has kept of their sessions, as sessions told anew.

A session's id is the keyed hash of what its log tells it by. Where the lake has that id already and the session is
another one (the same ``sid`` after a silence), its start is hashed with it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from metrics.ingest.checkpoint import Open
from metrics.ingest.playback import Playback
from metrics.ingest.report import Report
from metrics.ingest.session_rows import About
from metrics.ingest.sessionise import fold
from metrics.ingest.timeline import clock_skew_ms, in_order, on_one_clock, split, without_doubles
from metrics.lake import Lake
from metrics.privacy import hash_id

__all__ = ["Group", "Told", "days_of", "tell"]


@dataclass
class Group:
    """The reports that a batch has of one session, and what their lines say of the client."""

    reports: list[Report] = field(default_factory=list)
    about: About = field(default_factory=About)


@dataclass
class Told:
    """One session as it is told now, and the reports it is told from."""

    key: str
    session_id: str
    playback: Playback
    about: About
    reports: list[Report]
    clock_skew_ms: int | None
    is_open: bool
    stands_for: frozenset[str]
    """The ids of the sessions kept whose reports are in it."""


def tell(
    lake: Lake,
    groups: Mapping[str, Group],
    kept: Sequence[Open],
    *,
    reopened: Collection[str],
    received_ts_ms: int | None,
    timeout_ms: int,
    latest_ts_ms: int | None,
) -> list[Told]:
    """Every session that has something new in ``groups`` (by key), gone on with from what was ``kept`` of it.

    Of keys in ``reopened`` every session is told: what was told of it before may not have been so. A session is
    open where it may go on: it was heard of within ``timeout_ms`` before ``latest_ts_ms``.
    """
    by_key: dict[str, list[Open]] = {}
    for session in kept:
        by_key.setdefault(session.key, []).append(session)
    taken = _ids_in(lake, groups)
    told: list[Told] = []
    for key, group in groups.items():
        reports, about, ids = _joined(by_key.get(key, []), group)
        used: set[str] = set()
        for part in split(_in_line(reports, about), timeout_ms):
            known = [ids[report.order] for report in part if report.order in ids]
            if len(known) == len(part) and key not in reopened:
                used |= set(known)
                continue
            name = next((n for n in known if n not in used), None) or _new_id(lake, key, part, taken | used)
            used.add(name)
            last = max((r.ts_ms for r in part if r.ts_ms is not None), default=None)
            told.append(
                Told(
                    key,
                    name,
                    fold(part, received_ts_ms=received_ts_ms),
                    about,
                    part,
                    clock_skew_ms(part),
                    is_open=last is None or latest_ts_ms is None or last + timeout_ms >= latest_ts_ms,
                    stands_for=frozenset(known),
                )
            )
    return told


def _joined(kept: Sequence[Open], group: Group) -> tuple[list[Report], About, dict[int, str]]:
    """Reports kept and new in one order, what is known of the client, and the session of each report kept."""
    if not kept:
        return group.reports, group.about, {}
    reports: list[Report] = []
    about = About()
    ids: dict[int, str] = {}
    for session in kept:
        about.add(session.about)
        ids |= dict.fromkeys(range(len(reports), len(reports) + len(session.reports)), session.session_id)
        reports += session.reports
    about.add(group.about)
    return [replace(r, order=order) for order, r in enumerate([*reports, *group.reports])], about, ids


def _in_line(reports: Sequence[Report], about: About) -> list[Report]:
    on_clock, moved_ms = on_one_clock(reports)
    once = without_doubles(in_order(on_clock))
    about.flags |= {"clock_moved"} if moved_ms is not None else set()
    about.flags |= {"doubles_dropped"} if len(once) < len(reports) else set()
    return once


def days_of(instants_ms: Collection[int]) -> tuple[dt.date, dt.date] | None:
    """The UTC days of all of them and one more on either side; None without any."""
    if not instants_ms:
        return None
    first, last = (dt.datetime.fromtimestamp(f(instants_ms) / 1000, dt.UTC).date() for f in (min, max))
    return first - dt.timedelta(days=1), last + dt.timedelta(days=1)


def _ids_in(lake: Lake, groups: Mapping[str, Group]) -> set[str]:
    """Those keys that the lake has as session ids, around the days of the groups."""
    instants = [r.ts_ms for group in groups.values() for r in group.reports if r.ts_ms is not None]
    days = days_of(instants)
    rows = lake.scan("playback_session").filter(pl.col("session_id").is_in(list(groups)))
    if days is not None:
        rows = rows.filter(pl.col("day").is_between(*days))
    return set(rows.select("session_id").collect()["session_id"])


def _new_id(lake: Lake, key: str, part: Sequence[Report], taken: set[str]) -> str:
    if key not in taken:
        return key
    first = next((r.ts_ms for r in part if r.ts_ms is not None), None)
    return hash_id(f"{key}#{first if first is not None else len(taken)}", lake.key)
